package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// schema is that of the shard of i.
func schema(i id.ID) string { return shard.Of(i).Schema() }

// tell adds to what happened to user, as what follows and mentions does.
func tell(t testing.TB, user store.User, kind string, actor, media id.ID) id.ID {
	t.Helper()
	return value[id.ID](t, user.ID, `
		WITH told AS (
			INSERT INTO shard.activity (user_id, id, kind, actor_id, media_id) VALUES ($1, shard.next_id(), $2, $3, nullif($4, 0))
			RETURNING id
		)
		SELECT id FROM told`, user.ID, kind, actor, media)
}

// line is a line of activity as the tests compare them.
func line(a store.Activity) string {
	return fmt.Sprintf("%s %s %v %d %s", a.Kind, a.Media, a.Actors, a.Count, a.Comment)
}

func checkActivity(t *testing.T, user store.User, want ...string) []store.Activity {
	t.Helper()
	lines, err := databases.Store(t).Activity(t.Context(), user.ID, 0, 0, 100)
	var got []string
	unseen := 0
	for _, l := range lines {
		got = append(got, line(l))
		if l.IsUnseen {
			unseen++
		}
	}
	if !slices.Equal(got, want) || err != nil {
		t.Errorf("activity is %q, %v, want %q", got, err, want)
	}
	if n, _, err := databases.Store(t).Unseen(t.Context(), user.ID); n != unseen || err != nil {
		t.Errorf("Unseen = %d, %v, but %d lines are", n, err, unseen)
	}
	return lines
}

