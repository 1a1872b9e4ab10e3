package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/session"
)

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	me := c.user.String()
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name, route, body string
		status            int
		code, field       string
	}{
		{"no path", "GET /", "", 404, "not_found", ""},
		{"no such path", "GET /v1/nothing", "", 404, "not_found", ""},
		{"not public", "GET /metrics", "", 404, "not_found", ""},
		{"wrong method", "POST /v1/feed", "{}", 405, "method_not_allowed", ""},
		{"made-up method", "BREW /v1/feed", "", 405, "method_not_allowed", ""},

		{"empty body", "POST /v1/users", " ", 400, "malformed_json", ""},
		{"cut short", "POST /v1/users", `{"name":"x`, 400, "malformed_json", ""},
		{"not JSON", "POST /v1/users", `name=kevin`, 400, "malformed_json", ""},
		{"two objects", "POST /v1/users", `{"name":"kevin"}{}`, 400, "malformed_json", ""},
		{"an array", "POST /v1/users", `[]`, 400, "invalid_field", ""},
		{"not UTF-8", "POST /v1/users", "{\"name\":\"\xff\"}", 400, "malformed_json", ""},
		{"unknown field", "POST /v1/users", `{"name":"kevin","admin":true}`, 400, "invalid_field", "admin"},
		{"wrong type", "POST /v1/users", `{"name":5}`, 400, "invalid_field", "name"},
		{"too large", "POST /v1/users", `{"name":"` + long(70000) + `"}`, 413, "body_too_large", ""},

		{"no name", "POST /v1/users", `{"password":"correct horse","email":"a@example.com"}`, 400, "invalid_field", "name"},
		{"odd name", "POST /v1/users", `{"name":"kévin","password":"correct horse","email":"a@example.com"}`, 400, "invalid_field", "name"},
		{"name with a line feed", "POST /v1/users", `{"name":"kevin\n","password":"correct horse","email":"a@example.com"}`, 400, "invalid_field", "name"},
		{"long name", "POST /v1/users", `{"name":"` + long(31) + `","password":"correct horse"}`, 400, "invalid_field", "name"},
		{"short password", "POST /v1/users", `{"name":"kevin","password":"horse","email":"a@example.com"}`, 400, "invalid_field", "password"},
		{"long password", "POST /v1/users", `{"name":"kevin","password":"` + long(129) + `","email":"a@example.com"}`, 400, "invalid_field", "password"},
		{"long full name", "POST /v1/users", `{"name":"kevin","password":"correct horse","fullName":"` + long(65) + `","email":"a@example.com"}`, 400, "invalid_field", "fullName"},
		{"NUL in a full name", "POST /v1/users", `{"name":"kevin","password":"correct horse","fullName":"a\u0000b","email":"a@example.com"}`, 400, "invalid_field", "fullName"},

		{"no email", "POST /v1/users", `{"name":"kevin","password":"correct horse"}`, 400, "invalid_field", "email"},
		{"odd email", "POST /v1/users", `{"name":"kevin","password":"correct horse","email":"Kevin <a@example.com>"}`, 400, "invalid_field", "email"},
		{"email without a dot", "POST /v1/users", `{"name":"kevin","password":"correct horse","email":"a@example"}`, 400, "invalid_field", "email"},
		{"website", "PATCH /v1/me", `{"website":"javascript:alert(1)"}`, 400, "invalid_field", "website"},
		{"control characters in a bio", "PATCH /v1/me", `{"bio":"\u0007"}`, 400, "invalid_field", "bio"},
		{"avatar", "PATCH /v1/me", `{"avatar":"me.jpg"}`, 400, "invalid_field", "avatar"},
		{"somebody else's avatar", "PATCH /v1/me", `{"avatar":"17"}`, 404, "upload_not_found", "avatar"},
		{"unknown session", "DELETE /v1/sessions/17", "", 404, "session_not_found", ""},

		{"malformed id", "GET /v1/users/kevin", "", 400, "malformed_id", "id"},
		{"negative id", "GET /v1/media/-1", "", 400, "malformed_id", "id"},
		{"endless id", "PUT /v1/media/99999999999999999999/like", "", 400, "malformed_id", "id"},
		{"unknown user", "GET /v1/users/4611686018427387904", "", 404, "user_not_found", ""},
		{"unknown name", "GET /v1/users/by-name/nobody.at.all", "", 404, "user_not_found", ""},
		{"impossible name", "GET /v1/users/by-name/no%20body", "", 404, "user_not_found", ""},
		{"unknown media", "GET /v1/media/4611686018427387904", "", 404, "media_not_found", ""},

		{"no limit", "GET /v1/feed?limit=0", "", 400, "invalid_field", "limit"},
		{"high limit", "GET /v1/feed?limit=51", "", 400, "invalid_field", "limit"},
		{"odd limit", "GET /v1/users/" + me + "/media?limit=many", "", 400, "invalid_field", "limit"},
		{"odd cursor", "GET /v1/feed?cursor=last", "", 400, "invalid_field", "cursor"},

		{"content type of an upload", "POST /v1/uploads", `{"contentType":"image/gif","size":5}`, 400, "invalid_field", "contentType"},
		{"oversize upload", "POST /v1/uploads", `{"contentType":"image/jpeg","size":1048577}`, 400, "invalid_field", "size"},
		{"empty upload", "POST /v1/uploads", `{"contentType":"image/jpeg"}`, 400, "invalid_field", "size"},
		{"size of an upload", "POST /v1/uploads", `{"contentType":"image/jpeg","size":"big"}`, 400, "invalid_field", "size"},
		{"publish without upload", "POST /v1/media", `{"caption":"x"}`, 400, "invalid_field", "upload"},
		{"publish an odd upload", "POST /v1/media", `{"upload":"x"}`, 400, "invalid_field", "upload"},
		{"publish a number", "POST /v1/media", `{"upload":17}`, 400, "invalid_field", "upload"},
		{"long caption", "POST /v1/media", `{"upload":"1","caption":"` + long(2201) + `"}`, 400, "invalid_field", "caption"},
		{"NUL in a caption", "POST /v1/media", `{"upload":"1","caption":"\u0000"}`, 400, "invalid_field", "caption"},
		{"device", "POST /v1/devices", `{"token":"zz"}`, 400, "invalid_field", "token"},
		{"device to forget", "DELETE /v1/devices/zz", "", 400, "invalid_field", "token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.route, " ")
			var body any
			if tt.body != "" {
				body = tt.body
			}
			if p := c.do(t, method, path, body).isProblem(t, tt.status, tt.code); p.Field != tt.field {
				t.Errorf("field = %q, want %q", p.Field, tt.field)
			}
		})
	}
	t.Run("content type", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/users", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "text/plain")
		send(t, req).isProblem(t, 415, "unsupported_media_type")
	})
	if n := testutil.ToFloat64(w.metrics.signUps); n != 0 {
		t.Errorf("%v sign-ups counted", n)
	}
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Error("what a client did wrong is logged as an error of ours")
	}
}

