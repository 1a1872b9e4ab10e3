package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burbn/burbn/services/api/apitest"
	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media/mediatest"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
	"github.com/burbn/burbn/services/telemetry"
)

var (
	databases storetest.Databases
	cluster   *cachetest.Redis // of three masters, shared by the tests that do not harm it
)

func TestMain(m *testing.M) {
	var err error
	if cluster, err = cachetest.StartRedis(3); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := databases.Run(m)
	cluster.Stop()
	os.Exit(code)
}

// world is an API with everything real behind it.
type world struct {
	*api
	process   *telemetry.Process
	url       string
	log       *syncBuffer
	memcached []*cachetest.Server
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newWorld(t testing.TB) *world { return newWorldOn(t, cluster) }

func newWorldOn(t testing.TB, redis *cachetest.Redis) *world {
	t.Helper()
	doc, sec := apiSettings(t, redis)
	memcached := cachetest.NewMemcached(t, 2)
	for _, m := range memcached {
		doc.Memcached = append(doc.Memcached, m.Addr)
	}
	w := startWorld(t, doc, sec)
	w.memcached = memcached
	return w
}

// startWorld is an API of those settings.
func startWorld(t testing.TB, doc settings.API, sec secrets) *world {
	t.Helper()
	w := &world{log: &syncBuffer{}}
	var err error
	if w.process, err = telemetry.New("api", doc.Process, "", w.log); err != nil {
		t.Fatal(err)
	}
	if w.api, err = open(t.Context(), doc, sec, w.process); err != nil {
		t.Fatal(err)
	}
	if err := w.objects.EnsureBuckets(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = w.server()
	srv.Start()
	w.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		w.close()
		if t.Failed() {
			t.Log(w.log.String())
		}
	})
	return w
}

// apiSettings is the settings of an API on real stores, and its secrets.
func apiSettings(t testing.TB, redis *cachetest.Redis) (settings.API, secrets) {
	t.Helper()
	stores := databases.Stores(t)
	stores.Redis = redis.Addrs
	stores.Storage = mediatest.NewStorage(t)
	if stores.Storage.CDN == "" {
		stores.Storage.CDN = "http://cdn.test"
	}
	return settings.API{
			Process: settings.Process{Stack: "test", Machine: "api-01", Release: "r1", Admin: "127.0.0.1:0", Stop: settings.Duration(10 * time.Second)},
			Stores:  stores, Listen: "127.0.0.1:0",
			Upload:     settings.Upload{MaxBytes: 1 << 20, Expires: settings.Duration(15 * time.Minute)},
			Session:    settings.Duration(time.Hour),
			RateLimits: settings.RateLimits{Read: 1_000_000, Write: 1_000_000, Anonymous: 1_000_000},
			FeedLength: 100, FanOutLimit: 100_000, TrustedProxies: []string{"127.0.0.0/8"},
		}, secrets{
			Postgres: storetest.AppPassword, Redis: redis.Password, AccessKey: mediatest.AccessKey,
			SecretKey: mediatest.SecretKey, TokenKey: strings.Repeat("k", 32), LinkKey: strings.Repeat("0f", 32),
		}
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// into reads the JSON of the answer.
func (a answer) into(t testing.TB, to any) {
	t.Helper()
	if err := json.Unmarshal(a.body, to); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// is fails the test unless the answer has the status.
func (a answer) is(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status = %d %s, want %d", a.status, a.body, status)
	}
	return a
}

// isProblem fails the test unless the answer is the problem of that status and code.
func (a answer) isProblem(t testing.TB, status int, code string) problem {
	t.Helper()
	var p problem
	if a.status != status {
		t.Errorf("status = %d %s, want %d %s", a.status, a.body, status, code)
		return p
	}
	a.into(t, &p)
	if p.Code != code || p.Status != status || p.Type != "urn:burbn:problem:"+code || p.Title == "" || p.Detail == "" {
		t.Errorf("problem = %s, want %d %s", a.body, status, code)
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-ID") {
		t.Errorf("request id %q in the problem, %q in the header", p.RequestID, a.header.Get("X-Request-ID"))
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type of a problem = %s", got)
	}
	return p
}

// client is a phone.
type client struct {
	w     *world
	name  string
	user  id.ID
	token string
}

func (c *client) do(t testing.TB, method, path string, body any) answer {
	t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(j)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.w.url+path, r)
	if err != nil {
		t.Fatal(err)
	}
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return send(t, req)
}

// contract is the document that every answer of the tests is held against.
var contract = sync.OnceValue(func() *apitest.Document {
	b, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		panic(err)
	}
	d, err := apitest.Parse(b)
	if err != nil {
		panic(err)
	}
	return d
})

func send(t testing.TB, req *http.Request) answer {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	// Not what storage answers, nor what HTTP and browsers ask by themselves.
	if strings.HasPrefix(req.URL.Path, "/v1/") && req.Method != http.MethodHead && req.Method != http.MethodOptions {
		if err := contract().Check(req, res, b); err != nil {
			t.Error(err)
		}
	}
	return answer{res.StatusCode, res.Header, b}
}

// client is a phone of a new account, logged in. It does not go through sign-up,
// because hashing takes long.
func (w *world) client(t testing.TB) *client {
	t.Helper()
	u := databases.User(t)
	token, _, err := w.sessions.Begin(t.Context(), u.ID, "", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return &client{w, u.Name, u.ID, token}
}

type promise struct {
	ID        id.ID
	Method    string
	URL       string
	Headers   map[string]string
	ExpiresAt time.Time
}

// put sends the bytes to storage as the upload says.
func (u promise) put(t testing.TB, body []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), u.Method, u.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range u.Headers {
		if k != "Content-Length" { // which the body says
			req.Header.Set(k, v)
		}
	}
	return send(t, req).status
}

func (c *client) upload(t testing.TB, size int) promise {
	t.Helper()
	var u promise
	c.do(t, "POST", "/v1/uploads", map[string]any{"contentType": "image/jpeg", "size": size}).is(t, 201).into(t, &u)
	return u
}

// post publishes a photo that stays processing.
func (c *client) post(t testing.TB, caption string) id.ID {
	t.Helper()
	body := []byte("not looked at here")
	u := c.upload(t, len(body))
	if status := u.put(t, body); status != 200 {
		t.Fatalf("storage answers %d", status)
	}
	var p Photo
	c.do(t, "POST", "/v1/media", map[string]any{"upload": u.ID, "caption": caption}).is(t, 201).into(t, &p)
	return p.ID
}

// ready does what the workers do.
func (w *world) ready(t testing.TB, photo id.ID, readers ...*client) id.ID {
	t.Helper()
	if changed, err := w.store.MarkReady(t.Context(), photo, 1080, 810, "LEHV6nWB2yk8pyo0adR*.7kCMdnj"); err != nil || !changed {
		t.Fatal(changed, err)
	}
	var users []id.ID
	for _, r := range readers {
		users = append(users, r.user)
	}
	m, err := w.store.Media(t.Context(), photo)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.feeds.Push(t.Context(), users, store.Post{Media: photo, Author: m.User}); err != nil {
		t.Fatal(err)
	}
	return photo
}
