package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// tagged publishes a ready photo with a tag.
func tagged(t *testing.T, w *worker, author store.User, tag string) id.ID {
	t.Helper()
	up, err := w.store.CreateUpload(t.Context(), author.ID, "image/jpeg", 1, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m, err := w.store.Publish(t.Context(), author.ID, up.ID, store.NewMedia{Tags: []string{tag}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.MarkReady(t.Context(), m.ID, 1, 1, ""); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

func counted(t *testing.T, w *worker, tag string) int64 {
	t.Helper()
	counts, err := w.store.TagCounts(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	return counts[0].Media
}

func setPrivate(t *testing.T, u id.ID, private bool) {
	t.Helper()
	m := databases.Stores(t).Shards
	c := databases.Owner(t, m.Databases[m.Database(shard.Of(u))].Name)
	if _, err := c.Exec(t.Context(), `UPDATE `+shard.Of(u).Schema()+`.users SET private = $2 WHERE id = $1`, u, private); err != nil {
		t.Fatal(err)
	}
}

// The queues do what a photo, a deletion and a change of an account make necessary.
func TestPhotosAreFound(t *testing.T) {
	w := start(t)
	author, tag := databases.User(t), "found"
	m := tagged(t, w, author, tag)
	tagged(t, w, author, tag)
	until := func(what string, want int64) {
		t.Helper()
		processtest.Until(t, patience, func() error {
			if n := counted(t, w, tag); n != want {
				return fmt.Errorf("%s: %d photos counted, want %d", what, n, want)
			}
			return nil
		})
	}
	until("published", 2)
	if _, err := w.store.DeleteMedia(t.Context(), author.ID, m); err != nil {
		t.Fatal(err)
	}
	until("one deleted", 1)
	setPrivate(t, author.ID, true)
	if err := w.store.IndexUser(t.Context(), author.ID); err != nil {
		t.Fatal(err)
	}
	until("private", 0)
}

// All photos of an account are listed no more once it is private, chunk by chunk, and
// again once it is public: also on the same day, when the tasks look alike.
func TestIndexPhotos(t *testing.T) {
	w := wire(t)
	author, tag := databases.User(t), "chunks"
	for range 5 {
		if err := w.store.Index(t.Context(), queue.Index{Media: tagged(t, w, author, tag)}); err != nil {
			t.Fatal(err)
		}
	}
	m := databases.Stores(t).Shards
	c := databases.Owner(t, m.Databases[m.Database(shard.Of(author.ID))].Name)
	work := &indexPhotos{worker: w, chunk: 2}
	done := int64(0)
	drain := func() (tasks int) {
		for ; ; tasks++ {
			var text string
			var args queue.IndexPhotos
			var number int64
			err := c.QueryRow(t.Context(), `
				SELECT id, args::text FROM river.river_job
				WHERE kind = 'index_photos' AND args->>'user' = $1 AND id > $2
				UNION ALL SELECT 0, '' ORDER BY 1 DESC LIMIT 1`, author.ID.String(), done).Scan(&number, &text)
			if err != nil {
				t.Fatal(err)
			}
			if number == 0 {
				return tasks
			}
			if err := json.Unmarshal([]byte(text), &args); err != nil {
				t.Fatal(err)
			}
			done = number
			for range 2 { // tasks may be done twice
				if err := work.Work(t.Context(), &river.Job[queue.IndexPhotos]{JobRow: &rivertype.JobRow{ID: number}, Args: args}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for round, private := range []bool{true, false, true, false} {
		setPrivate(t, author.ID, private)
		if err := w.store.IndexUser(t.Context(), author.ID); err != nil {
			t.Fatal(err)
		}
		want := int64(5)
		if private {
			want = 0
		}
		if n := drain(); n != 3 {
			t.Errorf("round %d: %d tasks, want 3", round, n)
		}
		if n := counted(t, w, tag); n != want {
			t.Errorf("round %d: %d photos counted, want %d", round, n, want)
		}
	}
}
