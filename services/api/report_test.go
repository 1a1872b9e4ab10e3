package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/telemetry"
)

// watched makes a world report to a Sentry, and returns the end of it: what was logged
// and what was reported until then.
func watched(t *testing.T, w *world) (end func() (log string, events []string)) {
	t.Helper()
	var mu sync.Mutex
	var events []string
	sentry := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		events = append(events, string(b))
	}))
	t.Cleanup(sentry.Close)
	var log syncBuffer
	p, err := telemetry.New("api", settings.Process{
		Stack: "test", Machine: "api-01", Release: "r1", Admin: "127.0.0.1:0", Stop: settings.Duration(time.Second), SentryDSN: sentry.URL + "/1",
	}, "0123456789abcdef", &log)
	if err != nil {
		t.Fatal(err)
	}
	w.api.log = p.Log
	return func() (string, []string) {
		stopped, stop := context.WithCancel(t.Context())
		stop()
		if err := p.Run(stopped); err != nil { // sends what is waiting
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		return log.String(), events
	}
}

func TestFaultsAreReported(t *testing.T) {
	w := newWorld(t)
	end := watched(t, w)
	c := w.client(t)
	e := newEngineWithBug(w.api)
	for _, path := range []string{"/bug", "/slow"} {
		rec := httptest.NewRecorder()
		req := c.request(t, "", "", "GET", path, "")
		req.Header.Set("X-Request-ID", "phone-0123456789")
		e.ServeHTTP(rec, req)
		if rec.Code < 500 {
			t.Fatalf("%s = %d", path, rec.Code)
		}
	}
	c.do(t, "GET", "/v1/media/x", nil).is(t, 400)
	_, events := end()
	all := strings.Join(events, "\n")
	for _, want := range []string{"panic: a bug", "culprit", `"release":"r1"`, "phone-0123456789", "context deadline exceeded"} {
		if !strings.Contains(all, want) {
			t.Errorf("what is reported lacks %q", want)
		}
	}
	if len(events) != 2 || strings.Contains(all, "malformed_id") {
		t.Errorf("%d reports, want 2", len(events))
	}
}

// secret is in every field of every request of the next test that may hold it.
const secret = "canary canary"

// TestNothingSecretIsReported sends secrets in whatever a client may say, while all goes
// well, while nothing is valid and while a database is away.
func TestNothingSecretIsReported(t *testing.T) {
	w := newWorld(t)
	end := watched(t, w)
	_, d := openapi(t)
	var valid, invalid []*http.Request
	for path, methods := range d.Paths {
		for method, op := range methods {
			method := strings.ToUpper(method)
			from, at, body := w.client(t), "", ""
			if s := samples[op.OperationID]; s != nil {
				from, at, body = s(t, w)
			}
			at = cmp.Or(at, strings.ReplaceAll(path, "{id}", "4611686018427387904"))
			fields := map[string]any{}
			if body != "" {
				if err := json.Unmarshal([]byte(body), &fields); err != nil {
					t.Fatal(err)
				}
			}
			odd := map[string]any{secret: secret}
			for name, free := range d.strings(t, op.RequestBody) {
				if odd[name] = secret; free {
					fields[name] = secret
				}
			}
			add := func(to *[]*http.Request, at string, fields map[string]any, key string) {
				sent := ""
				if len(op.RequestBody) > 0 {
					b, err := json.Marshal(fields)
					if err != nil {
						t.Fatal(err)
					}
					sent = string(b)
				}
				req := from.request(t, w.url, key, method, at, sent)
				req.Header.Set("User-Agent", secret)
				*to = append(*to, req.WithContext(context.WithoutCancel(t.Context())))
			}
			add(&valid, at, fields, "canary-"+databases.Name())
			add(&invalid, at, odd, "canary "+databases.Name())
			add(&invalid, at+"?canary=canary", odd, "")
			add(&invalid, strings.NewReplacer("{", "canary", "}", "canary").Replace(path), odd, "")
			stranger := &client{w: w, token: "canary"}
			invalid = append(invalid, stranger.request(t, w.url, "", method, at, body))
		}
	}
	do := func(all []*http.Request) (faults int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, req := range all {
			wg.Go(func() {
				a := send(t, req)
				mu.Lock()
				defer mu.Unlock()
				if a.status >= 500 {
					faults++
				}
			})
		}
		wg.Wait()
		return faults
	}
	do(invalid)
	databases.Down(t, databases.Stores(t).Shards.Databases[0].Name) // of every other user
	if faults := do(valid); faults < 3 {
		t.Errorf("%d of %d requests met a fault of ours", faults, len(valid))
	}
	log, events := end()
	if len(events) == 0 {
		t.Error("nothing is reported")
	}
	for _, line := range append(events, strings.Split(log, "\n")...) {
		for _, no := range []string{"canary", "Bearer", strings.Repeat("a1", 32), "X-Amz-Signature=", "correct horse"} {
			if strings.Contains(line, no) {
				t.Fatalf("%q is in %s", no, line)
			}
		}
	}
}

// strings are the fields of a request's body that hold text, and whether any text is
// accepted in them.
func (d documented) strings(t *testing.T, requestBody json.RawMessage) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	if len(requestBody) == 0 {
		return found
	}
	var in struct {
		Content map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
	if err := json.Unmarshal(requestBody, &in); err != nil {
		t.Fatal(err)
	}
	ref := in.Content["application/json"].Schema.Ref
	b, err := json.Marshal(d.Components.Schemas[ref[strings.LastIndex(ref, "/")+1:]])
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Type, Pattern, Format string
			Enum                  []any
		}
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err, ref)
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if p := schema.Properties[name]; p.Type == "string" {
			found[name] = p.Pattern == "" && p.Format == "" && p.Enum == nil && name != "name"
		}
	}
	return found
}

// newEngineWithBug has operations that fail.
func newEngineWithBug(a *api) http.Handler {
	e := gin.New()
	e.Use(a.observe, a.recover)
	d := newDocument(a, e)
	add(d, operation{method: get, path: "/bug", id: "bug", status: 204}, culprit)
	add(d, operation{method: get, path: "/slow", id: "slow", status: 204}, func(context.Context, *nothing) (*nothing, error) {
		return nil, fmt.Errorf("ask the database: %w", context.DeadlineExceeded)
	})
	return e
}

func culprit(context.Context, *nothing) (*nothing, error) { panic("a bug") }
