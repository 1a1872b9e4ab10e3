package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/telemetry"
)

// offline is an API behind which there is nothing.
func offline(t testing.TB) *world {
	t.Helper()
	const nowhere = "127.0.0.1:1"
	doc := settings.API{
		Process: settings.Process{Stack: "test", Machine: "api-01", Release: "r1", Admin: "127.0.0.1:0", Stop: settings.Duration(time.Second)},
		Stores: settings.Stores{
			Shards: shard.Map{Count: 1, Databases: []shard.Database{{Name: "postgres-01"}}}, Pooler: nowhere, ConnectionsPerDatabase: 1,
			Redis: []string{nowhere}, Storage: settings.Storage{Endpoint: "http://" + nowhere, Region: "r", Uploads: "u", Media: "m", CDN: "http://" + nowhere},
		},
		Upload: settings.Upload{MaxBytes: 1 << 20, Expires: settings.Duration(time.Minute)}, Session: settings.Duration(time.Hour),
		RateLimits: settings.RateLimits{Read: 1, Write: 1, Anonymous: 1}, FeedLength: 10, FanOutLimit: 10, TrustedProxies: []string{"127.0.0.0/8"},
	}
	w := &world{log: &syncBuffer{}}
	var err error
	if w.process, err = telemetry.New("api", doc.Process, "", io.Discard); err != nil {
		t.Fatal(err)
	}
	if w.api, err = open(t.Context(), doc, secrets{TokenKey: strings.Repeat("k", 32), LinkKey: strings.Repeat("k", 32), AccessKey: "a", SecretKey: "s"}, w.process); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(w.routes())
	w.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		w.close()
	})
	return w
}

// everybody is a handler that lets everybody in, as user 1, who does not wait for the
// answer: what a request says is read and checked, and nothing is done.
func everybody(a *api) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.Use(a.observe)
	d := newDocument(a, e)
	d.admit = func(c *gin.Context, _ access) error {
		r := requestOf(c.Request.Context())
		r.who, r.allowed = session.Token{User: 1}, true
		ctx, cancel := context.WithCancel(c.Request.Context())
		cancel()
		c.Request = c.Request.WithContext(ctx)
		return nil
	}
	a.operations(d)
	return e
}

// FuzzRequests sends anything to every operation. Nothing may panic, and every answer
// must be one that the document declares.
func FuzzRequests(f *testing.F) {
	w := offline(f)
	_, d := openapi(f)
	type operation struct {
		method, path string
		statuses     []int
	}
	var ops []operation
	for path, methods := range d.Paths {
		for method, op := range methods {
			o := operation{method: strings.ToUpper(method), path: path}
			for s := range op.Responses {
				n, _ := strconv.Atoi(s)
				o.statuses = append(o.statuses, n)
			}
			ops = append(ops, o)
		}
	}
	slices.SortFunc(ops, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	for n := range ops {
		for _, body := range []string{
			``, `{}`, `[]`, `null`, `{"name":"kevin","password":"correct horse","fullName":"Kevin","email":"k@example.com"}`,
			`{"upload":"1","caption":"#a @b","location":{"latitude":1,"longitude":2}}`, `{"contentType":"image/jpeg","size":5}`,
			`{"token":"` + strings.Repeat("a1", 32) + `"}`, "{\"name\":\"\xff\"}", `{"a":{"b":[1,2,{"c":null}]}}`, `{"name":1e999}`, `{"text":"hi","ids":["1","2"]}`,
		} {
			f.Add(uint8(n), "4611686018427387904", "cursor=1&limit=20", "", []byte(body))
		}
	}
	f.Add(uint8(0), "%2f..", "cursor=&limit=-1&x=%zz;", "k", []byte(`{}`))
	h := everybody(w.api)
	f.Fuzz(func(t *testing.T, n uint8, parameter, query, key string, body []byte) {
		op := ops[int(n)%len(ops)]
		path := op.path
		for strings.Contains(path, "{") {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			path = before + url.PathEscape(parameter) + after
		}
		u, err := url.ParseRequestURI(path + "?" + query)
		if err != nil {
			return // the parameter or the query makes no URL
		}
		req := &http.Request{
			Method: op.method, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "127.0.0.1:1", RequestURI: u.RequestURI(),
		}
		if key != "" {
			req.Header.Set("Idempotency-Key", key)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		switch {
		case rec.Code == clientGone, rec.Code == http.StatusInternalServerError: // accepted, and nothing behind it
			return
		case rec.Code == http.StatusNotFound && rec.Header().Get("Content-Type") == "text/plain":
			return // another path
		case !slices.Contains(op.statuses, rec.Code):
			t.Fatalf("%s %s %s = %d %s", op.method, u, body, rec.Code, rec.Body)
		}
		if rec.Code < 400 {
			return
		}
		var p problem
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Code == "" || p.Status != rec.Code {
			t.Fatalf("%s %s %s = %d %s", op.method, u, body, rec.Code, rec.Body)
		}
	})
}

// FuzzCursor reads any cursor and any id: what is accepted is written as it was read.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", "1", "0", "-1", "01", "+1", "4611686018427387904", "99999999999999999999", "1 ", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if i, err := (PageOf{Cursor: s}).before(); err == nil && s != "" && (i <= 0 || i.String() != s) {
			t.Errorf("cursor %q is read as %s", s, i)
		}
		if i := idText(s).ID(); i != 0 && i.String() != s {
			t.Errorf("id %q is read as %s", s, i)
		}
	})
}

