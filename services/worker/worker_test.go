package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/feed"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/media/mediatest"
	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
	"github.com/burbn/burbn/services/telemetry"
)

// patience is how long a task may take to be done.
const patience = 30 * time.Second

var databases storetest.Databases

func TestMain(m *testing.M) { os.Exit(databases.Run(m)) }

// document is that of a worker process on everything real: PostgreSQL behind
// PgBouncer, Redis, memcached and object storage.
func document(t *testing.T) (settings.Worker, secrets) {
	t.Helper()
	redis := cachetest.NewRedis(t, 1)
	stores := databases.Stores(t)
	stores.Redis = redis.Addrs
	stores.Memcached = []string{cachetest.NewMemcached(t, 1)[0].Addr}
	stores.Storage = mediatest.NewStorage(t)
	doc := settings.Worker{
		Process:   settings.Process{Stack: "test", Machine: "worker-01", Release: "test", Admin: processtest.FreeAddr(t), Stop: settings.Duration(10 * time.Second)},
		Stores:    stores,
		Slots:     settings.Slots{Photo: 4, FanOut: 4, Follow: 4, Index: 4, Share: 4, Delete: 4, Export: 4},
		MaxPixels: 10_000_000, FeedLength: 500, FanOutLimit: 100_000,
		Share: settings.Share{Facebook: "http://127.0.0.1:1", Twitter: "http://127.0.0.1:1"},
		Edge:  settings.Edge{Purge: "http://127.0.0.1:1/purge", From: "127.0.0.1"},
	}
	return doc, secrets{Postgres: storetest.AppPassword, Redis: redis.Password, AccessKey: mediatest.AccessKey, SecretKey: mediatest.SecretKey, LinkKey: strings.Repeat("0f", 32)}
}

// wire opens a worker that works no queue yet.
func wire(t *testing.T) *worker {
	t.Helper()
	return wireAs(t, func(*settings.Worker) {})
}

// wireAs opens a worker whose document is changed before.
func wireAs(t *testing.T, change func(*settings.Worker)) *worker {
	t.Helper()
	doc, secrets := document(t)
	change(&doc)
	process, err := telemetry.New("worker", doc.Process, "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	w, err := open(t.Context(), doc, secrets, process)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	if err := w.objects.EnsureBuckets(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// start works the queues until the test ends.
func start(t *testing.T) *worker {
	t.Helper()
	w := wire(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the queues ended with %v", err)
		}
	})
	return w
}

// From the phone's upload to the follower's feed.
func TestPhotoTravels(t *testing.T) {
	w := start(t)
	author, follower := databases.User(t), databases.User(t)
	for shard.Of(follower.ID) == shard.Of(author.ID) { // the hard case
		follower = databases.User(t)
	}
	if _, err := w.store.Follow(t.Context(), follower.ID, author.ID); err != nil {
		t.Fatal(err)
	}
	processtest.Until(t, patience, func() error {
		u, err := w.store.User(t.Context(), author.ID)
		if err == nil && u.FollowerCount != 1 {
			err = fmt.Errorf("author has %d followers", u.FollowerCount)
		}
		return err
	})
	// Only feeds that somebody reads are kept.
	for _, u := range []store.User{author, follower} {
		if ids, err := w.feeds.Page(t.Context(), u.ID, 0, 10); len(ids) > 0 || err != nil {
			t.Fatal(ids, err)
		}
	}

	m := publish(t, w, author, photo(t, 1300, 900))
	m = settled(t, w, m)
	if m.State != store.Ready || m.Width != 1300 || m.Height != 900 {
		t.Fatalf("photo is %+v", m)
	}
	for _, r := range rendition.Of(m.Key, m.Width, m.Height, w.doc.Storage.CDN) {
		res, err := http.Get(r.URL)
		if err != nil {
			t.Fatal(err)
		}
		c, err := jpeg.DecodeConfig(res.Body)
		res.Body.Close()
		if err != nil || c.Width != r.Width || c.Height != r.Height {
			t.Errorf("%s is %dx%d, want %dx%d (%v)", r.URL, c.Width, c.Height, r.Width, r.Height, err)
		}
	}
	for _, u := range []store.User{author, follower} {
		processtest.Until(t, patience, func() error {
			ids, err := w.feeds.Page(t.Context(), u.ID, 0, 10)
			if err == nil && !slices.Equal(ids, []store.Post{{Media: m.ID, Author: author.ID}}) {
				err = fmt.Errorf("feed of %s is %v, want %v", u.Name, ids, m.ID)
			}
			return err
		})
	}
	processtest.Until(t, patience, func() error {
		if n := testutil.CollectAndCount(w.metrics.visible); n != 1 {
			return fmt.Errorf("%d histograms", n)
		}
		if n := testutil.ToFloat64(w.metrics.ready); n != 1 {
			return fmt.Errorf("%v photos ready", n)
		}
		return nil
	})
	if u, err := w.store.User(t.Context(), author.ID); u.MediaCount != 1 || err != nil {
		t.Errorf("author has %d photos, %v", u.MediaCount, err)
	}
}

