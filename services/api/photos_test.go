package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// uploaded promises a photo and puts its bytes.
func (c *client) uploaded(t testing.TB) id.ID {
	t.Helper()
	u := c.upload(t, 4)
	if status := u.put(t, []byte("jpeg")); status != 200 {
		t.Fatalf("storage answers %d", status)
	}
	return u.ID
}

// photo reads a photo.
func (c *client) photo(t testing.TB, i id.ID) Photo {
	t.Helper()
	var p Photo
	c.do(t, "GET", "/v1/media/"+i.String(), nil).is(t, 200).into(t, &p)
	return p
}

// ids reads the ids of a list.
func (c *client) ids(t testing.TB, path string) (ids []id.ID, cursor string) {
	t.Helper()
	var pg struct {
		Items  []struct{ ID id.ID }
		Cursor string
	}
	c.do(t, "GET", path, nil).is(t, 200).into(t, &pg)
	for _, item := range pg.Items {
		ids = append(ids, item.ID)
	}
	return ids, pg.Cursor
}

func TestPublishWithEverything(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	in := map[string]any{
		"upload": c.uploaded(t), "caption": "#Sun and #sea by @Maya", "alt": "a beach", "filter": "X-Pro II", "place": "Ocean Beach",
		"location": map[string]float64{"latitude": 37.76, "longitude": -122.51},
	}
	var p Photo
	c.do(t, "POST", "/v1/media", in).is(t, 201).into(t, &p)
	got := c.photo(t, w.ready(t, p.ID))
	if !slices.Equal(got.Tags, []string{"sun", "sea"}) || !slices.Equal(got.Mentions, []string{"maya"}) || got.Alt != "a beach" ||
		got.Filter != "X-Pro II" || got.Place != "Ocean Beach" || got.Location == nil || *got.Location != (store.Location{Latitude: 37.76, Longitude: -122.51}) ||
		got.Blur == "" || got.EditedAt != nil {
		t.Errorf("photo = %+v", got)
	}
}

func TestPublishRefusesWhatIsSaid(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	upload := c.uploaded(t)
	tags, names := "", ""
	for n := range 31 {
		tags += fmt.Sprintf("#t%d ", n)
		names += fmt.Sprintf("@n%d ", n)
	}
	for _, tt := range []struct {
		field string
		value any
		code  string
	}{
		{"caption", strings.Repeat("é", 2201), "invalid_field"},
		{"caption", "a\x00b", "invalid_field"},
		{"caption", tags, "invalid_field"},
		{"caption", names, "invalid_field"},
		{"alt", strings.Repeat("é", 1001), "invalid_field"},
		{"filter", strings.Repeat("x", 31), "invalid_field"},
		{"filter", "<b>", "invalid_field"},
		{"place", strings.Repeat("x", 101), "invalid_field"},
		{"location", map[string]float64{"latitude": 91, "longitude": 0}, "invalid_field"},
		{"location", map[string]float64{"latitude": 0, "longitude": -180.1}, "invalid_field"},
		{"location", map[string]float64{"latitude": 0}, "invalid_field"},
		{"shareTo", []string{"myspace"}, "invalid_field"},
		{"shareTo", []string{"facebook", "facebook"}, "invalid_field"},
		{"shareTo", []string{"facebook"}, "not_linked"},
		{"camera", "x", "invalid_field"},
	} {
		t.Run(tt.field, func(t *testing.T) {
			status := 400
			if tt.code == "not_linked" {
				status = 409
			}
			p := c.do(t, "POST", "/v1/media", map[string]any{"upload": upload, tt.field: tt.value}).isProblem(t, status, tt.code)
			if !strings.HasPrefix(p.Field, tt.field) {
				t.Errorf("field = %q (%s)", p.Field, p.Detail)
			}
		})
	}
	if ms, err := w.store.UserMedia(t.Context(), c.user, 0, 10, true); err != nil || len(ms) != 0 {
		t.Errorf("media of what was refused: %v, %v", ms, err)
	}
}

