package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// fuse cuts a process off from everything that it talks to, at a request of the test's
// choice: as if it were killed there.
type fuse struct {
	mu    sync.Mutex
	left  int // requests until it blows; negative: never
	blown bool
	kill  context.CancelFunc // of who is cut off; or nil
}

// set has the fuse blow at the request after n others; a negative n mends it. It says
// whether it had blown.
func (f *fuse) set(n int) (blown bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	blown = f.blown
	f.left, f.blown = n, false
	return blown
}

var errCut = errors.New("cut off")

// pass counts a request, and says whether it comes through.
func (f *fuse) pass() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		f.blown = true
		if f.kill != nil {
			f.kill()
		}
	}
	if f.blown {
		return errCut
	}
	f.left--
	return nil
}

// proxy leads to an address through the fuse.
func (f *fuse) proxy(t *testing.T, to string) (addr string) {
	t.Helper()
	return processtest.Proxy(t, to, func(server io.Writer, client net.Conn) {
		buffer := make([]byte, 64<<10)
		for {
			n, err := client.Read(buffer)
			if err != nil || f.pass() != nil {
				client.Close()
				return
			}
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
}

// What go-redis asks of a hook.

func (f *fuse) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f *fuse) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := f.pass(); err != nil {
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

func (f *fuse) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := f.pass(); err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		return next(ctx, cmds)
	}
}

// edge is a CDN of our own before the storage, which notes what it is to forget.
type edge struct {
	mu     sync.Mutex
	purged []string
}

func (e *edge) serve(t *testing.T, f *fuse, cdn string) settings.Edge {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.pass() != nil {
			panic(http.ErrAbortHandler)
		}
		key := strings.TrimPrefix(r.URL.Path, "/purge/")
		res, err := http.Get(cdn + "/" + key)
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
		e.mu.Lock()
		e.purged = append(e.purged, key)
		e.mu.Unlock()
		w.Header().Set("X-Cache", "BYPASS")
		w.WriteHeader(res.StatusCode)
	}))
	t.Cleanup(s.Close)
	return settings.Edge{Purge: s.URL + "/purge", From: "127.0.0.1"}
}

