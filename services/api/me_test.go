package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/store"
)

// member signs up, with everything that a sign-up does.
func (w *world) member(t *testing.T) (c *client, in map[string]string) {
	t.Helper()
	in = map[string]string{"name": fmt.Sprintf("member.%d", time.Now().UnixNano()%1e12), "password": "correct horse", "email": "member@example.com"}
	var out loggedIn
	(&client{w: w}).do(t, "POST", "/v1/users", in).is(t, 201).into(t, &out)
	return &client{w, in["name"], out.User.ID, out.Token}, in
}

func (w *world) logIn(t *testing.T, in map[string]string) *client {
	t.Helper()
	var out loggedIn
	(&client{w: w}).do(t, "POST", "/v1/sessions", map[string]string{"name": in["name"], "password": in["password"]}).is(t, 201).into(t, &out)
	return &client{w, in["name"], out.User.ID, out.Token}
}

func TestEditMe(t *testing.T) {
	w := newWorld(t)
	c, _ := w.member(t)
	other := w.client(t)
	var me Me
	if c.do(t, "GET", "/v1/me", nil).is(t, 200).into(t, &me); me.Email != "member@example.com" || me.ID != c.user || me.Private {
		t.Errorf("me = %+v", me)
	}
	c.do(t, "PATCH", "/v1/me", `{"fullName":"Maya M.","bio":"light\nand shade","website":"https://example.com/maya","private":true}`).is(t, 200)
	c.do(t, "PATCH", "/v1/me", `{"bio":""}`).is(t, 200).into(t, &me)
	if me.FullName != "Maya M." || me.Bio != "" || me.Website != "https://example.com/maya" || !me.Private {
		t.Errorf("an edit changed what it did not name, or not what it named: %+v", me)
	}
	var seen Profile
	if other.do(t, "GET", "/v1/users/"+c.user.String(), nil).is(t, 200).into(t, &seen); seen.FullName != "Maya M." || !seen.Private {
		t.Errorf("others see %+v", seen)
	}
	if a := other.do(t, "GET", "/v1/users/"+c.user.String(), nil); contains(a, "example.com\"") || contains(a, "email") {
		t.Errorf("others see %s", a.body)
	}
	c.do(t, "PATCH", "/v1/me", `{"email":"new@example.com","password":"wrong horse"}`).isProblem(t, 403, "wrong_password")
	if c.do(t, "PATCH", "/v1/me", `{"email":"new@example.com","password":"correct horse"}`).is(t, 200).into(t, &me); me.Email != "new@example.com" {
		t.Errorf("me = %+v", me)
	}
}

func contains(a answer, text string) bool { return strings.Contains(string(a.body), text) }

