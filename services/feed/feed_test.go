package feed_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/feed"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

const length = 30

var (
	databases storetest.Databases
	cluster   *cachetest.Redis // of three masters, shared
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

func open(t testing.TB) (*feed.Feeds, *redis.ClusterClient) {
	t.Helper()
	r := kv.Open(settings.Stores{Redis: cluster.Addrs}, cluster.Password)
	t.Cleanup(func() { r.Close() })
	return feed.New(r, databases.Store(t), length, 1000, prometheus.NewRegistry()), r
}

// post makes a ready photo of user.
func post(t testing.TB, user id.ID) id.ID {
	t.Helper()
	ctx, s := t.Context(), databases.Store(t)
	up, err := s.CreateUpload(ctx, user, "image/jpeg", 1000, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Publish(ctx, user, up.ID, store.NewMedia{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.MarkReady(ctx, m.ID, 100, 100, ""); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

func follow(t testing.TB, actor, target id.ID) {
	t.Helper()
	if _, err := databases.Store(t).Follow(t.Context(), actor, target); err != nil {
		t.Fatal(err)
	}
}

func page(t testing.TB, f *feed.Feeds, user, before id.ID, limit int) []id.ID {
	t.Helper()
	posts, err := f.Page(t.Context(), user, before, limit)
	if err != nil {
		t.Fatal(err)
	}
	var ids []id.ID
	for _, p := range posts {
		ids = append(ids, p.Media)
	}
	return ids
}

func same(t testing.TB, what string, got, want []id.ID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// newest is ids from the newest to the oldest.
func newest(ids []id.ID) []id.ID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

func TestFeed(t *testing.T) {
	f, r := open(t)
	ctx := t.Context()
	reader, author, stranger := databases.User(t).ID, databases.User(t).ID, databases.User(t).ID
	follow(t, reader, author)
	var all []id.ID
	for range 5 {
		all = append(all, post(t, author))
		post(t, stranger)
	}
	all = append(all, post(t, reader)) // one's own are in one's feed
	same(t, "a feed that nobody kept", page(t, f, reader, 0, 10), newest(all))
	same(t, "the feed as it is kept", page(t, f, reader, 0, 10), newest(all))

	fresh := post(t, author)
	for range 2 { // a task may run twice
		if err := f.Push(ctx, []id.ID{reader, author, stranger}, store.Post{Media: fresh, Author: author}); err != nil {
			t.Fatal(err)
		}
	}
	all = append(all, fresh)
	want := newest(all)
	same(t, "the feed after a push", page(t, f, reader, 0, 10), want)
	same(t, "its first page", page(t, f, reader, 0, 3), want[:3])
	same(t, "its second page", page(t, f, reader, want[2], 3), want[3:6])
	same(t, "its last page", page(t, f, reader, want[5], 3), want[6:])
	same(t, "beyond it", page(t, f, reader, want[6], 3), nil)
	if n, err := r.Exists(ctx, "f2:{"+strconv.FormatInt(int64(stranger), 36)+"}").Result(); n != 0 || err != nil {
		t.Errorf("a feed is kept of who never reads: %d, %v", n, err)
	}

	if err := f.Remove(ctx, []id.ID{reader, author}, store.Post{Media: want[1], Author: reader}); err != nil {
		t.Fatal(err)
	}
	same(t, "the feed after a removal", page(t, f, reader, 0, 10), slices.Delete(slices.Clone(want), 1, 2))
	if _, err := databases.Store(t).Unfollow(ctx, reader, author); err != nil {
		t.Fatal(err)
	}
	if err := f.Forget(ctx, reader); err != nil {
		t.Fatal(err)
	}
	same(t, "the feed after unfollowing", page(t, f, reader, 0, 10), all[5:6])
}

func TestFeedIsCutToLength(t *testing.T) {
	f, _ := open(t)
	user := databases.User(t).ID
	var all []id.ID
	for range length + 5 {
		all = append(all, post(t, user))
	}
	same(t, "the feed when built", page(t, f, user, 0, 100), newest(all)[:length])
	fresh := post(t, user)
	if err := f.Push(t.Context(), []id.ID{user}, store.Post{Media: fresh, Author: user}); err != nil {
		t.Fatal(err)
	}
	all = append(all, fresh)
	same(t, "the feed when pushed to", page(t, f, user, 0, 100), newest(all)[:length])
	// An old photo is pushed late: it does not take the place of a newer one.
	if err := f.Push(t.Context(), []id.ID{user}, store.Post{Media: all[0], Author: user}); err != nil {
		t.Fatal(err)
	}
	same(t, "the feed after a late push", page(t, f, user, 0, 100), newest(all)[:length])
	same(t, "a page of a built feed", page(t, f, user, newest(all)[9], 5), newest(all)[10:15])
}

func TestPushToMany(t *testing.T) {
	f, r := open(t)
	author := databases.User(t).ID
	photo := post(t, author)
	var readers []id.ID
	for n := range 2500 { // more than a pipeline's chunk, on all masters
		readers = append(readers, id.Make(time.Now(), uint16(n%8), uint16(n)))
	}
	for _, u := range readers[:1500] {
		page(t, f, u, 0, 1)
	}
	// As after a restart of the nodes.
	if err := r.ForEachMaster(t.Context(), func(ctx context.Context, n *redis.Client) error { return n.ScriptFlush(ctx).Err() }); err != nil {
		t.Fatal(err)
	}
	if err := f.Push(t.Context(), readers, store.Post{Media: photo, Author: author}); err != nil {
		t.Fatal(err)
	}
	for _, u := range readers[:1500] {
		if got := page(t, f, u, 0, 10); !slices.Equal(got, []id.ID{photo}) {
			t.Fatalf("feed of %s = %v", u, got)
		}
	}
}

// However pushes, rebuilds and follows meet, a feed in the end shows exactly what
// the databases say.
func TestNothingIsLostBetweenPushAndRebuild(t *testing.T) {
	f, _ := open(t)
	ctx := t.Context()
	reader := databases.User(t).ID
	authors := []id.ID{databases.User(t).ID, databases.User(t).ID, databases.User(t).ID}
	follow(t, reader, authors[0])
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		posted []id.ID
	)
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if _, err := f.Page(ctx, reader, 0, length); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	var posting sync.WaitGroup
	for i, a := range authors {
		posting.Go(func() {
			if i > 0 {
				follow(t, reader, a)
				if err := f.Forget(ctx, reader); err != nil {
					t.Error(err)
				}
			}
			for range 8 {
				p := post(t, a)
				if err := f.Push(ctx, []id.ID{reader}, store.Post{Media: p, Author: a}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				posted = append(posted, p)
				mu.Unlock()
			}
		})
	}
	posting.Wait()
	close(done)
	wg.Wait()
	same(t, "the feed", page(t, f, reader, 0, length), newest(posted))
}

// A rebuild that read whom the user followed before they changed it is not kept.
func TestForgetDuringRebuild(t *testing.T) {
	f, r := open(t)
	reader, author := databases.User(t).ID, databases.User(t).ID
	photo := post(t, author)
	key := "f2:{" + strconv.FormatInt(int64(reader), 36) + "}"
	// A mark such as another process leaves when it begins, and when it dies.
	if err := r.ZAdd(t.Context(), key, redis.Z{Member: "\xfeother"}).Err(); err != nil {
		t.Fatal(err)
	}
	same(t, "the feed", page(t, f, reader, 0, 10), nil)
	follow(t, reader, author)
	if err := f.Forget(t.Context(), reader); err != nil {
		t.Fatal(err)
	}
	same(t, "the feed after following", page(t, f, reader, 0, 10), []id.ID{photo})
	ttl, err := r.TTL(t.Context(), key).Result()
	if err != nil || ttl < 6*24*time.Hour {
		t.Errorf("it lives %s, %v", ttl, err)
	}
}

func TestFeedWithoutRedis(t *testing.T) {
	own := cachetest.NewRedis(t, 1)
	r := kv.Open(settings.Stores{Redis: own.Addrs}, own.Password)
	defer r.Close()
	f := feed.New(r, databases.Store(t), length, 1000, prometheus.NewRegistry())
	user := databases.User(t).ID
	var all []id.ID
	for range 4 {
		all = append(all, post(t, user))
	}
	same(t, "the feed", page(t, f, user, 0, 10), newest(all))
	own.Masters[0].Kill()
	same(t, "the feed without Redis", page(t, f, user, newest(all)[0], 2), newest(all)[1:3])
	if err := f.Push(t.Context(), []id.ID{user}, store.Post{Media: all[0], Author: user}); err == nil {
		t.Error("push is no error")
	}
}

func TestFeedOfManyFollowed(t *testing.T) {
	f, _ := open(t)
	reader := databases.User(t).ID
	var all []id.ID
	for range 40 {
		author := databases.User(t).ID
		follow(t, reader, author)
		all = append(all, post(t, author))
	}
	same(t, "the feed", page(t, f, reader, 0, 100), newest(all)[:length])
}

func BenchmarkPage(b *testing.B) {
	f, _ := open(b)
	user := databases.User(b).ID
	for range length {
		post(b, user)
	}
	page(b, f, user, 0, 20)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Page(b.Context(), user, 0, 20); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPush is a chunk of a fan-out: ten thousand followers, all of whom read.
func BenchmarkPush(b *testing.B) {
	f, _ := open(b)
	author := databases.User(b).ID
	var readers []id.ID
	for n := range 10_000 {
		u := id.Make(time.Now(), uint16(n%8), uint16(n))
		readers = append(readers, u)
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(readers, 1000) {
		wg.Go(func() {
			for _, u := range part {
				page(b, f, u, 0, 1)
			}
		})
	}
	wg.Wait()
	b.ReportAllocs()
	var n int
	for b.Loop() {
		n++
		if err := f.Push(b.Context(), readers, store.Post{Media: id.Make(time.Now().Add(time.Duration(n)*time.Millisecond), author.Shard(), 1), Author: author}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n)/10_000, "µs/feed")
}

func BenchmarkRebuild(b *testing.B) {
	f, _ := open(b)
	reader := databases.User(b).ID
	for range 50 {
		author := databases.User(b).ID
		follow(b, reader, author)
		for range 3 {
			post(b, author)
		}
	}
	for b.Loop() {
		if err := f.Forget(b.Context(), reader); err != nil {
			b.Fatal(err)
		}
		page(b, f, reader, 0, 20)
	}
}

// Photos of who has very many followers are in every page though nobody pushed them, and
// what was pushed before is there once.
func TestStars(t *testing.T) {
	r := kv.Open(settings.Stores{Redis: cluster.Addrs}, cluster.Password)
	t.Cleanup(func() { r.Close() })
	s := databases.Store(t)
	f := feed.New(r, s, length, 2, prometheus.NewRegistry())
	reader, star, author := databases.User(t).ID, databases.User(t).ID, databases.User(t).ID
	follow(t, reader, author)
	for _, fan := range []id.ID{reader, databases.User(t).ID, databases.User(t).ID} {
		follow(t, fan, star)
		if err := s.SyncFollow(t.Context(), fan, star); err != nil {
			t.Fatal(err)
		}
	}
	var all []id.ID
	for range 3 {
		all = append(all, post(t, star), post(t, author))
	}
	want := newest(all)
	same(t, "the feed as it is built", page(t, f, reader, 0, 10), want)
	same(t, "the feed as it is kept", page(t, f, reader, 0, 10), want)
	if err := f.Push(t.Context(), []id.ID{reader}, store.Post{Media: all[0], Author: star}); err != nil {
		t.Fatal(err)
	}
	same(t, "the feed after a push", page(t, f, reader, 0, 10), want)
	var paged []id.ID
	for before := id.ID(0); len(paged) < len(want); before = paged[len(paged)-1] {
		next := page(t, f, reader, before, 2)
		if len(next) == 0 {
			break
		}
		paged = append(paged, next...)
	}
	same(t, "the feed page by page", paged, want)

	for _, step := range []struct {
		author       id.ID
		set          bool
		many, merged bool
	}{{author, false, false, false}, {star, false, true, false}, {star, true, true, true}} {
		if step.set {
			if err := f.SetMerged(t.Context(), step.author); err != nil {
				t.Fatal(err)
			}
		}
		if many, merged, err := f.Merged(t.Context(), step.author); many != step.many || merged != step.merged || err != nil {
			t.Errorf("Merged(%s) = %t, %t, %v, want %t, %t", step.author, many, merged, err, step.many, step.merged)
		}
	}
}
