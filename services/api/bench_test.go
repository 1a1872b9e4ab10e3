package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
)

// serve measures requests to the handler itself, without a network before it.
func serve(b *testing.B, w *world, status int, next func(n int) (method, path, token string)) {
	b.Helper()
	h := w.routes()
	do := func(n int) {
		method, path, token := next(n)
		req := httptest.NewRequest(method, path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if rec.Code != status {
			b.Fatalf("%s %s = %d %s", method, path, rec.Code, rec.Body)
		}
	}
	do(0)
	for deadline, before := time.Now().Add(10*time.Second), -1.0; before != w.misses(b); { // values are cached after the answer
		if time.Now().After(deadline) {
			break // like: nothing stays cached
		}
		before = w.misses(b)
		do(0)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		do(n)
	}
}

// BenchmarkFeed is a page of 20 photos by 5 authors, all cached.
func BenchmarkFeed(b *testing.B) {
	w := newWorld(b)
	reader := w.client(b)
	var authors []*client
	for range 5 {
		a := w.client(b)
		reader.do(b, "PUT", "/v1/users/"+a.user.String()+"/follow", nil).is(b, 200)
		authors = append(authors, a)
	}
	for n := range 20 {
		w.ready(b, authors[n%5].post(b, "Golden Gate, "+authors[n%5].name))
	}
	serve(b, w, http.StatusOK, func(int) (string, string, string) { return "GET", "/v1/feed", reader.token })
}

func BenchmarkMedia(b *testing.B) {
	w := newWorld(b)
	author, reader := w.client(b), w.client(b)
	path := "/v1/media/" + w.ready(b, author.post(b, "Golden Gate")).String()
	serve(b, w, http.StatusOK, func(int) (string, string, string) { return "GET", path, reader.token })
}

// BenchmarkLike likes and unlikes a hundred photos in turn.
func BenchmarkLike(b *testing.B) {
	w := newWorld(b)
	author, fan := w.client(b), w.client(b)
	var photos []id.ID
	for range 100 {
		photos = append(photos, w.ready(b, author.post(b, "")))
	}
	serve(b, w, http.StatusNoContent, func(n int) (string, string, string) {
		method := http.MethodPut
		if n/len(photos)%2 == 1 {
			method = http.MethodDelete
		}
		return method, "/v1/media/" + photos[n%len(photos)].String() + "/like", fan.token
	})
}
