package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

func TestPublish(t *testing.T) {
	s := databases.Store(t)
	user, stranger := databases.User(t), databases.User(t)
	upload := makeUpload(t, user)
	if upload.Media != 0 || len(upload.Key) != 32 || upload.Size != 1000 || upload.ContentType != "image/jpeg" || upload.User != user.ID {
		t.Errorf("CreateUpload = %+v", upload)
	}
	_, err := s.Publish(t.Context(), stranger.ID, upload.ID, store.NewMedia{Caption: "mine"})
	expect(t, err, store.ErrNotYours)

	m, err := s.Publish(t.Context(), user.ID, upload.ID, store.NewMedia{Caption: "a dog \U0001F436 in '\\"})
	if err != nil {
		t.Fatal(err)
	}
	want := store.Media{ID: m.ID, User: user.ID, Caption: "a dog \U0001F436 in '\\", State: store.Processing, Key: upload.Key, CreatedAt: m.CreatedAt}
	want.Tags, want.Mentions = []string{}, []string{}
	if !reflect.DeepEqual(m, want) || m.ID <= upload.ID || shard.Of(m.ID) != shard.Of(user.ID) {
		t.Errorf("Publish = %+v, want %+v", m, want)
	}
	if got, err := s.Media(t.Context(), m.ID); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("Media = %+v, %v, want %+v", got, err, m)
	}
	if u, err := s.Upload(t.Context(), upload.ID); err != nil || u.Media != m.ID {
		t.Errorf("Upload = %+v, %v, want media %s", u, err, m.ID)
	}
	if n := tasks(t, m.ID, "process_photo", fmt.Sprintf(`{"media": "%s"}`, m.ID)); n != 1 {
		t.Errorf("%d tasks to process it, want 1", n)
	}

	_, err = s.Publish(t.Context(), user.ID, upload.ID, store.NewMedia{Caption: "again"})
	expect(t, err, store.ErrAlreadyPublished)
	var already *store.AlreadyPublishedError
	if !errors.As(err, &already) || already.Media != m.ID {
		t.Errorf("error = %v, want one that names media %s", err, m.ID)
	}
	_, err = s.Publish(t.Context(), stranger.ID, upload.ID, store.NewMedia{Caption: "mine"})
	expect(t, err, store.ErrNotYours)
}

func TestPublishAfterExpiry(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	for age, want := range map[time.Duration]error{23 * time.Hour: nil, 25 * time.Hour: store.ErrUploadExpired} {
		u, err := s.CreateUpload(t.Context(), user.ID, "image/png", 1, time.Now().Add(-age))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Publish(t.Context(), user.ID, u.ID, store.NewMedia{})
		expect(t, err, want)
	}
}

func TestPublishOnce(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	upload := makeUpload(t, user)
	var wg sync.WaitGroup
	var published atomic.Int32
	for range 16 {
		wg.Go(func() {
			if _, err := s.Publish(t.Context(), user.ID, upload.ID, store.NewMedia{}); err == nil {
				published.Add(1)
			} else {
				expect(t, err, store.ErrAlreadyPublished)
			}
		})
	}
	wg.Wait()
	ms, err := s.UserMedia(t.Context(), user.ID, 0, 10, true)
	if err != nil || len(ms) != 1 || published.Load() != 1 {
		t.Fatalf("%d times published, %v, %v, want once", published.Load(), ms, err)
	}
	if n := tasks(t, ms[0].ID, "process_photo", fmt.Sprintf(`{"media": "%s"}`, ms[0].ID)); n != 1 {
		t.Errorf("%d tasks, want 1", n)
	}
}

