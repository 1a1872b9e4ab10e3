package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// setPrivate opens or closes the account of c.
func (c *client) setPrivate(t testing.TB, private bool) { c.set(t, "private", private) }

// setState makes the account of c one that is there for others, or not.
func (c *client) setState(t testing.TB, state store.UserState) { c.set(t, "state", string(state)) }

func (c *client) set(t testing.TB, column string, to any) {
	t.Helper()
	conn := databases.Owner(t, c.w.database(c.user))
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), `UPDATE `+shard.Of(c.user).Schema()+`.users SET `+column+` = $2 WHERE id = $1`, int64(c.user), to); err != nil {
		t.Fatal(err)
	}
	c.w.users.Forget(c.user)
}

// sync does what the workers do about a follow.
func (w *world) sync(t testing.TB, actor, target *client) {
	t.Helper()
	if err := w.store.SyncFollow(t.Context(), actor.user, target.user); err != nil {
		t.Fatal(err)
	}
	w.users.Forget(actor.user, target.user)
}

func (c *client) path(rest string) string { return "/v1/users/" + c.user.String() + rest }

// names are those of a list of people that c is answered.
func (c *client) names(t testing.TB, path string) (names []string) {
	t.Helper()
	var people list[Person]
	c.do(t, "GET", path, nil).is(t, 200).into(t, &people)
	for _, p := range people.Items {
		names = append(names, p.Name)
	}
	return names
}

func (c *client) relationship(t testing.TB, method, path string) (r Relationship) {
	t.Helper()
	c.do(t, method, path, nil).is(t, 200).into(t, &r)
	return r
}

func TestFollow(t *testing.T) {
	w := newWorld(t)
	a, b := w.client(t), w.client(t)
	path := b.path("/follow")
	count := func() int64 {
		var u Profile
		a.do(t, "GET", a.path(""), nil).is(t, 200).into(t, &u)
		return u.FollowingCount
	}
	for range 2 {
		if r := a.relationship(t, "PUT", path); r != (Relationship{User: b.user, Following: "yes", FollowedBy: "no"}) {
			t.Errorf("%+v", r)
		}
		if n := count(); n != 1 {
			t.Errorf("following %d", n)
		}
	}
	if got := testutil.ToFloat64(w.metrics.follows); got != 1 {
		t.Errorf("%v follows counted", got)
	}
	w.sync(t, a, b)
	var profile Profile
	b.do(t, "GET", a.path(""), nil).is(t, 200).into(t, &profile)
	if profile.Relationship != (Relationship{User: a.user, Following: "no", FollowedBy: "yes"}) {
		t.Errorf("%+v", profile.Relationship)
	}
	for range 2 {
		if r := a.relationship(t, "DELETE", path); r.Following != "no" {
			t.Errorf("%+v", r)
		}
		if n := count(); n != 0 {
			t.Errorf("following %d", n)
		}
	}
	a.do(t, "PUT", a.path("/follow"), nil).isProblem(t, 400, "cannot_follow_yourself")
	a.do(t, "DELETE", a.path("/follow"), nil).isProblem(t, 400, "cannot_follow_yourself")
	a.do(t, "PUT", "/v1/users/4611686018427387904/follow", nil).isProblem(t, 404, "user_not_found")
	a.do(t, "DELETE", "/v1/users/4611686018427387904/follow", nil).isProblem(t, 404, "user_not_found")
	if n := count(); n != 0 {
		t.Errorf("following %d after what was refused", n)
	}
}

