package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// set runs a statement about user on their shard, of which the API's caches are told.
func (w *world) set(t testing.TB, user id.ID, sql string, args ...any) {
	t.Helper()
	shards := w.doc.Shards
	c := databases.Owner(t, shards.Databases[shards.Database(shard.Of(user))].Name)
	sql = strings.ReplaceAll(sql, "shard.", shard.Of(user).Schema()+".")
	if _, err := c.Exec(t.Context(), sql, append([]any{user}, args...)...); err != nil {
		t.Fatal(err)
	}
	w.users.Forget(user)
	w.barriers.Forget(user)
}

// block puts a block between both, from either side.
func (w *world) block(t testing.TB, user, other id.ID) {
	t.Helper()
	w.set(t, user, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'block', $2)`, other)
	w.set(t, other, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'blocked', $2)`, user)
}

// allPages are all items of a list, page by page.
func allPages[T any](t testing.TB, c *client, path string) (items []T) {
	t.Helper()
	for path != "" {
		var p struct {
			Items  []T
			Cursor string
		}
		a := c.do(t, "GET", path, nil).is(t, 200)
		a.into(t, &p)
		items = append(items, p.Items...)
		next, _, _ := strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
		if (next == "") != (p.Cursor == "") {
			t.Fatalf("link is %q, cursor %q", next, p.Cursor)
		}
		path = next
	}
	return items
}

func names(people []Person) (names []string) {
	for _, p := range people {
		names = append(names, p.Name)
	}
	return names
}

// Who may not see a photo can neither like it nor comment on it, nor see who did.
func TestTalkOfWhatOneDoesNotSee(t *testing.T) {
	w := newWorld(t)
	for name, hide := range map[string]func(author, other *client, photo id.ID){
		"blocked":  func(author, other *client, _ id.ID) { w.block(t, author.user, other.user) },
		"blocking": func(author, other *client, _ id.ID) { w.block(t, other.user, author.user) },
		"private": func(author, _ *client, _ id.ID) {
			w.set(t, author.user, `UPDATE shard.users SET private = true WHERE id = $1`)
		},
		"away": func(author, _ *client, _ id.ID) {
			w.set(t, author.user, `UPDATE shard.users SET state = 'deactivated' WHERE id = $1`)
		},
		"hidden": func(author, _ *client, photo id.ID) {
			w.set(t, author.user, `UPDATE shard.media SET hidden = true WHERE user_id = $1`)
			w.media.Forget(photo)
		},
	} {
		t.Run(name, func(t *testing.T) {
			author, other := w.client(t), w.client(t)
			photo := w.ready(t, author.post(t, ""))
			path := "/v1/media/" + photo.String()
			var mine Comment
			other.do(t, "POST", path+"/comments", map[string]string{"text": "mine"}).is(t, 201).into(t, &mine)
			other.do(t, "PUT", path+"/like", nil).is(t, 204)
			hide(author, other, photo)
			for _, ask := range []struct{ method, path string }{
				{"PUT", "/like"}, {"DELETE", "/like"}, {"GET", "/likes"}, {"GET", "/comments"}, {"POST", "/comments"}, {"DELETE", "/comments/1"},
			} {
				var in any
				if ask.method == "POST" {
					in = map[string]string{"text": "hi"}
				}
				other.do(t, ask.method, path+ask.path, in).isProblem(t, 404, "media_not_found")
			}
			other.do(t, "DELETE", path+"/comments/"+mine.ID.String(), nil).is(t, 204) // which stays theirs
			m, err := w.store.Media(t.Context(), photo)
			if m.LikeCount != 1 || m.CommentCount != 0 || err != nil {
				t.Errorf("%d likes, %d comments, %v", m.LikeCount, m.CommentCount, err)
			}
		})
	}
}