// erasing are the tasks that are still to be done for a photo.
func erasing(t *testing.T, w *worker, photo id.ID) (tasks map[int64]queue.EraseMedia) {
	t.Helper()
	c := databases.Owner(t, w.doc.Shards.Databases[w.doc.Shards.Database(shard.Of(photo))].Name)
	defer c.Close(context.WithoutCancel(t.Context()))
	rows, err := c.Query(t.Context(), `
		SELECT id, args FROM river.river_job WHERE kind = 'erase_media' AND args->>'media' = $1 AND state = 'available'`, photo.String())
	if err != nil {
		t.Fatal(err)
	}
	tasks = map[int64]queue.EraseMedia{}
	for rows.Next() {
		var job int64
		var args []byte
		var task queue.EraseMedia
		if err := errors.Join(rows.Scan(&job, &args), json.Unmarshal(args, &task)); err != nil {
			t.Fatal(err)
		}
		tasks[job] = task
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tasks
}

// done takes a task off the queue.
func done(t *testing.T, w *worker, photo id.ID, job int64) {
	t.Helper()
	c := databases.Owner(t, w.doc.Shards.Databases[w.doc.Shards.Database(shard.Of(photo))].Name)
	defer c.Close(context.WithoutCancel(t.Context()))
	if _, err := c.Exec(t.Context(), `UPDATE river.river_job SET state = 'completed', finalized_at = now() WHERE id = $1`, job); err != nil {
		t.Fatal(err)
	}
}

// A world around one photo: who has it in their feed, likes it, and where it lies.
type erasure struct {
	*worker
	fuse    *fuse
	edge    *edge
	task    *eraseMedia
	author  store.User
	readers []store.User // followers, and the author
}

func newErasure(t *testing.T, f *fuse) *erasure {
	t.Helper()
	e := &erasure{fuse: f, edge: &edge{}}
	e.worker = wireAs(t, func(doc *settings.Worker) {
		doc.Edge = e.edge.serve(t, f, doc.Storage.CDN)
		doc.Pooler = f.proxy(t, doc.Pooler)
		doc.Storage.Endpoint = "http://" + f.proxy(t, strings.TrimPrefix(doc.Storage.Endpoint, "http://"))
	})
	e.redis.AddHook(f)
	e.settle = 0
	e.task = &eraseMedia{worker: e.worker, chunk: 2}
	e.author = databases.User(t)
	for range 3 {
		u := databases.User(t)
		if _, err := e.store.Follow(t.Context(), u.ID, e.author.ID); err != nil {
			t.Fatal(err)
		}
		if err := e.store.SyncFollow(t.Context(), u.ID, e.author.ID); err != nil {
			t.Fatal(err)
		}
		e.readers = append(e.readers, u)
	}
	e.readers = append(e.readers, e.author)
	for _, u := range e.readers {
		if _, err := e.feeds.Page(t.Context(), u.ID, 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// photo is a ready one that everybody has seen and likes.
func (e *erasure) photo(t *testing.T) store.Media {
	t.Helper()
	m := processed(t, e.worker, publish(t, e.worker, e.author, photo(t, 40, 30)))
	var ids []id.ID
	for _, u := range e.readers {
		ids = append(ids, u.ID)
		if _, err := e.store.Like(t.Context(), m.ID, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(e.feeds.Push(t.Context(), ids, store.Post{Media: m.ID, Author: e.author.ID}), e.owners.Put(t.Context(), m.ID, e.author.ID)); err != nil {
		t.Fatal(err)
	}
	return m
}

// attempt works on what is to be done, in whatever order, and says whether all was done.
func (e *erasure) attempt(t *testing.T, photo id.ID) bool {
	t.Helper()
	complete := true
	for job, task := range erasing(t, e.worker, photo) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		e.fuse.mu.Lock()
		e.fuse.kill = cancel
		e.fuse.mu.Unlock()
		err := e.task.Work(ctx, &river.Job[queue.EraseMedia]{JobRow: &rivertype.JobRow{CreatedAt: time.Now()}, Args: task})
		cancel()
		if err == nil {
			done(t, e.worker, photo, job)
		}
		complete = complete && err == nil
	}
	return complete
}

// left is what there is of a photo.
func (e *erasure) left(t *testing.T, m store.Media) (left []string) {
	t.Helper()
	if _, err := e.store.DeletedMedia(t.Context(), m.ID); !errors.Is(err, store.ErrNotFound) {
		left = append(left, "row")
	}
	for _, u := range e.readers {
		if likes, err := e.store.Likes(t.Context(), m.ID, u.ID); err != nil || likes {
			left = append(left, "like of "+u.Name)
		}
		if ids, err := e.feeds.Page(t.Context(), u.ID, 0, 100); err != nil || slices.Contains(ids, store.Post{Media: m.ID, Author: m.User}) {
			left = append(left, "feed of "+u.Name)
		}
	}
	if _, known, err := e.owners.Get(t.Context(), m.ID); err != nil || known {
		left = append(left, "media map")
	}
	if _, _, err := e.objects.Head(t.Context(), m.Key); !errors.Is(err, media.ErrNoObject) {
		left = append(left, "original")
	}
	for _, key := range rendition.Keys(m.Key) {
		if _, err := e.objects.GetRendition(t.Context(), key, 1<<20); !errors.Is(err, media.ErrNoObject) {
			left = append(left, key)
		}
		if !slices.Contains(e.edge.purged, key) {
			left = append(left, "edge: "+key)
		}
	}
	return left
}

// Wherever the process is killed, the photo ends erased, and what others have stays.
func TestEraseMediaWhereverItIsKilled(t *testing.T) {
	f := &fuse{left: -1}
	e := newErasure(t, f)
	kept := e.photo(t)
	cuts := 0
	for killed := true; killed; cuts++ {
		m := e.photo(t)
		if _, err := e.store.DeleteMedia(t.Context(), e.author.ID, m.ID); err != nil {
			t.Fatal(err)
		}
		f.set(cuts)
		for e.attempt(t, m.ID) && len(erasing(t, e.worker, m.ID)) > 0 {
		}
		killed = f.set(-1)
		for range 20 { // connections that were cut are found dead by the next
			if e.attempt(t, m.ID) && len(erasing(t, e.worker, m.ID)) == 0 {
				break
			}
		}
		if left := e.left(t, m); len(left) > 0 {
			t.Errorf("killed at request %d: there is still %q, tasks %v", cuts, left, erasing(t, e.worker, m.ID))
		}
	}
	if cuts < 15 {
		t.Errorf("only %d requests were cut off", cuts)
	}
	t.Logf("%d requests were cut off", cuts)
	if m, err := e.store.Media(t.Context(), kept.ID); err != nil || m.LikeCount != int64(len(e.readers)) {
		t.Errorf("another photo of the same author is %+v, %v", m, err)
	}
	if u, err := e.store.User(t.Context(), e.author.ID); err != nil || u.MediaCount != 1 {
		t.Errorf("%d photos counted, %v, want 1", u.MediaCount, err)
	}
	for _, u := range e.readers {
		if ids, err := e.feeds.Page(t.Context(), u.ID, 0, 100); err != nil || !slices.Equal(ids, []store.Post{{Media: kept.ID, Author: e.author.ID}}) {
			t.Errorf("feed of %s is %v, %v, want %s alone", u.Name, ids, err, kept.ID)
		}
	}
}

// What was under way when the photo was deleted, and ends after the first round, is
// erased by the last, which waits for it.
func TestEraseMediaThatIsBeingMade(t *testing.T) {
	f := &fuse{left: -1}
	e := newErasure(t, f)
	m := publish(t, e.worker, e.author, photo(t, 40, 30))
	if _, err := e.store.DeleteMedia(t.Context(), e.author.ID, m.ID); err != nil {
		t.Fatal(err)
	}
	e.settle = time.Hour
	for range 2 { // chunks of followers
		if !e.attempt(t, m.ID) {
			t.Fatal("the first round is not done")
		}
	}
	var snooze *river.JobSnoozeError
	for _, task := range erasing(t, e.worker, m.ID) {
		err := e.task.Work(t.Context(), &river.Job[queue.EraseMedia]{JobRow: &rivertype.JobRow{CreatedAt: time.Now()}, Args: task})
		if !task.Last || !errors.As(err, &snooze) || snooze.Duration < 59*time.Minute {
			t.Errorf("%+v: %v, want a pause of an hour", task, err)
		}
	}
	if snooze == nil {
		t.Fatal("the last round is not ordered")
	}

	// An attempt that had read the photo before.
	developed, err := e.darkroom.Develop(t.Context(), photo(t, 40, 30))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.putPhoto(t.Context(), m.Key, developed); err != nil {
		t.Fatal(err)
	}
	if changed, err := e.store.MarkReady(t.Context(), m.ID, 40, 30, developed.Blur); err != nil || changed {
		t.Fatal(changed, err)
	}
	e.settle = 0
	for len(erasing(t, e.worker, m.ID)) > 0 {
		if !e.attempt(t, m.ID) {
			t.Fatal("the last round is not done")
		}
	}
	if left := e.left(t, m); len(left) > 0 {
		t.Errorf("there is still %q", left)
	}
}

// A fan-out that comes late finds the photo deleted.
func TestFanOutOfWhatIsDeleted(t *testing.T) {
	e := newErasure(t, &fuse{left: -1})
	m := processed(t, e.worker, publish(t, e.worker, e.author, photo(t, 40, 30)))
	if _, err := e.store.DeleteMedia(t.Context(), e.author.ID, m.ID); err != nil {
		t.Fatal(err)
	}
	task := &fanOut{worker: e.worker, chunk: followersAtOnce}
	if err := task.Work(t.Context(), &river.Job[queue.FanOut]{Args: queue.FanOut{Media: m.ID, Author: e.author.ID}}); err != nil {
		t.Error(err)
	}
	for _, u := range e.readers {
		if ids, err := e.feeds.Page(t.Context(), u.ID, 0, 10); err != nil || len(ids) > 0 {
			t.Errorf("feed of %s is %v, %v", u.Name, ids, err)
		}
	}
}
