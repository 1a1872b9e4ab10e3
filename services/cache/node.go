package cache

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

const (
	// timeout bounds each exchange with a node.
	timeout = 100 * time.Millisecond
	// pause is how long a node is left alone after it failed. Then one request
	// tries it, while the others still pass it by.
	pause = time.Second
	idle  = 64 // connections kept to a node
)

var errPaused = errors.New("node is left alone for a while")

// node is one memcached with a client of its own, so that what fails there costs
// nothing elsewhere.
type node struct {
	addr   string
	seed   uint64
	client *memcache.Client
	// retry is when a failed node may be tried again, in Unix nanoseconds; 0 for a
	// node that answers.
	retry atomic.Int64
}

func newNode(addr string) *node {
	n := &node{addr: addr, seed: hash(addr)}
	n.client = memcache.NewFromSelector(n)
	n.client.Timeout = timeout
	n.client.MaxIdleConns = idle
	return n
}

// weight ranks the nodes for a key; the highest holds it.
func (n *node) weight(key string) uint64 {
	// The finalizer of MurmurHash3: it spreads what FNV leaves alike between nodes.
	h := hash(key) ^ n.seed
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// do calls f unless the node is left alone. An absent key is no failure.
func (n *node) do(f func(*memcache.Client) error) error {
	retry := n.retry.Load()
	if retry != 0 {
		now := time.Now()
		if now.UnixNano() < retry || !n.retry.CompareAndSwap(retry, now.Add(pause).UnixNano()) {
			return errPaused
		}
	}
	err := f(n.client)
	switch {
	case err == nil, errors.Is(err, memcache.ErrCacheMiss):
		if retry != 0 {
			n.retry.Store(0)
		}
		return nil
	case errors.Is(err, memcache.ErrMalformedKey):
		return err // the caller's, not the node's
	}
	n.retry.Store(time.Now().Add(pause).UnixNano())
	// Its idle connections are dead too; each would fail another request later.
	n.client.Close()
	return err
}

// A node is the memcache.ServerSelector that always selects it, and its own
// address, so that the name is resolved anew at each dial.

func (n *node) PickServer(string) (net.Addr, error) { return n, nil }
func (n *node) Each(f func(net.Addr) error) error   { return f(n) }
func (n *node) Network() string                     { return "tcp" }
func (n *node) String() string                      { return n.addr }