func TestLikersAreListed(t *testing.T) {
	w := newWorld(t)
	author, reader := w.client(t), w.client(t)
	photo := w.ready(t, author.post(t, ""))
	path := "/v1/media/" + photo.String()
	var want []string
	var fans []*client
	for range 5 {
		fan := w.client(t)
		fans = append(fans, fan)
		fan.do(t, "PUT", path+"/like", nil).is(t, 204)
		want = append([]string{fan.name}, want...)
	}
	if got := names(allPages[Person](t, reader, path+"/likes?limit=2")); !slices.Equal(got, want) {
		t.Errorf("likers are %q, want %q", got, want)
	}
	w.block(t, fans[4].user, reader.user)
	w.set(t, fans[3].user, `UPDATE shard.users SET state = 'suspended' WHERE id = $1`)
	if got := names(allPages[Person](t, reader, path+"/likes?limit=2")); !slices.Equal(got, want[2:]) {
		t.Errorf("likers are %q, want those that the reader may know: %q", got, want[2:])
	}
	for _, cursor := range []string{"x", "1", "1-", "-1", "1-x", "9223372036854775807-1", "1-1-1"} {
		reader.do(t, "GET", path+"/likes?cursor="+cursor, nil).isProblem(t, 400, "invalid_field")
	}
}

func TestComments(t *testing.T) {
	w := newWorld(t)
	author, maya, noah := w.client(t), w.client(t), w.client(t)
	photo := w.ready(t, author.post(t, ""))
	path := "/v1/media/" + photo.String() + "/comments"
	var first, second, third Comment
	maya.do(t, "POST", path, map[string]string{"text": "First! @" + noah.name + " look\n#sun"}).is(t, 201).into(t, &first)
	if first.Author.ID != maya.user || first.Media != photo || first.Text != "First! @"+noah.name+" look\n#sun" || !slices.Equal(first.Mentions, []string{noah.name}) || first.CreatedAt.IsZero() {
		t.Errorf("comment is %+v", first)
	}
	noah.do(t, "POST", path, map[string]string{"text": "second"}).is(t, 201).into(t, &second)
	author.do(t, "POST", path, map[string]string{"text": "thanks"}).is(t, 201).into(t, &third)

	check := func(reader *client, want ...Comment) {
		t.Helper()
		if got := allPages[Comment](t, reader, path+"?limit=2"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("comments are %+v, want %+v", got, want)
		}
	}
	count := func(want int64) {
		t.Helper()
		var p Photo
		noah.do(t, "GET", "/v1/media/"+photo.String(), nil).is(t, 200).into(t, &p)
		if p.CommentCount != want {
			t.Errorf("%d comments are counted, want %d", p.CommentCount, want)
		}
	}
	check(noah, third, second, first)
	count(3)

	maya.do(t, "DELETE", path+"/"+second.ID.String(), nil).isProblem(t, 403, "not_yours")
	for range 2 { // the second time as a retry
		noah.do(t, "DELETE", path+"/"+second.ID.String(), nil).is(t, 204)
	}
	check(noah, third, first)
	count(2)
	w.block(t, noah.user, maya.user)
	check(noah, third)
	check(author, third, first)
	author.do(t, "DELETE", path+"/"+first.ID.String(), nil).is(t, 204)
	check(author, third)
	count(1)

	for name, bad := range map[string]string{
		"nothing":           `{}`,
		"empty":             `{"text":""}`,
		"too long":          `{"text":"` + strings.Repeat("ü", 2201) + `"}`,
		"control character": `{"text":"a\u0000b"}`,
		"too many mentions": `{"text":"` + many(21) + `"}`,
	} {
		if p := noah.do(t, "POST", path, bad).isProblem(t, 400, "invalid_field"); p.Field != "text" {
			t.Errorf("%s: the fault is in %q", name, p.Field)
		}
	}
	noah.do(t, "POST", path, map[string]string{"text": strings.Repeat("ü", 2200)}).is(t, 201)
}

// many are mentions of n people.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "@user.%d ", i)
	}
	return b.String()
}

