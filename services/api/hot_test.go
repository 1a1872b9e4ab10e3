package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// exec changes rows of whoever lives where i does, as the operations of others will.
func (w *world) exec(t testing.TB, i id.ID, sql string, args ...any) {
	t.Helper()
	d := w.doc.Shards.Databases[w.doc.Shards.Database(shard.Of(i))].Name
	sql = "SET search_path TO " + shard.Of(i).Schema() + "; " + fmt.Sprintf(sql, args...)
	if _, err := databases.Owner(t, d).Exec(t.Context(), sql); err != nil {
		t.Fatal(sql, err)
	}
}

// What is answered by copying faces is what show makes of rows: in worlds in which
// everybody follows, blocks and mutes at random, is private, away or taken down, likes and
// saves; both when memcached has nothing and when it has all.
func TestHotPathsShowWhatShowShows(t *testing.T) {
	w := newWorld(t)
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 7))
		maybe := func(one int) bool { return r.IntN(one) == 0 }
		people := make([]*client, 6)
		var photos []id.ID
		authors := map[id.ID]id.ID{}
		for n := range people {
			people[n] = w.client(t)
			for range 3 {
				p := people[n].post(t, fmt.Sprintf("\"#%d <é> \u2028", r.IntN(100)))
				if !maybe(5) {
					w.ready(t, p)
				}
				photos = append(photos, p)
				authors[p] = people[n].user
			}
		}
		for _, c := range people {
			for _, other := range people {
				if c == other {
					continue
				}
				if !maybe(3) {
					c.do(t, "PUT", "/v1/users/"+other.user.String()+"/follow", nil)
				}
				if maybe(6) {
					w.exec(t, c.user, `INSERT INTO barriers (user_id, kind, other_id) VALUES (%d, 'block', %d)`, c.user, other.user)
					w.exec(t, other.user, `INSERT INTO barriers (user_id, kind, other_id) VALUES (%d, 'blocked', %d)`, other.user, c.user)
				}
				if maybe(6) {
					w.exec(t, c.user, `INSERT INTO barriers (user_id, kind, other_id) VALUES (%d, 'mute', %d)`, c.user, other.user)
				}
			}
			for _, p := range photos {
				if maybe(3) {
					if _, err := w.store.Like(t.Context(), p, c.user); err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Fatal(err)
					}
				}
				if maybe(4) {
					w.exec(t, c.user, `INSERT INTO saved (user_id, id, media_id) VALUES (%d, next_id(), %d)`, c.user, p)
				}
			}
		}
		for _, p := range photos {
			if maybe(6) {
				w.exec(t, p, `UPDATE media SET hidden = true WHERE id = %d`, p)
			}
		}
		for n, c := range people {
			switch n {
			case 0, 1:
				w.exec(t, c.user, `UPDATE users SET private = true WHERE id = %d`, c.user)
			case 2:
				w.exec(t, c.user, `UPDATE users SET state = 'suspended' WHERE id = %d`, c.user)
			}
		}
		for _, c := range people {
			w.barriers.Forget(c.user)
			w.users.Forget(c.user)
			w.marked.Forget(c.user)
			if err := w.feeds.Forget(t.Context(), c.user); err != nil {
				t.Fatal(err)
			}
		}
		w.media.Forget(photos...)
		for _, c := range people {
			ctx := context.WithValue(t.Context(), requestKey{}, &request{})
			v, err := w.audience.Viewer(ctx, c.user)
			if err != nil {
				t.Fatal(err)
			}
			wantFeed := []Photo{}
			for round := range 3 { // loaded, kept, and with marks kept
				wantFeed = wantFeed[:0]
				posts, err := w.feeds.Page(ctx, c.user, 0, 50)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range w.shown(t, v, posts) {
					if p.State == store.Ready && !v.Mutes(p.Author.ID) {
						wantFeed = append(wantFeed, p)
					}
				}
				var got feedPage
				c.do(t, "GET", "/v1/feed?limit=50", nil).is(t, 200).into(t, &got)
				if !reflect.DeepEqual(got.Items, wantFeed) {
					t.Fatalf("seed %d, round %d: the feed of %s is\n%s, want\n%s", seed, round, c.user, lines(got.Items), lines(wantFeed))
				}
				for _, p := range photos {
					want := w.shown(t, v, []store.Post{{Media: p, Author: authors[p]}})
					a := c.do(t, "GET", "/v1/media/"+p.String(), nil)
					if len(want) == 0 {
						a.isProblem(t, 404, "media_not_found")
						continue
					}
					var got Photo
					if a.is(t, 200).into(t, &got); !reflect.DeepEqual(got, want[0]) {
						t.Fatalf("seed %d, round %d: %s sees\n%s, want\n%s", seed, round, c.user, a.body, lines(want))
					}
				}
			}
		}
	}
}

