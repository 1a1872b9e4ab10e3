package main

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

type feedPage struct {
	Items  []Photo
	Cursor string
}

func (c *client) feed(t testing.TB, query string) (ids []id.ID, cursor string) {
	t.Helper()
	var pg feedPage
	c.do(t, "GET", "/v1/feed"+query, nil).is(t, 200).into(t, &pg)
	for _, i := range pg.Items {
		if i.Author.ID == 0 || i.Author.Name == "" || len(i.Renditions) != 4 {
			t.Errorf("item = %+v", i)
		}
		ids = append(ids, i.ID)
	}
	return ids, pg.Cursor
}

func TestFeed(t *testing.T) {
	w := newWorld(t)
	reader, author, other := w.client(t), w.client(t), w.client(t)
	if got, cursor := reader.feed(t, ""); len(got) != 0 || cursor != "" {
		t.Errorf("the feed of who follows nobody = %v, %q", got, cursor)
	}
	old := w.ready(t, author.post(t, "before"))
	reader.do(t, "PUT", "/v1/users/"+author.user.String()+"/follow", nil).is(t, 200)
	want := []id.ID{old}
	if got, _ := reader.feed(t, ""); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("feed = %v, want %v", got, want)
	}
	for n := range 5 {
		i := author.post(t, fmt.Sprint(n))
		// As if the fan-out had come before its time: a photo that is not ready is not shown.
		if err := w.feeds.Push(t.Context(), []id.ID{reader.user}, store.Post{Media: i, Author: author.user}); err != nil {
			t.Fatal(err)
		}
		if got, _ := reader.feed(t, ""); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("feed = %v before %s is ready, want %v", got, i, want)
		}
		w.ready(t, i, reader, author)
		w.ready(t, other.post(t, ""), other)
		want = append([]id.ID{i}, want...)
	}
	if got, cursor := reader.feed(t, ""); fmt.Sprint(got) != fmt.Sprint(want) || cursor != "" {
		t.Errorf("feed = %v, %q, want %v", got, cursor, want)
	}
	var got []id.ID
	cursor := ""
	for n := 0; n == 0 || cursor != ""; n++ {
		var ids []id.ID
		ids, cursor = reader.feed(t, "?limit=2&cursor="+cursor)
		got = append(got, ids...)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("page by page = %v, want %v", got, want)
	}
	reader.do(t, "DELETE", "/v1/users/"+author.user.String()+"/follow", nil).is(t, 200)
	if got, _ := reader.feed(t, ""); len(got) != 0 {
		t.Errorf("feed after unfollowing = %v", got)
	}
}

// trips counts what is sent to Redis: a pipeline is one round trip.
type trips struct{ n atomic.Int64 }

func (*trips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmds)
	}
}

// misses is how many keys memcached had not.
func (w *world) misses(t testing.TB) (n float64) {
	t.Helper()
	families, err := w.process.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "burbn_cache_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "result" && l.GetValue() != "hit" {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// What is read often makes one round trip to Redis, and once it is cached asks no
// database: it is answered with the connections to all of them closed.
func TestHotPaths(t *testing.T) {
	w := newWorld(t)
	reader, author := w.client(t), w.client(t)
	reader.do(t, "PUT", "/v1/users/"+author.user.String()+"/follow", nil).is(t, 200)
	i := w.ready(t, author.post(t, ""))
	count := &trips{}
	w.redis.AddHook(count)
	trips := func(method, path string, status int) {
		t.Helper()
		before := count.n.Load()
		reader.do(t, method, path, nil).is(t, status)
		if n := count.n.Load() - before; n != 1 {
			t.Errorf("%s %s makes %d round trips to Redis", method, path, n)
		}
	}
	trips("PUT", "/v1/media/"+i.String()+"/like", 204)
	paths := []string{"/v1/feed", "/v1/media/" + i.String()}
	round := func() {
		for _, p := range paths {
			reader.do(t, "GET", p, nil).is(t, 200)
		}
	}
	round() // the first read builds the feed
	deadline := time.Now().Add(10 * time.Second)
	for before := -1.0; before != w.misses(t); { // values are cached after the answer
		if time.Now().After(deadline) {
			t.Fatal("the values are not cached")
		}
		before = w.misses(t)
		round()
	}
	w.store.Close()
	for _, p := range paths {
		trips("GET", p, 200)
	}
}