func TestRequestID(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, sent string
		kept       bool
	}{
		{"none", "", false},
		{"sane", "phone-0123456789", true},
		{"short", "x", false},
		{"odd", `phone"0123456789`, false},
		{"long", strings.Repeat("x", 65), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/v1/feed", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Request-ID", tt.sent)
			got := send(t, req).isProblem(t, 401, "token_missing").RequestID
			if !sane(got) || (got == tt.sent) != tt.kept {
				t.Errorf("request id = %q", got)
			}
			if !strings.Contains(w.log.String(), `"request":"`+got+`"`) {
				t.Errorf("the log lacks request %q", got)
			}
		})
	}
}

func TestPanicIsAnswered(t *testing.T) {
	w := newWorld(t)
	e := gin.New()
	e.Use(w.observe, w.recover)
	d := newDocument(w.api, e)
	add(d, operation{method: get, path: "/bug", id: "bug", status: 204}, func(context.Context, *nothing) (*nothing, error) { panic("a bug") })
	add(d, operation{method: get, path: "/error", id: "error", status: 204}, func(context.Context, *nothing) (*nothing, error) {
		return nil, errors.New("the disk is on fire")
	})
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, httptest.NewRequest("GET", "/bug", nil))
	p := answer{rec.Code, rec.Header(), rec.Body.Bytes()}.isProblem(t, 500, "internal")
	rec = httptest.NewRecorder()
	e.ServeHTTP(rec, httptest.NewRequest("GET", "/error", nil))
	answer{rec.Code, rec.Header(), rec.Body.Bytes()}.isProblem(t, 500, "internal")
	if body := rec.Body.String(); strings.Contains(body, "fire") {
		t.Errorf("a client is told %s", body)
	}
	log := w.log.String()
	for _, want := range []string{`"error":"panic: a bug"`, "problem_test.go", p.RequestID, `"error":"the disk is on fire"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if n := testutil.ToFloat64(w.metrics.requests.WithLabelValues("/bug", "GET", "500")); n != 1 {
		t.Errorf("%v requests counted", n)
	}
}

func TestOverload(t *testing.T) {
	w := newWorld(t)
	w.passwords = session.NewPasswords(0, time.Millisecond) // whose every slot is taken
	a := (&client{w: w}).do(t, "POST", "/v1/sessions", `{"name":"kevin","password":"correct horse"}`)
	a.isProblem(t, 503, "overloaded")
	if got := a.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After = %q", got)
	}
}

// readyz is what the admin server says.
func (w *world) readyz(t *testing.T) (status int, reasons map[string]string) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.process.Admin().ServeHTTP(rec, httptest.NewRequest("GET", "/readyz", nil))
	var out struct{ Reasons map[string]string }
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	return rec.Code, out.Reasons
}

func TestWithoutRedis(t *testing.T) {
	redis := cachetest.NewRedis(t, 1)
	w := newWorldOn(t, redis)
	author, fan := w.client(t), w.client(t)
	i := w.ready(t, author.post(t, ""))
	fan.do(t, "PUT", "/v1/users/"+author.user.String()+"/follow", nil).is(t, 200)
	if status, reasons := w.readyz(t); status != 200 {
		t.Errorf("readyz = %d %v", status, reasons)
	}
	use := func(t *testing.T) {
		began := time.Now()
		fan.do(t, "PUT", "/v1/media/"+i.String()+"/like", nil).is(t, 204)
		if ids, _ := fan.feed(t, ""); fmt.Sprint(ids) != fmt.Sprint(i) && len(ids) != 1 {
			t.Errorf("feed = %v", ids)
		}
		fan.do(t, "GET", "/v1/media/"+i.String(), nil).is(t, 200)
		author.post(t, "another")
		if status, reasons := w.readyz(t); status != 503 || reasons["redis"] == "" || len(reasons) != 1 {
			t.Errorf("readyz = %d %v", status, reasons)
		}
		t.Logf("five requests took %s", time.Since(began))
	}
	t.Run("frozen", func(t *testing.T) {
		redis.Masters[0].Freeze()
		defer redis.Masters[0].Thaw()
		use(t)
	})
	t.Run("dead", func(t *testing.T) {
		redis.Masters[0].Kill()
		use(t)
	})
}

func TestWithoutMemcached(t *testing.T) {
	w := newWorld(t)
	author := w.client(t)
	i := w.ready(t, author.post(t, ""))
	for _, m := range w.memcached {
		m.Kill()
	}
	author.do(t, "GET", "/v1/media/"+i.String(), nil).is(t, 200)
	if ids, _ := author.feed(t, ""); len(ids) != 1 {
		t.Errorf("feed = %v", ids)
	}
	if status, reasons := w.readyz(t); status != 200 {
		t.Errorf("readyz = %d %v", status, reasons)
	}
}

func TestWithoutADatabase(t *testing.T) {
	w := newWorld(t)
	shards := w.store.Shards()
	var here, there *client // on either database
	for here == nil || there == nil {
		c := w.client(t)
		if c.user.Shard() <= uint16(shards.Databases[0].Last) {
			here = c
		} else {
			there = c
		}
	}
	databases.Down(t, shards.Databases[0].Name)
	a := here.do(t, "GET", "/v1/users/"+here.user.String(), nil)
	if a.status != 500 && a.status != 503 {
		t.Errorf("status = %d %s", a.status, a.body)
	}
	if regexp.MustCompile(`postgres|127\.0`).Match(a.body) {
		t.Errorf("a client is told %s", a.body)
	}
	there.do(t, "GET", "/v1/users/"+there.user.String(), nil).is(t, 200)
	status, reasons := w.readyz(t)
	if status != 503 || !strings.Contains(reasons["databases"], shards.Databases[0].Name) || strings.Contains(reasons["databases"], "database "+shards.Databases[1].Name) {
		t.Errorf("readyz = %d %v", status, reasons)
	}
}
