package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/settings"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
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

func newProcess(t *testing.T, doc settings.Process, sentryKey string) (*Process, *syncBuffer) {
	t.Helper()
	doc.Stack, doc.Machine, doc.Release = "test", "api-01", "r1"
	if doc.Admin == "" {
		doc.Admin = processtest.FreeAddr(t)
	}
	if doc.Stop == 0 {
		doc.Stop = settings.Duration(10 * time.Second)
	}
	var log syncBuffer
	p, err := New("api", doc, sentryKey, &log)
	if err != nil {
		t.Fatal(err)
	}
	p.drain = 50 * time.Millisecond
	return p, &log
}

// get asks until there is an answer.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		res, err := http.Get(url)
		if err == nil {
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, string(b)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestLogCarriesTheContext(t *testing.T) {
	p, log := newProcess(t, settings.Process{}, "")
	ctx := With(t.Context(), slog.String("request", "r-1"))
	ctx = With(ctx, slog.String("task", "t-1"))
	p.Log.InfoContext(ctx, "done", "n", 1)
	var line map[string]any
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"msg": "done", "service": "api", "machine": "api-01", "release": "r1", "request": "r-1", "task": "t-1", "n": 1.0} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
}

func TestAdmin(t *testing.T) {
	p, _ := newProcess(t, settings.Process{}, "")
	var mu sync.Mutex
	var redis error = errors.New("redis 127.0.0.1:1: connection refused")
	p.Check("databases", func(context.Context) error { return nil })
	p.Check("redis", func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		return redis
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- p.Run(ctx, Task{"idle", func(ctx context.Context) error { <-ctx.Done(); return nil }})
	}()
	url := "http://" + p.settings.Admin
	if code, body := get(t, url+"/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("healthz = %d %q", code, body)
	}
	code, body := get(t, url+"/readyz")
	if want := `{"ready":false,"reasons":{"redis":"redis 127.0.0.1:1: connection refused"}}` + "\n"; code != 503 || body != want {
		t.Errorf("readyz = %d %q, want 503 %q", code, body, want)
	}
	mu.Lock()
	redis = nil
	mu.Unlock()
	if code, body := get(t, url+"/readyz"); code != 200 || body != "{\"ready\":true}\n" {
		t.Errorf("readyz = %d %q", code, body)
	}
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, `burbn_release_info{release="r1",service="api"} 1`) {
		t.Errorf("metrics lack the release:\n%s", body)
	}
	if code, _ := get(t, url+"/debug/pprof/goroutine?debug=1"); code != 200 {
		t.Errorf("pprof = %d", code)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunTellsTheServiceManager(t *testing.T) {
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: t.TempDir() + "/notify", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", socket.LocalAddr().String())
	said := func() string {
		b := make([]byte, 64)
		if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	p, _ := newProcess(t, settings.Process{}, "")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	if got := said(); got != "READY=1" {
		t.Errorf("said %q first", got)
	}
	stop()
	if got := said(); got != "STOPPING=1" {
		t.Errorf("said %q then", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunFailures(t *testing.T) {
	idle := Task{"idle", func(ctx context.Context) error { <-ctx.Done(); return nil }}
	forever := make(chan struct{})
	defer close(forever)
	for _, tt := range []struct {
		name  string
		tasks []Task
		want  string
	}{
		{"a task fails", []Task{idle, {"river", func(context.Context) error { return errors.New("no database") }}}, "river: no database"},
		{"a task ends", []Task{idle, {"river", func(context.Context) error { return nil }}}, "river: ended by itself"},
		{"a task does not stop", []Task{
			{"stuck", func(context.Context) error { <-forever; return nil }},
			{"river", func(context.Context) error { return errors.New("no database") }},
		}, "still running after 100ms: stuck"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := newProcess(t, settings.Process{Stop: settings.Duration(100 * time.Millisecond)}, "")
			if err := p.Run(t.Context(), tt.tasks...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("the admin address is taken", func(t *testing.T) {
		ln := listen(t)
		defer ln.Close()
		p, _ := newProcess(t, settings.Process{Admin: ln.Addr().String()}, "")
		if err := p.Run(t.Context(), idle); err == nil || !strings.Contains(err.Error(), "listen for the admin server") {
			t.Errorf("error = %v", err)
		}
	})
}

// pipes is a listener whose connections are pipes: in a bubble of synctest the clock
// stands still while anybody uses one.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.accepted <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// A request under way when the stop begins is answered; one that comes while the
// server drains is answered too, and told not to come back on that connection.
func TestServeStopsGracefully(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newProcess(t, settings.Process{}, "")
		begun, release := make(chan struct{}), make(chan struct{})
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(begun)
				<-release
			}
			fmt.Fprint(w, "answered")
		})}
		ln := pipes{make(chan net.Conn), make(chan struct{})}
		client := &http.Client{Transport: &http.Transport{DialContext: ln.dial}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Serve("http", srv, ln).Run(ctx) }()

		slow := make(chan string, 1)
		go func() {
			res, err := client.Get("http://api/slow")
			if err != nil {
				slow <- err.Error()
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			slow <- string(b)
		}()
		<-begun
		stop()
		synctest.Wait()
		res, err := client.Get("http://api/")
		if err != nil {
			t.Fatalf("a request while draining: %v", err)
		}
		res.Body.Close()
		if !res.Close {
			t.Error("a draining server keeps its connections")
		}
		close(release)
		if got := <-slow; got != "answered" {
			t.Errorf("the request under way got %q", got)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := client.Get("http://api/"); err == nil {
			t.Error("a stopped server answers")
		}
	})
}

func TestErrorsReachSentry(t *testing.T) {
	received := make(chan string, 10)
	sentry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		received <- r.Header.Get("X-Sentry-Auth") + "\n" + string(b)
	}))
	defer sentry.Close()
	p, _ := newProcess(t, settings.Process{SentryDSN: sentry.URL + "/1"}, "0123456789abcdef")
	ctx := With(t.Context(), slog.String("request", "r-77"))
	p.Log.InfoContext(ctx, "not reported")
	err := fmt.Errorf("read media: %w", errors.New(`dial postgres://app:hunter2@db: Authorization "Bearer abcdef.ghi" refused`))
	p.Log.ErrorContext(ctx, "request", "error", err, "route", "/v1/feed")
	p.reporter.flush(time.Minute)
	var got string
	select {
	case got = <-received:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was reported")
	}
	for _, want := range []string{"0123456789abcdef", "r-77", "/v1/feed", "read media", "errorString", `"release":"r1"`, `"environment":"test"`, "TestErrorsReachSentry"} {
		if !strings.Contains(got, want) {
			t.Errorf("report lacks %q", want)
		}
	}
	for _, secret := range []string{"hunter2", "abcdef.ghi", "not reported", "handler.Handle"} {
		if strings.Contains(got, secret) {
			t.Errorf("report has %q", secret)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// An outage is told once a second, however many requests it fails.
func TestErrorsAreReportedOnceASecond(t *testing.T) {
	var reports atomic.Int64
	sentry := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reports.Add(1) }))
	defer sentry.Close()
	p, _ := newProcess(t, settings.Process{SentryDSN: sentry.URL + "/1"}, "k")
	began := time.Now()
	for _, tt := range []struct {
		message string
		after   time.Duration
		reports int64 // so far
	}{
		{"request", 0, 1},
		{"request", 0, 1},
		{"task", 0, 2},
		{"request", every - 1, 2},
		{"request", every, 3},
		{"request", 2*every - 1, 3},
	} {
		if err := p.Log.Handler().Handle(t.Context(), slog.NewRecord(began.Add(tt.after), slog.LevelError, tt.message, 0)); err != nil {
			t.Fatal(err)
		}
		p.reporter.flush(time.Minute)
		if got := reports.Load(); got != tt.reports {
			t.Errorf("with an error of a %s after %s: %d reports, want %d", tt.message, tt.after, got, tt.reports)
		}
	}
}

// A Sentry that answers nobody keeps nobody waiting.
func TestSentryAway(t *testing.T) {
	back := make(chan struct{})
	sentry := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-back }))
	defer sentry.Close()
	defer close(back)
	p, log := newProcess(t, settings.Process{SentryDSN: sentry.URL + "/1"}, "k")
	for n := range 1000 {
		p.Log.Error(fmt.Sprintf("boom %d", n), "error", io.EOF)
	}
	if !strings.Contains(log.String(), "boom 999") {
		t.Error("the log lacks the error")
	}
	_, err := New("api", settings.Process{SentryDSN: "http://host"}, "secret", io.Discard)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error of a bad DSN = %v", err)
	}
}

func TestName(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		fleet bool
		want  string
	}{{false, "api"}, {true, "api@" + host}} {
		var log bytes.Buffer
		p, err := New("api", settings.Process{Machine: "api", Fleet: tt.fleet, Release: "r1"}, "", &log)
		if err != nil {
			t.Fatal(err)
		}
		p.Log.Info("hello")
		if p.Name != tt.want || !strings.Contains(log.String(), `"machine":"`+tt.want+`"`) {
			t.Errorf("the process is %q, its log %s", p.Name, &log)
		}
	}
}