func TestActivity(t *testing.T) {
	s := databases.Store(t)
	owner := databases.User(t)
	m, n := post(t, owner), post(t, owner)
	var fans []store.User
	var latest []id.ID
	for range 12 {
		u := databases.User(t)
		fans, latest = append(fans, u), append([]id.ID{u.ID}, latest...)
		if _, err := s.Like(t.Context(), m.ID, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	likes := fmt.Sprintf("like %s %v 12 0", m.ID, latest[:10])
	checkActivity(t, owner, likes)

	c1, c2 := comment(t, n, fans[0], "one"), comment(t, n, fans[1], "two")
	comments := func(c store.Comment, actors ...id.ID) string {
		return fmt.Sprintf("comment %s %v %d %s", n.ID, actors, len(actors), c.ID)
	}
	lines := checkActivity(t, owner, comments(c2, fans[1].ID, fans[0].ID), likes)

	if err := s.SeeActivity(t.Context(), owner.ID, lines[1].Newest); err != nil {
		t.Fatal(err)
	}
	lines = checkActivity(t, owner, comments(c2, fans[1].ID, fans[0].ID), likes)
	if !lines[0].IsUnseen || lines[1].IsUnseen {
		t.Errorf("unseen are %v, %v, want the newest", lines[0].IsUnseen, lines[1].IsUnseen)
	}
	for _, upTo := range []id.ID{1<<63 - 1, 1} { // neither the future, nor taken back
		if err := s.SeeActivity(t.Context(), owner.ID, upTo); err != nil {
			t.Fatal(err)
		}
		if seen := value[id.ID](t, owner.ID, `SELECT activity_seen FROM shard.users WHERE id = $1`, owner.ID); seen != lines[0].Newest {
			t.Errorf("seen is %s, want %s", seen, lines[0].Newest)
		}
	}

	t.Run("taken back", func(t *testing.T) {
		if _, err := s.DeleteComment(t.Context(), n.ID, c2.ID, fans[1].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Unlike(t.Context(), m.ID, fans[11].ID); err != nil {
			t.Fatal(err)
		}
		likes = fmt.Sprintf("like %s %v 11 0", m.ID, latest[1:11])
		checkActivity(t, owner, comments(c1, fans[0].ID), likes)
	})
	t.Run("barriers", func(t *testing.T) {
		for n, kind := range []string{"block", "blocked", "mute"} {
			set(t, owner.ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, $2, $3)`, owner.ID, kind, fans[n].ID)
		}
		likes = fmt.Sprintf("like %s %v 8 0", m.ID, latest[1:9])
		checkActivity(t, owner, likes)
	})
}

func TestActivityOfPeople(t *testing.T) {
	user, a, b := databases.User(t), databases.User(t), databases.User(t)
	for _, tt := range []struct {
		kind, row string
	}{
		{"approval", `INSERT INTO shard.following (user_id, target_id, requested) VALUES ($1, $2, false)`},
		{"request", `INSERT INTO shard.follow_requests (user_id, follower_id, created_at) VALUES ($1, $2, now())`},
		{"follow", `INSERT INTO shard.followers (user_id, follower_id, created_at) VALUES ($1, $2, now())`},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			user := databases.User(t)
			tell(t, user, tt.kind, a.ID, 0)
			checkActivity(t, user) // it was taken back
			set(t, user.ID, tt.row, user.ID, a.ID)
			set(t, user.ID, tt.row, user.ID, b.ID)
			tell(t, user, tt.kind, b.ID, 0)
			checkActivity(t, user, fmt.Sprintf("%s 0 %v 2 0", tt.kind, []id.ID{b.ID, a.ID}))
			// What is about no photo is of one day.
			set(t, user.ID, `UPDATE shard.activity SET created_at = created_at - interval '1 day' WHERE user_id = $1 AND actor_id = $2`, user.ID, a.ID)
			checkActivity(t, user, fmt.Sprintf("%s 0 %v 1 0", tt.kind, []id.ID{b.ID}), fmt.Sprintf("%s 0 %v 1 0", tt.kind, []id.ID{a.ID}))
		})
	}
	set(t, user.ID, `INSERT INTO shard.following (user_id, target_id, requested) VALUES ($1, $2, true)`, user.ID, a.ID)
	tell(t, user, "approval", a.ID, 0)
	checkActivity(t, user) // asked again since
}

// The pages of a list are those of one instant, whatever happens meanwhile.
func TestActivityPages(t *testing.T) {
	s := databases.Store(t)
	owner := databases.User(t)
	var want []string
	for range 5 {
		m, fan := post(t, owner), databases.User(t)
		if _, err := s.Like(t.Context(), m.ID, fan.ID); err != nil {
			t.Fatal(err)
		}
		want = append([]string{fmt.Sprintf("like %s %v 1 0", m.ID, []id.ID{fan.ID})}, want...)
	}
	var got []string
	var asOf, before, oldest id.ID
	for {
		page, err := s.Activity(t.Context(), owner.ID, asOf, before, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, l := range page {
			got = append(got, line(l))
			oldest = l.Media
		}
		if asOf == 0 {
			asOf = page[0].Newest
		}
		before = page[len(page)-1].Newest
		if _, err := s.Like(t.Context(), oldest, databases.User(t).ID); err != nil { // which moves its line up
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages are %q, want %q", got, want)
	}
}

func TestMention(t *testing.T) {
	s := databases.Store(t)
	user, actor := databases.User(t), databases.User(t)
	for shard.Of(user.ID) == shard.Of(actor.ID) {
		user = databases.User(t)
	}
	if err := s.RegisterDevice(t.Context(), user.ID, "mention"); err != nil {
		t.Fatal(err)
	}
	m := post(t, actor)
	c := comment(t, m, actor, "x")
	for range 2 { // the second time as a retry
		for _, where := range []id.ID{0, c.ID} {
			if err := s.Mention(t.Context(), user.ID, actor.ID, m.ID, where); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := value[int64](t, user.ID, `SELECT count(*) FROM shard.activity WHERE user_id = $1`, user.ID); n != 2 {
		t.Errorf("%d rows, want one of the caption and one of the comment", n)
	}
	checkActivity(t, user, fmt.Sprintf("mention %s %v 1 %s", m.ID, []id.ID{actor.ID}, c.ID))
	if n := tasks(t, user.ID, "notify", fmt.Sprintf(`{"user": "%s", "about": "mention", "media": "%s"}`, user.ID, m.ID)); n != 1 {
		t.Errorf("%d pushes are ordered, want one for both", n)
	}
}

// A push is due by one task at a time.
func TestPushIsOfOneTask(t *testing.T) {
	s := databases.Store(t)
	owner := databases.User(t)
	m := post(t, owner)
	if err := s.RegisterDevice(t.Context(), owner.ID, "push"); err != nil {
		t.Fatal(err)
	}
	n := queue.Notify{User: owner.ID, About: "like", Media: m.ID}
	due := func() time.Time {
		t.Helper()
		news, err := s.News(t.Context(), n.User, n.About, n.Media)
		if err != nil {
			t.Fatal(err)
		}
		return news.Due
	}
	check := func(step string, changed bool, do func() error) {
		t.Helper()
		before := due()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if after := due(); after.Equal(before) == changed {
			t.Errorf("%s: due at %s, then at %s", step, before, after)
		}
		n := tasks(t, owner.ID, "notify", fmt.Sprintf(`{"user": "%s"}`, owner.ID))
		if want := value[int](t, owner.ID, `SELECT count(*) FROM river.river_job WHERE kind = 'notify' AND args->>'user' = $1
			AND (NOT args ? 'due' OR (args->>'due')::timestamptz = scheduled_at)`, owner.ID.String()); n != want {
			t.Errorf("%s: %d of %d tasks are to run when their push is due", step, want, n)
		}
	}
	take := func(due time.Time, wait time.Duration) func() error {
		n := n
		n.Due = due
		return func() error { return s.TakePush(t.Context(), n, wait) }
	}
	check("a like", true, func() error { _, err := s.Like(t.Context(), m.ID, databases.User(t).ID); return err })
	check("another", false, func() error { _, err := s.Like(t.Context(), m.ID, databases.User(t).ID); return err })
	check("a task of no due, too soon", false, take(time.Time{}, time.Minute))
	check("a task of another due", false, take(time.Unix(1, 0), time.Minute))
	check("its own", true, take(due(), -time.Second))
	check("a task of no due, when it is due", true, take(time.Time{}, time.Minute))
	n.Due = time.Unix(1, 0)
	check("another's end", false, func() error { return s.EndPush(t.Context(), n, time.Second) })
	n.Due = due()
	check("its end", true, func() error { return s.EndPush(t.Context(), n, time.Second) })
	if !due().IsZero() {
		t.Error("a push that has ended is due")
	}
	check("the next like", true, func() error { _, err := s.Like(t.Context(), m.ID, databases.User(t).ID); return err })
}

func TestMutedPushes(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	for _, want := range [][]string{{}, {"like", "mention"}, {}} {
		if err := s.MutePushes(t.Context(), user.ID, want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.MutedPushes(t.Context(), user.ID); !slices.Equal(got, want) || err != nil {
			t.Errorf("MutedPushes = %q, %v, want %q", got, err, want)
		}
	}
}