func TestPrivateAccount(t *testing.T) {
	w := newWorld(t)
	a, b, stranger := w.client(t), w.client(t), w.client(t)
	b.setPrivate(t, true)
	requests := func(want ...string) {
		t.Helper()
		if got := b.names(t, "/v1/me/follow-requests"); !slices.Equal(got, want) {
			t.Errorf("requests of %v, want %v", got, want)
		}
	}
	private := func(c *client, private bool) {
		t.Helper()
		c.do(t, "GET", b.path(""), nil).is(t, 200)
		for _, list := range []string{"/followers", "/following"} {
			got := c.do(t, "GET", b.path(list), nil)
			if private {
				got.isProblem(t, 403, "account_private")
			} else {
				got.is(t, 200)
			}
		}
	}
	ask := func() {
		t.Helper()
		for range 2 {
			if r := a.relationship(t, "PUT", b.path("/follow")); r.Following != "requested" {
				t.Errorf("%+v", r)
			}
		}
		w.sync(t, a, b)
		requests(a.name)
		private(a, true)
	}
	approval := "/v1/me/follow-requests/" + a.user.String()
	b.do(t, "PUT", approval, nil).isProblem(t, 404, "follow_request_not_found")
	b.do(t, "PUT", "/v1/me/follow-requests/4611686018427387904", nil).isProblem(t, 404, "follow_request_not_found")
	b.do(t, "DELETE", "/v1/me/follow-requests/4611686018427387904", nil).isProblem(t, 404, "user_not_found")
	private(b, false)

	ask() // and take it back
	a.relationship(t, "DELETE", b.path("/follow"))
	w.sync(t, a, b)
	requests()
	b.do(t, "PUT", approval, nil).isProblem(t, 404, "follow_request_not_found")

	ask() // and be refused
	for range 2 {
		b.do(t, "DELETE", approval, nil).is(t, 204)
		requests()
	}
	if r := a.relationship(t, "DELETE", b.path("/follow")); r.Following != "no" {
		t.Errorf("after a refusal %+v", r)
	}

	ask() // and be let
	for range 2 {
		b.do(t, "PUT", approval, nil).is(t, 204)
		requests()
	}
	w.sync(t, a, b)
	private(a, false)
	private(stranger, true)
	if got := a.names(t, b.path("/followers")); !slices.Equal(got, []string{a.name}) {
		t.Errorf("followers %v", got)
	}
	if got := stranger.names(t, a.path("/following")); !slices.Equal(got, []string{b.name}) {
		t.Errorf("following %v", got)
	}

	// and be removed: at once, before any task.
	for range 2 {
		b.do(t, "DELETE", "/v1/me/followers/"+a.user.String(), nil).is(t, 204)
		private(a, true)
	}
	b.do(t, "DELETE", "/v1/me/followers/4611686018427387904", nil).isProblem(t, 404, "user_not_found")
	var profile Profile
	a.do(t, "GET", a.path(""), nil).is(t, 200).into(t, &profile)
	if profile.FollowingCount != 0 {
		t.Errorf("who was removed follows %d", profile.FollowingCount)
	}
}

// TestRemovedWhileAway: that a follower was removed holds, although their database was
// away.
func TestRemovedWhileAway(t *testing.T) {
	w := newWorld(t)
	a, b := w.client(t), w.client(t)
	for w.database(a.user) == w.database(b.user) {
		b = w.client(t)
	}
	a.relationship(t, "PUT", b.path("/follow"))
	w.sync(t, a, b)
	t.Run("away", func(t *testing.T) {
		databases.Down(t, w.database(a.user))
		b.do(t, "DELETE", "/v1/me/followers/"+a.user.String(), nil).is(t, 204)
	})
	if n := w.orders(t, b.user, "end_follow", fmt.Sprintf(`{"actor": "%s", "target": "%s"}`, a.user, b.user)); n != 1 {
		t.Errorf("%d tasks", n)
	}
}

// database is the name of the one that i is in.
func (w *world) database(i id.ID) string {
	shards := w.store.Shards()
	return shards.Databases[shards.Database(shard.Of(i))].Name
}

