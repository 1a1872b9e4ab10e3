package main

import (
	"errors"
	"image/jpeg"
	"net/http"
	"testing"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/store"
)

func TestAvatar(t *testing.T) {
	w := start(t)
	user := databases.User(t)
	choose := func(up id.ID) {
		t.Helper()
		if _, err := w.store.Edit(t.Context(), user.ID, store.Changes{Avatar: &up}); err != nil {
			t.Fatal(err)
		}
	}
	account := func(done func(store.Account) bool) (a store.Account) {
		t.Helper()
		processtest.Until(t, patience, func() (err error) {
			if a, err = w.store.Account(t.Context(), user.ID); err == nil && !done(a) {
				err = errors.New("nothing has become of the avatar")
			}
			return err
		})
		return a
	}
	choose(upload(t, w, user, photo(t, 900, 600)).ID)
	a := account(func(a store.Account) bool { return a.Avatar != "" })
	res, err := http.Get(rendition.AvatarURL(w.doc.Storage.CDN, a.Avatar))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if c, err := jpeg.DecodeConfig(res.Body); err != nil || c.Width != 150 || c.Height != 150 {
		t.Errorf("avatar is %dx%d, %v", c.Width, c.Height, err)
	}
	// What is no picture leaves the avatar as it is.
	choose(upload(t, w, user, []byte("<!doctype html>")).ID)
	if b := account(func(a store.Account) bool { return a.AvatarFault != "" }); b.AvatarFault != string(media.NotAnImage) || b.Avatar != a.Avatar {
		t.Errorf("account is %+v", b)
	}
}

func TestAvatarIsGivenUp(t *testing.T) {
	w := wire(t)
	user, other := databases.User(t), databases.User(t)
	work := func(up id.ID, attempt int) error {
		return (&processAvatar{worker: w}).Work(t.Context(), &river.Job[queue.ProcessAvatar]{
			JobRow: &rivertype.JobRow{Attempt: attempt, MaxAttempts: 3}, Args: queue.ProcessAvatar{User: user.ID, Upload: up},
		})
	}
	// Of somebody else's upload nothing is made, and nothing is said.
	if err := work(upload(t, w, other, photo(t, 40, 40)).ID, 1); err != nil {
		t.Error(err)
	}
	up := upload(t, w, user, photo(t, 40, 30))
	if err := work(up.ID, 3); err != nil {
		t.Error(err)
	}
	if a, err := w.store.Account(t.Context(), user.ID); a.AvatarFault != internal || a.Avatar != "" || err != nil {
		t.Errorf("account is %+v, %v", a, err)
	}
	for range 2 { // as often as it likes
		if err := work(up.ID, 1); err != nil {
			t.Error(err)
		}
	}
	if a, err := w.store.Account(t.Context(), user.ID); a.AvatarFault != "" || a.Avatar != store.AvatarKey(up.Key) || err != nil {
		t.Errorf("account is %+v, %v", a, err)
	}
}
