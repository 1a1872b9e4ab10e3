package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// run executes a statement on the shard of i; "shard." stands for its schema.
func run(t testing.TB, i id.ID, sql string, args ...any) {
	t.Helper()
	m := databases.Stores(t).Shards
	c := databases.Owner(t, m.Databases[m.Database(shard.Of(i))].Name)
	defer c.Close(context.WithoutCancel(t.Context()))
	if _, err := c.Exec(t.Context(), strings.ReplaceAll(sql, "shard.", shard.Of(i).Schema()+"."), args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// rows are how many rows of the photo's shard name it, by table.
func rows(t testing.TB, photo id.ID) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, table := range value[[]string](t, photo, `
		SELECT array_agg(table_name::text) FROM information_schema.columns
		WHERE table_schema || '.' = 'shard.' AND column_name = 'media_id'`) {
		if k := value[int](t, photo, `SELECT count(*) FROM shard.`+table+` WHERE media_id = $1`, photo); k > 0 {
			n[table] = k
		}
	}
	if value[bool](t, photo, `SELECT EXISTS (SELECT FROM shard.media WHERE id = $1)`, photo) {
		n["media"] = 1
	}
	return n
}

func TestDeleteMedia(t *testing.T) {
	s := databases.Store(t)
	owner, stranger := databases.User(t), databases.User(t)
	tagged := store.NewMedia{Tags: []string{"sun"}, Location: &store.Location{Latitude: 37.8, Longitude: -122.4}}
	ready, err := s.Publish(t.Context(), owner.ID, makeUpload(t, owner).ID, tagged)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.MarkReady(t.Context(), ready.ID, 4, 3, ""); err != nil {
		t.Fatal(err)
	}
	processing, kept := publish(t, owner), post(t, owner)
	if deleted, err := s.DeleteMedia(t.Context(), stranger.ID, ready.ID, kept.ID); err != nil || len(deleted) > 0 {
		t.Errorf("DeleteMedia by a stranger = %v, %v", deleted, err)
	}
	both := []id.ID{ready.ID, processing.ID}
	deleted, err := s.DeleteMedia(t.Context(), owner.ID, both...)
	if slices.Sort(deleted); err != nil || !slices.Equal(deleted, both) {
		t.Errorf("DeleteMedia = %v, %v, want %v", deleted, err, both)
	}
	if deleted, err := s.DeleteMedia(t.Context(), owner.ID, both...); err != nil || len(deleted) > 0 {
		t.Errorf("DeleteMedia again = %v, %v", deleted, err)
	}
	for _, i := range both {
		_, err := s.Media(t.Context(), i)
		expect(t, err, store.ErrNotFound)
		_, err = s.EditMedia(t.Context(), owner.ID, i, store.MediaEdit{})
		expect(t, err, store.ErrNotFound)
		_, err = s.Like(t.Context(), i, stranger.ID)
		expect(t, err, store.ErrNotFound)
		_, err = s.Sharing(t.Context(), i, store.Facebook)
		expect(t, err, store.ErrNotFound)
		if m, err := s.DeletedMedia(t.Context(), i); err != nil || m.State != store.Deleted {
			t.Errorf("DeletedMedia = %+v, %v", m, err)
		}
		if n := tasks(t, i, "erase_media", fmt.Sprintf(`{"media": "%s", "author": "%s"}`, i, owner.ID)); n != 1 {
			t.Errorf("%d tasks erase it, want 1", n)
		}
	}
	was := fmt.Sprintf(`{"media": "%s", "was": {"tags": ["sun"], "latitude": 37.8, "longitude": -122.4}}`, ready.ID)
	if n := tasks(t, ready.ID, "index", was); n != 1 {
		t.Errorf("%d tasks %s, want 1", n, was)
	}
	// What was processing does not become ready any more.
	if changed, err := s.MarkReady(t.Context(), processing.ID, 4, 3, ""); err != nil || changed {
		t.Errorf("MarkReady of what is deleted = %t, %v", changed, err)
	}
	if changed, err := s.MarkFailed(t.Context(), processing.ID, "corrupt"); err != nil || changed {
		t.Errorf("MarkFailed of what is deleted = %t, %v", changed, err)
	}
	_, err = s.DeletedMedia(t.Context(), kept.ID)
	expect(t, err, store.ErrNotFound)
	ms, err := s.UserMedia(t.Context(), owner.ID, 0, 10, true)
	if err != nil || len(ms) != 1 || ms[0].ID != kept.ID {
		t.Errorf("UserMedia = %v, %v, want %s alone", ms, err, kept.ID)
	}
	if many, err := s.MediaMany(t.Context(), append(both, kept.ID)); err != nil || len(many) != 1 {
		t.Errorf("MediaMany = %v, %v, want one", many, err)
	}
	if recent, err := s.RecentMedia(t.Context(), []id.ID{owner.ID}, 10); err != nil || !slices.Equal(recent, []store.Post{{Media: kept.ID, Author: owner.ID}}) {
		t.Errorf("RecentMedia = %v, %v", recent, err)
	}
	if u, err := s.User(t.Context(), owner.ID); err != nil || u.MediaCount != 1 {
		t.Errorf("%d media counted, %v, want 1", u.MediaCount, err)
	}
}

func TestEraseMedia(t *testing.T) {
	s := databases.Store(t)
	owner := databases.User(t)
	m, other := post(t, owner), post(t, owner)
	for _, photo := range []id.ID{m.ID, other.ID} {
		for range 5 {
			if _, err := s.Like(t.Context(), photo, databases.User(t).ID); err != nil {
				t.Fatal(err)
			}
			run(t, photo, `INSERT INTO shard.comments (media_id, id, user_id, text) VALUES ($1, shard.next_id(), $2, 'nice')`, photo, owner.ID)
			run(t, photo, `INSERT INTO shard.activity (user_id, id, kind, actor_id, media_id) VALUES ($2, shard.next_id(), 'like', 1, $1)`, photo, owner.ID)
		}
		run(t, photo, `INSERT INTO shard.pushes (user_id, kind, media_id, due_at) VALUES ($2, 'like', $1, now())`, photo, owner.ID)
		run(t, photo, `INSERT INTO shard.shares (media_id, service) VALUES ($1, 'facebook')`, photo)
		run(t, photo, `INSERT INTO shard.count_changes (media_id, likes, comments) VALUES ($1, 1, 0)`, photo)
	}
	before := rows(t, other.ID)
	// Nothing is erased of what is not deleted.
	if more, err := s.EraseTalk(t.Context(), m.ID, 2); err != nil || more {
		t.Errorf("EraseTalk of what is not deleted = %t, %v", more, err)
	}
	if err := s.EraseMedia(t.Context(), m.ID); err != nil {
		t.Error(err)
	}
	if got := rows(t, m.ID); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("rows of what is not deleted: %v, want %v", got, before)
	}
	if _, err := s.DeleteMedia(t.Context(), owner.ID, m.ID); err != nil {
		t.Fatal(err)
	}
	for round, want := range []bool{true, true, false, false} {
		if more, err := s.EraseTalk(t.Context(), m.ID, 2); err != nil || more != want {
			t.Errorf("EraseTalk the %d. time = %t, %v, want %t", round+1, more, err, want)
		}
	}
	for range 2 {
		if err := s.EraseMedia(t.Context(), m.ID); err != nil {
			t.Error(err)
		}
	}
	// The upload remembers that it was published, until it is purged like all uploads.
	if got := rows(t, m.ID); fmt.Sprint(got) != "map[uploads:1]" {
		t.Errorf("rows of what is erased: %v", got)
	}
	if got := rows(t, other.ID); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("rows of another photo: %v, want %v", got, before)
	}
}

