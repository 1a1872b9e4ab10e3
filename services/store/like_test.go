package store_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func TestLike(t *testing.T) {
	s := databases.Store(t)
	owner, user := databases.User(t), databases.User(t)
	m := publish(t, owner)
	_, err := s.Like(t.Context(), m.ID, user.ID)
	expect(t, err, store.ErrNotFound) // not ready
	if _, err := s.MarkReady(t.Context(), m.ID, 1, 1, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.RegisterDevice(t.Context(), owner.ID, "like"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name    string
		do      func() (bool, error)
		changed bool
		likes   int64
		told    int64
	}{
		{"unlike first", func() (bool, error) { return s.Unlike(t.Context(), m.ID, user.ID) }, false, 0, 0},
		{"like", func() (bool, error) { return s.Like(t.Context(), m.ID, user.ID) }, true, 1, 1},
		{"like again", func() (bool, error) { return s.Like(t.Context(), m.ID, user.ID) }, false, 1, 1},
		{"unlike", func() (bool, error) { return s.Unlike(t.Context(), m.ID, user.ID) }, true, 0, 1},
		{"unlike again", func() (bool, error) { return s.Unlike(t.Context(), m.ID, user.ID) }, false, 0, 1},
		{"like anew", func() (bool, error) { return s.Like(t.Context(), m.ID, user.ID) }, true, 1, 2},
		{"one's own", func() (bool, error) { return s.Like(t.Context(), m.ID, owner.ID) }, true, 2, 2},
	} {
		t.Run(step.name, func(t *testing.T) {
			changed, err := step.do()
			if err != nil || changed != step.changed {
				t.Errorf("changed = %v, %v, want %v", changed, err, step.changed)
			}
			checkLikes(t, m, step.likes)
			if likes, err := s.Likes(t.Context(), m.ID, user.ID); err != nil || likes != (step.likes > 0) {
				t.Errorf("Likes = %v, %v", likes, err)
			}
			if n := value[int64](t, owner.ID, `SELECT count(*) FROM shard.activity WHERE user_id = $1`, owner.ID); n != step.told {
				t.Errorf("%d rows of activity, want %d", n, step.told)
			}
			args := fmt.Sprintf(`{"user": "%s", "about": "like", "media": "%s"}`, owner.ID, m.ID)
			if n := tasks(t, m.ID, "notify", args); n != int(min(step.told, 1)) { // of one push
				t.Errorf("%d tasks, told %d", n, step.told)
			}
		})
	}
}

// Nobody rings, so no push is ordered.
func TestLikeOfTheSilent(t *testing.T) {
	s := databases.Store(t)
	none, muted := databases.User(t), databases.User(t)
	if err := s.RegisterDevice(t.Context(), muted.ID, "muted"); err != nil {
		t.Fatal(err)
	}
	if err := s.MutePushes(t.Context(), muted.ID, []string{"like"}); err != nil {
		t.Fatal(err)
	}
	for _, owner := range []store.User{none, muted} {
		m := post(t, owner)
		if changed, err := s.Like(t.Context(), m.ID, databases.User(t).ID); !changed || err != nil {
			t.Fatal(changed, err)
		}
		if n := tasks(t, m.ID, "notify", fmt.Sprintf(`{"user": "%s"}`, owner.ID)); n != 0 {
			t.Errorf("%d pushes are ordered", n)
		}
		if n, _, err := s.Unseen(t.Context(), owner.ID); n != 1 || err != nil {
			t.Errorf("%d lines of activity, %v", n, err)
		}
	}
}

// TestWhoMayLike compares what the author's shard says with what audience does.
func TestWhoMayLike(t *testing.T) {
	s := databases.Store(t)
	for _, state := range []store.UserState{store.Active, store.Deactivated, store.Suspended, store.Deleting} {
		for _, private := range []bool{false, true} {
			for _, barrier := range []string{"", "block", "blocked", "mute"} {
				for _, follows := range []bool{false, true} {
					for _, hidden := range []bool{false, true} {
						owner, user := databases.User(t), databases.User(t)
						m := post(t, owner)
						set(t, owner.ID, `UPDATE shard.users SET state = $2, private = $3 WHERE id = $1`, owner.ID, state, private)
						set(t, m.ID, `UPDATE shard.media SET hidden = $2 WHERE id = $1`, m.ID, hidden)
						if barrier != "" {
							set(t, owner.ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, $2, $3)`, owner.ID, barrier, user.ID)
						}
						if follows {
							set(t, owner.ID, `INSERT INTO shard.followers (user_id, follower_id) VALUES ($1, $2)`, owner.ID, user.ID)
							set(t, user.ID, `INSERT INTO shard.following (user_id, target_id) VALUES ($1, $2)`, user.ID, owner.ID)
						}
						viewer := audience.Viewer{ID: user.ID}
						if barrier == "block" || barrier == "blocked" { // of either side
							viewer.Blocks = []id.ID{owner.ID}
						}
						author, err := s.User(t.Context(), owner.ID)
						if err != nil {
							t.Fatal(err)
						}
						sees, err := audience.New(s, nil).Sees(t.Context(), viewer, author)
						if err != nil {
							t.Fatal(err)
						}
						name := fmt.Sprintf("%s, private %v, %q, follows %v, hidden %v", state, private, barrier, follows, hidden)
						want := error(nil)
						if !sees || hidden {
							want = store.ErrNotFound
						}
						for verb, do := range map[string]func() error{
							"like":   func() error { _, err := s.Like(t.Context(), m.ID, user.ID); return err },
							"unlike": func() error { _, err := s.Unlike(t.Context(), m.ID, user.ID); return err },
							"comment": func() error {
								_, err := s.Comment(t.Context(), store.Comment{Media: m.ID, User: user.ID, Text: "x"}, uuid.Nil)
								return err
							},
						} {
							if err := do(); !errors.Is(err, want) {
								t.Errorf("%s: %s is answered %v, want %v", name, verb, err, want)
							}
						}
					}
				}
			}
		}
	}
}

// set runs a statement on the shard of i.
func set(t testing.TB, i id.ID, sql string, args ...any) {
	t.Helper()
	value[int64](t, i, `WITH it AS (`+sql+` RETURNING 1) SELECT count(*) FROM it`, args...)
}

func TestLikers(t *testing.T) {
	s := databases.Store(t)
	m := post(t, databases.User(t))
	var want []id.ID // latest first
	for range 7 {
		user := databases.User(t)
		if _, err := s.Like(t.Context(), m.ID, user.ID); err != nil {
			t.Fatal(err)
		}
		want = append([]id.ID{user.ID}, want...)
	}
	// Of the same instant: by their ids.
	set(t, m.ID, `UPDATE shard.likes SET created_at = '2026-03-01' WHERE media_id = $1 AND user_id = ANY($2)`, m.ID, []int64{int64(want[4]), int64(want[5]), int64(want[6])})
	slices.SortFunc(want[4:], func(a, b id.ID) int { return cmp.Compare(b, a) })
	var got []id.ID
	var last store.Liker
	for {
		page, err := s.Likers(t.Context(), m.ID, last, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, l := range page {
			got = append(got, l.User)
		}
		last = page[len(page)-1]
		// Who likes it meanwhile changes no later page.
		if _, err := s.Like(t.Context(), m.ID, databases.User(t).ID); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("likers are %v, want %v", got, want)
	}
	liked, err := s.Liked(t.Context(), want[0], []id.ID{m.ID, unknown, nowhere})
	if !slices.Equal(liked, []id.ID{m.ID}) || err != nil {
		t.Errorf("liked are %v, %v", liked, err)
	}
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
	if err := s.RegisterDevice(t.Context(), owner.ID, "no task"); err != nil {
		t.Fatal(err)
	}
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
	broken(s.Comment(t.Context(), store.Comment{Media: m.ID, User: user.ID, Text: "x"}, uuid.Nil))
	if got, err := s.Media(t.Context(), m.ID); got.CommentCount != 0 || err != nil {
		t.Errorf("Media = %+v, %v, want no comment", got, err)
	}
	broken(s.Follow(t.Context(), user.ID, owner.ID))
	if u, err := s.User(t.Context(), user.ID); err != nil || u.FollowingCount != 0 {
		t.Errorf("following count = %d, %v, want 0", u.FollowingCount, err)
	}
	if follows, err := s.Follows(t.Context(), user.ID, owner.ID); err != nil || follows {
		t.Errorf("Follows = %v, %v, want no", follows, err)
	}
	broken(s.Publish(t.Context(), owner.ID, upload.ID, store.NewMedia{}))
	if u, err := s.Upload(t.Context(), upload.ID); err != nil || u.Media != 0 {
		t.Errorf("Upload = %+v, %v, want it unpublished", u, err)
	}
	broken(s.MarkReady(t.Context(), processing.ID, 1, 1, ""))
	if got, err := s.Media(t.Context(), processing.ID); err != nil || got.State != store.Processing {
		t.Errorf("Media = %+v, %v, want it processing", got, err)
	}
	if u, err := s.User(t.Context(), owner.ID); err != nil || u.MediaCount != 1 {
		t.Errorf("media count = %d, %v, want 1", u.MediaCount, err)
	}
}
