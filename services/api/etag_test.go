package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestETag(t *testing.T) {
	w := newWorld(t)
	author, reader := w.client(t), w.client(t)
	photo := "/v1/media/" + w.ready(t, author.post(t, "Golden Gate")).String()
	get := func(t *testing.T, method, path, has string) answer {
		t.Helper()
		req := reader.request(t, w.url, "", method, path, "")
		if has != "" {
			req.Header.Set("If-None-Match", has)
		}
		return send(t, req)
	}
	for _, path := range []string{photo, "/v1/feed", "/v1/users/" + author.user.String(), "/v1/users/" + author.user.String() + "/media", "/openapi.json", "/docs"} {
		t.Run(path, func(t *testing.T) {
			first := get(t, "GET", path, "").is(t, 200)
			tag := first.header.Get("ETag")
			if tag == "" || tag[:3] != `W/"` {
				t.Fatalf("ETag = %q", tag)
			}
			for _, has := range []string{tag, tag[2:], `"x", ` + tag, "*"} {
				a := get(t, "GET", path, has).is(t, 304)
				if len(a.body) > 0 || a.header.Get("ETag") != tag || a.header.Get("Content-Type") != "" {
					t.Errorf("If-None-Match %s: %q, ETag %s, %s", has, a.body, a.header.Get("ETag"), a.header.Get("Content-Type"))
				}
			}
			for _, has := range []string{`W/"x"`, "x", tag + "x", ","} {
				get(t, "GET", path, has).is(t, 200)
			}
			head := get(t, "HEAD", path, "").is(t, 200)
			if len(head.body) > 0 || head.header.Get("ETag") != tag || head.header.Get("Content-Length") != first.header.Get("Content-Length") {
				t.Errorf("HEAD: %q, %v", head.body, head.header)
			}
			get(t, "HEAD", path, tag).is(t, 304)
			if got := first.header.Get("Cache-Control"); got != "private, no-cache" {
				t.Errorf("Cache-Control = %q", got)
			}
			if got := first.header.Get("Vary"); got != "Authorization" {
				t.Errorf("Vary = %q", got)
			}
		})
	}
	t.Run("changed", func(t *testing.T) {
		tag := get(t, "GET", photo, "").header.Get("ETag")
		reader.do(t, "PUT", photo+"/like", nil).is(t, 204)
		if a := get(t, "GET", photo, tag).is(t, 200); a.header.Get("ETag") == tag {
			t.Error("another body has the same ETag")
		}
	})
	t.Run("no tag of a problem", func(t *testing.T) {
		a := get(t, "GET", "/v1/media/1", "*")
		a.isProblem(t, 404, "media_not_found")
		if a.header.Get("ETag") != "" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers = %v", a.header)
		}
	})
}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	for _, tt := range []struct {
		route  string
		status int
		allow  string
	}{
		{"POST /v1/feed", 405, "GET, HEAD, OPTIONS"},
		{"OPTIONS /v1/feed", 204, "GET, HEAD, OPTIONS"},
		{"GET /v1/sessions/current", 405, "DELETE, OPTIONS"},
		{"HEAD /v1/sessions/current", 405, "DELETE, OPTIONS"},
		{"TRACE /v1/feed", 405, "GET, HEAD, OPTIONS"},
		{"OPTIONS /v1/nothing", 404, ""},
	} {
		t.Run(tt.route, func(t *testing.T) {
			var method, path string
			for i := range tt.route {
				if tt.route[i] == ' ' {
					method, path = tt.route[:i], tt.route[i+1:]
				}
			}
			if a := c.do(t, method, path, nil).is(t, tt.status); a.header.Get("Allow") != tt.allow {
				t.Errorf("Allow = %q, want %q", a.header.Get("Allow"), tt.allow)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	w.doc.Origins = []string{"https://www.example.com"}
	srv := httptest.NewServer(w.routes())
	defer srv.Close()
	ask := func(t *testing.T, url, method, origin, want string) answer {
		t.Helper()
		req := c.request(t, url, "", method, "/v1/feed", "")
		req.Header.Set("Origin", origin)
		if want != "" {
			req.Header.Set("Access-Control-Request-Method", want)
			req.Header.Set("Access-Control-Request-Headers", "authorization,idempotency-key")
		}
		return send(t, req)
	}
	const ours, theirs = "https://www.example.com", "https://evil.example"
	for _, tt := range []struct {
		name, url, method, origin, want string
		status                          int
		allowed                         bool
	}{
		{"preflight", srv.URL, http.MethodOptions, ours, "PATCH", 204, true},
		{"preflight of another origin", srv.URL, http.MethodOptions, theirs, "PATCH", 204, false},
		{"preflight of another method", srv.URL, http.MethodOptions, ours, "BREW", 204, false},
		{"read", srv.URL, "GET", ours, "", 200, true},
		{"refused", srv.URL, "POST", ours, "", 405, true},
		{"read from another origin", srv.URL, "GET", theirs, "", 200, false},
		{"no origins", w.url, "GET", ours, "", 200, false},
		{"preflight without origins", w.url, http.MethodOptions, ours, "PATCH", 204, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(t, tt.url, tt.method, tt.origin, tt.want).is(t, tt.status)
			if got := a.header.Get("Access-Control-Allow-Origin"); (got == ours) != tt.allowed || got != "" && got != ours {
				t.Errorf("Access-Control-Allow-Origin = %q", got)
			}
			if got := a.header.Get("Access-Control-Expose-Headers"); (got != "") != (tt.allowed && tt.want == "") {
				t.Errorf("Access-Control-Expose-Headers = %q", got)
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("cookies are asked for")
			}
		})
	}
}
