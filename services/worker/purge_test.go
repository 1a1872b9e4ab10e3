package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// Of each kind that is kept for a while the old goes and the young stays.
func TestPurge(t *testing.T) {
	w := wire(t)
	u := databases.User(t)
	photo := processed(t, w, publish(t, w, u, photo(t, 40, 30)))
	old, young := upload(t, w, u, []byte("old")), upload(t, w, u, []byte("young"))
	ago := func(d time.Duration) id.ID { return id.Make(time.Now().Add(-d), uint16(shard.Of(u.ID)), 0) }
	const day = 24 * time.Hour
	on(t, u.ID, `UPDATE shard.uploads SET id = $2, expires_at = now() - interval '25 hours' WHERE id = $1`, old.ID, ago(2*day))
	on(t, u.ID, `INSERT INTO shard.sessions (id, user_id, expires_at) VALUES (1, $1, now() - interval '1 second'), (2, $1, now() + interval '1 hour')`, u.ID)
	on(t, u.ID, `INSERT INTO shard.requests (user_id, key, fingerprint, claimed_at) VALUES ($1, 'old', '', now() - interval '25 hours'), ($1, 'young', '', now())`, u.ID)
	on(t, u.ID, `INSERT INTO shard.activity (user_id, id, kind, actor_id, created_at) VALUES
		($1, 1, 'like', 7, now() - interval '91 days'), ($1, 2, 'like', 7, now())`, u.ID)
	on(t, u.ID, `INSERT INTO shard.pushes (user_id, kind, media_id, due_at) VALUES ($1, 'like', 1, now() - interval '2 days'), ($1, 'like', 2, now())`, u.ID)
	on(t, u.ID, `INSERT INTO shard.count_changes (media_id, likes, comments) VALUES ($1, 2, 1), ($1, 1, 0), (1, 5, 5)`, photo.ID)
	var exports []store.Export
	for _, age := range []string{"8 days", "6 days"} {
		e := must[store.Export](t)(w.store.BeginExport(t.Context(), u.ID))
		err := (&export{worker: w, slice: slice, rows: 9, part: partAtLeast}).Work(t.Context(), &river.Job[queue.Export]{
			JobRow: &rivertype.JobRow{Attempt: 1, MaxAttempts: 9}, Args: queue.Export{User: u.ID, Export: e.ID}})
		if err != nil {
			t.Fatal(err)
		}
		on(t, u.ID, `UPDATE shard.exports SET finished_at = now() - $2::interval WHERE id = $1`, e.ID, age)
		exports = append(exports, e)
	}

	d := w.doc.Shards.Databases[w.doc.Shards.Database(shard.Of(u.ID))]
	task := &purge{worker: w, shards: int(d.Last-d.First) + 1, rows: 1}
	if err := task.Work(t.Context(), &river.Job[queue.Purge]{JobRow: &rivertype.JobRow{CreatedAt: time.Now()}, Args: queue.Purge{Shard: d.First, Last: d.Last}}); err != nil {
		t.Fatal(err)
	}

	for table, want := range map[string]int{"sessions": 1, "requests": 1, "activity": 1, "pushes": 1, "exports": 1, "uploads": 2} {
		if n := rows(t, u.ID, table); n != want {
			t.Errorf("%d rows of %s are left, want %d", n, table, want)
		}
	}
	m := must[store.Media](t)(w.store.Media(t.Context(), photo.ID))
	if n := rowsWhere(t, u.ID, `SELECT count(*) FROM shard.count_changes`); n != 0 || m.LikeCount != 3 || m.CommentCount != 1 {
		t.Errorf("%d changes are left, the photo has %d likes and %d comments, want 0, 3, 1", n, m.LikeCount, m.CommentCount)
	}
	keys := objects(t, w)
	for key, want := range map[string]bool{old.Key: false, young.Key: true, exports[0].Key(): false, exports[1].Key(): true, photo.Key: true} {
		if slices.Contains(keys, key) != want {
			t.Errorf("object %s is there: %v, want %v", key, !want, want)
		}
	}
}

// The purge of a slice orders that of the next, and the last forgets who departed.
func TestPurgeGoesOn(t *testing.T) {
	w := wire(t)
	d := w.doc.Shards.Databases[0]
	began := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	inOne := id.Make(time.Now(), uint16(d.First), 0)
	on(t, inOne, `INSERT INTO burbn.departed (user_id) VALUES (7)`)
	task := &purge{worker: w, shards: 1, rows: 10}
	args := queue.Purge{Shard: d.First, Last: d.First + 1, Began: began}
	for range 2 { // repeated, it orders nothing more
		if err := task.Work(t.Context(), &river.Job[queue.Purge]{JobRow: &rivertype.JobRow{}, Args: args}); err != nil {
			t.Fatal(err)
		}
	}
	if n := rowsWhere(t, inOne, `SELECT count(*) FROM river.river_job WHERE kind = 'purge' AND args->>'began' = $1`, began.Format(time.RFC3339)); n != 1 {
		t.Errorf("%d tasks are ordered, want 1", n)
	}
	args.Shard++
	if err := task.Work(t.Context(), &river.Job[queue.Purge]{JobRow: &rivertype.JobRow{}, Args: args}); err != nil {
		t.Fatal(err)
	}
	if n := rowsWhere(t, inOne, `SELECT count(*) FROM burbn.departed`); n != 0 {
		t.Errorf("%d who departed are remembered", n)
	}
}

// rows are how many of a table a user has.
func rows(t *testing.T, user id.ID, table string) int {
	t.Helper()
	return rowsWhere(t, user, `SELECT count(*) FROM shard.`+table+` WHERE user_id = $1`, user)
}

// rowsWhere is a count on the shard of i.
func rowsWhere(t *testing.T, i id.ID, sql string, args ...any) (n int) {
	t.Helper()
	m := databases.Stores(t).Shards
	c := databases.Owner(t, m.Databases[m.Database(shard.Of(i))].Name)
	defer c.Close(t.Context())
	if err := c.QueryRow(t.Context(), strings.ReplaceAll(sql, "shard.", shard.Of(i).Schema()+"."), args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}