func TestActivity(t *testing.T) {
	w := newWorld(t)
	owner := w.client(t)
	photo := w.ready(t, owner.post(t, "mine"))
	path := "/v1/media/" + photo.String()
	var fans []*client
	for range 4 {
		fan := w.client(t)
		fans = append(fans, fan)
		fan.do(t, "PUT", path+"/like", nil).is(t, 204)
	}
	var c Comment
	fans[0].do(t, "POST", path+"/comments", map[string]string{"text": "nice"}).is(t, 201).into(t, &c)

	// Somebody mentions the owner in the caption of a photo of theirs.
	other := w.client(t)
	theirs := w.ready(t, other.post(t, "with @"+owner.name))
	w.set(t, other.user, `UPDATE shard.media SET mentions = ARRAY[$2] WHERE user_id = $1`, owner.name)
	w.media.Forget(theirs)
	if err := w.store.Mention(t.Context(), owner.user, other.user, theirs, 0); err != nil {
		t.Fatal(err)
	}
	say := func(a Activity) string {
		text := fmt.Sprintf("%v and %d others %s", names(a.Actors), a.Count-int64(len(a.Actors)), a.Kind)
		if a.Photo != nil {
			text += " " + a.Photo.ID.String()
		}
		if a.Comment != nil {
			text += " " + a.Comment.Text
		}
		return text
	}
	check := func(want ...string) (lines []Activity) {
		t.Helper()
		lines = allPages[Activity](t, owner, "/v1/activity?limit=2")
		var got []string
		for _, a := range lines {
			got = append(got, say(a))
		}
		if !slices.Equal(got, want) {
			t.Errorf("activity is %q, want %q", got, want)
		}
		return lines
	}
	unread := func(want int) (u Unread) {
		t.Helper()
		owner.do(t, "GET", "/v1/activity/unread", nil).is(t, 200).into(t, &u)
		if u.Count != want {
			t.Errorf("%d lines are new, want %d", u.Count, want)
		}
		return u
	}
	mention := fmt.Sprintf("[%s] and 0 others mention %s", other.name, theirs)
	comment := fmt.Sprintf("[%s] and 0 others comment %s nice", fans[0].name, photo)
	likes := fmt.Sprintf("[%s %s %s] and 1 others like %s", fans[3].name, fans[2].name, fans[1].name, photo)
	lines := check(mention, comment, likes)
	if u := unread(3); u.Newest != lines[0].ID || !lines[2].Unseen {
		t.Errorf("newest is %s, want %s; %+v", u.Newest, lines[0].ID, lines[2])
	}
	owner.do(t, "PUT", "/v1/activity/seen", map[string]id.ID{"id": lines[1].ID}).is(t, 204)
	unread(1)
	owner.do(t, "PUT", "/v1/activity/seen", map[string]id.ID{"id": lines[0].ID}).is(t, 204)
	if u := unread(0); u.Newest != 0 {
		t.Errorf("newest is %s", u.Newest)
	}
	owner.do(t, "PUT", "/v1/activity/seen", `{"id":"0"}`).isProblem(t, 400, "invalid_field")
	owner.do(t, "GET", "/v1/activity?cursor=1", nil).isProblem(t, 400, "invalid_field")
	other.do(t, "GET", "/v1/activity", nil).is(t, 200)

	// What is taken back, hidden or of who is away is passed over, and not counted.
	fans[0].do(t, "DELETE", path+"/comments/"+c.ID.String(), nil).is(t, 204)
	w.set(t, fans[3].user, `UPDATE shard.users SET state = 'deactivated' WHERE id = $1`)
	w.set(t, owner.user, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'mute', $2)`, fans[2].user)
	likes = fmt.Sprintf("[%s %s] and 0 others like %s", fans[1].name, fans[0].name, photo)
	check(mention, likes)
	w.set(t, other.user, `UPDATE shard.media SET mentions = '{}' WHERE user_id = $1`)
	w.media.Forget(theirs)
	check(likes)
	w.set(t, other.user, `UPDATE shard.media SET mentions = ARRAY[$2] WHERE user_id = $1`, owner.name)
	w.media.Forget(theirs)
	check(mention, likes)
	w.set(t, other.user, `UPDATE shard.users SET private = true WHERE id = $1`)
	check(likes)
}

func TestNotifications(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	all := Notifications{Like: true, Comment: true, Follow: true, Request: true, Approval: true, Mention: true}
	some := all
	some.Like, some.Mention = false, false
	check := func(want Notifications) {
		t.Helper()
		var got Notifications
		if c.do(t, "GET", "/v1/me/notifications", nil).is(t, http.StatusOK).into(t, &got); got != want {
			t.Errorf("phones ring for %+v, want %+v", got, want)
		}
	}
	check(all)
	for _, want := range []Notifications{some, {}, all} {
		var got Notifications
		if c.do(t, "PUT", "/v1/me/notifications", want).is(t, http.StatusOK).into(t, &got); got != want {
			t.Errorf("answered is %+v, want %+v", got, want)
		}
		check(want)
	}
	c.do(t, "PUT", "/v1/me/notifications", `{"like":true}`).isProblem(t, 400, "invalid_field")
	check(all)
	for _, kind := range store.Kinds {
		if (&Notifications{}).of(kind) == nil {
			t.Errorf("kind %s is in no preference", kind)
		}
	}
}
