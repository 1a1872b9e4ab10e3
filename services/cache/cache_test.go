package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/id"
)

func open(t testing.TB, nodes int) (*Cache, []*cachetest.Server) {
	t.Helper()
	servers := cachetest.NewMemcached(t, nodes)
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	c := Open(addrs, prometheus.NewRegistry())
	t.Cleanup(func() { c.Close() })
	for _, n := range c.nodes {
		n.timeout = 10 * time.Second // a machine that is busy is no node that fails
	}
	return c, servers
}

// dials counts the connections that are made to a node from now on. One that has failed
// keeps none, so that each try makes one.
func dials(n *node) *atomic.Int64 {
	var made atomic.Int64
	n.dial = func(addr string, timeout time.Duration) (net.Conn, error) {
		made.Add(1)
		return dial(addr, timeout)
	}
	return &made
}

// squares is a table whose values are the squares of its keys; odd keys above 100
// have none.
type squares struct {
	*Table[id.ID, int64]
	asked atomic.Int64 // keys that were loaded
	calls atomic.Int64
}

func newSquares(c *Cache) *squares {
	s := &squares{}
	s.Table = &Table[id.ID, int64]{Cache: c, Name: "squares", TTL: time.Minute, Absent: time.Minute,
		Load: func(_ context.Context, keys []id.ID) (map[id.ID]int64, error) {
			s.calls.Add(1)
			s.asked.Add(int64(len(keys)))
			values := map[id.ID]int64{}
			for _, k := range keys {
				if k < 100 || k%2 == 0 {
					values[k] = int64(k * k)
				}
			}
			return values, nil
		}}
	return s
}

// settled waits until a load's values are cached, which its readers do not.
func (s *squares) settled(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s.mu.Lock()
		n := len(s.loads)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("loads do not end")
		}
	}
}

func (s *squares) want(t *testing.T, keys []id.ID, loaded int64) {
	t.Helper()
	before := s.asked.Load()
	values, err := s.GetMany(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		v, ok := values[k]
		if want := k < 100 || k%2 == 0; ok != want || ok && v != int64(k*k) {
			t.Errorf("value of %s = %d, %t", k, v, ok)
		}
	}
	s.settled(t)
	if got := s.asked.Load() - before; got != loaded {
		t.Errorf("%d keys were loaded, want %d", got, loaded)
	}
}

func results(c *Cache) string {
	var parts []string
	for _, result := range []string{"hit", "miss", "error"} {
		parts = append(parts, fmt.Sprintf("%s %.0f", result, testutil.ToFloat64(c.requests.WithLabelValues("squares", result))))
	}
	return strings.Join(parts, ", ")
}

func TestReadThrough(t *testing.T) {
	c, _ := open(t, 3)
	s := newSquares(c)
	keys := []id.ID{1, 2, 3, 101, 102, 1 << 62}
	s.want(t, keys, 6)
	s.want(t, keys, 0)
	s.want(t, append(keys, 4), 1)
	if got, want := results(c), "hit 12, miss 7, error 0"; got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
	s.Forget(2, 101)
	s.want(t, keys, 2)
	c.Forget(t.Context(), "squares", 3)
	s.want(t, keys, 1)
	if _, ok, err := s.Get(t.Context(), 101); ok || err != nil {
		t.Errorf("an absent value: %t, %v", ok, err)
	}
	s.want(t, nil, 0)
}

func TestKeep(t *testing.T) {
	c, _ := open(t, 1)
	s := newSquares(c)
	s.Keep = func(v int64) bool { return v > 10 }
	s.want(t, []id.ID{2, 9}, 2)
	s.want(t, []id.ID{2, 9}, 1)
}

func TestNoNodes(t *testing.T) {
	s := newSquares(Open(nil, prometheus.NewRegistry()))
	s.want(t, []id.ID{1, 2}, 2)
	s.want(t, []id.ID{1, 2}, 2)
	s.Forget(1)
}