// What an avatar becomes is the workers' part; here it is ordered, shown and unmade.
func TestAvatar(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	up := c.upload(t, 4)
	c.do(t, "PATCH", "/v1/me", map[string]string{"avatar": up.ID.String()}).isProblem(t, 409, "upload_missing")
	if status := up.put(t, []byte("jpeg")); status != 200 {
		t.Fatalf("storage answers %d", status)
	}
	c.do(t, "PATCH", "/v1/me", map[string]string{"avatar": up.ID.String()}).is(t, 200)
	w.client(t).do(t, "PATCH", "/v1/me", map[string]string{"avatar": up.ID.String()}).isProblem(t, 404, "upload_not_found")
	key := store.AvatarKey("0123")
	if err := w.store.SetAvatar(t.Context(), c.user, key); err != nil {
		t.Fatal(err)
	}
	w.users.Forget(c.user)
	var me Me
	if c.do(t, "GET", "/v1/me", nil).is(t, 200).into(t, &me); me.AvatarURL != w.doc.Storage.CDN+"/"+key+"/150.jpg" {
		t.Errorf("avatar at %q", me.AvatarURL)
	}
	var bare Me
	if c.do(t, "PATCH", "/v1/me", `{"avatar":""}`).is(t, 200).into(t, &bare); bare.AvatarURL != "" {
		t.Errorf("avatar at %q", bare.AvatarURL)
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	one, in := w.member(t)
	two, three := w.logIn(t, in), w.logIn(t, in)
	var list struct{ Items []Session }
	two.do(t, "GET", "/v1/sessions", nil).is(t, 200).into(t, &list)
	if len(list.Items) != 3 || list.Items[0].Current || !list.Items[1].Current || list.Items[1].Address != "127.0.0.1" || list.Items[1].Client == "" {
		t.Fatalf("sessions = %+v", list.Items)
	}
	last := list.Items[0].ID.String()
	w.client(t).do(t, "DELETE", "/v1/sessions/"+last, nil).isProblem(t, 404, "session_not_found")
	two.do(t, "DELETE", "/v1/sessions/"+last, nil).is(t, 204)
	three.do(t, "GET", "/v1/me", nil).isProblem(t, 401, "session_ended")
	one.do(t, "GET", "/v1/me", nil).is(t, 200)
	two.do(t, "DELETE", "/v1/sessions/others", nil).is(t, 204)
	one.do(t, "GET", "/v1/feed", nil).isProblem(t, 401, "session_ended")
	two.do(t, "GET", "/v1/feed", nil).is(t, 200)
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	one, in := w.member(t)
	two := w.logIn(t, in)
	one.do(t, "PUT", "/v1/me/password", `{"current":"wrong horse","new":"battery staple"}`).isProblem(t, 403, "wrong_password")
	two.do(t, "GET", "/v1/me", nil).is(t, 200)
	one.do(t, "PUT", "/v1/me/password", `{"current":"correct horse","new":"battery staple"}`).is(t, 204)
	one.do(t, "GET", "/v1/me", nil).is(t, 200)
	two.do(t, "GET", "/v1/me", nil).isProblem(t, 401, "session_ended")
	(&client{w: w}).do(t, "POST", "/v1/sessions", map[string]string{"name": in["name"], "password": in["password"]}).isProblem(t, 401, "wrong_credentials")
	in["password"] = "battery staple"
	w.logIn(t, in)
}

func TestStates(t *testing.T) {
	w := newWorld(t)
	c, in := w.member(t)
	other := w.client(t)
	path := "/v1/users/" + c.user.String()
	c.do(t, "POST", "/v1/me/deactivation", `{"password":"wrong horse"}`).isProblem(t, 403, "wrong_password")
	c.do(t, "POST", "/v1/me/deactivation", `{"password":"correct horse"}`).is(t, 204)
	c.do(t, "GET", "/v1/me", nil).isProblem(t, 401, "session_ended")
	other.do(t, "GET", path, nil).isProblem(t, 404, "user_not_found")
	c = w.logIn(t, in)
	other.do(t, "GET", path, nil).is(t, 200)

	if changed, err := w.store.SetState(t.Context(), c.user, []store.UserState{store.Active}, store.Suspended); err != nil || !changed {
		t.Fatal(changed, err)
	}
	w.users.Forget(c.user)
	credentials := map[string]string{"name": in["name"], "password": in["password"]}
	c.do(t, "POST", "/v1/sessions", credentials).isProblem(t, 403, "account_suspended")
	other.do(t, "GET", path, nil).isProblem(t, 404, "user_not_found")
	credentials["password"] = "wrong horse"
	c.do(t, "POST", "/v1/sessions", credentials).isProblem(t, 401, "wrong_credentials")
}

func FuzzEmail(f *testing.F) {
	for _, seed := range []string{"a@example.com", "a@b", "<a@b.c>", "a b@c.d", "\"a b\"@c.d", "a@b.c\r\nBcc: d@e.f", "é@ü.de", "@", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		kept, err := email(v)
		if err != nil {
			return
		}
		for _, r := range kept {
			if r < ' ' || r == '<' || r == '>' {
				t.Errorf("%q is accepted", v)
			}
		}
		if kept != v || len(kept) > 254 {
			t.Errorf("%q is kept as %q", v, kept)
		}
	})
}