// orders are how many tasks of a kind there are on the database of i whose args contain
// all of the JSON.
func (w *world) orders(t testing.TB, i id.ID, kind, args string) (n int) {
	t.Helper()
	conn := databases.Owner(t, w.database(i))
	defer conn.Close(context.WithoutCancel(t.Context()))
	err := conn.QueryRow(t.Context(), `SELECT count(*) FROM river.river_job WHERE kind = $1 AND args @> $2`, kind, args).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFollowers(t *testing.T) {
	w := newWorld(t)
	viewer, target := w.client(t), w.client(t)
	var want []string
	for i := range 5 {
		c := w.client(t)
		c.relationship(t, "PUT", target.path("/follow"))
		w.sync(t, c, target)
		if i == 2 { // neither knows of the other
			c.relationship(t, "PUT", viewer.path("/block"))
			continue
		}
		want = append([]string{c.name}, want...)
	}
	var got []string
	for path := target.path("/followers?limit=2"); path != ""; {
		var people list[Person]
		a := viewer.do(t, "GET", path, nil).is(t, 200)
		a.into(t, &people)
		for _, p := range people.Items {
			got = append(got, p.Name)
		}
		path = ""
		if link := a.header.Get("Link"); link != "" {
			path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
		}
		if (path == "") != (people.Cursor == "") {
			t.Errorf("Link %q, cursor %q", path, people.Cursor)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("followers are %v, want %v", got, want)
	}
	slices.Sort(got) // ids of one millisecond are in no order
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("followers are %v, want %v", got, want)
	}
	viewer.do(t, "GET", target.path("/followers?cursor=x"), nil).isProblem(t, 400, "invalid_field")
	viewer.do(t, "GET", "/v1/users/4611686018427387904/followers", nil).isProblem(t, 404, "user_not_found")
}

func TestTooManyFollows(t *testing.T) {
	w := newWorld(t)
	a, b := w.client(t), w.client(t)
	conn := databases.Owner(t, w.database(a.user))
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `INSERT INTO `+shard.Of(a.user).Schema()+`.following (user_id, target_id) SELECT $1, generate_series(1, 7500)`, int64(a.user)); err != nil {
		t.Fatal(err)
	}
	a.do(t, "PUT", b.path("/follow"), nil).isProblem(t, 409, "too_many_follows")
	if _, err := conn.Exec(t.Context(), `INSERT INTO `+shard.Of(a.user).Schema()+`.barriers (user_id, kind, other_id) SELECT $1, 'mute', generate_series(1, 2000)`, int64(a.user)); err != nil {
		t.Fatal(err)
	}
	a.do(t, "PUT", b.path("/mute"), nil).isProblem(t, 409, "too_many_barriers")
}

func TestSuggestions(t *testing.T) {
	w := newWorld(t)
	viewer, friend := w.client(t), w.client(t)
	suggested := func() map[string]int {
		t.Helper()
		w.suggestions.Forget(viewer.user)
		var s Suggestions
		viewer.do(t, "GET", "/v1/suggestions?limit=50", nil).is(t, 200).into(t, &s)
		got := map[string]int{}
		for _, p := range s.Items {
			got[p.Name] = p.Mutuals
		}
		return got
	}
	viewer.relationship(t, "PUT", friend.path("/follow"))
	wanted, muted, blocked, blocker, asked, away := w.client(t), w.client(t), w.client(t), w.client(t), w.client(t), w.client(t)
	for _, c := range []*client{wanted, muted, blocked, blocker, asked, away} {
		friend.relationship(t, "PUT", c.path("/follow"))
	}
	if got := suggested(); len(got) < 6 || got[wanted.name] != 1 || got[muted.name] != 1 {
		t.Errorf("suggested are %v", got)
	}
	viewer.relationship(t, "PUT", muted.path("/mute"))
	viewer.relationship(t, "PUT", blocked.path("/block"))
	blocker.relationship(t, "PUT", viewer.path("/block"))
	asked.setPrivate(t, true)
	viewer.relationship(t, "PUT", asked.path("/follow"))
	away.setState(t, store.Deactivated)
	popular := w.client(t)
	w.client(t).relationship(t, "PUT", popular.path("/follow"))
	got := suggested()
	for _, c := range []*client{viewer, friend, muted, blocked, blocker, asked, away} {
		if _, ok := got[c.name]; ok {
			t.Errorf("%s is suggested: %v", c.name, got)
		}
	}
	if n, ok := got[popular.name]; !ok || n != 0 || got[wanted.name] != 1 {
		t.Errorf("suggested are %v", got)
	}
	viewer.do(t, "GET", "/v1/suggestions?limit=51", nil).isProblem(t, 400, "invalid_field")
}