func TestLoadFails(t *testing.T) {
	c, _ := open(t, 1)
	table := &Table[id.ID, int]{Cache: c, Name: "broken", TTL: time.Minute}
	boom := errors.New("no database")
	table.Load = func(context.Context, []id.ID) (map[id.ID]int, error) { return nil, boom }
	if _, _, err := table.Get(t.Context(), 1); !errors.Is(err, boom) {
		t.Errorf("error = %v", err)
	}
	table.Load = func(context.Context, []id.ID) (map[id.ID]int, error) { panic("a bug") }
	if _, _, err := table.Get(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("error of a panic = %v", err)
	}
}

// Any number of readers that miss a key at once cost one load, and one that gives
// up does not take the others with it.
func TestReadersShareALoad(t *testing.T) {
	c, _ := open(t, 1)
	release := make(chan struct{})
	s := newSquares(c)
	load := s.Load
	s.Load = func(ctx context.Context, keys []id.ID) (map[id.ID]int64, error) {
		<-release
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return load(ctx, keys)
	}
	first, giveUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, _, err := s.Get(first, 5)
		gone <- err
	}()
	waiting := func(n int) {
		for deadline := time.Now().Add(10 * time.Second); testutil.ToFloat64(c.requests.WithLabelValues("squares", "miss")) < float64(n); {
			if time.Now().After(deadline) {
				t.Fatal("the readers do not come")
			}
		}
	}
	waiting(1)
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	values := make(chan int64)
	for range 20 {
		go func() {
			v, _, err := s.Get(t.Context(), 5)
			if err != nil {
				t.Error(err)
			}
			values <- v
		}()
	}
	waiting(21)
	close(release)
	for range 20 {
		if v := <-values; v != 25 {
			t.Errorf("value = %d", v)
		}
	}
	if n := s.calls.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
}

// What was forgotten while it was being loaded is answered to those who waited and
// not cached.
func TestForgetDuringLoad(t *testing.T) {
	c, _ := open(t, 1)
	var version atomic.Int64
	begun, release := make(chan struct{}, 1), make(chan struct{})
	table := &Table[id.ID, int64]{Cache: c, Name: "versions", TTL: time.Minute,
		Load: func(_ context.Context, keys []id.ID) (map[id.ID]int64, error) {
			v := version.Load()
			begun <- struct{}{}
			<-release
			return map[id.ID]int64{1: v}, nil
		}}
	old := make(chan int64)
	go func() {
		v, _, _ := table.Get(t.Context(), 1)
		old <- v
	}()
	<-begun
	version.Store(1)
	table.Forget(1)
	fresh := make(chan int64)
	go func() {
		v, _, _ := table.Get(t.Context(), 1)
		fresh <- v
	}()
	<-begun // the reader that came after Forget does not wait for the old load
	close(release)
	if v := <-old; v != 0 {
		t.Errorf("who asked before got %d", v)
	}
	if v := <-fresh; v != 1 {
		t.Errorf("who asked after got %d", v)
	}
	for range 20 {
		if v, _, _ := table.Get(t.Context(), 1); v != 1 {
			t.Errorf("the cache has %d", v)
		}
		select {
		case <-begun: // it may have been asked before it was cached
		default:
		}
	}
}

// What was loaded before another process forgot it is not kept by the one that loaded it.
func TestForgetElsewhereDuringLoad(t *testing.T) {
	here, servers := open(t, 1)
	elsewhere := Open([]string{servers[0].Addr}, prometheus.NewRegistry())
	t.Cleanup(func() { elsewhere.Close() })
	var version atomic.Int64
	for _, kept := range []bool{false, true} { // whether there is an entry when the load begins
		table := &Table[id.ID, int64]{Cache: here, Name: fmt.Sprintf("versions%t", kept), TTL: time.Minute}
		old := version.Load()
		begun, release := make(chan struct{}), make(chan struct{})
		table.Load = func(context.Context, []id.ID) (map[id.ID]int64, error) {
			begun <- struct{}{}
			<-release
			return map[id.ID]int64{1: old}, nil
		}
		if kept {
			elsewhere.Forget(t.Context(), table.Name, 1)
		}
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			if v, _, err := table.Get(t.Context(), 1); v != old || err != nil {
				t.Errorf("who asked before got %d, %v", v, err)
			}
		}()
		<-begun
		version.Add(1)
		elsewhere.Forget(t.Context(), table.Name, 1)
		close(release)
		<-answered
		for deadline := time.Now().Add(10 * time.Second); ; { // the load has ended
			table.mu.Lock()
			n := len(table.loads)
			table.mu.Unlock()
			if n == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the load does not end")
			}
		}
		table.Load = func(context.Context, []id.ID) (map[id.ID]int64, error) {
			return map[id.ID]int64{1: version.Load()}, nil
		}
		if v, _, err := table.Get(t.Context(), 1); v != version.Load() || err != nil {
			t.Errorf("the cache has %d, %v, want %d", v, err, version.Load())
		}
	}
}

