package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

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
