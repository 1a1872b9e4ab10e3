package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/store"
)

// TestBlock: from the moment that somebody is blocked, neither is there for the other.
func TestBlock(t *testing.T) {
	w := newWorld(t)
	a, b := w.client(t), w.client(t)
	for _, pair := range [][2]*client{{a, b}, {b, a}} {
		pair[0].relationship(t, "PUT", pair[1].path("/follow"))
		w.sync(t, pair[0], pair[1])
	}
	for range 2 {
		if r := a.relationship(t, "PUT", b.path("/block")); r != (Relationship{User: b.user, Following: "no", FollowedBy: "no", Blocking: true}) {
			t.Errorf("%+v", r)
		}
	}
	for _, pair := range [][2]*client{{a, b}, {b, a}} {
		one, other := pair[0], pair[1]
		for _, route := range []string{
			"GET ", "GET /followers", "GET /following", "PUT /follow", "DELETE /follow", "PUT /mute", "DELETE /mute",
		} {
			method, rest, _ := strings.Cut(route, " ")
			one.do(t, method, other.path(rest), nil).isProblem(t, 404, "user_not_found")
		}
		one.do(t, "DELETE", "/v1/me/followers/"+other.user.String(), nil).isProblem(t, 404, "user_not_found")
		one.do(t, "GET", "/v1/users/by-name/"+other.name, nil).isProblem(t, 404, "user_not_found")
		var me Profile
		one.do(t, "GET", one.path(""), nil).is(t, 200).into(t, &me)
		if me.FollowingCount != 0 {
			t.Errorf("%s still follows %d", one.name, me.FollowingCount)
		}
	}
	// Only who blocks knows that they do.
	if got := a.names(t, "/v1/me/blocks"); !slices.Equal(got, []string{b.name}) {
		t.Errorf("blocked are %v", got)
	}
	if got := b.names(t, "/v1/me/blocks"); len(got) != 0 {
		t.Errorf("who is blocked blocks %v", got)
	}
	b.do(t, "PUT", a.path("/block"), nil).isProblem(t, 404, "user_not_found")
	b.do(t, "DELETE", a.path("/block"), nil).isProblem(t, 404, "user_not_found")

	for range 2 {
		if r := a.relationship(t, "DELETE", b.path("/block")); r.Blocking || r.Following != "no" {
			t.Errorf("%+v", r)
		}
		b.do(t, "GET", a.path(""), nil).is(t, 200)
	}
	a.do(t, "PUT", a.path("/block"), nil).isProblem(t, 400, "cannot_bar_yourself")
	a.do(t, "DELETE", a.path("/block"), nil).isProblem(t, 400, "cannot_bar_yourself")
	a.do(t, "PUT", "/v1/users/4611686018427387904/block", nil).isProblem(t, 404, "user_not_found")
}

func TestMute(t *testing.T) {
	w := newWorld(t)
	a, b := w.client(t), w.client(t)
	a.relationship(t, "PUT", b.path("/follow"))
	photo := w.ready(t, b.post(t, "of a muted one"), a)
	feed := func() (n int) {
		var photos list[Photo]
		a.do(t, "GET", "/v1/feed", nil).is(t, 200).into(t, &photos)
		return len(photos.Items)
	}
	if n := feed(); n != 1 {
		t.Errorf("%d photos", n)
	}
	for range 2 {
		if r := a.relationship(t, "PUT", b.path("/mute")); !r.Muting || r.Following != "yes" {
			t.Errorf("%+v", r)
		}
	}
	if n := feed(); n != 0 {
		t.Errorf("%d photos of a muted one", n)
	}
	a.do(t, "GET", "/v1/media/"+photo.String(), nil).is(t, 200) // asked for
	if got := a.names(t, "/v1/me/mutes"); !slices.Equal(got, []string{b.name}) {
		t.Errorf("muted are %v", got)
	}
	if got := b.names(t, "/v1/me/mutes"); len(got) != 0 {
		t.Errorf("who is muted mutes %v", got)
	}
	for range 2 {
		if r := a.relationship(t, "DELETE", b.path("/mute")); r.Muting {
			t.Errorf("%+v", r)
		}
	}
	if n := feed(); n != 1 {
		t.Errorf("%d photos, unmuted", n)
	}
	a.do(t, "PUT", a.path("/mute"), nil).isProblem(t, 400, "cannot_bar_yourself")
}

func TestRelationships(t *testing.T) {
	w := newWorld(t)
	a := w.client(t)
	followed, asked, follower, blocked, blocker, muted, away := w.client(t), w.client(t), w.client(t), w.client(t), w.client(t), w.client(t), w.client(t)
	a.relationship(t, "PUT", followed.path("/follow"))
	asked.setPrivate(t, true)
	a.relationship(t, "PUT", asked.path("/follow"))
	follower.relationship(t, "PUT", a.path("/follow"))
	w.sync(t, follower, a)
	a.relationship(t, "PUT", blocked.path("/block"))
	blocker.relationship(t, "PUT", a.path("/block"))
	a.relationship(t, "PUT", muted.path("/mute"))
	away.setState(t, store.Deactivated)
	want := []Relationship{
		{User: muted.user, Following: "no", FollowedBy: "no", Muting: true},
		{User: followed.user, Following: "yes", FollowedBy: "no"},
		{User: asked.user, Following: "requested", FollowedBy: "no"},
		{User: blocked.user, Following: "no", FollowedBy: "no", Blocking: true},
		{User: follower.user, Following: "no", FollowedBy: "yes"},
	}
	ids := []string{muted.user.String(), followed.user.String(), asked.user.String(), blocked.user.String(),
		follower.user.String(), follower.user.String(), blocker.user.String(), away.user.String(), "4611686018427387904"}
	var got Relationships
	a.do(t, "GET", "/v1/relationships?ids="+strings.Join(ids, ","), nil).is(t, 200).into(t, &got)
	if !slices.Equal(got.Items, want) {
		t.Errorf("%+v, want %+v", got.Items, want)
	}
	a.do(t, "GET", "/v1/relationships", nil).isProblem(t, 400, "invalid_field")
	a.do(t, "GET", "/v1/relationships?ids=x", nil).isProblem(t, 400, "invalid_field")
	a.do(t, "GET", "/v1/relationships?ids="+strings.Repeat("1,", 50)+"1", nil).isProblem(t, 400, "invalid_field")
}
