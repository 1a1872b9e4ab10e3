package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func comment(t testing.TB, m store.Media, user store.User, text string, mentions ...string) store.Comment {
	t.Helper()
	c, err := databases.Store(t).Comment(t.Context(), store.Comment{Media: m.ID, User: user.ID, Text: text, Mentions: mentions}, uuid.Nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func checkComments(t *testing.T, m store.Media, want int64) {
	t.Helper()
	got, err := databases.Store(t).Media(t.Context(), m.ID)
	rows := value[int64](t, m.ID, `SELECT count(*) FROM shard.comments WHERE media_id = $1`, m.ID)
	if err != nil || got.CommentCount != want || rows != want {
		t.Errorf("comment count %d, rows %d, %v, want %d", got.CommentCount, rows, err, want)
	}
}

func TestComment(t *testing.T) {
	s := databases.Store(t)
	owner, user, other := databases.User(t), databases.User(t), databases.User(t)
	m := publish(t, owner)
	key := uuid.New()
	want := store.Comment{Media: m.ID, User: user.ID, Text: "Ünter @maya's <tree>\n", Mentions: []string{"maya"}}
	_, err := s.Comment(t.Context(), want, key)
	expect(t, err, store.ErrNotFound) // not ready
	if _, err := s.MarkReady(t.Context(), m.ID, 1, 1, ""); err != nil {
		t.Fatal(err)
	}
	var first store.Comment
	for range 2 { // the second time as a retry
		c, err := s.Comment(t.Context(), want, key)
		if err != nil {
			t.Fatal(err)
		}
		if first.ID == 0 {
			first = c
		}
		want.ID, want.CreatedAt = first.ID, first.CreatedAt
		if fmt.Sprint(c) != fmt.Sprint(want) || c.ID == 0 || c.CreatedAt.IsZero() {
			t.Errorf("Comment = %+v, want %+v", c, want)
		}
		checkComments(t, m, 1)
		if n := tasks(t, m.ID, "mention", fmt.Sprintf(`{"media": "%s", "comment": "%s"}`, m.ID, c.ID)); n != 1 {
			t.Errorf("%d mentions are ordered", n)
		}
		if n := value[int64](t, owner.ID, `SELECT count(*) FROM shard.activity WHERE user_id = $1 AND kind = 'comment'`, owner.ID); n != 1 {
			t.Errorf("%d rows of activity", n)
		}
	}
	second := comment(t, m, owner, "thanks")
	if n := value[int64](t, owner.ID, `SELECT count(*) FROM shard.activity WHERE user_id = $1`, owner.ID); n != 1 {
		t.Errorf("the owner is told of %d, want none of their own", n)
	}
	third := comment(t, m, user, "welcome")
	checkComments(t, m, 3)

	page, err := s.Comments(t.Context(), m.ID, 0, 2)
	if err != nil || len(page) != 2 || page[0].ID != third.ID || page[1].ID != second.ID {
		t.Errorf("newest comments are %+v, %v", page, err)
	}
	page, err = s.Comments(t.Context(), m.ID, second.ID, 2)
	if err != nil || len(page) != 1 || fmt.Sprint(page[0]) != fmt.Sprint(want) {
		t.Errorf("comments after those are %+v, %v", page, err)
	}
	elsewhere := comment(t, post(t, other), user, "x")
	many, err := s.CommentsMany(t.Context(), map[id.ID]id.ID{first.ID: m.ID, elsewhere.ID: elsewhere.Media, unknown: m.ID, second.ID: elsewhere.Media})
	if err != nil || len(many) != 2 || many[first.ID].Text != want.Text || many[elsewhere.ID].Text != "x" {
		t.Errorf("CommentsMany = %+v, %v", many, err)
	}

	for _, step := range []struct {
		name    string
		media   id.ID
		comment id.ID
		user    id.ID
		changed bool
		left    int64
	}{
		{"somebody else's", m.ID, first.ID, other.ID, false, 3},
		{"of another photo", elsewhere.Media, first.ID, user.ID, false, 3},
		{"the author's", m.ID, first.ID, user.ID, true, 2},
		{"again", m.ID, first.ID, user.ID, false, 2},
		{"the owner's", m.ID, third.ID, owner.ID, true, 1},
	} {
		t.Run(step.name, func(t *testing.T) {
			if changed, err := s.DeleteComment(t.Context(), step.media, step.comment, step.user); changed != step.changed || err != nil {
				t.Errorf("DeleteComment = %v, %v, want %v", changed, err, step.changed)
			}
			checkComments(t, m, step.left)
		})
	}
}

// The counts stay exact while many like, comment and take back at once, whoever holds
// the lock.
func TestCountsConcurrently(t *testing.T) {
	s := databases.Store(t)
	m := post(t, databases.User(t))
	var wg sync.WaitGroup
	for range 8 {
		user := databases.User(t)
		key := uuid.New()
		for range 2 { // two phones of one user, or one request sent twice
			wg.Go(func() {
				if _, err := s.Comment(t.Context(), store.Comment{Media: m.ID, User: user.ID, Text: "once"}, key); err != nil {
					t.Error(err)
				}
				for range 10 {
					c, err := s.Comment(t.Context(), store.Comment{Media: m.ID, User: user.ID, Text: "x"}, uuid.Nil)
					if err != nil {
						t.Error(err)
					}
					if _, err := s.Like(t.Context(), m.ID, user.ID); err != nil {
						t.Error(err)
					}
					if _, err := s.DeleteComment(t.Context(), m.ID, c.ID, user.ID); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	checkComments(t, m, 8)
	checkLikes(t, m, 8)
	// The next to get the lock folds all in.
	if _, err := s.Like(t.Context(), m.ID, databases.User(t).ID); err != nil {
		t.Fatal(err)
	}
	checkLikes(t, m, 9)
	if n := value[int64](t, m.ID, `SELECT count(*) FROM shard.count_changes WHERE media_id = $1`, m.ID); n != 0 {
		t.Errorf("%d changes are left", n)
	}
}

// While somebody holds the row of a photo, it is liked all the same, and the counts are right.
func TestLikesDoNotWait(t *testing.T) {
	s := databases.Store(t)
	m := post(t, databases.User(t))
	c := databases.Owner(t, onDatabase(t, m.ID))
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var locked id.ID
	if err := tx.QueryRow(t.Context(), `SELECT id FROM `+schema(m.ID)+`.media WHERE id = $1 FOR UPDATE`, m.ID).Scan(&locked); err != nil {
		t.Fatal(err)
	}
	users := []store.User{databases.User(t), databases.User(t), databases.User(t)}
	for _, u := range users {
		if _, err := s.Like(t.Context(), m.ID, u.ID); err != nil {
			t.Fatal(err)
		}
		comment(t, m, u, "x")
	}
	if _, err := s.Unlike(t.Context(), m.ID, users[0].ID); err != nil {
		t.Fatal(err)
	}
	checkLikes(t, m, 2)
	checkComments(t, m, 3)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	comment(t, m, users[0], "y")
	checkLikes(t, m, 2)
	checkComments(t, m, 4)
}

func TestNamed(t *testing.T) {
	s := databases.Store(t)
	a, b := databases.User(t), databases.User(t)
	users, err := s.Named(t.Context(), []string{a.Name, "nobody.has.this.name", b.Name})
	var got []id.ID
	for _, u := range users {
		got = append(got, u.ID)
	}
	want := []id.ID{a.ID, b.ID}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || err != nil {
		t.Errorf("Named = %v, %v, want %v", got, err, want)
	}
}