// An attempt that was cut off after it had published is answered with that photo.
func TestPublishRepeated(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	in := &publishIn{}
	in.Body.Upload, in.Body.Caption = c.uploaded(t), "once"
	publish := func(repeated bool) (*body[Photo], error) {
		r := &request{url: &url.URL{}, repeated: repeated}
		r.who.User = c.user
		return w.publish(context.WithValue(t.Context(), requestKey{}, r), in)
	}
	first, err := publish(false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := publish(true)
	if err != nil || again.Body.ID != first.Body.ID || again.Body.Caption != "once" {
		t.Errorf("repeated = %+v, %v, want media %s", again, err, first.Body.ID)
	}
	if _, err := publish(false); problemOf(err).Code != "already_published" {
		t.Errorf("by another request: %v, want already_published", err)
	}
	if ms, err := w.store.UserMedia(t.Context(), c.user, 0, 10, true); err != nil || len(ms) != 1 {
		t.Errorf("%d media, %v, want one", len(ms), err)
	}
}

func TestEditMedia(t *testing.T) {
	w := newWorld(t)
	author, stranger := w.client(t), w.client(t)
	i := w.ready(t, author.post(t, "#sun"))
	path := "/v1/media/" + i.String()
	for _, c := range []*client{author, stranger} {
		c.photo(t, i) // so that it is cached
	}
	for _, tt := range []struct {
		name, body string
		changed    func(*Photo)
	}{
		{"caption", `{"caption": "#sea with @maya"}`, func(p *Photo) {
			p.Caption, p.Tags, p.Mentions = "#sea with @maya", []string{"sea"}, []string{"maya"}
		}},
		{"place", `{"place": "Ocean Beach", "location": {"latitude": 37.76, "longitude": -122.51}}`, func(p *Photo) {
			p.Place, p.Location = "Ocean Beach", &store.Location{Latitude: 37.76, Longitude: -122.51}
		}},
		{"alt", `{"alt": "a pier"}`, func(p *Photo) { p.Alt = "a pier" }},
		{"location removed", `{"removeLocation": true}`, func(p *Photo) { p.Location = nil }},
		{"caption removed", `{"caption": "", "place": ""}`, func(p *Photo) {
			p.Caption, p.Place, p.Tags, p.Mentions = "", "", []string{}, []string{}
		}},
		{"nothing", `{}`, func(*Photo) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := author.photo(t, i)
			tt.changed(&want)
			var got Photo
			author.do(t, "PATCH", path, tt.body).is(t, 200).into(t, &got)
			if got.EditedAt == nil {
				t.Error("it is not said when it was edited")
			}
			want.EditedAt = got.EditedAt
			for who, p := range map[string]Photo{"the answer": got, "the author": author.photo(t, i), "a stranger": stranger.photo(t, i)} {
				p.EditedAt = want.EditedAt
				if asJSON(t, p) != asJSON(t, want) {
					t.Errorf("%s has %s, want %s", who, asJSON(t, p), asJSON(t, want))
				}
			}
		})
	}
	for name, tt := range map[string]struct {
		c      *client
		path   string
		body   string
		status int
		code   string
	}{
		"stranger":     {stranger, path, `{"caption": "mine"}`, 404, "media_not_found"},
		"unknown":      {author, "/v1/media/4611686018427387904", `{"caption": "x"}`, 404, "media_not_found"},
		"filter":       {author, path, `{"filter": "x-pro"}`, 400, "invalid_field"},
		"off the map":  {author, path, `{"location": {"latitude": 91, "longitude": 0}}`, 400, "invalid_field"},
		"both":         {author, path, `{"removeLocation": true, "location": {"latitude": 9, "longitude": 9}}`, 400, "invalid_field"},
		"half a point": {author, path, `{"location": {"latitude": 9}}`, 400, "invalid_field"},
		"too long":     {author, path, `{"alt": "` + strings.Repeat("x", 1001) + `"}`, 400, "invalid_field"},
	} {
		t.Run(name, func(t *testing.T) { tt.c.do(t, "PATCH", tt.path, tt.body).isProblem(t, tt.status, tt.code) })
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Who has deleted a photo finds it nowhere, from the answer on; nor does anybody else.
func TestDeleteMedia(t *testing.T) {
	w := newWorld(t)
	author, follower := w.client(t), w.client(t)
	follower.do(t, "PUT", "/v1/users/"+author.user.String()+"/follow", nil)
	kept := w.ready(t, author.post(t, "kept"), follower, author)
	processing := author.post(t, "never seen")
	i := w.ready(t, author.post(t, "gone"), follower, author)
	path := "/v1/media/" + i.String()
	follower.do(t, "PUT", path+"/save", nil).is(t, 204)
	follower.do(t, "PUT", path+"/like", nil)
	lists := []string{"/v1/users/" + author.user.String() + "/media", "/v1/feed", "/v1/me/saved"}
	look := func() {
		for _, c := range []*client{author, follower} {
			for _, list := range lists {
				c.do(t, "GET", list, nil).is(t, 200)
			}
			c.do(t, "GET", path, nil)
		}
	}
	look() // so that it is cached

	follower.do(t, "DELETE", path, nil).isProblem(t, 404, "media_not_found")
	author.do(t, "DELETE", path, nil).is(t, 204)
	author.do(t, "DELETE", "/v1/media/"+processing.String(), nil).is(t, 204)
	author.do(t, "DELETE", path, nil).is(t, 204) // again
	follower.do(t, "DELETE", path, nil).isProblem(t, 404, "media_not_found")
	for range 2 {
		for _, c := range []*client{author, follower} {
			for _, list := range lists {
				if ids, _ := c.ids(t, list); slices.Contains(ids, i) || slices.Contains(ids, processing) || list != "/v1/me/saved" && !slices.Contains(ids, kept) {
					t.Errorf("%s has %v, want %s alone", list, ids, kept)
				}
			}
			for _, tt := range []struct{ method, path string }{
				{"GET", path}, {"PATCH", path}, {"PUT", path + "/save"}, {"PUT", path + "/like"}, {"DELETE", path + "/like"}, {"GET", path + "/shares"},
			} {
				var body any
				if tt.method == "PATCH" {
					body = "{}"
				}
				c.do(t, tt.method, tt.path, body).isProblem(t, 404, "media_not_found")
			}
		}
		look()
	}
	if u, err := w.store.User(t.Context(), author.user); err != nil || u.MediaCount != 1 {
		t.Errorf("%d media counted, %v, want 1", u.MediaCount, err)
	}
}

// What an upload became does not come back by publishing it again.
func TestPublishWhatWasDeleted(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	upload := c.uploaded(t)
	var p Photo
	c.do(t, "POST", "/v1/media", map[string]any{"upload": upload}).is(t, 201).into(t, &p)
	c.do(t, "DELETE", "/v1/media/"+p.ID.String(), nil).is(t, 204)
	c.do(t, "POST", "/v1/media", map[string]any{"upload": upload}).isProblem(t, 409, "already_published")
	c.do(t, "GET", "/v1/media/"+p.ID.String(), nil).isProblem(t, 404, "media_not_found")
}

// onShard runs a statement on the shard of i; "shard." stands for its schema.
func onShard(t testing.TB, i id.ID, sql string, args ...any) {
	t.Helper()
	m := databases.Stores(t).Shards
	n := shard.Of(i)
	c := databases.Owner(t, m.Databases[m.Database(n)].Name)
	if _, err := c.Exec(t.Context(), strings.ReplaceAll(sql, "shard.", n.Schema()+"."), args...); err != nil {
		t.Fatal(err)
	}
}

func TestPrivateMedia(t *testing.T) {
	w := newWorld(t)
	author, follower, stranger := w.client(t), w.client(t), w.client(t)
	onShard(t, author.user, `UPDATE shard.users SET private = true WHERE id = $1`, author.user)
	onShard(t, follower.user, `INSERT INTO shard.following (user_id, target_id) VALUES ($1, $2)`, follower.user, author.user)
	onShard(t, stranger.user, `INSERT INTO shard.following (user_id, target_id, requested) VALUES ($1, $2, true)`, stranger.user, author.user)
	i := w.ready(t, author.post(t, ""))
	list := "/v1/users/" + author.user.String() + "/media"
	for _, c := range []*client{author, follower} {
		if ids, _ := c.ids(t, list); !slices.Equal(ids, []id.ID{i}) {
			t.Errorf("%s lists %v", c.name, ids)
		}
		c.photo(t, i)
	}
	stranger.do(t, "GET", list, nil).isProblem(t, 403, "account_private")
	stranger.do(t, "GET", "/v1/media/"+i.String(), nil).isProblem(t, 404, "media_not_found")
	stranger.do(t, "PUT", "/v1/media/"+i.String()+"/save", nil).isProblem(t, 404, "media_not_found")

	// What was saved while it could be seen is passed over, and can be let go.
	follower.do(t, "PUT", "/v1/media/"+i.String()+"/save", nil).is(t, 204)
	onShard(t, follower.user, `DELETE FROM shard.following WHERE user_id = $1`, follower.user)
	if ids, _ := follower.ids(t, "/v1/me/saved"); len(ids) != 0 {
		t.Errorf("saved = %v", ids)
	}
	follower.do(t, "DELETE", "/v1/media/"+i.String()+"/save", nil).is(t, 204)
}

func TestSaved(t *testing.T) {
	w := newWorld(t)
	author, c, other := w.client(t), w.client(t), w.client(t)
	var photos []id.ID
	for range 3 {
		photos = append(photos, w.ready(t, author.post(t, "")))
	}
	save := func(method string, i id.ID, status int) answer {
		return c.do(t, method, "/v1/media/"+i.String()+"/save", nil).is(t, status)
	}
	if c.photo(t, photos[0]).Saved {
		t.Error("saved by nobody")
	}
	for _, n := range []int{1, 0, 2, 1} {
		save("PUT", photos[n], 204)
	}
	want := []id.ID{photos[2], photos[0], photos[1]} // the last saved first, each where it was first saved
	if got, cursor := c.ids(t, "/v1/me/saved"); !slices.Equal(got, want) || cursor != "" {
		t.Errorf("saved = %v, %q, want %v", got, cursor, want)
	}
	first, cursor := c.ids(t, "/v1/me/saved?limit=2")
	second, end := c.ids(t, "/v1/me/saved?limit=2&cursor="+cursor)
	if got := append(first, second...); !slices.Equal(got, want) || end != "" {
		t.Errorf("page by page = %v, want %v", got, want)
	}
	if !c.photo(t, photos[0]).Saved || other.photo(t, photos[0]).Saved {
		t.Error("whoever has saved a photo sees it as saved, and nobody else")
	}
	var pg struct{ Items []Photo }
	c.do(t, "GET", "/v1/users/"+author.user.String()+"/media", nil).is(t, 200).into(t, &pg)
	for _, p := range pg.Items {
		if !p.Saved {
			t.Errorf("%s is not saved in the list of its author's photos", p.ID)
		}
	}
	for range 2 {
		save("DELETE", photos[0], 204)
	}
	if c.photo(t, photos[0]).Saved {
		t.Error("saved still")
	}
	if ids, _ := other.ids(t, "/v1/me/saved"); len(ids) != 0 {
		t.Errorf("somebody else's are %v", ids)
	}
	save("PUT", 4611686018427387904, 404).isProblem(t, 404, "media_not_found")
	other.do(t, "PUT", "/v1/media/"+author.post(t, "processing").String()+"/save", nil).isProblem(t, 404, "media_not_found")
}

func TestLinks(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	type links struct{ Items []Link }
	read := func() (l links) {
		c.do(t, "GET", "/v1/me/links", nil).is(t, 200).into(t, &l)
		return l
	}
	if l := read(); len(l.Items) != 0 {
		t.Errorf("links = %+v", l)
	}
	const token = "EAAG-secret-token"
	for _, account := range []string{"Maya B.", "Maya C."} {
		var l Link
		a := c.do(t, "PUT", "/v1/me/links/facebook", map[string]string{"token": token, "account": account}).is(t, 200)
		if a.into(t, &l); l.Service != "facebook" || l.Account != account || l.LinkedAt.IsZero() || bytes.Contains(a.body, []byte(token)) {
			t.Errorf("linked %s", a.body)
		}
	}
	if l := read(); len(l.Items) != 1 || l.Items[0].Account != "Maya C." {
		t.Errorf("links = %+v", l)
	}
	// Nobody reads the token in the database or in the log; who has the key does, for this
	// user and service alone.
	i := w.ready(t, c.postTo(t, "facebook"))
	sh, err := w.store.Sharing(t.Context(), i, store.Facebook)
	if err != nil || bytes.Contains(sh.Token, []byte("secret")) || strings.Contains(w.log.String(), "secret-token") {
		t.Errorf("the token is kept as %q, %v", sh.Token, err)
	}
	if plain, err := w.links.Open(sh.Token, store.Facebook.Sealed(c.user)); err != nil || string(plain) != token {
		t.Errorf("token = %q, %v", plain, err)
	}
	if _, err := w.links.Open(sh.Token, store.Twitter.Sealed(c.user)); err == nil {
		t.Error("the token opens as another service's")
	}
	for name, body := range map[string]map[string]string{
		"no token":            {"account": "Maya"},
		"empty token":         {"account": "Maya", "token": ""},
		"token of two lines":  {"account": "Maya", "token": "a\nb"},
		"token beyond ASCII":  {"account": "Maya", "token": "é"},
		"token too long":      {"account": "Maya", "token": strings.Repeat("x", 4097)},
		"account too long":    {"account": strings.Repeat("é", 101), "token": "x"},
		"account of controls": {"account": "a\x00", "token": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			c.do(t, "PUT", "/v1/me/links/twitter", body).isProblem(t, 400, "invalid_field")
		})
	}
	c.do(t, "PUT", "/v1/me/links/myspace", map[string]string{"token": "x", "account": "x"}).isProblem(t, 400, "invalid_field")
	for range 2 {
		c.do(t, "DELETE", "/v1/me/links/facebook", nil).is(t, 204)
	}
	if l := read(); len(l.Items) != 0 {
		t.Errorf("links = %+v", l)
	}
}

// postTo publishes a photo that is to be shared.
func (c *client) postTo(t testing.TB, services ...string) id.ID {
	t.Helper()
	var p Photo
	c.do(t, "POST", "/v1/media", map[string]any{"upload": c.uploaded(t), "shareTo": services}).is(t, 201).into(t, &p)
	return p.ID
}

func TestShares(t *testing.T) {
	w := newWorld(t)
	c, stranger := w.client(t), w.client(t)
	for _, service := range []string{"facebook", "twitter"} {
		c.do(t, "PUT", "/v1/me/links/"+service, map[string]string{"token": "x", "account": "Maya"}).is(t, 200)
	}
	i := c.postTo(t, "twitter", "facebook")
	path := "/v1/media/" + i.String() + "/shares"
	want := func(want ...string) {
		t.Helper()
		var pg struct{ Items []Share }
		c.do(t, "GET", path, nil).is(t, 200).into(t, &pg)
		var got []string
		for _, s := range pg.Items {
			got = append(got, fmt.Sprint(s.Service, " ", s.State, " ", s.Reason, s.URL))
		}
		if !slices.Equal(got, want) {
			t.Errorf("shares = %q, want %q", got, want)
		}
	}
	want("facebook waiting ", "twitter waiting ")
	w.ready(t, i)
	for _, step := range []struct {
		from store.ShareState
		to   store.Share
	}{
		{store.Waiting, store.Share{Service: store.Facebook, State: store.Posting}},
		{store.Posting, store.Share{Service: store.Facebook, State: store.Shared, URL: "https://www.facebook.com/1_2"}},
		{store.Waiting, store.Share{Service: store.Twitter, State: store.ShareFailed, Reason: "token_refused"}},
	} {
		if changed, err := w.store.MarkShare(t.Context(), i, step.from, step.to); err != nil || !changed {
			t.Fatal(changed, err)
		}
	}
	want("facebook shared https://www.facebook.com/1_2", "twitter failed token_refused")
	// Whoever sees the photo does not see where it was shared to.
	stranger.photo(t, i)
	stranger.do(t, "GET", path, nil).isProblem(t, 404, "media_not_found")
}
