package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func TestFollow(t *testing.T) {
	s := databases.Store(t)
	actor, target := databases.User(t), databases.User(t)
	for _, step := range []struct {
		name      string
		do        func() (bool, error)
		changed   bool
		following int64
		tasks     int
	}{
		{"unfollow first", func() (bool, error) { return s.Unfollow(t.Context(), actor.ID, target.ID) }, false, 0, 0},
		{"follow", func() (bool, error) { return s.Follow(t.Context(), actor.ID, target.ID) }, true, 1, 1},
		{"follow again", func() (bool, error) { return s.Follow(t.Context(), actor.ID, target.ID) }, false, 1, 1},
		{"unfollow", func() (bool, error) { return s.Unfollow(t.Context(), actor.ID, target.ID) }, true, 0, 2},
		{"unfollow again", func() (bool, error) { return s.Unfollow(t.Context(), actor.ID, target.ID) }, false, 0, 2},
	} {
		t.Run(step.name, func(t *testing.T) {
			changed, err := step.do()
			if err != nil || changed != step.changed {
				t.Errorf("changed = %v, %v, want %v", changed, err, step.changed)
			}
			if u, err := s.User(t.Context(), actor.ID); err != nil || u.FollowingCount != step.following {
				t.Errorf("following count = %d, %v, want %d", u.FollowingCount, err, step.following)
			}
			if follows, err := s.Follows(t.Context(), actor.ID, target.ID); err != nil || follows != (step.following == 1) {
				t.Errorf("Follows = %v, %v", follows, err)
			}
			args := fmt.Sprintf(`{"actor": "%s", "target": "%s"}`, actor.ID, target.ID)
			if n := tasks(t, actor.ID, "sync_follow", args); n != step.tasks {
				t.Errorf("%d tasks, want %d", n, step.tasks)
			}
		})
	}
	if changed, err := s.Follow(t.Context(), actor.ID, actor.ID); err == nil || changed {
		t.Errorf("follow oneself = %v, %v, want an error", changed, err)
	}
}

func TestFollowers(t *testing.T) {
	s := databases.Store(t)
	target := databases.User(t)
	var want []id.ID
	for range 7 {
		actor := databases.User(t)
		want = append(want, actor.ID)
		if _, err := s.Follow(t.Context(), actor.ID, target.ID); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.SyncFollow(t.Context(), actor.ID, target.ID); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Following(t.Context(), actor.ID); err != nil || !slices.Equal(got, []id.ID{target.ID}) {
			t.Errorf("Following = %v, %v", got, err)
		}
	}
	slices.Sort(want)
	var got []id.ID
	var after id.ID
	for range 4 {
		page, err := s.Followers(t.Context(), target.ID, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, page...); len(page) < 3 {
			break
		}
		after = page[len(page)-1]
	}
	if !slices.Equal(got, want) {
		t.Errorf("Followers = %v, want %v", got, want)
	}
	if u, err := s.User(t.Context(), target.ID); err != nil || u.FollowerCount != 7 {
		t.Errorf("follower count = %d, %v, want 7", u.FollowerCount, err)
	}
}

// TestSyncFollowConverges: however follows, unfollows and their tasks interleave,
// once each task has run the target's shard says what the actor's says.
func TestSyncFollowConverges(t *testing.T) {
	s := databases.Store(t)
	target := databases.User(t)
	actors := []store.User{databases.User(t), databases.User(t), databases.User(t)}
	var wg sync.WaitGroup
	for a, actor := range actors {
		flips := make(chan struct{}, 100)
		wg.Go(func() {
			defer close(flips)
			for n := range 25 + a { // the last one follows or not by turns
				do := s.Follow
				if n%2 == 1 {
					do = s.Unfollow
				}
				if changed, err := do(t.Context(), actor.ID, target.ID); err != nil || !changed {
					t.Errorf("flip %d = %v, %v", n, changed, err)
				}
				flips <- struct{}{}
			}
		})
		for range 3 { // workers
			wg.Go(func() {
				for range flips {
					// As its task is: tried until it succeeds.
					for s.SyncFollow(t.Context(), actor.ID, target.ID) != nil && t.Context().Err() == nil {
					}
				}
			})
		}
	}
	wg.Wait()
	var want []id.ID
	for a, actor := range actors {
		if (25+a)%2 == 1 {
			want = append(want, actor.ID)
		}
	}
	slices.Sort(want)
	got, err := s.Followers(t.Context(), target.ID, 0, 10)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Followers = %v, %v, want %v", got, err, want)
	}
	if u, err := s.User(t.Context(), target.ID); err != nil || int(u.FollowerCount) != len(want) {
		t.Errorf("follower count = %d, %v, want %d", u.FollowerCount, err, len(want))
	}
}

