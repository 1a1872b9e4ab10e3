package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// place publishes a ready photo that was taken there, and lists it.
func (c *client) place(t testing.TB, caption string, latitude, longitude float64) id.ID {
	t.Helper()
	var p Photo
	c.do(t, "POST", "/v1/media", map[string]any{
		"upload": c.uploaded(t), "caption": caption, "location": map[string]float64{"latitude": latitude, "longitude": longitude},
	}).is(t, 201).into(t, &p)
	c.w.ready(t, p.ID)
	c.w.index(t, p.ID)
	return p.ID
}

// index does what the workers do.
func (w *world) index(t testing.TB, photo id.ID) {
	t.Helper()
	if err := w.store.Index(t.Context(), queue.Index{Media: photo}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) indexUser(t testing.TB, user id.ID) {
	t.Helper()
	if err := w.store.IndexUser(t.Context(), user); err != nil {
		t.Fatal(err)
	}
}

// forgetPopular makes the next to explore see what is popular by then.
func (w *world) forgetPopular(t testing.TB) {
	t.Helper()
	err := w.redis.ForEachMaster(t.Context(), func(ctx context.Context, n *redis.Client) error {
		keys, err := n.Keys(ctx, "x:{explore}:*").Result()
		if err == nil && len(keys) > 0 {
			err = n.Del(ctx, keys...).Err()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// all reads the ids of all pages of a list.
func (c *client) all(t testing.TB, path string) (ids []id.ID) {
	t.Helper()
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		var some []id.ID
		some, cursor = c.ids(t, path+"&cursor="+url.QueryEscape(cursor))
		if ids = append(ids, some...); n > 500 {
			t.Fatalf("%s does not end", path)
		}
	}
	return ids
}

// Who may not see a photo finds it nowhere, whether or not the tasks have run, and who
// did not ask for its author is not shown those that they would rather not see.
func TestWhatIsFound(t *testing.T) {
	w := newWorld(t)
	const lat, lng = -33.8568, 151.2153
	reader := w.client(t)
	barrier := func(kind string) func(author, photo id.ID) {
		return func(author, _ id.ID) {
			onShard(t, reader.user, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, $2, $3)`, reader.user, kind, author)
		}
	}
	user := func(set string) func(author, photo id.ID) {
		return func(author, _ id.ID) {
			onShard(t, author, `UPDATE shard.users SET `+set+` WHERE id = $1`, author)
		}
	}
	photo := func(set string) func(author, photo id.ID) {
		return func(_, photo id.ID) {
			onShard(t, photo, `UPDATE shard.media SET `+set+` WHERE id = $1`, photo)
		}
	}
	follow := func(author, photo id.ID) {
		user("private = true")(author, photo)
		onShard(t, reader.user, `INSERT INTO shard.following (user_id, target_id) VALUES ($1, $2)`, reader.user, author)
	}
	for _, tt := range []struct {
		name                       string
		change                     func(author, photo id.ID)
		tagged, near, popular, who bool // found, though no task has run
		own                        bool // the author is who asks
	}{
		{name: "a stranger", change: func(_, _ id.ID) {}, tagged: true, near: true, popular: true, who: true},
		{name: "muted", change: barrier("mute"), who: true},
		{name: "blocked", change: barrier("block")},
		{name: "blocking", change: barrier("blocked")},
		{name: "private", change: user("private = true"), who: true},
		{name: "private and followed", change: follow, who: true},
		{name: "deactivated", change: user("state = 'deactivated'")},
		{name: "suspended", change: user("state = 'suspended'")},
		{name: "taken down", change: photo("hidden = true"), who: true},
		{name: "deleted", change: photo("state = 'deleted'"), who: true},
		{name: "another tag", change: photo("tags = '{other}'"), near: true, popular: true, who: true},
		{name: "another place", change: photo("latitude = 0"), tagged: true, popular: true, who: true},
		{name: "no place", change: photo("latitude = NULL, longitude = NULL"), tagged: true, popular: true, who: true},
		{name: "one's own", change: func(_, _ id.ID) {}, tagged: true, near: true, who: true, own: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			author := w.client(t)
			if tt.own {
				author = reader
			}
			i := author.place(t, "#harbour", lat, lng)
			onShard(t, i, `UPDATE shard.media SET like_count = 1000000 WHERE id = $1`, i)
			w.indexUser(t, author.user)
			w.forgetPopular(t)
			if _, err := w.popular.Snapshot(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			tt.change(author.user, i)
			w.media.Forget(i)
			w.users.Forget(author.user)
			w.barriers.Forget(reader.user)
			look := func(when string, want map[string]bool) {
				t.Helper()
				for path, want := range want {
					photo := i
					if strings.HasPrefix(path, "/v1/search") {
						photo = author.user
					}
					if got := slices.Contains(reader.all(t, path), photo); got != want {
						t.Errorf("%s: %s has it: %v, want %v", when, path, got, want)
					}
				}
			}
			tag, near := "/v1/tags/Harbour/media?limit=50", fmt.Sprintf("/v1/media/near?latitude=%g&longitude=%g&radius=200", lat, lng)
			search := "/v1/search/users?q=" + author.name
			paths := map[string]bool{tag: tt.tagged, near: tt.near, "/v1/explore?limit=50": tt.popular}
			look("at once", paths)
			if got := reader.do(t, "GET", search, nil).is(t, 200); strings.Contains(string(got.body), `"`+author.user.String()+`"`) != tt.who {
				t.Errorf("search finds the author: %v, want %v", !tt.who, tt.who)
			}
			w.index(t, i)
			w.indexUser(t, author.user)
			w.forgetPopular(t)
			look("after the tasks", paths)
		})
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	var want []id.ID
	for n := range 5 {
		i := w.ready(t, c.post(t, fmt.Sprintf("#Größe%d #GrößeX #größex", n)))
		w.index(t, i)
		want = append([]id.ID{i}, want...)
	}
	x := "/v1/tags/" + url.PathEscape("GRÖßex")
	if got := c.all(t, x+"/media?limit=2"); !slices.Equal(got, want) {
		t.Errorf("photos of the tag = %v, want %v", got, want)
	}
	var one Tag
	c.do(t, "GET", x, nil).is(t, 200).into(t, &one)
	if want := (Tag{"größex", 5}); one != want {
		t.Errorf("tag = %+v, want %+v", one, want)
	}
	c.do(t, "GET", "/v1/tags/nobodyhasit", nil).is(t, 200).into(t, &one)
	if want := (Tag{"nobodyhasit", 0}); one != want {
		t.Errorf("tag = %+v, want %+v", one, want)
	}
	var found struct{ Items []Tag }
	for q, want := range map[string]string{
		"gr":       "[{größex 5}",
		"#Größe":   "[{größex 5}",
		"größe3":   "[{größe3 1}]",
		"größex":   "[{größex 5}]",
		"größenot": "[]",
	} {
		c.do(t, "GET", "/v1/search/tags?q="+url.QueryEscape(q), nil).is(t, 200).into(t, &found)
		if got := fmt.Sprint(found.Items); !strings.HasPrefix(got, want) {
			t.Errorf("search %q = %s, want %s", q, got, want)
		}
	}
}

func TestSearchUsers(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	// Their full names are all the same word, so the exact name must not drown in them.
	exact := w.client(t)
	for range 3 {
		other := w.client(t)
		onShard(t, other.user, `UPDATE shard.users SET full_name = $2, follower_count = 100 WHERE id = $1`, other.user, exact.name+" jr")
		w.indexUser(t, other.user)
	}
	w.indexUser(t, exact.user)
	for _, q := range []string{exact.name, strings.ToUpper(exact.name)} {
		got, _ := c.ids(t, "/v1/search/users?q="+q+"&limit=2")
		if len(got) == 0 || got[0] != exact.user {
			t.Errorf("search %q = %v, want %v first", q, got, exact.user)
		}
	}
	// What the directory has not heard of yet is not told.
	onShard(t, exact.user, `UPDATE shard.users SET full_name = 'Quorra' WHERE id = $1`, exact.user)
	w.indexUser(t, exact.user)
	onShard(t, exact.user, `UPDATE shard.users SET full_name = '' WHERE id = $1`, exact.user)
	w.users.Forget(exact.user)
	if got, _ := c.ids(t, "/v1/search/users?q=quorra"); len(got) != 0 {
		t.Errorf("search by a former full name = %v", got)
	}
}

func TestNear(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	var all []id.ID
	const lat, lng = -17.0, 179.9999 // Fiji, at the antimeridian
	for n := range 6 {
		all = append(all, c.place(t, "", lat, []float64{lng, -179.9999}[n%2]))
	}
	far := c.place(t, "", lat+0.02, lng)
	slices.Reverse(all)
	at := fmt.Sprintf("/v1/media/near?latitude=%g&longitude=%g", lat, lng)
	if got := c.all(t, at+"&limit=4"); !slices.Equal(got, all) {
		t.Errorf("near = %v, want %v", got, all)
	}
	if got := c.all(t, at+"&radius=5000"); !slices.Equal(got, append([]id.ID{far}, all...)) {
		t.Errorf("near = %v, want %v and %v", got, far, all)
	}
	pole := c.place(t, "", 90, 0)
	if got := c.all(t, "/v1/media/near?latitude=89.99&longitude=-120&radius=5000"); !slices.Equal(got, []id.ID{pole}) {
		t.Errorf("near the pole = %v, want %v", got, pole)
	}
}

// The pages of one snapshot are those of one list, whatever becomes popular meanwhile.
func TestExplore(t *testing.T) {
	w := newWorld(t)
	reader := w.client(t)
	popular := func(likes int) id.ID {
		i := w.ready(t, w.client(t).post(t, ""))
		onShard(t, i, `UPDATE shard.media SET like_count = $2 WHERE id = $1`, i, likes)
		return i
	}
	want := []id.ID{popular(50_000_000_000), popular(40_000_000_000), popular(30_000_000_000), popular(20_000_000_000)}
	w.forgetPopular(t)
	first, cursor := reader.ids(t, "/v1/explore?limit=2")
	popular(60_000_000_000)
	second, _ := reader.ids(t, "/v1/explore?limit=2&cursor="+cursor)
	if got := append(first, second...); !slices.Equal(got, want) {
		t.Errorf("two pages = %v, want %v", got, want)
	}
	w.forgetPopular(t)
	if got, _ := reader.ids(t, "/v1/explore?limit=2&cursor="+cursor); len(got) == 0 {
		t.Error("a snapshot that is lost is not followed by another")
	}
}

func TestDiscoveryRefuses(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	for path, field := range map[string]string{
		"/v1/tags/12":                                       "tag",
		"/v1/tags/a-b":                                      "tag",
		"/v1/tags/%00":                                      "tag",
		"/v1/tags/%ff":                                      "tag",
		"/v1/tags/%23":                                      "tag",
		"/v1/tags/a-b/media":                                "tag",
		"/v1/tags/" + strings.Repeat("a", 101):              "tag",
		"/v1/tags/sun/media?cursor=x":                       "cursor",
		"/v1/search/tags":                                   "q",
		"/v1/search/tags?q=a":                               "q",
		"/v1/search/tags?q=%23a":                            "q",
		"/v1/search/tags?q=a+b":                             "q",
		"/v1/search/tags?q=%00%00":                          "q",
		"/v1/search/users?q=a":                              "q",
		"/v1/search/users?q=%25%25":                         "q",
		"/v1/search/users?q=%ff%fe%fd":                      "q",
		"/v1/search/users?q=" + strings.Repeat("a", 101):    "q",
		"/v1/media/near?longitude=0":                        "latitude",
		"/v1/media/near?latitude=91&longitude=0":            "latitude",
		"/v1/media/near?latitude=NaN&longitude=0":           "latitude",
		"/v1/media/near?latitude=0&longitude=-Inf":          "longitude",
		"/v1/media/near?latitude=0&longitude=0&radius=99":   "radius",
		"/v1/media/near?latitude=0&longitude=0&radius=5001": "radius",
		"/v1/media/near?latitude=0&longitude=0&cursor=-1":   "cursor",
		"/v1/explore?cursor=1":                              "cursor",
		"/v1/explore?cursor=-1.0":                           "cursor",
		"/v1/explore?cursor=1.-1":                           "cursor",
		"/v1/explore?cursor=zzzzzzzzzzzzzzzzzz.1":           "cursor",
	} {
		t.Run(path, func(t *testing.T) {
			if p := c.do(t, "GET", path, nil).isProblem(t, 400, "invalid_field"); p.Field != field {
				t.Errorf("field %q, want %q: %s", p.Field, field, p.Detail)
			}
		})
	}
	(&client{w: w}).do(t, "GET", "/v1/explore", nil).isProblem(t, 401, "token_missing")
}

// FuzzPlace: whatever a client sends as the cursor of a snapshot is refused, or a place.
func FuzzPlace(f *testing.F) {
	f.Add("mh3k2x9a.20")
	f.Add("0.0")
	f.Add("9.9999999999999999999")
	f.Fuzz(func(t *testing.T, cursor string) {
		snapshot, from, err := PageOf{Cursor: cursor}.place()
		if first := cursor == ""; err == nil && (from < 0 || snapshot < 0 || (snapshot == 0) != first) {
			t.Errorf("%q is %d at %d", cursor, snapshot, from)
		}
	})
}

// FuzzTag: a tag of a path is refused, or one that is compared as itself.
func FuzzTag(f *testing.F) {
	f.Add("GoldenGate")
	f.Add("\xff\x00")
	f.Fuzz(func(t *testing.T, text string) {
		name, err := ByTag{Tag: text}.name()
		if err != nil {
			return
		}
		if again, err := (ByTag{Tag: name}).name(); err != nil || again != name {
			t.Errorf("%q is the tag %q, and that %q, %v", text, name, again, err)
		}
	})
}
