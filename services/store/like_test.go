package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/burbn/burbn/services/store"
)

func TestLike(t *testing.T) {
	s := databases.Store(t)
	owner, user := databases.User(t), databases.User(t)
	m := publish(t, owner)
	_, err := s.Like(t.Context(), m.ID, user.ID)
	expect(t, err, store.ErrNotFound) // not ready
	if _, err := s.MarkReady(t.Context(), m.ID, 1, 1); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name    string
		do      func() (bool, error)
		changed bool
		likes   int64
		tasks   int
	}{
		{"unlike first", func() (bool, error) { return s.Unlike(t.Context(), m.ID, user.ID) }, false, 0, 0},
		{"like", func() (bool, error) { return s.Like(t.Context(), m.ID, user.ID) }, true, 1, 1},
		{"like again", func() (bool, error) { return s.Like(t.Context(), m.ID, user.ID) }, false, 1, 1},
		{"unlike", func() (bool, error) { return s.Unlike(t.Context(), m.ID, user.ID) }, true, 0, 1},
		{"unlike again", func() (bool, error) { return s.Unlike(t.Context(), m.ID, user.ID) }, false, 0, 1},
	} {
		t.Run(step.name, func(t *testing.T) {
			changed, err := step.do()
			if err != nil || changed != step.changed {
				t.Errorf("changed = %v, %v, want %v", changed, err, step.changed)
			}
			checkLikes(t, m, step.likes)
			if likes, err := s.Likes(t.Context(), m.ID, user.ID); err != nil || likes != (step.likes == 1) {
				t.Errorf("Likes = %v, %v", likes, err)
			}
			args := fmt.Sprintf(`{"media": "%s", "owner": "%s", "actor": "%s"}`, m.ID, owner.ID, user.ID)
			if n := tasks(t, m.ID, "notify_like", args); n != step.tasks {
				t.Errorf("%d tasks, want %d", n, step.tasks)
			}
		})
	}
	t.Run("one's own", func(t *testing.T) {
		if changed, err := s.Like(t.Context(), m.ID, owner.ID); err != nil || !changed {
			t.Errorf("changed = %v, %v", changed, err)
		}
		checkLikes(t, m, 1)
		if n := tasks(t, m.ID, "notify_like", fmt.Sprintf(`{"actor": "%s"}`, owner.ID)); n != 0 {
			t.Errorf("%d tasks, want none", n)
		}
	})
}

// checkLikes compares the counter with the rows and with want.
func checkLikes(t *testing.T, m store.Media, want int64) {
	t.Helper()
	got, err := databases.Store(t).Media(t.Context(), m.ID)
	rows := value[int64](t, m.ID, `SELECT count(*) FROM shard.likes WHERE media_id = $1`, m.ID)
	if err != nil || got.LikeCount != want || rows != want {
		t.Errorf("like count %d, rows %d, %v, want %d", got.LikeCount, rows, err, want)
	}
}

func TestLikesConcurrently(t *testing.T) {
	s := databases.Store(t)
	m := post(t, databases.User(t))
	const users, each = 8, 25
	var wg sync.WaitGroup
	for u := range users {
		user := databases.User(t)
		for range 2 { // two phones of one user
			wg.Go(func() {
				for range each {
					if _, err := s.Like(t.Context(), m.ID, user.ID); err != nil {
						t.Error(err)
					}
					if _, err := s.Unlike(t.Context(), m.ID, user.ID); err != nil {
						t.Error(err)
					}
				}
				if u%2 == 0 {
					if _, err := s.Like(t.Context(), m.ID, user.ID); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	rows := value[int64](t, m.ID, `SELECT count(*) FROM shard.likes WHERE media_id = $1`, m.ID)
	if rows < 0 || rows > users {
		t.Errorf("%d rows of %d users", rows, users)
	}
	checkLikes(t, m, rows)
}

// TestNoTaskNoLike: what cannot order its task does not happen.
func TestNoTaskNoLike(t *testing.T) {
	s := databases.Store(t)
	owner, user := databases.User(t), databases.User(t)
	m := post(t, owner)
	upload := makeUpload(t, owner)
	processing := publish(t, owner)
	for _, d := range databases.Stores(t).Shards.Databases {
		c := databases.Owner(t, d.Name)
		if _, err := c.Exec(t.Context(), `ALTER TABLE river.river_job ADD CONSTRAINT broken CHECK (false) NOT VALID`); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if _, err := c.Exec(t.Context(), `ALTER TABLE river.river_job DROP CONSTRAINT broken`); err != nil {
				t.Fatal(err)
			}
		}()
	}
	broken := func(_ any, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("error = %v, want that of the task", err)
		}
	}
	broken(s.Like(t.Context(), m.ID, user.ID))
	checkLikes(t, m, 0)
	broken(s.Follow(t.Context(), user.ID, owner.ID))
	if u, err := s.User(t.Context(), user.ID); err != nil || u.FollowingCount != 0 {
		t.Errorf("following count = %d, %v, want 0", u.FollowingCount, err)
	}
	if follows, err := s.Follows(t.Context(), user.ID, owner.ID); err != nil || follows {
		t.Errorf("Follows = %v, %v, want no", follows, err)
	}
	broken(s.Publish(t.Context(), owner.ID, upload.ID, ""))
	if u, err := s.Upload(t.Context(), upload.ID); err != nil || u.Media != 0 {
		t.Errorf("Upload = %+v, %v, want it unpublished", u, err)
	}
	broken(s.MarkReady(t.Context(), processing.ID, 1, 1))
	if got, err := s.Media(t.Context(), processing.ID); err != nil || got.State != store.Processing {
		t.Errorf("Media = %+v, %v, want it processing", got, err)
	}
	if u, err := s.User(t.Context(), owner.ID); err != nil || u.MediaCount != 1 {
		t.Errorf("media count = %d, %v, want 1", u.MediaCount, err)
	}
}