// setPrivate opens or closes an account.
func setPrivate(t testing.TB, user store.User, private bool) {
	t.Helper()
	value[id.ID](t, user.ID, `UPDATE shard.users SET private = $2 WHERE id = $1 RETURNING id`, user.ID, private)
}

// TestPrivateFollow: what the actor's shard takes for a follow is a request on that of a
// private account, and the other way round.
func TestPrivateFollow(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	actor, target := databases.User(t), databases.User(t)
	type state struct {
		following           store.FollowState
		followers, requests int
		counts              [2]int64 // following, followers
	}
	var (
		none      = state{store.FollowNo, 0, 0, [2]int64{0, 0}}
		requested = state{store.FollowRequested, 0, 1, [2]int64{0, 0}}
		following = state{store.FollowYes, 1, 0, [2]int64{1, 1}}
	)
	sync := func() error { return s.SyncFollow(ctx, actor.ID, target.ID) }
	follow := func() error { _, err := s.Follow(ctx, actor.ID, target.ID); return err }
	request := func() error { _, err := s.RequestFollow(ctx, actor.ID, target.ID); return err }
	unfollow := func() error { _, err := s.Unfollow(ctx, actor.ID, target.ID); return err }
	approve := func() error {
		if follows, err := s.ApproveFollow(ctx, target.ID, actor.ID); err != nil || !follows {
			return fmt.Errorf("ApproveFollow = %v, %v", follows, err)
		}
		return nil
	}
	private := func() error { setPrivate(t, target, true); return nil }
	public := func() error {
		setPrivate(t, target, false)
		_, err := s.ApproveFollows(ctx, target.ID, 10)
		return err
	}
	var ended time.Time
	end := func(do func(context.Context, id.ID, id.ID) (time.Time, error)) func() error {
		return func() (err error) {
			if ended, err = do(ctx, target.ID, actor.ID); err == nil && ended.IsZero() {
				err = errors.New("nothing ended")
			}
			return err
		}
	}
	told := func() error { return s.EndFollow(ctx, actor.ID, target.ID, ended) }
	for _, step := range []struct {
		name string
		do   []func() error
		want state
	}{
		{"a request that the actor took for a follow", []func() error{private, follow, sync}, requested},
		{"approved", []func() error{approve, sync, sync}, following},
		{"approved again", []func() error{approve, sync}, following},
		{"still, when asked for again", []func() error{request, sync}, following},
		{"one who comes back asks again", []func() error{unfollow, follow, sync}, requested},
		{"refused", []func() error{end(s.RefuseFollow), told}, none},
		{"what was refused does not end what is asked for since", []func() error{request, sync, told}, requested},
		{"approved before its task", []func() error{unfollow, sync, request, sync, approve, sync}, following},
		{"removed", []func() error{end(s.RemoveFollower), told}, none},
		{"a follow that the actor took for a request", []func() error{public, request, sync}, following},
		{"removed, and put back by a task in between", []func() error{end(s.RemoveFollower), sync, told}, none},
		{"approved by opening the account", []func() error{private, request, sync, public, sync}, following},
		{"still, when the account is closed", []func() error{private, sync}, following},
		{"taken back", []func() error{unfollow, sync, request, sync, unfollow, sync}, none},
	} {
		t.Run(step.name, func(t *testing.T) {
			for i, do := range step.do {
				if err := do(); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			var got state
			r, err := s.Relationships(ctx, actor.ID, []id.ID{target.ID})
			if err != nil {
				t.Fatal(err)
			}
			got.following = r[target.ID].Following
			for circle, n := range map[store.Circle]*int{store.Followers: &got.followers, store.FollowRequests: &got.requests} {
				ids, err := s.Circle(ctx, circle, target.ID, 0, 10)
				if err != nil {
					t.Fatal(err)
				}
				*n = len(ids)
			}
			users, err := s.Users(ctx, []id.ID{actor.ID, target.ID})
			if err != nil {
				t.Fatal(err)
			}
			got.counts = [2]int64{users[actor.ID].FollowingCount, users[target.ID].FollowerCount}
			if got != step.want {
				t.Errorf("%+v, want %+v", got, step.want)
			}
			if follows, err := s.Follows(ctx, actor.ID, target.ID); err != nil || follows != (step.want == following) {
				t.Errorf("Follows = %v, %v", follows, err)
			}
			if ids, err := s.Following(ctx, actor.ID); err != nil || (len(ids) == 1) != (step.want == following) {
				t.Errorf("Following = %v, %v", ids, err)
			}
		})
	}
	// However often they came and went on one day, each is told once.
	for _, want := range []struct {
		user  store.User
		kinds []string
	}{{actor, []string{"approval"}}, {target, []string{"follow", "request"}}} {
		kinds := value[[]string](t, want.user.ID, `
			SELECT array_agg(kind::text ORDER BY kind) FROM shard.activity WHERE user_id = $1`, want.user.ID)
		if !slices.Equal(kinds, want.kinds) {
			t.Errorf("activity of %s: %v, want %v", want.user.Name, kinds, want.kinds)
		}
		for _, kind := range want.kinds {
			if n := tasks(t, want.user.ID, "notify", fmt.Sprintf(`{"user": "%s", "about": "%s"}`, want.user.ID, kind)); n != 1 {
				t.Errorf("%d pushes of kind %s ordered for %s", n, kind, want.user.Name)
			}
		}
	}
}

func TestTooManyFollows(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	actor, last, other := databases.User(t), databases.User(t), databases.User(t)
	value[int](t, actor.ID, `
		WITH f AS (INSERT INTO shard.following (user_id, target_id) SELECT $1, generate_series(1, 7499) RETURNING 1)
		SELECT count(*) FROM f`, actor.ID)
	for range 2 { // the second time it is there
		if _, err := s.RequestFollow(ctx, actor.ID, last.ID); err != nil {
			t.Error(err)
		}
	}
	for _, do := range []func(context.Context, id.ID, id.ID) (bool, error){s.Follow, s.RequestFollow} {
		changed, err := do(ctx, actor.ID, other.ID)
		if expect(t, err, store.ErrTooManyFollows); changed {
			t.Error("changed all the same")
		}
	}
	if n := tasks(t, actor.ID, "sync_follow", fmt.Sprintf(`{"target": "%s"}`, other.ID)); n != 0 {
		t.Errorf("%d tasks", n)
	}
}

// TestFollowOfNobody: who is being deleted, or gone, is followed no more.
func TestFollowOfNobody(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	actor, target := databases.User(t), databases.User(t)
	follow := func(target id.ID) {
		t.Helper()
		if _, err := s.Follow(ctx, actor.ID, target); err != nil {
			t.Fatal(err)
		}
		if err := s.SyncFollow(ctx, actor.ID, target); err != nil {
			t.Fatal(err)
		}
	}
	follow(target.ID)
	value[id.ID](t, target.ID, `UPDATE shard.users SET state = 'deleting' WHERE id = $1 RETURNING id`, target.ID)
	if err := s.SyncFollow(ctx, actor.ID, target.ID); err != nil {
		t.Fatal(err)
	}
	follow(unknown)
	follow(nowhere)
	if ids, err := s.Following(ctx, actor.ID); err != nil || len(ids) != 0 {
		t.Errorf("Following = %v, %v", ids, err)
	}
	users, err := s.Users(ctx, []id.ID{actor.ID, target.ID})
	if err != nil || users[actor.ID].FollowingCount != 0 || users[target.ID].FollowerCount != 0 {
		t.Errorf("%+v, %v", users, err)
	}
}
