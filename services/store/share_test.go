package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func TestLinks(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	for _, account := range []string{"maya.b", "maya.c"} { // the second takes the first's place
		if l, err := s.SetLink(t.Context(), user.ID, store.Twitter, account, []byte(account)); err != nil || l.Account != account || l.CreatedAt.IsZero() {
			t.Fatalf("SetLink = %+v, %v", l, err)
		}
	}
	if _, err := s.SetLink(t.Context(), user.ID, store.Facebook, "Maya", []byte("x")); err != nil {
		t.Fatal(err)
	}
	links, err := s.Links(t.Context(), user.ID)
	if err != nil || len(links) != 2 || links[0].Account != "Maya" || links[1].Account != "maya.c" {
		t.Errorf("Links = %+v, %v", links, err)
	}
	for range 2 {
		if err := s.DeleteLink(t.Context(), user.ID, store.Twitter); err != nil {
			t.Error(err)
		}
	}
	if links, err := s.Links(t.Context(), user.ID); err != nil || len(links) != 1 || links[0].Service != store.Facebook {
		t.Errorf("Links = %+v, %v, want facebook alone", links, err)
	}
	_, err = s.SetLink(t.Context(), unknown, store.Facebook, "", nil)
	expect(t, err, store.ErrNotFound)
}

// shared publishes a photo that is to be shared to both services.
func shared(t testing.TB, user store.User) store.Media {
	t.Helper()
	m, err := databases.Store(t).Publish(t.Context(), user.ID, makeUpload(t, user).ID, store.NewMedia{ShareTo: []store.Service{store.Facebook, store.Twitter}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestShare(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	m := shared(t, user)
	order := func(service store.Service) int {
		return tasks(t, m.ID, "share", fmt.Sprintf(`{"media": "%s", "service": "%s"}`, m.ID, service))
	}
	if order(store.Facebook) != 0 {
		t.Error("shared before it is ready")
	}
	_, err := s.Sharing(t.Context(), m.ID, store.Facebook)
	expect(t, err, store.ErrNotFound)
	for range 2 {
		if _, err := s.MarkReady(t.Context(), m.ID, 4, 3, ""); err != nil {
			t.Fatal(err)
		}
	}
	if order(store.Facebook) != 1 || order(store.Twitter) != 1 {
		t.Errorf("%d and %d tasks, want one for each service", order(store.Facebook), order(store.Twitter))
	}
	sh, err := s.Sharing(t.Context(), m.ID, store.Facebook)
	if err != nil || sh.State != store.Waiting || sh.Token != nil || sh.Photo.ID != m.ID {
		t.Errorf("Sharing = %+v, %v", sh, err)
	}
	if _, err := s.SetLink(t.Context(), user.ID, store.Facebook, "Maya", []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if sh, err := s.Sharing(t.Context(), m.ID, store.Facebook); err != nil || string(sh.Token) != "sealed" {
		t.Errorf("Sharing = %+v, %v", sh, err)
	}
	for _, step := range []struct {
		from    store.ShareState
		to      store.Share
		changed bool
	}{
		{store.Waiting, store.Share{State: store.Posting}, true},
		{store.Waiting, store.Share{State: store.Posting}, false},
		{store.Posting, store.Share{State: store.Shared, URL: "https://www.facebook.com/1_2"}, true},
		{store.Posting, store.Share{State: store.ShareFailed, Reason: "unconfirmed"}, false},
	} {
		step.to.Service = store.Facebook
		if changed, err := s.MarkShare(t.Context(), m.ID, step.from, step.to); err != nil || changed != step.changed {
			t.Errorf("MarkShare from %s to %+v = %t, %v", step.from, step.to, changed, err)
		}
	}
	shares, err := s.Shares(t.Context(), m.ID)
	if err != nil || len(shares) != 2 || shares[0].State != store.Shared || shares[0].URL == "" || shares[1].State != store.Waiting || shares[1].ChangedAt.IsZero() {
		t.Errorf("Shares = %+v, %v", shares, err)
	}

	failed := shared(t, user)
	if _, err := s.MarkFailed(t.Context(), failed.ID, "corrupt"); err != nil {
		t.Fatal(err)
	}
	for _, sh := range must(s.Shares(t.Context(), failed.ID))(t) {
		if sh.State != store.ShareFailed || sh.Reason != "photo_failed" {
			t.Errorf("share of a photo that failed: %+v", sh)
		}
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSaved(t *testing.T) {
	s := databases.Store(t)
	user, owner := databases.User(t), databases.User(t)
	a, b, c := post(t, owner).ID, post(t, owner).ID, post(t, owner).ID
	for _, i := range []id.ID{b, c, a, b} { // b stays where it is
		if err := s.Save(t.Context(), user.ID, i); err != nil {
			t.Fatal(err)
		}
	}
	var got []id.ID
	var before id.ID
	for range 3 {
		page := must(s.Saved(t.Context(), user.ID, before, 1))(t)
		got = append(got, page[0].Media)
		before = page[0].ID
	}
	if !slices.Equal(got, []id.ID{a, c, b}) || len(must(s.Saved(t.Context(), user.ID, before, 1))(t)) > 0 {
		t.Errorf("saved %v, want %v", got, []id.ID{a, c, b})
	}
	for range 2 {
		if err := s.Unsave(t.Context(), user.ID, c); err != nil {
			t.Fatal(err)
		}
	}
	any := must(s.SavedAny(t.Context(), user.ID, []id.ID{a, b, c, unknown}))(t)
	if slices.Sort(any); !slices.Equal(any, []id.ID{a, b}) {
		t.Errorf("SavedAny = %v", any)
	}
	expect(t, s.Save(t.Context(), unknown, a), store.ErrNotFound)
}