// shown is what show makes of the rows, read back as a client reads it.
func (w *world) shown(t testing.TB, v audience.Viewer, posts []store.Post) (out []Photo) {
	t.Helper()
	var ms []store.Media
	for _, p := range posts {
		m, err := w.store.Media(t.Context(), p.Media)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	photos, err := w.show(t.Context(), v, ms)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(photos)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func lines(photos []Photo) (text string) {
	for _, p := range photos {
		b, _ := json.Marshal(p)
		text += string(b) + "\n"
	}
	return text
}

// An approval that is taken back takes the photos with it, also from a feed that has them
// and has remembered that they may be shown.
func TestFeedForgetsWhomItFollowed(t *testing.T) {
	w := newWorld(t)
	reader, author := w.client(t), w.client(t)
	i := w.ready(t, author.post(t, ""))
	reader.do(t, "PUT", "/v1/users/"+author.user.String()+"/follow", nil)
	w.exec(t, author.user, `UPDATE users SET private = true WHERE id = %d`, author.user)
	w.users.Forget(author.user)
	for range 3 {
		if got, _ := reader.feed(t, ""); len(got) != 1 || got[0] != i {
			t.Fatalf("feed = %v, want %v", got, i)
		}
	}
	w.exec(t, reader.user, `DELETE FROM following WHERE user_id = %d`, reader.user)
	if err := w.feeds.Forget(t.Context(), reader.user); err != nil {
		t.Fatal(err)
	}
	// As if a fan-out that had read the followers before came late.
	if got, _ := reader.feed(t, ""); len(got) != 0 {
		t.Fatalf("feed = %v after it was forgotten", got)
	}
	if err := w.feeds.Push(t.Context(), []id.ID{reader.user}, store.Post{Media: i, Author: author.user}); err != nil {
		t.Fatal(err)
	}
	if got, _ := reader.feed(t, ""); len(got) != 0 {
		t.Errorf("feed = %v of whom they follow no more", got)
	}
}

// Whatever a row of a photo or of an account has comes back from memcached as it was.
func TestFacesKeepRows(t *testing.T) {
	w := newWorld(t)
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	m := store.Media{ID: 5 << 23, User: 7 << 23, Caption: "a", Alt: "b", Filter: "c", Place: "d", Location: &store.Location{Latitude: 1, Longitude: 2},
		State: store.Ready, Hidden: true, Key: "00ff", Width: 3, Height: 4, Blur: "e", Tags: []string{"f"}, Mentions: []string{"g"},
		LikeCount: 5, CommentCount: 6, CreatedAt: at, EditedAt: at}
	face := w.photoFace(m)
	if authorOf(face) != m.User || face[0] != isReady {
		t.Errorf("face = %q", face)
	}
	u := store.User{ID: m.User, State: store.Active, Private: true, Name: "n", FullName: "\"", Avatar: "aa"}
	s := sight{Post: store.Post{Media: m.ID, Author: u.ID}, photo: face, author: w.authorFace(u), did: saving}
	var got Photo
	if err := json.Unmarshal(s.append(nil), &got); err != nil {
		t.Fatal(err)
	}
	want := w.photo(m, u)
	want.Saved = true
	if !reflect.DeepEqual(got, want) {
		t.Errorf("photo = %+v, want %+v", got, want)
	}
	if again := author(u.ID, s.author); again.State != u.State || !again.Private {
		t.Errorf("author = %+v", again)
	}
}
