// Package cache keeps what is read often in memcached, aside the databases: a
// Table reads through it.
//
// A node that is dead, slow or restarted is a miss, never an error, and costs its
// callers no timeout each. The package deliberately does not keep the cache equal
// to the databases: a reader that loads while another process writes may put the
// older value back, and then it stays for the table's TTL. So only put in a table
// what may be that old.
package cache

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/burbn/burbn/services/id"
)

// The names of the tables that more than one kind of process touches. A change of
// what a table's values mean changes its name.
const (
	Users = "user1"
	Media = "media1"
)

// Cache is the memcached nodes, each key on one of them by rendezvous hashing: a
// node added or removed moves only the keys that it gains or loses. Its methods
// may be called by many goroutines.
type Cache struct {
	nodes    []*node
	requests *prometheus.CounterVec
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
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.client.Close())
	}
	return errors.Join(errs...)
}

// Forget removes the entries of a table, so that the next read loads them. A node
// that does not answer keeps its entries, for the table's TTL at most.
func (c *Cache) Forget(_ context.Context, table string, ids ...id.ID) {
	for _, i := range ids {
		c.forget(key(table, i))
	}
}

func (c *Cache) forget(key string) {
	if n := c.node(key); n != nil {
		n.do(func(m *memcache.Client) error { return m.Delete(key) })
	}
}

// node is the one that holds a key; nil if there is none at all.
func (c *Cache) node(key string) *node {
	var best *node
	var highest uint64
	for _, n := range c.nodes {
		if w := n.weight(key); best == nil || w > highest {
			best, highest = n, w
		}
	}
	return best
}

// getMany asks the nodes in parallel and counts what they answer.
func (c *Cache) getMany(table string, keys []string) map[string]*memcache.Item {
	byNode := map[*node][]string{}
	for _, k := range keys {
		if n := c.node(k); n != nil {
			byNode[n] = append(byNode[n], k)
		}
	}
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		found  = make(map[string]*memcache.Item, len(keys))
		failed int
	)
	ask := func(n *node, keys []string) {
		var items map[string]*memcache.Item
		err := n.do(func(m *memcache.Client) (err error) {
			items, err = m.GetMulti(keys)
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed += len(keys)
			return
		}
		for k, item := range items {
			found[k] = item
		}
	}
	for n, keys := range byNode {
		if len(byNode) == 1 {
			ask(n, keys)
			break
		}
		wg.Go(func() { ask(n, keys) })
	}
	wg.Wait()
	count := func(result string, n int) {
		if n > 0 {
			c.requests.WithLabelValues(table, result).Add(float64(n))
		}
	}
	count("hit", len(found))
	count("error", failed)
	count("miss", len(keys)-len(found)-failed)
	return found
}

func (c *Cache) set(item *memcache.Item) {
	if n := c.node(item.Key); n != nil {
		n.do(func(m *memcache.Client) error { return m.Set(item) })
	}
}

func key[K Key](table string, k K) string {
	switch k := any(k).(type) {
	case id.ID:
		return table + ":" + strconv.FormatInt(int64(k), 36)
	case string:
		return table + ":" + k
	}
	panic("unreachable: Key has no other type")
}

// ttl is a lifetime as memcached takes it: whole seconds, where 0 would be for
// ever.
func ttl(d time.Duration) int32 { return max(1, int32(d/time.Second)) }

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