func TestDeadNodeIsAMiss(t *testing.T) {
	c, servers := open(t, 3)
	s := newSquares(c)
	var keys []id.ID
	for k := range id.ID(90) {
		keys = append(keys, k+1)
	}
	s.want(t, keys, 90)
	s.want(t, keys, 0)
	tries := dials(c.nodes[0])
	servers[0].Kill()
	held := int64(0)
	for _, k := range keys {
		if c.node(appendKey(nil, "squares", k)).addr == servers[0].Addr {
			held++
		}
	}
	if held < 10 || held > 60 {
		t.Fatalf("the dead node held %d of 90 keys", held)
	}
	began := time.Now()
	for range 100 {
		s.want(t, keys, held)
	}
	leftAlone(t, tries, began)
	servers[0].Restart(t)
	recovered(t, s, keys)
}

func TestFrozenNodeIsAMiss(t *testing.T) {
	c, servers := open(t, 2)
	s := newSquares(c)
	keys := []id.ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	s.want(t, keys, 10)
	tries := dials(c.nodes[0])
	c.nodes[0].timeout = timeout
	servers[0].Freeze()
	defer servers[0].Thaw()
	began := time.Now()
	for range 50 {
		if _, err := s.GetMany(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
	}
	leftAlone(t, tries, began)
	s.settled(t)
	servers[0].Thaw()
	c.nodes[0].timeout = 10 * time.Second
	recovered(t, s, keys)
}

// leftAlone checks that of the reads past a node that failed, however long they took, the
// first tried it and then one in each pause.
func leftAlone(t *testing.T, tries *atomic.Int64, began time.Time) {
	t.Helper()
	took := time.Since(began)
	if most := 1 + int64(took/pause); tries.Load() > most {
		t.Errorf("a node that failed was tried %d times in %s, want %d at most", tries.Load(), took, most)
	}
}

// recovered waits until all keys come from the cache again.
func recovered(t *testing.T, s *squares, keys []id.ID) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		before := s.asked.Load()
		if _, err := s.GetMany(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		s.settled(t)
		if s.asked.Load() == before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the node is not used again")
		}
	}
}

// A node that leaves takes only its own keys with it.
func TestRendezvous(t *testing.T) {
	nodes := []string{"a:1", "b:1", "c:1", "d:1", "e:1", "f:1"}
	all, fewer := Open(nodes, prometheus.NewRegistry()), Open(nodes[:5], prometheus.NewRegistry())
	share := map[string]int{}
	for k := range id.ID(60000) {
		key := appendKey(nil, "squares", k<<23)
		was, is := all.node(key).addr, fewer.node(key).addr
		share[was]++
		if was != "f:1" && was != is {
			t.Fatalf("key %s moved from %s to %s", key, was, is)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(share)) {
		if share[n] < 9500 || share[n] > 10500 {
			t.Errorf("node %s holds %d of 60000 keys", n, share[n])
		}
	}
}

func BenchmarkGetMany(b *testing.B) {
	c, _ := open(b, 3)
	s := newSquares(c)
	var keys []id.ID
	for k := range id.ID(20) {
		keys = append(keys, id.Make(time.Now(), 7, uint16(k))&^1)
	}
	if _, err := s.GetMany(b.Context(), keys); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.GetMany(b.Context(), keys); err != nil {
				b.Fatal(err)
			}
		}
	})
}
