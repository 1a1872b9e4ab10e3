package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
)

// keyed sends a write with an Idempotency-Key.
func (c *client) keyed(t testing.TB, key, method, path, body string) answer {
	t.Helper()
	return send(t, c.request(t, c.w.url, key, method, path, body))
}

func (c *client) request(t testing.TB, url, key, method, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req
}

// same fails the test unless b is a replayed.
func same(t testing.TB, a, b answer) {
	t.Helper()
	if a.status != b.status || !bytes.Equal(a.body, b.body) || a.header.Get("Content-Type") != b.header.Get("Content-Type") {
		t.Errorf("replayed: %d %s, want %d %s", b.status, b.body, a.status, a.body)
	}
	if first, again := a.header.Get("Idempotency-Replayed"), b.header.Get("Idempotency-Replayed"); first != "" || again != "true" {
		t.Errorf("Idempotency-Replayed = %q, then %q", first, again)
	}
	if a.header.Get("X-Request-ID") == b.header.Get("X-Request-ID") {
		t.Error("two requests have one id")
	}
}

func TestReplay(t *testing.T) {
	w := newWorld(t)
	c, other := w.client(t), w.client(t)
	photo := w.ready(t, other.post(t, "")).String()
	nobody := &client{w: w}
	name := databases.Name()
	for _, tt := range []struct {
		name, method, path, body string
		from                     *client
		status                   int
	}{
		{"upload", "POST", "/v1/uploads", `{"contentType":"image/jpeg","size":5}`, c, 201},
		{"follow", "PUT", "/v1/users/" + other.user.String() + "/follow", "", c, 200},
		{"like", "PUT", "/v1/media/" + photo + "/like", "", c, 204},
		{"refused", "POST", "/v1/media", `{"upload":"1"}`, c, 404},
		{"invalid", "POST", "/v1/uploads", `{"contentType":"image/gif","size":5}`, c, 400},
		{"not JSON", "POST", "/v1/uploads", `{`, c, 400},
		{"of nobody", "POST", "/v1/sessions", `{"name":"` + name + `","password":"correct horse battery"}`, nobody, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := strings.ReplaceAll(tt.name, " ", "-") + name
			first := tt.from.keyed(t, key, tt.method, tt.path, tt.body).is(t, tt.status)
			same(t, first, tt.from.keyed(t, key, tt.method, tt.path, tt.body))
			tt.from.keyed(t, key, tt.method, tt.path, tt.body+" ").isProblem(t, 422, "idempotency_key_reused")
			tt.from.keyed(t, key, "DELETE", "/v1/media/"+photo+"/like", tt.body).is(t, map[bool]int{true: 422, false: 401}[tt.from != nobody])
		})
	}
	t.Run("of somebody else", func(t *testing.T) {
		const body = `{"contentType":"image/jpeg","size":5}`
		var mine, theirs promise
		c.keyed(t, "one-key", "POST", "/v1/uploads", body).is(t, 201).into(t, &mine)
		other.keyed(t, "one-key", "POST", "/v1/uploads", body).is(t, 201).into(t, &theirs)
		if mine.ID == theirs.ID {
			t.Error("two users have one upload")
		}
	})
	t.Run("without a key", func(t *testing.T) {
		if a, b := c.upload(t, 5), c.upload(t, 5); a.ID == b.ID {
			t.Error("two requests made one upload")
		}
	})
	t.Run("after the session", func(t *testing.T) {
		gone := w.client(t)
		gone.keyed(t, "k", "PUT", "/v1/media/"+photo+"/like", "").is(t, 204)
		gone.do(t, "DELETE", "/v1/sessions/current", nil).is(t, 204)
		gone.keyed(t, "k", "PUT", "/v1/media/"+photo+"/like", "").isProblem(t, 401, "session_ended")
	})
	t.Run("sealed", func(t *testing.T) {
		c.keyed(t, "sealed", "POST", "/v1/uploads", `{"contentType":"image/jpeg","size":5}`).is(t, 201)
		m := databases.Stores(t).Shards
		db := databases.Owner(t, m.Databases[m.Database(shard.Of(c.user))].Name)
		var kept []byte
		if err := db.QueryRow(t.Context(), `SELECT answer FROM `+shard.Of(c.user).Schema()+`.requests WHERE user_id = $1 AND key = 'sealed'`, c.user).Scan(&kept); err != nil {
			t.Fatal(err)
		}
		if len(kept) == 0 || bytes.Contains(kept, []byte("image/jpeg")) || bytes.Contains(kept, []byte("Signature")) {
			t.Errorf("kept is %q", kept)
		}
	})
}

func TestKeysThatAreRefused(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	for name, keys := range map[string][]string{
		"empty": {""}, "space": {"a b"}, "long": {strings.Repeat("k", 201)}, "not ASCII": {"clé"}, "two": {"a", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			req := c.request(t, w.url, "", "POST", "/v1/uploads", `{"contentType":"image/jpeg","size":5}`)
			req.Header["Idempotency-Key"] = keys
			if p := send(t, req).isProblem(t, 400, "invalid_field"); p.Field != "Idempotency-Key" {
				t.Errorf("field = %q", p.Field)
			}
		})
	}
	c.keyed(t, strings.Repeat("k", 200), "POST", "/v1/uploads", `{"contentType":"image/jpeg","size":5}`).is(t, 201)
	c.keyed(t, "large", "POST", "/v1/uploads", `{"contentType":"`+strings.Repeat("x", maxBody)+`"}`).isProblem(t, 413, "body_too_large")
}

