package main

import (
	"fmt"
	"testing"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// TestFollowsSettle: what people decide about follows reaches the other side by tasks
// alone, and so does what they see.
func TestFollowsSettle(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	target, refused, removed, blocked, waiting := databases.User(t), databases.User(t), databases.User(t), databases.User(t), databases.User(t)
	settled(t, w, publish(t, w, target, photo(t, 64, 48)))
	set := func(private bool) {
		t.Helper()
		m := w.store.Shards()
		c := databases.Owner(t, m.Databases[m.Database(shard.Of(target.ID))].Name)
		defer c.Close(ctx)
		i, err := queue.NewInserter()
		if err != nil {
			t.Fatal(err)
		}
		task, err := i.Row(queue.ApproveAll{User: target.ID})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(ctx, fmt.Sprintf(`
			WITH u AS (UPDATE %s.users SET private = $2 WHERE id = $1)
			SELECT burbn.enqueue($3) WHERE NOT $2`, shard.Of(target.ID).Schema()), target.ID, private, task); err != nil {
			t.Fatal(err)
		}
	}
	set(true)
	is := func(actor store.User, following, followedBy store.FollowState) {
		t.Helper()
		processtest.Until(t, patience, func() error {
			ours, err := w.store.Relationships(ctx, actor.ID, []id.ID{target.ID})
			if err != nil {
				return err
			}
			theirs, err := w.store.Relationships(ctx, target.ID, []id.ID{actor.ID})
			if err != nil {
				return err
			}
			if o, b := ours[target.ID], theirs[actor.ID]; o.Following != following || b.FollowedBy != followedBy {
				return fmt.Errorf("following %s, and followed by %s; want %s, %s", o.Following, b.FollowedBy, following, followedBy)
			}
			return nil
		})
	}
	feed := func(actor store.User, want int) {
		t.Helper()
		processtest.Until(t, patience, func() error {
			ids, err := w.feeds.Page(ctx, actor.ID, 0, 10)
			if err == nil && len(ids) != want {
				err = fmt.Errorf("feed of %d photos, want %d", len(ids), want)
			}
			return err
		})
	}
	for _, u := range []store.User{refused, removed, blocked, waiting} {
		if _, err := w.store.Follow(ctx, u.ID, target.ID); err != nil { // as if the account were public
			t.Fatal(err)
		}
		is(u, store.FollowRequested, store.FollowRequested)
		feed(u, 0)
	}
	for _, u := range []store.User{removed, blocked} {
		if follows, err := w.store.ApproveFollow(ctx, target.ID, u.ID); err != nil || !follows {
			t.Fatal(follows, err)
		}
		is(u, store.FollowYes, store.FollowYes)
		feed(u, 1)
	}
	if _, err := w.store.RefuseFollow(ctx, target.ID, refused.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.RemoveFollower(ctx, target.ID, removed.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Block(ctx, target.ID, blocked.ID); err != nil {
		t.Fatal(err)
	}
	for _, u := range []store.User{refused, removed, blocked} {
		is(u, store.FollowNo, store.FollowNo)
		feed(u, 0)
	}
	processtest.Until(t, patience, func() error {
		b, err := w.store.Barriers(ctx, []id.ID{blocked.ID})
		if err == nil && len(b[blocked.ID].Blocks) != 1 {
			err = fmt.Errorf("barriers of who is blocked: %v", b)
		}
		return err
	})
	set(false)
	is(waiting, store.FollowYes, store.FollowYes)
	feed(waiting, 1)
}

// TestApproveAllInChunks: the task goes on until nobody is left.
func TestApproveAllInChunks(t *testing.T) {
	w := wire(t)
	ctx := t.Context()
	target := databases.User(t)
	m := w.store.Shards()
	c := databases.Owner(t, m.Databases[m.Database(shard.Of(target.ID))].Name)
	if _, err := c.Exec(ctx, `INSERT INTO `+shard.Of(target.ID).Schema()+`.follow_requests (user_id, follower_id, created_at)
		SELECT $1, generate_series(1, 5), now()`, target.ID); err != nil {
		t.Fatal(err)
	}
	work := &approveAll{worker: w, chunk: 2}
	for _, want := range []struct {
		followers int64
		goesOn    bool
	}{{2, true}, {4, true}, {5, false}, {5, false}} {
		err := work.Work(ctx, &river.Job[queue.ApproveAll]{Args: queue.ApproveAll{User: target.ID}})
		if goesOn := err != nil; goesOn != want.goesOn {
			t.Errorf("it ended with %v", err)
		}
		if u, err := w.store.User(ctx, target.ID); err != nil || u.FollowerCount != want.followers {
			t.Errorf("%d followers, %v, want %d", u.FollowerCount, err, want.followers)
		}
	}
}