func TestMark(t *testing.T) {
	s := databases.Store(t)
	ready := func(m store.Media) (bool, error) {
		return s.MarkReady(t.Context(), m.ID, 4032, 3024, "LEHV6nWB2yk8pyo0adR*.7kCMdnj")
	}
	failed := func(m store.Media) (bool, error) { return s.MarkFailed(t.Context(), m.ID, "corrupt") }
	for name, c := range map[string]struct {
		first, then func(store.Media) (bool, error)
		state       store.MediaState
		reason      string
		count       int64
	}{
		"ready twice":       {ready, ready, store.Ready, "", 1},
		"ready then failed": {ready, failed, store.Ready, "", 1},
		"failed twice":      {failed, failed, store.Failed, "corrupt", 0},
		"failed then ready": {failed, ready, store.Failed, "corrupt", 0},
	} {
		t.Run(name, func(t *testing.T) {
			user := databases.User(t)
			m := publish(t, user)
			if changed, err := c.first(m); err != nil || !changed {
				t.Errorf("first = %v, %v", changed, err)
			}
			if changed, err := c.then(m); err != nil || changed {
				t.Errorf("then = %v, %v", changed, err)
			}
			got, err := s.Media(t.Context(), m.ID)
			if err != nil || got.State != c.state || got.Reason != c.reason || got.Width != int(c.count)*4032 || got.Height != int(c.count)*3024 {
				t.Errorf("Media = %+v, %v", got, err)
			}
			if u, err := s.User(t.Context(), user.ID); err != nil || u.MediaCount != c.count {
				t.Errorf("media count = %d, %v, want %d", u.MediaCount, err, c.count)
			}
			args := fmt.Sprintf(`{"media": "%s", "author": "%s", "published": "%s"}`, m.ID, user.ID, pgTime(m.CreatedAt))
			if n := tasks(t, m.ID, "fan_out", args); n != int(c.count) {
				t.Errorf("%d tasks %s, want %d", n, args, c.count)
			}
		})
	}
}

// pgTime is a time as PostgreSQL writes it into JSON.
func pgTime(at time.Time) string { return at.Format("2006-01-02T15:04:05.999999-07:00") }

func TestUserMedia(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	var all, ready []id.ID // newest first
	for i := range 9 {
		var m store.Media
		switch i % 3 {
		case 0:
			m = publish(t, user)
		case 1:
			m = publish(t, user)
			if _, err := s.MarkFailed(t.Context(), m.ID, "corrupt"); err != nil {
				t.Fatal(err)
			}
		case 2:
			m = post(t, user)
			ready = slices.Insert(ready, 0, m.ID)
		}
		all = slices.Insert(all, 0, m.ID)
	}
	for name, c := range map[string]struct {
		all  bool
		want []id.ID
	}{"stranger": {false, ready}, "owner": {true, all}} {
		t.Run(name, func(t *testing.T) {
			var got []id.ID
			var before id.ID
			for range 9 {
				page, err := s.UserMedia(t.Context(), user.ID, before, 2, c.all)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range page {
					got = append(got, m.ID)
				}
				if len(page) < 2 {
					break
				}
				before = page[len(page)-1].ID
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("UserMedia = %v, want %v", got, c.want)
			}
		})
	}
}

func TestRecentMediaAndMediaMany(t *testing.T) {
	s := databases.Store(t)
	var users, want []id.ID
	for range 12 {
		user := databases.User(t)
		users = append(users, user.ID)
		post(t, user) // older than what is asked for
		for range 2 {
			want = append(want, post(t, user).ID)
		}
		publish(t, user) // not ready
	}
	slices.Sort(want)
	slices.Reverse(want)
	recent, err := s.RecentMedia(t.Context(), append(users, unknown, nowhere), 2)
	var got []id.ID
	for _, p := range recent {
		got = append(got, p.Media)
		if m, err := s.Media(t.Context(), p.Media); m.User != p.Author || err != nil {
			t.Errorf("RecentMedia says that %s is by %s: %v", p.Media, p.Author, err)
		}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("RecentMedia = %v, %v, want %v", got, err, want)
	}
	many, err := s.MediaMany(t.Context(), append(got, unknown, nowhere))
	if err != nil || len(many) != len(want) {
		t.Fatalf("MediaMany = %v, %v", many, err)
	}
	for _, i := range want {
		if m := many[i]; m.ID != i || m.State != store.Ready {
			t.Errorf("MediaMany[%s] = %+v", i, m)
		}
	}
}

func TestFanOutNext(t *testing.T) {
	s := databases.Store(t)
	m := post(t, databases.User(t))
	next := queue.FanOut{Media: m.ID, Author: m.User, After: 77, Published: m.CreatedAt}
	for range 3 {
		if err := s.FanOutNext(t.Context(), next); err != nil {
			t.Fatal(err)
		}
	}
	if n := tasks(t, m.ID, "fan_out", fmt.Sprintf(`{"media": "%s", "after": "77"}`, m.ID)); n != 1 {
		t.Errorf("%d tasks, want 1", n)
	}
	next.After = 78
	if err := s.FanOutNext(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if n := tasks(t, m.ID, "fan_out", fmt.Sprintf(`{"media": "%s"}`, m.ID)); n != 3 {
		t.Errorf("%d tasks, want the first chunk's and two more", n)
	}
}
