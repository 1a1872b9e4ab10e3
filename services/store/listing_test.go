package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/burbn/burbn/services/geo"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
)

// newTag is a tag that no photo has yet.
func newTag() string { return "t" + databases.Name()[len("user."):] }

// tagged publishes a ready photo of user.
func tagged(t testing.TB, user store.User, n store.NewMedia) id.ID {
	t.Helper()
	s := databases.Store(t)
	m, err := s.Publish(t.Context(), user.ID, makeUpload(t, user).ID, n)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := s.MarkReady(t.Context(), m.ID, 100, 100, ""); err != nil || !changed {
		t.Fatal(changed, err)
	}
	return m.ID
}

// index does every task that was ever ordered for a photo, in any order.
func index(t testing.TB, media id.ID) {
	t.Helper()
	var tasks []queue.Index
	all := value[string](t, media, `
		SELECT coalesce(json_agg(args)::text, '[]') FROM river.river_job WHERE kind = 'index' AND args->>'media' = $1`, media.String())
	if err := json.Unmarshal([]byte(all), &tasks); err != nil {
		t.Fatal(err)
	}
	rand.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
	for _, task := range tasks {
		if err := databases.Store(t).Index(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
}

func near(t testing.TB, at store.Location) []id.ID {
	t.Helper()
	c, err := geo.Around(at.Latitude, at.Longitude, 100)
	if err != nil {
		t.Fatal(err)
	}
	ids, next, err := databases.Store(t).MediaNear(t.Context(), c, 0, 20)
	if err != nil || next != 0 {
		t.Fatal(next, err)
	}
	return ids
}

func TestIndex(t *testing.T) {
	s := databases.Store(t)
	ctx := t.Context()
	author := databases.User(t)
	first, second := newTag(), newTag()
	bridge, beside, beach := store.Location{Latitude: 37.8199, Longitude: -122.4783}, store.Location{Latitude: 37.8239, Longitude: -122.4783}, store.Location{Latitude: -33.89, Longitude: 151.27}
	m := tagged(t, author, store.NewMedia{Tags: []string{first}, Location: &bridge})
	set := func(sql string) func() { // true
		return func() { value[bool](t, m, sql+` RETURNING true`, m) }
	}
	edit := func(e store.MediaEdit) func() {
		return func() {
			if _, err := s.EditMedia(ctx, author.ID, m, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	one, two, of := "one", "two", `UPDATE shard.users SET %s WHERE id = (SELECT user_id FROM shard.media WHERE id = $1)`
	for _, tt := range []struct {
		name   string
		change func()
		tag    string          // that alone has it
		at     *store.Location // where alone it is
	}{
		{"ready", func() {}, first, &bridge},
		{"another caption", edit(store.MediaEdit{Caption: &one, Tags: []string{second}}), second, &bridge},
		{"a few steps aside", edit(store.MediaEdit{Move: true, Location: &beside}), second, &beside},
		{"far away", edit(store.MediaEdit{Move: true, Location: &beach}), second, &beach},
		{"taken down", set(`UPDATE shard.media SET hidden = true WHERE id = $1`), "", nil},
		{"not any more", set(`UPDATE shard.media SET hidden = false WHERE id = $1`), second, &beach},
		{"private", set(fmt.Sprintf(of, `private = true`)), "", nil},
		{"edited while private", edit(store.MediaEdit{Caption: &two, Tags: []string{first}, Move: true}), "", nil},
		{"public again", set(fmt.Sprintf(of, `private = false`)), first, nil},
		{"suspended", set(fmt.Sprintf(of, `state = 'suspended'`)), "", nil},
		{"reinstated", set(fmt.Sprintf(of, `state = 'active'`)), first, nil},
		{"deleted", func() {
			if _, err := s.DeleteMedia(ctx, author.ID, m); err != nil {
				t.Fatal(err)
			}
		}, "", nil},
		{"erased", func() {
			if err := s.EraseMedia(ctx, m); err != nil {
				t.Fatal(err)
			}
		}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.change()
			index(t, m)
			for _, tag := range []string{first, second} {
				want := []id.ID{}
				if tag == tt.tag {
					want = append(want, m)
				}
				ids, err := s.TagMedia(ctx, tag, 0, 10)
				if err != nil || !slices.Equal(ids, want) {
					t.Errorf("photos of #%s = %v, %v; want %v", tag, ids, err, want)
				}
				counts, err := s.TagCounts(ctx, tag)
				if err != nil || counts[0].Media != int64(len(want)) {
					t.Errorf("count of #%s = %v, %v; want %d", tag, counts, err, len(want))
				}
				found, err := s.SearchTags(ctx, tag, 10)
				if has := slices.ContainsFunc(found, func(c store.TagCount) bool { return c.Tag == tag }); err != nil || has != (len(want) > 0) {
					t.Errorf("search of #%s = %v, %v", tag, found, err)
				}
			}
			for _, at := range []store.Location{bridge, beside, beach} {
				if has := slices.Contains(near(t, at), m); has != (tt.at != nil && at == *tt.at) {
					t.Errorf("it is near %v: %v", at, has)
				}
			}
		})
	}
}

// However edits and their tasks fall together, the lists end as the row says.
func TestIndexAtOnce(t *testing.T) {
	s := databases.Store(t)
	author := databases.User(t)
	tags := []string{newTag(), newTag(), newTag()}
	m := tagged(t, author, store.NewMedia{Tags: tags[:1]})
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			caption, to := "", tags[n%3:n%3+1]
			if _, err := s.EditMedia(t.Context(), author.ID, m, store.MediaEdit{Caption: &caption, Tags: to}); err != nil {
				t.Error(err)
			}
			// As the task of another edit may be: late.
			if err := s.Index(t.Context(), queue.Index{Media: m, Was: queue.Indexed{Tags: tags[(n+1)%3 : (n+1)%3+1]}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	index(t, m)
	row, err := s.Media(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := s.TagCounts(t.Context(), tags...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counts {
		want := int64(0)
		if slices.Contains(row.Tags, c.Tag) {
			want = 1
		}
		if ids, err := s.TagMedia(t.Context(), c.Tag, 0, 10); err != nil || c.Media != want || len(ids) != int(want) {
			t.Errorf("#%s: counted %d, listed %v, %v; the photo has %v", c.Tag, c.Media, ids, err, row.Tags)
		}
	}
}

// A busy place is looked at page by page, and nothing of it is left out or told twice.
func TestMediaNearBusyPlace(t *testing.T) {
	s := databases.Store(t)
	lat, lng := 48.2082, 16.3738 // Vienna, where no other test goes
	cell := "g:" + geo.Cell(lat, lng)
	// 2,500 photos of the cell, of which every 250th was taken in the circle.
	value[bool](t, id.Make(time.Now(), uint16(s.Shards().ForName(cell)), 0), `
		WITH busy AS (
			INSERT INTO shard.listings (list, media_id, user_id, latitude, longitude)
			SELECT $1, n, 1, $2 + CASE WHEN n % 250 = 0 THEN 0 ELSE 0.01 END, $3 FROM generate_series(1, 2500) n RETURNING 1
		) SELECT count(*) = 2500 FROM busy`, cell, lat, lng)
	c, err := geo.Around(lat, lng, 500)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 3, 4, 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			var got []id.ID
			pages := 0
			for before := id.ID(0); pages == 0 || before != 0; pages++ {
				ids, next, err := s.MediaNear(t.Context(), c, before, limit)
				if err != nil || len(ids) > limit {
					t.Fatal(ids, err)
				}
				got = append(got, ids...)
				before = next
			}
			want := []id.ID{2500, 2250, 2000, 1750, 1500, 1250, 1000, 750, 500, 250}
			if !slices.Equal(got, want) || pages > 2500/1000+len(want)/limit+1 {
				t.Errorf("in %d pages %v, want %v", pages, got, want)
			}
		})
	}
}

func TestPopular(t *testing.T) {
	s := databases.Store(t)
	author, other, private, gone := databases.User(t), databases.User(t), databases.User(t), databases.User(t)
	likes := func(m id.ID, n int, more string) id.ID {
		value[bool](t, m, `UPDATE shard.media SET like_count = $2`+more+` WHERE id = $1 RETURNING true`, m, n)
		return m
	}
	// So many that no other test's photos come between.
	most, second := likes(post(t, author).ID, 9_000_000, ""), likes(post(t, other).ID, 8_000_000, "")
	third := likes(post(t, author).ID, 7_000_000, "")
	likes(post(t, author).ID, 6_000_000, "")                                           // one of the author too many
	likes(post(t, other).ID, 9_000_000, ", created_at = now() - interval '1000 days'") // long ago
	likes(post(t, other).ID, 9_000_000, ", hidden = true")                             // taken down
	likes(post(t, private).ID, 9_000_000, "")                                          // private
	likes(post(t, gone).ID, 9_000_000, "")                                             // away
	likes(publish(t, other).ID, 9_000_000, "")                                         // not ready
	value[bool](t, private.ID, `UPDATE shard.users SET private = true WHERE id = $1 RETURNING true`, private.ID)
	value[bool](t, gone.ID, `UPDATE shard.users SET state = 'deactivated' WHERE id = $1 RETURNING true`, gone.ID)
	got, err := s.Popular(t.Context(), 3, 2)
	if want := []id.ID{most, second, third}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Popular = %v, %v; want %v", got, err, want)
	}
	likes(most, 0, "")
	likes(third, 0, "")
	if got, err = s.Popular(t.Context(), 100, 100); err != nil || slices.Contains(got, most) || got[0] != second {
		t.Errorf("Popular = %v, %v; want %v first and without %v", got, err, second, most)
	}
}
