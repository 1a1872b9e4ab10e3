package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/store/storetest"
)

// cost is what the answer to a request waits for: round trips to PostgreSQL, to Redis and
// to memcached. What is sent at once to several databases is counted for each of them.
// What memcached is told for later is not waited for.
type cost [3]int64

func (c cost) String() string { return fmt.Sprintf("%d %d %d", c[0], c[1], c[2]) }

// each is a cost whose parts are those of c and o that pick picks.
func (c cost) each(o cost, pick func(int64, int64) int64) cost {
	for i := range c {
		c[i] = pick(c[i], o[i])
	}
	return c
}

func least(a, b int64) int64 { return min(a, b) }
func most(a, b int64) int64  { return max(a, b) }

// price is what an operation costs at most: with nothing in memcached, and, if it reads,
// when everything is there.
type price struct{ cold, warm cost }

const priceList = "testdata/trips.txt"

const priceHead = `# What the answer to each operation waits for at most: round trips to PostgreSQL, Redis and
# memcached, with nothing in memcached (cold), and for what reads with everything there
# (warm). To be written anew by: go test ./services/api -run TestTrips -update
`

// TestTrips counts the round trips of every operation, so that none grows slower unnoticed.
// Lists have several items, so that a round trip for each would be seen.
func TestTrips(t *testing.T) {
	counted := &till{}
	doc, sec := apiSettings(t, cluster)
	doc.Pooler = storetest.CountTrips(t, doc.Pooler, &counted.postgres)
	doc.ConnectionsPerDatabase = 1
	memcached := cachetest.NewMemcached(t, 1)[0]
	doc.Memcached = []string{counted.memcached(t, memcached.Addr)}
	w := startWorld(t, doc, sec)
	w.redis.AddHook(&counted.redis)
	dbs := map[string]*pgx.Conn{}
	for _, db := range w.doc.Shards.Databases {
		dbs[db.Name] = databases.Owner(t, db.Name)
	}

	want, got := prices(t), map[string]price{}
	_, d := openapi(t)
	for path, methods := range d.Paths {
		for method, op := range methods {
			t.Run(op.OperationID, func(t *testing.T) {
				rounds := 1
				if *update {
					rounds = 8 // who is in the same database as whom differs
				}
				var p price
				for range rounds {
					r := rules[op.OperationID]
					from, at, body := (*client)(nil), path, r.body
					if sample := samples[op.OperationID]; sample != nil {
						from, at, body = sample(t, w)
						at = cmp.Or(at, path)
					} else {
						standing := "follower"
						if r.about == "author" || r.about == "self" {
							standing = "owner"
						}
						s := newScene(t, w, dbs, standing)
						s.crowd(t)
						from, at, body = s.asker, s.path(t, r, path), s.fill(r.body)
					}
					once := func() cost {
						before := counted.read()
						send(t, from.request(t, w.url, "", strings.ToUpper(method), at, body)).is(t, op.success(t))
						return counted.read().each(before, func(a, b int64) int64 { return a - b })
					}
					flush(t, memcached.Addr)
					p.cold = p.cold.each(once(), most)
					if method != "get" {
						continue
					}
					warm := once()
					for range 5 { // values are cached after the answer
						warm = warm.each(once(), least)
					}
					p.warm = p.warm.each(warm, most)
				}
				got[op.OperationID] = p
				if *update {
					return
				}
				limit, ok := want[op.OperationID]
				if !ok {
					t.Fatalf("costs %v, %v and is not in %s", p.cold, p.warm, priceList)
				}
				if p.cold.each(limit.cold, most) != limit.cold || p.warm.each(limit.warm, most) != limit.warm {
					t.Errorf("costs %v cold, %v warm; %s says %v and %v", p.cold, p.warm, priceList, limit.cold, limit.warm)
				}
			})
		}
	}
	if *update {
		writePrices(t, got)
	}
}

// crowd makes the scene's lists have several items.
func (s *scene) crowd(t *testing.T) {
	t.Helper()
	for range 3 {
		s.ready(t, s.owner.post(t, ""))
		other := s.client(t)
		s.at(t, s.owner.user, `INSERT INTO shard.followers (user_id, follower_id, created_at) VALUES ($1, $2, now())`, s.owner.user, other.user)
		s.at(t, other.user, `INSERT INTO shard.following (user_id, target_id) VALUES ($1, $2)`, other.user, s.owner.user)
		s.at(t, s.owner.user, `INSERT INTO shard.likes (media_id, user_id) VALUES ($1, $2)`, s.photo, other.user)
	}
}

func prices(t *testing.T) map[string]price {
	t.Helper()
	b, err := os.ReadFile(priceList)
	if err != nil && !*update {
		t.Fatal(err)
	}
	all := map[string]price{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Fields(line)
		if len(cells) == 0 || cells[0] == "#" {
			continue
		}
		var p price
		for n, to := range []*int64{&p.cold[0], &p.cold[1], &p.cold[2], &p.warm[0], &p.warm[1], &p.warm[2]} {
			if n+1 >= len(cells) {
				break
			}
			if *to, err = strconv.ParseInt(cells[n+1], 10, 64); err != nil {
				t.Fatalf("%s: %q: %v", priceList, line, err)
			}
		}
		all[cells[0]] = p
	}
	return all
}

func writePrices(t *testing.T, all map[string]price) {
	t.Helper()
	var b strings.Builder
	b.WriteString(priceHead)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p := all[name]
		line := fmt.Sprintf("%-22s %-8s", name, p.cold)
		if p.warm != (cost{}) {
			line += p.warm.String()
		}
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	if err := os.WriteFile(priceList, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// till counts round trips.
type till struct {
	postgres, cached atomic.Int64
	redis            trips
}

func (c *till) read() cost { return cost{c.postgres.Load(), c.redis.n.Load(), c.cached.Load()} }

// memcached proxies connections to a node.
func (c *till) memcached(t *testing.T, to string) (addr string) {
	t.Helper()
	return processtest.Proxy(t, to, func(node io.Writer, client net.Conn) { c.forward(node, bufio.NewReader(client)) })
}

// forward sends on what a client says, until it ends. Commands that come together are one
// round trip.
func (c *till) forward(node io.Writer, client *bufio.Reader) {
	counted := false
	for {
		if client.Buffered() == 0 {
			counted = false
		}
		line, err := client.ReadString('\n')
		if err != nil {
			return
		}
		message := []byte(line)
		if words := strings.Fields(line); len(words) > 4 && slices.Contains([]string{"set", "add", "cas"}, words[0]) {
			size, err := strconv.Atoi(words[4])
			if err != nil {
				return
			}
			message = append(message, make([]byte, size+2)...)
			if _, err := io.ReadFull(client, message[len(line):]); err != nil {
				return
			}
		} else if !counted {
			counted = true
			c.cached.Add(1)
		}
		if _, err := node.Write(message); err != nil {
			return
		}
	}
}

// flush empties a memcached node.
func flush(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "flush_all\r\n")
	if said, err := bufio.NewReader(c).ReadString('\n'); said != "OK\r\n" {
		t.Fatalf("flush memcached: %q, %v", said, err)
	}
}
