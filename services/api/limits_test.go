package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/limit"
	"github.com/burbn/burbn/services/settings"
)

// limited makes each of the worlds enforce few requests, in a minute that does not end.
func limited(worlds ...*world) {
	at := time.Now().Truncate(limit.Window).Add(20 * time.Second)
	for _, w := range worlds {
		w.policies = newPolicies(settings.RateLimits{Read: 6, Write: 4, Anonymous: 5})
		w.limits = limit.New(w.redis, func() time.Time { return at })
	}
}

func TestRateLimits(t *testing.T) {
	redis := cachetest.NewRedis(t, 1)
	worlds := []*world{newWorldOn(t, redis), newWorldOn(t, redis)} // two processes
	photo := worlds[0].ready(t, worlds[0].client(t).post(t, ""))
	limited(worlds...)
	like := "/v1/media/" + photo.String() + "/like"
	const odd = `{"name":"!"}`
	for _, tt := range []struct {
		name, method, path, body, policy string
		quota, status                    int
		anonymous                        bool
	}{
		{"reads", "GET", "/v1/media/" + photo.String(), "", "read", 6, 200, false},
		{"reads of the feed", "GET", "/v1/feed", "", "read", 6, 200, false},
		{"writes", "POST", "/v1/uploads", `{"contentType":"image/jpeg","size":5}`, "write", 4, 201, false},
		{"likes", "PUT", like, "", "write", 4, 204, false},
		{"bad input", "POST", "/v1/uploads", odd, "write", 4, 400, false},
		{"nobody", "POST", "/v1/users", odd, "anonymous", 5, 400, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := worlds[0].client(t).token
			if tt.anonymous {
				token = ""
			}
			for n := range tt.quota + 3 {
				c := &client{w: worlds[n%2], token: token}
				a := c.keyed(t, "", tt.method, tt.path, tt.body)
				left := tt.quota - n - 1
				if left >= 0 {
					a.is(t, tt.status)
				} else {
					a.isProblem(t, 429, "rate_limited")
					if got := a.header.Get("Retry-After"); got != "40" {
						t.Errorf("Retry-After = %q", got)
					}
				}
				policy, state := a.header.Get("RateLimit-Policy"), a.header.Get("RateLimit")
				if want := fmt.Sprintf(`"%s";q=%d;w=60`, tt.policy, tt.quota); policy != want {
					t.Errorf("RateLimit-Policy = %s, want %s", policy, want)
				}
				if want := fmt.Sprintf(`"%s";r=%d;t=40`, tt.policy, max(0, left)); state != want {
					t.Errorf("request %d: RateLimit = %s, want %s", n+1, state, want)
				}
			}
		})
	}
	t.Run("a key costs no more", func(t *testing.T) {
		c := worlds[0].client(t)
		for n := range 4 {
			c.keyed(t, fmt.Sprint("k", n), "PUT", like, "").is(t, 204)
		}
		c.keyed(t, "k0", "PUT", like, "").isProblem(t, 429, "rate_limited")
	})
	t.Run("tokens that are none", func(t *testing.T) {
		limited(worlds...)
		c := &client{w: worlds[0], token: "x"}
		status := map[int]int{}
		for range 7 { // the address has used up its limit above
			status[c.do(t, "GET", "/v1/feed", nil).status]++
		}
		if status[429] != 7 {
			t.Errorf("answers = %v", status)
		}
	})
}

func TestGuesses(t *testing.T) {
	redis := cachetest.NewRedis(t, 1)
	w := newWorldOn(t, redis)
	guess := func(t *testing.T, name string) answer {
		t.Helper()
		return (&client{w: w}).do(t, "POST", "/v1/sessions", map[string]string{"name": name, "password": "correct horse"})
	}
	use := func(t *testing.T, name string) {
		at := time.Now().Truncate(limit.Window)
		w.limits = limit.New(w.redis, func() time.Time { return at })
		for range mostGuesses {
			guess(t, name).isProblem(t, 401, "wrong_credentials")
		}
		a := guess(t, strings.ToUpper(name))
		a.isProblem(t, 429, "rate_limited")
		if got := a.header.Get("RateLimit"); !strings.HasSuffix(got, `"guess";r=0;t=60`) {
			t.Errorf("RateLimit = %s", got)
		}
		guess(t, name+".b").isProblem(t, 401, "wrong_credentials")
	}
	t.Run("counted by all", func(t *testing.T) { use(t, "kevin") })
	redis.Masters[0].Kill()
	t.Run("without Redis", func(t *testing.T) { use(t, "mike") })
	// Others are served without a limit, and without a word of one.
	a := w.client(t).do(t, "GET", "/v1/feed", nil).is(t, 200)
	if got := a.header.Get("RateLimit"); got != "" {
		t.Errorf("without Redis RateLimit = %s", got)
	}
}

func TestNetwork(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64",
		"::ffff:192.0.2.7": "::ffff:192.0.2.7", "fe80::1%eth0": "fe80::/64", "": "",
	} {
		if got := network(client); got != want {
			t.Errorf("network of %q = %q, want %q", client, got, want)
		}
	}
}

// What is refused under load is refused at once, and the proxies are told that the
// process lives.
func TestShedding(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	w.slots = make(chan struct{}, 1)
	w.slots <- struct{}{}
	a := c.do(t, "GET", "/v1/feed", nil)
	a.isProblem(t, http.StatusServiceUnavailable, "overloaded")
	if got := a.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After = %q", got)
	}
	c.do(t, "GET", "/healthz", nil).is(t, 200)
	<-w.slots
	for range 3 {
		c.do(t, "GET", "/v1/feed", nil).is(t, 200)
	}
	if n := len(w.slots); n != 0 {
		t.Errorf("%d slots are lost", n)
	}
}
