// Package cache keeps what is read often in memcached, aside the databases: a
// Table reads through it.
//
// A node that is dead, slow or restarted is a miss, never an error, and costs its
// callers no timeout each. What a reader has loaded is kept only if nobody has
// forgotten it since the reader asked the node: Forget leaves a mark behind, which
// outlives every load that it might race with. So a value is never older than its
// table's TTL, and older than the last Forget only if the node did not get that.
package cache

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/burbn/burbn/services/id"
)

// The names of the tables that more than one kind of process touches. A change of
// what a table's values mean changes its name.
const (
	Users    = "user3"
	Media    = "media3"
	Barriers = "barriers1"
)

// What an entry's flags say.
const (
	// absent marks an entry that says that there is nothing to load.
	absent = 1
	// forgotten marks one whose value must be loaded anew.
	forgotten = 2
)

// mark is how long a forgotten entry stays marked: longer than a load takes.
const mark = 2 * loading

// Cache is the memcached nodes, each key on one of them by rendezvous hashing: a
// node added or removed moves only the keys that it gains or loses. Its methods
// may be called by many goroutines.
type Cache struct {
	nodes    []*node
	requests *prometheus.CounterVec
	counters sync.Map // by table
}

// Open returns the cache of the nodes, host:port each; with none, everything is a
// miss. It dials nothing yet.
func Open(nodes []string, reg prometheus.Registerer) *Cache {
	c := &Cache{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "burbn_cache_requests_total",
		Help: "Keys asked of memcached, by kind and result.",
	}, []string{"kind", "result"})}
	reg.MustRegister(c.requests)
	for _, addr := range nodes {
		c.nodes = append(c.nodes, newNode(addr))
	}
	return c
}

// Close lets go of the connections.
func (c *Cache) Close() error {
	for _, n := range c.nodes {
		n.close()
	}
	return nil
}

// Forget makes the next read of a table's entries load them. A node that does not
// answer keeps its entries, for the table's TTL at most.
func (c *Cache) Forget(_ context.Context, table string, ids ...id.ID) {
	forget(c, table, ids)
}

func forget[K Key](c *Cache, table string, keys []K) {
	var wg sync.WaitGroup
	for _, k := range keys {
		key := appendKey(nil, table, k)
		c.begin(&wg, key, store(nil, "set", key, forgotten, mark, nil, 0))
	}
	wg.Wait()
}

// begin sends a command that stores something under key; wg waits for its answer.
func (c *Cache) begin(wg *sync.WaitGroup, key, command []byte) {
	if n := c.node(key); n != nil {
		wg.Add(1)
		n.begin(&call{command: command, done: func(error) { wg.Done() }})
	}
}

// store appends a command to b that stores a value, of a version if that is not 0.
func store(b []byte, verb string, key []byte, flags uint32, ttl time.Duration, value []byte, version uint64) []byte {
	b = append(append(append(b, verb...), ' '), key...)
	b = strconv.AppendUint(append(b, ' '), uint64(flags), 10)
	// Whole seconds, where 0 would be for ever.
	b = strconv.AppendInt(append(b, ' '), max(1, int64(ttl/time.Second)), 10)
	b = strconv.AppendInt(append(b, ' '), int64(len(value)), 10)
	if version != 0 {
		b = strconv.AppendUint(append(b, ' '), version, 10)
	}
	b = append(append(b, "\r\n"...), value...)
	return append(b, "\r\n"...)
}

// node is the one that holds a key; nil if there is none at all.
func (c *Cache) node(key []byte) *node {
	var best *node
	var highest uint64
	h := hash(key)
	for _, n := range c.nodes {
		if w := n.weight(h); best == nil || w > highest {
			best, highest = n, w
		}
	}
	return best
}

// counts are the counters of one table's keys.
type counts struct{ hit, miss, failed prometheus.Counter }

func (c *Cache) count(table string) *counts {
	if n, ok := c.counters.Load(table); ok {
		return n.(*counts)
	}
	of := func(result string) prometheus.Counter { return c.requests.WithLabelValues(table, result) }
	n, _ := c.counters.LoadOrStore(table, &counts{of("hit"), of("miss"), of("error")})
	return n.(*counts)
}

func appendKey[K Key](b []byte, table string, k K) []byte {
	b = append(append(b, table...), ':')
	switch k := any(k).(type) {
	case id.ID:
		return strconv.AppendInt(b, int64(k), 36)
	case string:
		return append(b, k...)
	}
	panic("unreachable: Key has no other type")
}

// hash is FNV-1a.
func hash[T string | []byte](text T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}