func TestEraseNext(t *testing.T) {
	s := databases.Store(t)
	m := post(t, databases.User(t))
	next := queue.EraseMedia{Media: m.ID, Author: m.User, After: 77}
	for range 3 {
		if err := s.EraseNext(t.Context(), next); err != nil {
			t.Fatal(err)
		}
	}
	if n := tasks(t, m.ID, "erase_media", fmt.Sprintf(`{"media": "%s", "after": "77"}`, m.ID)); n != 1 {
		t.Errorf("%d tasks, want 1", n)
	}
}

func TestEditMedia(t *testing.T) {
	s := databases.Store(t)
	owner, stranger := databases.User(t), databases.User(t)
	text := func(s string) *string { return &s }
	m, err := s.Publish(t.Context(), owner.ID, makeUpload(t, owner).ID, store.NewMedia{
		Caption: "#sun by @maya", Tags: []string{"sun"}, Mentions: []string{"maya"}, Alt: "a beach", Filter: "x-pro", Place: "Ocean Beach",
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.Alt != "a beach" || m.Filter != "x-pro" || m.Place != "Ocean Beach" || !slices.Equal(m.Tags, []string{"sun"}) || !slices.Equal(m.Mentions, []string{"maya"}) || !m.EditedAt.IsZero() {
		t.Errorf("published %+v", m)
	}
	here := &store.Location{Latitude: -37.8, Longitude: 144.9}
	for _, tt := range []struct {
		name string
		edit store.MediaEdit
		want func(*store.Media)
		was  string
	}{
		{"caption", store.MediaEdit{Caption: text("#sea"), Tags: []string{"sea"}}, func(m *store.Media) {
			m.Caption, m.Tags, m.Mentions = "#sea", []string{"sea"}, []string{}
		}, `{"tags": ["sun"]}`},
		{"alt", store.MediaEdit{Alt: text("a pier")}, func(m *store.Media) { m.Alt = "a pier" }, `{"tags": ["sea"]}`},
		{"move", store.MediaEdit{Move: true, Location: here}, func(m *store.Media) { m.Location = here }, `{"latitude": null, "tags": ["sea"]}`},
		{"remove", store.MediaEdit{Move: true, Place: text("")}, func(m *store.Media) { m.Location, m.Place = nil, "" }, `{"latitude": -37.8}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := m
			tt.want(&want)
			got, err := s.EditMedia(t.Context(), owner.ID, m.ID, tt.edit)
			if err != nil || got.EditedAt.Before(m.CreatedAt) {
				t.Fatalf("EditMedia = %+v, %v", got, err)
			}
			want.EditedAt = got.EditedAt
			if fmt.Sprintf("%+v", plain(got)) != fmt.Sprintf("%+v", plain(want)) {
				t.Errorf("EditMedia = %+v, want %+v", got, want)
			}
			m = got
			args := fmt.Sprintf(`{"media": "%s", "was": %s}`, m.ID, tt.was)
			if n := tasks(t, m.ID, "index", args); n == 0 {
				t.Errorf("no task %s", args)
			}
		})
	}
	_, err = s.EditMedia(t.Context(), stranger.ID, m.ID, store.MediaEdit{Alt: text("mine")})
	expect(t, err, store.ErrNotFound)
}

// plain is a photo that can be compared as text.
func plain(m store.Media) any {
	var at store.Location
	if m.Location != nil {
		at, m.Location = *m.Location, nil
	}
	return struct {
		store.Media
		at store.Location
	}{m, at}
}