func TestRefusedPhotos(t *testing.T) {
	w := start(t)
	author := databases.User(t)
	good := photo(t, 40, 30)
	for _, tt := range []struct {
		original []byte
		want     media.Reason
	}{
		{[]byte("<!doctype html>"), media.NotAnImage},
		{[]byte("GIF89a"), media.Unsupported},
		{good[:len(good)/2], media.Corrupt},
		{photo(t, 5000, 2001), media.TooManyPixels},
	} {
		t.Run(string(tt.want), func(t *testing.T) {
			m := settled(t, w, publish(t, w, author, tt.original))
			if m.State != store.Failed || m.Reason != string(tt.want) {
				t.Errorf("photo is %s, %q; want failed, %q", m.State, m.Reason, tt.want)
			}
			// Counted once the row is written, which is what settled waits for.
			processtest.Until(t, 10*time.Second, func() error {
				if n := testutil.ToFloat64(w.metrics.failed.WithLabelValues(string(tt.want))); n != 1 {
					return fmt.Errorf("%v counted", n)
				}
				return nil
			})
		})
	}
	if u, err := w.store.User(t.Context(), author.ID); u.MediaCount != 0 || err != nil {
		t.Errorf("author has %d photos, %v", u.MediaCount, err)
	}
}

// processPhoto is also tried by itself, because which attempt it is decides.
func TestProcessPhotoAttempts(t *testing.T) {
	w := wire(t)
	task := &processPhoto{worker: w}
	work := func(m id.ID, attempt int) error {
		return task.Work(t.Context(), &river.Job[queue.ProcessPhoto]{
			JobRow: &rivertype.JobRow{Attempt: attempt, MaxAttempts: 3}, Args: queue.ProcessPhoto{Media: m},
		})
	}
	author := databases.User(t)

	t.Run("original is not there", func(t *testing.T) {
		u, err := w.store.CreateUpload(t.Context(), author.ID, "image/jpeg", 1, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		m, err := w.store.Publish(t.Context(), author.ID, u.ID, store.NewMedia{})
		if err != nil {
			t.Fatal(err)
		}
		for attempt := 1; attempt < 3; attempt++ {
			if err := work(m.ID, attempt); err == nil {
				t.Fatalf("attempt %d is content", attempt)
			}
		}
		if err := work(m.ID, 3); err != nil {
			t.Fatalf("giving up: %v", err)
		}
		if m := settled(t, w, m); m.State != store.Failed || m.Reason != internal {
			t.Errorf("photo is %s, %q; want failed, %q", m.State, m.Reason, internal)
		}
	})
	t.Run("done before", func(t *testing.T) {
		m := publish(t, w, author, photo(t, 40, 30))
		for attempt := 1; attempt <= 3; attempt++ {
			if err := work(m.ID, attempt); err != nil {
				t.Fatal(err)
			}
		}
		if m := settled(t, w, m); m.State != store.Ready {
			t.Errorf("photo is %s, want ready", m.State)
		}
		if u, err := w.store.User(t.Context(), author.ID); u.MediaCount != 1 || err != nil {
			t.Errorf("author has %d photos, %v", u.MediaCount, err)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		if err := work(1, 1); err != nil {
			t.Errorf("a photo that was deleted: %v", err)
		}
	})
}

func TestFanOutInChunks(t *testing.T) {
	w := wire(t)
	author := databases.User(t)
	followers := make([]store.User, 5)
	for i := range followers {
		followers[i] = databases.User(t)
		if _, err := w.store.Follow(t.Context(), followers[i].ID, author.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.store.SyncFollow(t.Context(), followers[i].ID, author.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.feeds.Page(t.Context(), followers[i].ID, 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	m := publish(t, w, author, []byte("x"))

	task := &fanOut{worker: w, chunk: 2}
	args := queue.FanOut{Media: m.ID, Author: author.ID, Published: m.CreatedAt}
	c := databases.Owner(t, w.doc.Shards.Databases[w.doc.Shards.Database(shard.Of(m.ID))].Name)
	for chunk, rest := range []int{2, 4, 5} {
		for range 2 { // the second time as a retry
			if err := task.Work(t.Context(), &river.Job[queue.FanOut]{Args: args}); err != nil {
				t.Fatal(err)
			}
		}
		reached := 0
		for _, f := range followers {
			ids, err := w.feeds.Page(t.Context(), f.ID, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			reached += len(ids)
		}
		if reached != rest {
			t.Errorf("after chunk %d %d have it, want %d", chunk, reached, rest)
		}
		var next []id.ID
		rows, err := c.Query(t.Context(), `SELECT (args->>'after')::bigint FROM river.river_job WHERE kind = $1 AND args->>'media' = $2 ORDER BY id`, args.Kind(), m.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var after id.ID
			if err := rows.Scan(&after); err != nil {
				t.Fatal(err)
			}
			next = append(next, after)
		}
		if want := min(chunk+1, 2); len(next) != want || rows.Err() != nil {
			t.Fatalf("after chunk %d %d are ordered, want %d (%v)", chunk, len(next), want, rows.Err())
		}
		args.After = next[len(next)-1]
	}
}

// When an author has come to have very many followers, their next photo makes the feeds be
// built anew, and those after it are pushed to nobody else.
func TestFanOutOfAStar(t *testing.T) {
	w := wire(t)
	w.feeds = feed.New(w.redis, w.store, w.doc.FeedLength, 2, prometheus.NewRegistry())
	author := databases.User(t)
	var readers []store.User
	work := func() store.Media {
		t.Helper()
		m := publish(t, w, author, []byte("x"))
		if _, err := w.store.MarkReady(t.Context(), m.ID, 10, 10, ""); err != nil {
			t.Fatal(err)
		}
		task := &fanOut{worker: w, chunk: 100}
		args := queue.FanOut{Media: m.ID, Author: author.ID, Published: m.CreatedAt}
		if err := task.Work(t.Context(), &river.Job[queue.FanOut]{Args: args}); err != nil {
			t.Fatal(err)
		}
		return m
	}
	kept := func(u store.User) bool {
		t.Helper()
		n, err := w.redis.Exists(t.Context(), "f2:{"+strconv.FormatInt(int64(u.ID), 36)+"}").Result()
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	for range 4 {
		reader := databases.User(t)
		readers = append(readers, reader)
		if _, err := w.store.Follow(t.Context(), reader.ID, author.ID); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range readers {
		if _, err := w.feeds.Page(t.Context(), r.ID, 0, 10); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range readers {
		if err := w.store.SyncFollow(t.Context(), r.ID, author.ID); err != nil {
			t.Fatal(err)
		}
	}
	first := work()
	for _, r := range readers {
		if kept(r) {
			t.Errorf("the feed of %s, built before, is kept", r.Name)
		}
		if posts, err := w.feeds.Page(t.Context(), r.ID, 0, 10); err != nil || len(posts) != 1 || posts[0].Media != first.ID {
			t.Errorf("feed of %s = %v, %v, want %s", r.Name, posts, err, first.ID)
		}
	}
	work()
	for _, r := range readers {
		if !kept(r) {
			t.Errorf("the feed of %s, which merges, is forgotten", r.Name)
		}
	}
}

// The process as it is started: settings and credentials from files.
func TestRun(t *testing.T) {
	doc, secrets := document(t)
	dir := t.TempDir()
	b, err := settings.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "worker.json")
	processtest.Write(t, file, b)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	credentials := map[string]string{
		"postgres-app-password": secrets.Postgres, "redis-password": secrets.Redis,
		"storage-access-key": secrets.AccessKey, "storage-secret-key": secrets.SecretKey, "link-key": secrets.LinkKey,
	}
	err = run(t.Context(), file)
	for name, secret := range credentials {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without credential %s: %v", name, err)
		}
		processtest.Write(t, filepath.Join(dir, name), []byte(secret))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, file) }()
	ready := func() (string, error) {
		r, err := http.Get("http://" + doc.Admin + "/readyz")
		if err != nil {
			return "", err
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		return string(body), err
	}
	want := func(text string) {
		t.Helper()
		processtest.Until(t, patience, func() error {
			got, err := ready()
			if err == nil && !strings.Contains(got, text) {
				err = fmt.Errorf("readyz says %s, want %s", got, text)
			}
			return err
		})
	}
	want(`"storage":"head bucket`)
	objects, err := media.NewObjects(doc.Storage, secrets.AccessKey, secrets.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.EnsureBuckets(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(`{"ready":true}`)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// upload uploads an original as a phone does.
func upload(t *testing.T, w *worker, author store.User, original []byte) store.Upload {
	t.Helper()
	u, err := w.store.CreateUpload(t.Context(), author.ID, "image/jpeg", int64(len(original)), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	url, header, err := w.objects.PresignPut(t.Context(), u.Key, u.ContentType, u.Size, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(original))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("upload is answered %s", res.Status)
	}
	return u
}

// publish uploads an original and publishes it.
func publish(t *testing.T, w *worker, author store.User, original []byte) store.Media {
	t.Helper()
	return publishAs(t, w, author, original, store.NewMedia{})
}

func publishAs(t *testing.T, w *worker, author store.User, original []byte, n store.NewMedia) store.Media {
	t.Helper()
	u := upload(t, w, author, original)
	m, err := w.store.Publish(t.Context(), author.ID, u.ID, n)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// processed makes the renditions of a photo.
func processed(t *testing.T, w *worker, m store.Media) store.Media {
	t.Helper()
	err := (&processPhoto{worker: w}).Work(t.Context(), &river.Job[queue.ProcessPhoto]{
		JobRow: &rivertype.JobRow{Attempt: 1, MaxAttempts: 3}, Args: queue.ProcessPhoto{Media: m.ID},
	})
	if err != nil {
		t.Fatal(err)
	}
	return settled(t, w, m)
}

// settled is the photo once it is no longer processing.
func settled(t *testing.T, w *worker, m store.Media) store.Media {
	t.Helper()
	processtest.Until(t, patience, func() (err error) {
		if m, err = w.store.Media(t.Context(), m.ID); err == nil && m.State == store.Processing {
			err = fmt.Errorf("media %s is still processing", m.ID)
		}
		return err
	})
	return m
}

func photo(t *testing.T, w, h int) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = color.Gray{uint8(i / w)}.Y
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
