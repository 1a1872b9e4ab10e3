package shard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
)

func Example() {
	m := shard.Map{Count: 4096, Databases: []shard.Database{
		{Name: "postgres-01", First: 0, Last: 2047},
		{Name: "postgres-02", First: 2048, Last: 4095},
	}}
	if err := m.Validate(); err != nil {
		fmt.Println(err)
	}
	n := m.ForName("kevin")
	fmt.Println(n.Schema(), "in", m.Databases[m.Database(n)].Name)
	// Output: shard_3922 in postgres-02
}

func db(name string, first, last shard.Number) shard.Database {
	return shard.Database{Name: name, First: first, Last: last}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		m    shard.Map
		want []string // one for each problem
	}{
		"one":          {shard.Map{Count: 1, Databases: []shard.Database{db("a", 0, 0)}}, nil},
		"all":          {shard.Map{Count: 8192, Databases: []shard.Database{db("a", 0, 8191)}}, nil},
		"three":        {shard.Map{Count: 8, Databases: []shard.Database{db("a", 0, 0), db("b", 1, 6), db("c", 7, 7)}}, nil},
		"nothing":      {shard.Map{}, []string{"0 logical shards: accepted is a power of two from 1 to 8192", "no database"}},
		"odd count":    {shard.Map{Count: 6, Databases: []shard.Database{db("a", 0, 5)}}, []string{"6 logical shards: accepted"}},
		"too many":     {shard.Map{Count: 16384, Databases: []shard.Database{db("a", 0, 16383)}}, []string{"16384 logical shards: accepted"}},
		"negative":     {shard.Map{Count: -4, Databases: []shard.Database{db("a", 0, 3)}}, []string{"-4 logical shards", "shards -4-3 do not exist"}},
		"no name":      {shard.Map{Count: 1, Databases: []shard.Database{db("", 0, 0)}}, []string{`database "": the name must be given, once`}},
		"name twice":   {shard.Map{Count: 2, Databases: []shard.Database{db("a", 0, 0), db("a", 1, 1)}}, []string{`database "a": the name`}},
		"gap":          {shard.Map{Count: 8, Databases: []shard.Database{db("a", 0, 1), db("b", 4, 7)}}, []string{"database b: shards 2-3 are held by no database"}},
		"gap at first": {shard.Map{Count: 8, Databases: []shard.Database{db("a", 1, 7)}}, []string{"database a: shards 0-0 are held by no database"}},
		"gap at last":  {shard.Map{Count: 8, Databases: []shard.Database{db("a", 0, 5)}}, []string{"shards 6-7 are held by no database"}},
		"overlap":      {shard.Map{Count: 8, Databases: []shard.Database{db("a", 0, 5), db("b", 4, 7)}}, []string{"database b: shards 4-5 are held by an earlier database too"}},
		"within":       {shard.Map{Count: 8, Databases: []shard.Database{db("a", 0, 7), db("b", 2, 3)}}, []string{"database b: shards 2-3 are held by an earlier database too"}},
		"unordered":    {shard.Map{Count: 4, Databases: []shard.Database{db("b", 2, 3), db("a", 0, 1)}}, []string{"database b: shards 0-1", "database a: shards 0-1"}},
		"backwards":    {shard.Map{Count: 4, Databases: []shard.Database{db("a", 0, 3), db("b", 3, 2)}}, []string{"database b: shards 3-2 run backwards"}},
		"beyond":       {shard.Map{Count: 4, Databases: []shard.Database{db("a", 0, 7)}}, []string{"shards 4-7 do not exist: there are 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			if err := c.m.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(c.want) {
				t.Fatalf("Validate = %q, want %q", got, c.want)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("Validate = %q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[shard.Number]string{0: "shard_0000", 42: "shard_0042", 8191: "shard_8191"} {
		if got := n.Schema(); got != want {
			t.Errorf("Schema of %d = %s, want %s", n, got, want)
		}
		if got := shard.Of(id.Make(id.Epoch, uint16(n), 7)); got != n {
			t.Errorf("Of = %d, want %d", got, n)
		}
	}
}

// TestForName: where a name was claimed, it is looked for, in every release.
func TestForName(t *testing.T) {
	m := shard.Map{Count: 4096}
	for name, want := range map[string]shard.Number{"kevin": 3922, "mike": 1191, "a": 2348} {
		if got := m.ForName(name); got != want {
			t.Errorf("ForName(%s) = %d, want %d", name, got, want)
		}
	}
	// 40,960 names of one pattern spread over the shards.
	on := make([]int, 4096)
	for i := range 10 * len(on) {
		on[m.ForName(fmt.Sprintf("user.%d", i))]++
	}
	for n, count := range on {
		if count > 50 {
			t.Errorf("shard %d has %d names, and the mean is 10", n, count)
		}
	}
}

// FuzzMap: a map that Validate accepts holds every shard exactly once, Database
// finds where, and one that it refuses does not.
func FuzzMap(f *testing.F) {
	f.Add(8, []byte{0, 3, 4, 7})
	f.Add(8, []byte{0, 3, 3, 7})
	f.Add(8, []byte{0, 3, 5, 7})
	f.Add(8, []byte{4, 7, 0, 3})
	f.Add(1, []byte{0, 0})
	f.Add(256, []byte{0, 255})
	f.Fuzz(func(t *testing.T, count int, bounds []byte) {
		if count > 256 {
			count %= 257
		}
		m := shard.Map{Count: count}
		for i := 0; i+1 < len(bounds); i += 2 {
			m.Databases = append(m.Databases, db(fmt.Sprint(i), shard.Number(bounds[i]), shard.Number(bounds[i+1])))
		}
		once := count > 0 && count&(count-1) == 0 && len(m.Databases) > 0
		next := 0
		for _, d := range m.Databases {
			once = once && int(d.First) == next && d.First <= d.Last
			next = int(d.Last) + 1
		}
		once = once && next == count
		if err := m.Validate(); (err == nil) != once {
			t.Fatalf("Validate of %+v = %v", m, err)
		}
		if !once {
			return
		}
		for n := range shard.Number(count) {
			d := m.Databases[m.Database(n)]
			if n < d.First || n > d.Last {
				t.Fatalf("Database(%d) of %+v = %s", n, m, d.Name)
			}
		}
		if got := m.Database(shard.Number(count)); got != -1 {
			t.Fatalf("Database(%d) of %+v = %d, want -1", count, m, got)
		}
	})
}
