package cache

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// timeout bounds the dialling of a node and each answer of it.
	timeout = 100 * time.Millisecond
	// pause is how long a node is left alone after it failed. Then one request
	// tries it, while the others still pass it by.
	pause = time.Second
	// links is how many connections a process keeps to a node. Few, so that requests
	// that come at once share a write and a read; more than one, because a node serves
	// each connection by one thread.
	links = 2
)

var errPaused = errors.New("node is left alone for a while")

// node is one memcached, with connections of its own, so that what fails there
// costs nothing elsewhere.
type node struct {
	addr    string
	seed    uint64
	timeout time.Duration
	dial    func(addr string, timeout time.Duration) (net.Conn, error)
	// retry is when a failed node may be tried again, in Unix nanoseconds; 0 for a
	// node that answers.
	retry atomic.Int64

	turn   atomic.Uint32
	mu     sync.Mutex // of links, not held while dialling
	links  [links]*link
	closed bool
}

func newNode(addr string) *node {
	return &node{addr: addr, seed: hash(addr), timeout: timeout, dial: dial}
}

func dial(addr string, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", addr, timeout)
}

// weight ranks the nodes for a key of that hash; the highest holds it.
func (n *node) weight(hash uint64) uint64 {
	// The finalizer of MurmurHash3: it spreads what FNV leaves alike between nodes.
	h := hash ^ n.seed
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// begin sends a call, unless the node is left alone or cannot be reached: then it ends
// the call at once.
func (n *node) begin(c *call) {
	c.node = n
	retry := n.retry.Load()
	if retry != 0 {
		now := time.Now()
		if now.UnixNano() < retry || !n.retry.CompareAndSwap(retry, now.Add(pause).UnixNano()) {
			c.finish(errPaused)
			return
		}
		c.trial = true
	}
	l, err := n.link()
	if err != nil {
		c.finish(err)
		return
	}
	l.send(c)
}

// ended learns from the end of a call how the node is.
func (n *node) ended(c *call, err error) {
	switch {
	case err == nil && c.trial:
		n.retry.Store(0)
	case err != nil && !errors.Is(err, errPaused):
		n.retry.Store(time.Now().Add(pause).UnixNano())
	}
}

// link is one of the connections in turn; one that has ended is dialled anew.
func (n *node) link() (*link, error) {
	i := n.turn.Add(1) % links
	n.mu.Lock()
	l, closed := n.links[i], n.closed
	n.mu.Unlock()
	switch {
	case closed:
		return nil, net.ErrClosed
	case l != nil && !l.ended():
		return l, nil
	}
	conn, err := n.dial(n.addr, n.timeout)
	if err != nil {
		return nil, err
	}
	fresh := newLink(conn, n)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch other := n.links[i]; {
	case n.closed:
		conn.Close()
		return nil, net.ErrClosed
	case other != l && other != nil: // somebody else dialled, too
		conn.Close()
		return other, nil
	}
	n.links[i] = fresh
	return fresh, nil
}

func (n *node) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, l := range n.links {
		if l != nil {
			l.conn.Close()
		}
	}
}