// TestAttempts is what becomes of one operation that is asked for more than once.
func TestAttempts(t *testing.T) {
	w := newWorld(t)
	attempts := make(chan func(context.Context) error, 10)
	var done atomic.Int64
	e := gin.New()
	e.Use(w.observe, w.recover)
	d := newDocument(w.api, e)
	add(d, operation{method: post, path: "/write", id: "write", who: signedIn, status: 201}, func(ctx context.Context, _ *nothing) (*body[Relationship], error) {
		if err := (<-attempts)(ctx); err != nil {
			return nil, err
		}
		return &body[Relationship]{Relationship{User: id.ID(done.Add(1))}}, nil
	})
	ask := func(ctx context.Context, t *testing.T, c *client) answer {
		t.Helper()
		req := c.request(t, "", "k", "POST", "/write", "").WithContext(ctx)
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req)
		return answer{rec.Code, rec.Header(), rec.Body.Bytes()}
	}

	for _, tt := range []struct {
		name   string
		first  func(context.Context) error
		status int
	}{
		{"error", func(context.Context) error { return errors.New("the disk is on fire") }, 500},
		{"panic", func(context.Context) error { panic("a bug") }, 500},
		{"overload", func(context.Context) error { return overloaded }, 503},
		{"limit", func(context.Context) error { return tooMany }, 429},
	} {
		t.Run("tried again after "+tt.name, func(t *testing.T) {
			c := w.client(t)
			attempts <- func(ctx context.Context) error {
				if r := requestOf(ctx); r.repeated || r.key.Version() != 5 {
					t.Errorf("first attempt: repeated %v, key %s", r.repeated, r.key)
				}
				return tt.first(ctx)
			}
			ask(t.Context(), t, c).is(t, tt.status)
			attempts <- func(ctx context.Context) error {
				if !requestOf(ctx).repeated {
					t.Error("the second attempt is not repeated")
				}
				return nil
			}
			same(t, ask(t.Context(), t, c).is(t, 201), ask(t.Context(), t, c))
		})
	}
	t.Run("two at once", func(t *testing.T) {
		c := w.client(t)
		begun, release := make(chan bool), make(chan bool)
		attempts <- func(context.Context) error {
			close(begun)
			<-release
			return nil
		}
		answers := make(chan answer, 2)
		var wg sync.WaitGroup
		wg.Go(func() { answers <- ask(t.Context(), t, c) })
		<-begun
		wg.Go(func() { answers <- ask(t.Context(), t, c) })
		close(release)
		wg.Wait()
		a, b := <-answers, <-answers
		if a.header.Get("Idempotency-Replayed") != "" {
			a, b = b, a
		}
		same(t, a.is(t, 201), b)
	})
	t.Run("the first takes long", func(t *testing.T) {
		c := w.client(t)
		begun, release := make(chan bool), make(chan bool)
		attempts <- func(context.Context) error {
			close(begun)
			<-release
			return nil
		}
		var wg sync.WaitGroup
		wg.Go(func() { ask(t.Context(), t, c).is(t, 201) })
		<-begun
		a := ask(t.Context(), t, c)
		a.isProblem(t, 409, "request_in_progress")
		if got := a.header.Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After = %q", got)
		}
		close(release)
		wg.Wait()
		ask(t.Context(), t, c).is(t, 201)
	})
	t.Run("the client is gone", func(t *testing.T) {
		c := w.client(t)
		ctx, leave := context.WithCancel(t.Context())
		attempts <- func(context.Context) error {
			leave()
			return nil
		}
		ask(ctx, t, c)
		before := done.Load()
		if a := ask(t.Context(), t, c).is(t, 201); a.header.Get("Idempotency-Replayed") != "true" || done.Load() != before {
			t.Errorf("done again: %s", a.body)
		}
	})
	t.Run("cut off", func(t *testing.T) {
		c := w.client(t)
		m := databases.Stores(t).Shards
		db := databases.Owner(t, m.Databases[m.Database(shard.Of(c.user))].Name)
		attempts <- func(context.Context) error { return errors.New("the power is off") }
		ask(t.Context(), t, c).is(t, 500)
		if _, err := db.Exec(t.Context(), `UPDATE `+shard.Of(c.user).Schema()+`.requests SET status = NULL, claimed_at = now() - interval '31 seconds' WHERE user_id = $1`, c.user); err != nil {
			t.Fatal(err)
		}
		attempts <- func(ctx context.Context) error {
			if !requestOf(ctx).repeated {
				t.Error("the attempt is not repeated")
			}
			return nil
		}
		ask(t.Context(), t, c).is(t, 201)
	})
}
