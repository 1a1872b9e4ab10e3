package id_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
)

func Example() {
	i := id.Make(time.Date(2026, time.November, 22, 7, 30, 0, 0, time.UTC), 1234, 5)
	fmt.Println(i)
	fmt.Println(i.Time(), "on logical shard", i.Shard())
	// Output:
	// 235778605057263621
	// 2026-11-22 07:30:00 +0000 UTC on logical shard 1234
}

func TestMake(t *testing.T) {
	last := id.Epoch.Add((1<<40 - 1) * time.Millisecond)
	for name, c := range map[string]struct {
		at       time.Time
		shard    uint16
		sequence uint16
		want     id.ID
	}{
		"first":            {id.Epoch, 0, 0, 0},
		"sequence":         {id.Epoch, 0, 1023, 1023},
		"sequence wraps":   {id.Epoch, 0, 1025, 1},
		"shard":            {id.Epoch, 8191, 0, 8191 << 10},
		"time":             {id.Epoch.Add(time.Millisecond), 0, 0, 1 << 23},
		"below a ms":       {id.Epoch.Add(time.Millisecond + 999*time.Microsecond), 0, 0, 1 << 23},
		"last of the last": {last, 8191, 1023, math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			got := id.Make(c.at, c.shard, c.sequence)
			if got != c.want {
				t.Errorf("Make = %d, want %d", got, c.want)
			}
			if !got.Time().Equal(c.at.Truncate(time.Millisecond)) || got.Shard() != c.shard {
				t.Errorf("parts are %s, %d", got.Time(), got.Shard())
			}
		})
	}
	if last.Year() != 2060 || last.Month() != time.November {
		t.Errorf("ids last until %s, and the doc comment says November 2060", last)
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]id.ID{"1": 1, "235778605057263621": 235778605057263621, "9223372036854775807": math.MaxInt64} {
		if got, err := id.Parse(s); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "01", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", "١", "one", "9223372036854775808", "10000000000000000000"} {
		if got, err := id.Parse(s); !errors.Is(err, id.ErrMalformed) || got != 0 {
			t.Errorf("Parse(%q) = %d, %v, want ErrMalformed", s, got, err)
		}
	}
}

func TestJSON(t *testing.T) {
	type document struct {
		ID    id.ID            `json:"id"`
		Names map[id.ID]string `json:"names"`
	}
	want := `{"id":"9223372036854775807","names":{"12":"kevin"}}`
	var d document
	if err := json.Unmarshal([]byte(want), &d); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(d); err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	for _, bad := range []string{`{"id":12}`, `{"id":"x"}`, `{"id":""}`, `{"names":{"-1":""}}`} {
		if err := json.Unmarshal([]byte(bad), &d); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestSQL(t *testing.T) {
	v, err := id.ID(12).Value()
	if err != nil || v != int64(12) {
		t.Errorf("Value = %v, %v", v, err)
	}
	var i id.ID
	if err := i.Scan(v); err != nil || i != 12 {
		t.Errorf("Scan = %d, %v", i, err)
	}
	for _, bad := range []any{nil, "12", 1.5} {
		if err := i.Scan(bad); err == nil {
			t.Errorf("scanned %T", bad)
		}
	}
}

// FuzzParse: Parse accepts exactly what String writes of positive numbers.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "0", "1", "01", "-5", "9223372036854775807", "9223372036854775808", "1\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := strconv.ParseInt(s, 10, 64)
		canonical := err == nil && n > 0 && strconv.FormatInt(n, 10) == s
		got, err := id.Parse(s)
		if (err == nil) != canonical || (canonical && (int64(got) != n || got.String() != s)) {
			t.Errorf("Parse(%q) = %d, %v", s, got, err)
		}
	})
}
