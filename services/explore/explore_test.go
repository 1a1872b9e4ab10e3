package explore

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

var (
	databases storetest.Databases
	cluster   *cachetest.Redis
)

func TestMain(m *testing.M) {
	var err error
	if cluster, err = cachetest.StartRedis(3); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := databases.Run(m)
	cluster.Stop()
	os.Exit(code)
}

// open is a process that has made no snapshot, with a Redis that has none.
func open(t *testing.T) (*Explore, *redis.ClusterClient) {
	t.Helper()
	r := kv.Open(settings.Stores{Redis: cluster.Addrs}, cluster.Password)
	t.Cleanup(func() { r.Close() })
	forget(t, r)
	return New(r, databases.Store(t), prometheus.NewRegistry()), r
}

// forget makes Redis lose all.
func forget(t *testing.T, r *redis.ClusterClient) {
	t.Helper()
	if err := r.ForEachMaster(t.Context(), func(ctx context.Context, n *redis.Client) error { return n.FlushAll(ctx).Err() }); err != nil {
		t.Fatal(err)
	}
}

// popular makes a photo that so many like.
func popular(t *testing.T, likes int) id.ID {
	t.Helper()
	ctx, s, author := t.Context(), databases.Store(t), databases.User(t)
	up, err := s.CreateUpload(ctx, author.ID, "image/jpeg", 1, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Publish(ctx, author.ID, up.ID, store.NewMedia{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.MarkReady(ctx, m.ID, 1, 1, ""); err != nil {
		t.Fatal(err)
	}
	shards := databases.Stores(t).Shards
	c := databases.Owner(t, shards.Databases[shards.Database(shard.Of(m.ID))].Name)
	if _, err := c.Exec(ctx, strings.ReplaceAll(`UPDATE shard.media SET like_count = $2 WHERE id = $1`, "shard.", shard.Of(m.ID).Schema()+"."), m.ID, likes); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

func snapshot(t *testing.T, e *Explore, number int64) Snapshot {
	t.Helper()
	s, err := e.Snapshot(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (e *Explore) count(result string) float64 {
	return testutil.ToFloat64(e.made.WithLabelValues(result))
}

func TestSnapshot(t *testing.T) {
	e, r := open(t)
	before := popular(t, 1_000_000)
	first := snapshot(t, e, 0)
	if first.IDs[0] != before {
		t.Errorf("most popular is %v, want %v", first.IDs[0], before)
	}
	after := popular(t, 2_000_000)
	if s := snapshot(t, e, 0); s.Number != first.Number || !slices.Equal(s.IDs, first.IDs) {
		t.Errorf("a snapshot changes while it is fresh: %v, was %v", s, first)
	}
	if n := e.count("stored"); n != 1 {
		t.Errorf("%v snapshots made, want 1", n)
	}

	// An old one is answered with until there is another, which one of many makes.
	old := Snapshot{time.Now().Add(-fresh).UnixMilli(), first.IDs}
	for _, key := range []string{newest, numbered(old.Number)} {
		if err := r.Set(t.Context(), key, encode(old), kept).Err(); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { snapshot(t, e, 0) })
	}
	wg.Wait()
	var second Snapshot
	for deadline := time.Now().Add(attempt); second.Number <= first.Number; second = snapshot(t, e, 0) {
		if time.Now().After(deadline) {
			t.Fatal("nobody makes another")
		}
	}
	if second.IDs[0] != after {
		t.Errorf("most popular is %v, want %v", second.IDs[0], after)
	}
	if n := e.count("stored"); n != 2 {
		t.Errorf("%v snapshots made, want 2", n)
	}
	// Who reads the pages of the old one goes on in it.
	for _, s := range []Snapshot{first, old} {
		if got := snapshot(t, e, s.Number); got.Number != s.Number || !slices.Equal(got.IDs, s.IDs) {
			t.Errorf("snapshot %d is %v, want %v", s.Number, got, s)
		}
	}
	if got := snapshot(t, e, 1); got.Number != second.Number {
		t.Errorf("for one that nobody has there is %d, want the newest, %d", got.Number, second.Number)
	}
}

func TestSnapshotWithoutRedis(t *testing.T) {
	e, r := open(t)
	want := popular(t, 4_000_000)
	first := snapshot(t, e, 0)
	forget(t, r)
	if s := snapshot(t, e, first.Number); s.IDs[0] != want {
		t.Errorf("what Redis has lost is not made again: %v", s)
	}
	if n := e.count("stored"); n != 2 {
		t.Errorf("%v snapshots made, want 2", n)
	}
	r.Close()
	last := snapshot(t, e, 0)
	if s := snapshot(t, e, 0); s.Number != last.Number || s.IDs[0] != want {
		t.Errorf("without Redis there is %v, want %v", s, last)
	}
	if n := e.count("stored"); n != 2 {
		t.Errorf("%v snapshots made, want those 2", n)
	}
	alone := New(r, databases.Store(t), prometheus.NewRegistry())
	for range 2 {
		if s := snapshot(t, alone, 0); s.IDs[0] != want {
			t.Errorf("a process that never saw Redis has %v", s)
		}
	}
	if n := alone.count("unstored"); n != 1 {
		t.Errorf("%v snapshots made, want 1", n)
	}
}
