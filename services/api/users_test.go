package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/burbn/burbn/services/session"
)

func TestAccount(t *testing.T) {
	w := newWorld(t)
	c := &client{w: w}
	name := fmt.Sprintf("Kevin.%d", time.Now().UnixNano()%1e9)
	password := map[string]string{"name": name, "password": "correct horse", "email": "kevin@example.com", "fullName": "Kévin S."}
	var in loggedIn
	c.do(t, "POST", "/v1/users", password).is(t, 201).into(t, &in)
	if in.User.Name != name || in.User.FullName != "Kévin S." || in.Token == "" || time.Until(in.ExpiresAt) < 59*time.Minute {
		t.Errorf("signed up as %+v", in)
	}
	if got := testutil.ToFloat64(w.metrics.signUps); got != 1 {
		t.Errorf("%v sign-ups counted", got)
	}
	password["name"] = strings.ToUpper(name)
	if p := c.do(t, "POST", "/v1/users", password).isProblem(t, 409, "name_taken"); p.Field != "name" {
		t.Errorf("field = %q", p.Field)
	}

	delete(password, "fullName")
	delete(password, "email")
	var again loggedIn
	c.do(t, "POST", "/v1/sessions", password).is(t, 201).into(t, &again)
	if again.User.ID != in.User.ID || again.Token == in.Token {
		t.Errorf("logged in as %+v", again)
	}
	c.token = in.Token
	var u Person
	for _, path := range []string{"/v1/users/" + in.User.ID.String(), "/v1/users/by-name/" + name, "/v1/users/by-name/" + strings.ToLower(name)} {
		c.do(t, "GET", path, nil).is(t, 200).into(t, &u)
		if u != in.User {
			t.Errorf("GET %s = %+v, want %+v", path, u, in.User)
		}
	}
	if body := string(c.do(t, "GET", "/v1/users/"+in.User.ID.String(), nil).body); strings.Contains(body, "argon2") {
		t.Errorf("the password's hash is shown: %s", body)
	}

	// Logging out ends that session and no other.
	c.do(t, "DELETE", "/v1/sessions/current", nil).is(t, 204)
	c.do(t, "GET", "/v1/users/"+in.User.ID.String(), nil).isProblem(t, 401, "session_ended")
	c.do(t, "GET", "/v1/feed", nil).isProblem(t, 401, "session_ended")
	c.do(t, "DELETE", "/v1/sessions/current", nil).isProblem(t, 401, "session_ended")
	c.token = again.Token
	c.do(t, "GET", "/v1/users/"+in.User.ID.String(), nil).is(t, 200)
}

// Who guesses learns neither from the answer nor from its time whether a name exists:
// every guess waits for a hash, so that nobody's is answered while none can be made.
func TestWrongLogIn(t *testing.T) {
	w := newWorld(t)
	c := &client{w: w}
	name := fmt.Sprintf("mike.%d", time.Now().UnixNano()%1e9)
	c.do(t, "POST", "/v1/users", map[string]string{"name": name, "password": "correct horse", "email": "mike@example.com"}).is(t, 201)
	guess := func(name, password string) answer {
		return c.do(t, "POST", "/v1/sessions", map[string]string{"name": name, "password": password})
	}
	p := guess(name, "wrong horse").isProblem(t, 401, "wrong_credentials")
	hashing, nobodyHashes := w.passwords, session.NewPasswords(0, time.Millisecond)
	for _, tt := range []struct{ name, as, password string }{
		{"wrong password", name, "wrong horse"},
		{"unknown name", "nobody." + name[5:], "correct horse"},
		{"impossible name", "no body", "correct horse"},
		{"empty", "", ""},
		{"long password", name, strings.Repeat("x", 1000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.passwords = hashing
			if got := guess(tt.as, tt.password).isProblem(t, 401, "wrong_credentials"); got.Detail != p.Detail {
				t.Errorf("detail %q, for a wrong password %q", got.Detail, p.Detail)
			}
			w.passwords = nobodyHashes
			guess(tt.as, tt.password).isProblem(t, 503, "overloaded")
		})
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	who, err := w.sessions.Verify(c.token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := session.NewKeys(strings.Repeat("o", 32))
	if err != nil {
		t.Fatal(err)
	}
	expired := who
	expired.Expires = time.Now().Add(-time.Second)
	for _, tt := range []struct{ name, header, code string }{
		{"missing", "", "token_missing"},
		{"another scheme", "Basic a2V2aW46aG9yc2U=", "token_missing"},
		{"no token", "Bearer ", "token_missing"},
		{"nonsense", "Bearer nonsense", "token_invalid"},
		{"another key", "Bearer " + other.Sign(who), "token_invalid"},
		{"cut short", "Bearer " + c.token[:70], "token_invalid"},
		{"expired", "Bearer " + w.sessions.Sign(expired), "token_expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, route := range []string{"GET /v1/feed", "POST /v1/media", "PUT /v1/media/1/like", "GET /v1/users/1"} {
				method, path, _ := strings.Cut(route, " ")
				req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if tt.header != "" {
					req.Header.Set("Authorization", tt.header)
				}
				a := send(t, req)
				a.isProblem(t, 401, tt.code)
				challenge := a.header.Get("WWW-Authenticate")
				if !strings.HasPrefix(challenge, `Bearer realm="burbn"`) || strings.Contains(challenge, "invalid_token") != (tt.code != "token_missing") {
					t.Errorf("%s: WWW-Authenticate: %s", route, challenge)
				}
			}
		})
	}
}

func TestDevices(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	token := strings.Repeat("aB", 32)
	for range 2 {
		c.do(t, "POST", "/v1/devices", map[string]string{"token": token}).is(t, 204)
	}
	got, err := w.store.Devices(t.Context(), c.user)
	if err != nil || !slices.Equal(got, []string{strings.ToLower(token)}) {
		t.Errorf("devices = %v, %v", got, err)
	}
	for range 2 {
		c.do(t, "DELETE", "/v1/devices/"+token, nil).is(t, 204)
	}
	if got, err := w.store.Devices(t.Context(), c.user); err != nil || len(got) != 0 {
		t.Errorf("devices = %v, %v", got, err)
	}
}