// FuzzAuthorization sends any Authorization: only the one that was signed is let in.
func FuzzAuthorization(f *testing.F) {
	w := offline(f)
	token := session.Token{User: id.ID(1 << 40), Session: id.ID(1 << 41), Expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	signed := w.sessions.Sign(token)
	for _, s := range []string{"", "Bearer", "Bearer ", "Bearer " + signed, "bearer " + signed, "Basic " + signed, "Bearer  " + signed, "Bearer " + signed[:75], signed} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c := &gin.Context{Request: &http.Request{Header: http.Header{"Authorization": {header}}}}
		got, err := w.verify(c)
		_, sent, _ := strings.Cut(header, " ")
		if (err == nil) != (sent == signed && strings.EqualFold(header[:max(0, len(header)-len(signed)-1)], "Bearer")) {
			t.Fatalf("%q: %v", header, err)
		}
		if err == nil && got.User != token.User {
			t.Errorf("%q is user %s", header, got.User)
		}
	})
}

// FuzzIdempotencyKey accepts visible ASCII and nothing else.
func FuzzIdempotencyKey(f *testing.F) {
	for _, s := range []string{"", "k", `"8e03978e-40d5-43dd-bc93-6894a57f9324"`, "a b", "é", "\x7f", strings.Repeat("k", 200), strings.Repeat("k", 201)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		visible := len(s) > 0 && len(s) <= 200
		for i := range len(s) {
			visible = visible && s[i] > ' ' && s[i] < 0x7f
		}
		if key, err := keyOf([]string{s}); (err == nil) != visible || err == nil && key != s {
			t.Errorf("%q = %q, %v", s, key, err)
		}
	})
}

// BenchmarkJunk refuses bodies of 64 KiB that somebody may send to harm us.
func BenchmarkJunk(b *testing.B) {
	h := everybody(offline(b).api)
	fill := func(prefix, unit, suffix string) string {
		return prefix + strings.Repeat(unit, (maxBody-len(prefix)-len(suffix))/len(unit)) + suffix
	}
	for _, tt := range []struct{ name, body string }{
		{"no JSON", fill("", "junk", "")},
		{"not UTF-8", fill(`{"name":"`, "\xff", `"}`)},
		{"nested arrays", fill("", "[", "")},
		{"nested objects", fill("", `{"a":`, "")},
		{"empty objects", fill(`{"name":[`, "{},", `{}]}`)},
		{"unknown fields", fill(`{`, `"x":0,`, `"y":0}`)},
		{"a long string", fill(`{"name":"`, "x", `"}`)},
		{"escapes", fill(`{"name":"`, `\u0041`, `"}`)},
		{"a long number", fill(`{"name":`, "9", `}`)},
		{"too large", fill("", "x", "") + "xx"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.SetBytes(int64(len(tt.body)))
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest("POST", "/v1/users", strings.NewReader(tt.body))
				req.Header.Set("Content-Type", "application/json")
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, req)
				if rec.Code != 400 && rec.Code != 413 {
					b.Fatal(rec.Code, rec.Body)
				}
			}
		})
	}
}

// BenchmarkBurst sends junk from 64 connections at once, as fast as it is refused, and
// reports what the heap, the clients' included, has grown to.
func BenchmarkBurst(b *testing.B) {
	srv := httptest.NewServer(everybody(offline(b).api))
	defer srv.Close()
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 64
	junk := `{"name":[` + strings.Repeat("{},", (maxBody-12)/3) + `{}]}`
	b.SetBytes(int64(len(junk)))
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := http.Post(srv.URL+"/v1/users", "application/json", strings.NewReader(junk))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, res.Body)
			if res.Body.Close(); res.StatusCode != 400 {
				b.Errorf("status = %d", res.StatusCode)
			}
		}
	})
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapSys)/(1<<20), "MB-heap")
}
