package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// set runs a statement about user on their shard.
func set(t *testing.T, w *worker, user id.ID, sql string, args ...any) {
	t.Helper()
	shards := w.doc.Shards
	c := databases.Owner(t, shards.Databases[shards.Database(shard.Of(user))].Name)
	if _, err := c.Exec(t.Context(), strings.ReplaceAll(sql, "shard.", shard.Of(user).Schema()+"."), append([]any{user}, args...)...); err != nil {
		t.Fatal(err)
	}
}

func TestMention(t *testing.T) {
	w := wire(t)
	author, actor := databases.User(t), databases.User(t)
	m := publish(t, w, author, photo(t, 40, 30))
	if _, err := w.store.MarkReady(t.Context(), m.ID, 40, 30, ""); err != nil {
		t.Fatal(err)
	}
	var names []string
	mentioned := map[string]store.User{}
	for _, who := range []string{"anybody", "blocked by actor", "blocked by author", "mutes actor", "away", "stranger to the private"} {
		u := databases.User(t)
		mentioned[who] = u
		names = append(names, u.Name)
	}
	set(t, w, mentioned["blocked by actor"].ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'blocked', $2)`, actor.ID)
	set(t, w, mentioned["blocked by author"].ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'blocked', $2)`, author.ID)
	set(t, w, mentioned["mutes actor"].ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'mute', $2)`, actor.ID)
	set(t, w, mentioned["away"].ID, `UPDATE shard.users SET state = 'suspended' WHERE id = $1`)
	names = append(names, author.Name, actor.Name, "nobody.has.this.name")
	task := &mention{worker: w}
	work := func(args queue.Mention) {
		t.Helper()
		for range 2 { // the second time as a retry
			if err := task.Work(t.Context(), &river.Job[queue.Mention]{Args: args}); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(step string, want ...string) {
		t.Helper()
		var got []string
		for who, u := range mentioned {
			n, _, err := w.store.Unseen(t.Context(), u.ID)
			if err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				got = append(got, who)
			}
			if err := w.store.SeeActivity(t.Context(), u.ID, 1<<63-1); err != nil {
				t.Fatal(err)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: told are %q, want %q", step, got, want)
		}
	}
	comment := func() queue.Mention {
		t.Helper()
		c, err := w.store.Comment(t.Context(), store.Comment{Media: m.ID, User: actor.ID, Text: "x", Mentions: names}, uuid.Nil)
		if err != nil {
			t.Fatal(err)
		}
		return queue.Mention{Media: m.ID, Comment: c.ID}
	}
	first := comment()
	work(first)
	check("a comment", "anybody", "stranger to the private")
	work(first)
	check("the same")
	gone := comment()
	if _, err := w.store.DeleteComment(t.Context(), m.ID, gone.Comment, actor.ID); err != nil {
		t.Fatal(err)
	}
	work(gone)
	check("a comment that is gone")

	set(t, w, author.ID, `UPDATE shard.media SET mentions = $2 WHERE user_id = $1`, names)
	work(queue.Mention{Media: m.ID})
	check("the caption", "anybody", "blocked by actor", "mutes actor", "stranger to the private")
	set(t, w, author.ID, `UPDATE shard.users SET private = true WHERE id = $1`)
	set(t, w, mentioned["anybody"].ID, `INSERT INTO shard.following (user_id, target_id) VALUES ($1, $2)`, author.ID)
	set(t, w, author.ID, `INSERT INTO shard.followers (user_id, follower_id) VALUES ($1, $2)`, actor.ID)
	private := comment()
	work(private)
	check("around a private photo", "anybody")
	set(t, w, author.ID, `UPDATE shard.media SET hidden = true WHERE user_id = $1`)
	work(queue.Mention{Media: m.ID})
	work(queue.Mention{Media: 1})
	check("a photo that is hidden, and none")
}
