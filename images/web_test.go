package images

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/settings"
)

// serve is an API machine that answers by handler.
func serve(t *testing.T, m Machine, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", m.At(PortHTTP))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(handler)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func TestNginxPassesWhatIsPublicAndNothingElse(t *testing.T) {
	t.Parallel()
	p := running(t)
	var seen atomic.Pointer[http.Request]
	for _, m := range p.Of(API) {
		serve(t, m, func(w http.ResponseWriter, r *http.Request) {
			seen.Store(r)
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Path == "/v1/refused" {
				w.WriteHeader(http.StatusNotFound)
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				panic(http.ErrAbortHandler)
			}
			fmt.Fprintf(w, `{"path":%q,"filler":%q}`, r.URL.Path, strings.Repeat("x", 2000))
		})
	}
	nginx := first(t, p, Nginx)
	startAll(t, nginx, p, "nginx", "nginx-exporter")
	base := "http://" + nginx.At(PortHTTP)

	for _, tt := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
		contains                 string
	}{
		{name: "API", path: "/v1/feed", status: 200, contains: `"path":"/v1/feed"`},
		{name: "health", path: "/healthz", status: 200, contains: `"path":"/healthz"`},
		{name: "an error of the API's own", path: "/v1/refused", status: 404, contains: `"path":"/v1/refused"`},
		{name: "metrics", path: "/metrics", status: 404, contains: `"code":"not_found"`},
		{name: "metrics by a detour", path: "/v1/../metrics", status: 404, contains: `"code":"not_found"`},
		{name: "readiness", path: "/readyz", status: 404, contains: `"code":"not_found"`},
		{name: "profiles", path: "/debug/pprof/", status: 404, contains: `"code":"not_found"`},
		{name: "root", path: "/", status: 404, contains: `{"type":"urn:burbn:problem:not_found","title":"Not Found","status":404,"code":"not_found","detail":"There is nothing at this path.","requestId":"`},
		{name: "document", path: "/openapi.json", status: 200, contains: `"path":"/openapi.json"`},
		{name: "its page", path: "/docs", status: 200, contains: `"path":"/docs"`},
		{name: "below its page", path: "/docs/x", status: 404, contains: `"code":"not_found"`},
		{name: "small body", method: "POST", path: "/v1/users", body: "{}", status: 200, contains: "/v1/users"},
		{name: "large body", method: "POST", path: "/v1/users", body: strings.Repeat("x", 64<<10), status: 200, contains: "/v1/users"},
		{name: "body too large", method: "POST", path: "/v1/users", body: strings.Repeat("x", 64<<10+1), status: 413, contains: `"code":"body_too_large","detail":"Accepted are 65536 bytes."`},
		{name: "long path", path: "/v1/" + strings.Repeat("x", 9000), status: 414, contains: `"title":"Request URI Too Long","status":414,"code":"uri_too_long"`},
		{name: "large header", path: "/v1/feed", header: map[string]string{"X": strings.Repeat("x", 9000)}, status: 431, contains: `"title":"Request Header Fields Too Large","status":431,"code":"headers_too_large"`},
		{name: "method of nobody", method: "TRACE", path: "/v1/feed", status: 405, contains: `"code":"method_not_allowed"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tt.header {
				req.Header.Set(k, v)
			}
			status, header, body, err := do(req)
			if err != nil || status != tt.status || !strings.Contains(body, tt.contains) {
				t.Errorf("got %d %s, %v; want %d %s", status, body, err, tt.status, tt.contains)
			}
			if strings.Contains(tt.contains, "code") {
				if header.Get("Content-Type") != "application/problem+json" || header.Get("X-Request-ID") == "" || !json.Valid([]byte(body)) {
					t.Errorf("not a problem document: %v %s", header, body)
				}
			}
		})
	}

	for _, tt := range []struct{ name, id, want string }{
		{"kept", "phone-42.retry_1", "phone-42.retry_1"},
		{"with odd characters", `x"}{"injected`, ""},
		{"too short", "x", ""},
	} {
		t.Run("request id "+tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/v1/feed", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Request-ID", tt.id)
			req.Header.Set("X-Forwarded-For", "203.0.113.7")
			if _, _, _, err := do(req); err != nil {
				t.Fatal(err)
			}
			got := seen.Load().Header
			if id := got.Get("X-Request-ID"); tt.want != "" && id != tt.want || len(id) < 8 || id == tt.id != (tt.want != "") {
				t.Errorf("request id %q became %q", tt.id, id)
			}
			if got.Get("X-Forwarded-For") != "203.0.113.7" {
				t.Errorf("X-Forwarded-For %q: the load balancer's word is lost", got.Get("X-Forwarded-For"))
			}
		})
	}

	if _, body, err := get(t.Context(), "http://"+nginx.At(PortNginxExporter)+"/metrics"); err != nil || !strings.Contains(body, "nginx_up 1") {
		t.Errorf("exporter: %v\n%s", err, body)
	}
}

func TestNginxTellsOfAnAPIThatIsAway(t *testing.T) {
	t.Parallel()
	p := running(t)
	nginx := first(t, p, Nginx)
	startAll(t, nginx, p, "nginx")
	for _, method := range []string{"GET", "POST"} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+nginx.At(PortHTTP)+"/v1/feed", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Request-ID", "phone-42.retry_1")
		status, header, body, err := do(req)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"type":"urn:burbn:problem:unavailable","title":"Bad Gateway","status":502,"code":"unavailable","detail":"No server can answer just now. Try again in a moment.","requestId":"phone-42.retry_1"}`
		if status != 502 || body != want || header.Get("Retry-After") != "1" || header.Get("Content-Type") != "application/problem+json" || header.Get("X-Request-ID") != "phone-42.retry_1" {
			t.Errorf("%s: %d %v\n%s", method, status, header, body)
		}
	}
}

func TestNginxCompresses(t *testing.T) {
	t.Parallel()
	p := running(t)
	for _, m := range p.Of(API) {
		serve(t, m, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", r.URL.Query().Get("type"))
			w.Header().Set("ETag", r.URL.Query().Get("etag"))
			size, _ := strconv.Atoi(r.URL.Query().Get("size"))
			fmt.Fprint(w, strings.Repeat("x", size))
		})
	}
	nginx := first(t, p, Nginx)
	startAll(t, nginx, p, "nginx")
	for _, tt := range []struct {
		name, accepts, kind, etag string
		size                      int
		compressed                bool
		wantETag                  string
	}{
		{"a list", "gzip, br", "application/json", `"1"`, 2000, true, `W/"1"`},
		{"with a charset", "gzip", "application/json; charset=utf-8", `W/"1"`, 2000, true, `W/"1"`},
		{"a problem", "gzip", "application/problem+json", `"1"`, 2000, true, `W/"1"`},
		{"the document", "gzip", "application/openapi+json", `"1"`, 2000, true, `W/"1"`},
		{"the page", "gzip", "text/html; charset=utf-8", `"1"`, 2000, true, `W/"1"`},
		{"more than the buffers hold", "gzip", "application/json", `"1"`, 1 << 20, true, `W/"1"`},
		{"what is small", "gzip", "application/json", `"1"`, 500, false, `"1"`},
		{"for who cannot read it", "", "application/json", `"1"`, 2000, false, `"1"`},
		{"for who cannot read it, large", "", "application/json", `"1"`, 1 << 20, false, `"1"`},
		{"a photo", "gzip", "image/jpeg", `"1"`, 2000, false, `"1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := url.Values{"type": {tt.kind}, "etag": {tt.etag}, "size": {strconv.Itoa(tt.size)}}
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+nginx.At(PortHTTP)+"/v1/x?"+q.Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", tt.accepts)
			// As a load balancer asks, on behalf of somebody.
			req.Header.Set("Via", "1.1 balancer")
			status, header, body, err := do(req)
			if err != nil || status != 200 {
				t.Fatalf("%d, %v", status, err)
			}
			if tt.compressed {
				z, err := gzip.NewReader(strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				plain, err := io.ReadAll(z)
				if err != nil {
					t.Fatal(err)
				}
				body = string(plain)
			}
			if got := header.Get("Content-Encoding") == "gzip"; got != tt.compressed || body != strings.Repeat("x", tt.size) {
				t.Errorf("compressed is %t, of %d bytes came %d", got, tt.size, len(body))
			}
			if got := header.Get("ETag"); got != tt.wantETag {
				t.Errorf("ETag is %s, want %s", got, tt.wantETag)
			}
			if varies := strings.Contains(header.Get("Vary"), "Accept-Encoding"); varies != (tt.kind != "image/jpeg" && tt.size >= 1024) {
				t.Errorf("Vary is %q", header.Get("Vary"))
			}
		})
	}
}

func TestNginxRepeatsOnlyWhatMayBeRepeated(t *testing.T) {
	t.Parallel()
	p := running(t)
	api := p.Of(API)
	var broken, posts atomic.Int64
	// The first machine takes a request and drops the connection.
	serve(t, api[0], func(w http.ResponseWriter, r *http.Request) {
		broken.Add(1)
		if r.Method == "POST" {
			posts.Add(1)
		}
		panic(http.ErrAbortHandler)
	})
	serve(t, api[1], func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			posts.Add(1)
		}
	})
	nginx := first(t, p, Nginx)
	startAll(t, nginx, p, "nginx")
	for _, method := range []string{"GET", "POST"} {
		for range 20 {
			posts.Store(0)
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+nginx.At(PortHTTP)+"/v1/x", strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			status, _, _, err := do(req)
			if err != nil {
				t.Fatal(err)
			}
			if method == "GET" && status != 200 {
				t.Errorf("GET: %d: another machine would have answered", status)
			}
			if n := posts.Load(); n > 1 {
				t.Errorf("a POST was carried out %d times", n)
			}
		}
	}
	if broken.Load() == 0 {
		t.Error("the broken machine was never asked")
	}
}

func TestNginxComesBackAfterItsMasterWasKilled(t *testing.T) {
	t.Parallel()
	p := running(t)
	m := first(t, p, Nginx)
	nginx := startAll(t, m, p, "nginx")["nginx"]
	nginx.cmd.Process.Kill()
	<-nginx.exited
	if err := nginx.unit.Ready.check(t.Context()); err != nil {
		t.Errorf("the workers went with their master (%v): then nothing is left to clear away", err)
	}
	start(t, nginx.unit)
}

func TestLoadBalancerLosesNoRequest(t *testing.T) {
	t.Parallel()
	p := running(t)
	for _, m := range p.Of(API) {
		serve(t, m, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Forwarded-For")) })
	}
	var nginx []*process
	for _, m := range p.Of(Nginx) {
		nginx = append(nginx, startAll(t, m, p, "nginx")["nginx"])
	}
	lb := first(t, p, LoadBalancer)
	balancer := startAll(t, lb, p, "haproxy")["haproxy"]
	url := "http://" + lb.At(PortHTTP) + "/v1/x"
	balancer.await(t, "in front of a healthy nginx", func(ctx context.Context) error {
		status, _, err := get(ctx, url)
		if err == nil && status != 200 {
			err = errors.New(http.StatusText(status))
		}
		return err
	})

	ctx, stop := context.WithCancel(t.Context())
	var requests sync.WaitGroup
	var sent, failed atomic.Int64
	for range 8 {
		requests.Go(func() {
			for ctx.Err() == nil {
				status, body, err := get(t.Context(), url)
				sent.Add(1)
				if err != nil || status != 200 || body != "127.0.0.1" {
					failed.Add(1)
					t.Logf("%d %s, %v", status, body, err)
				}
			}
		})
	}
	served := func(n int64) func(context.Context) error {
		target := sent.Load() + n
		return func(context.Context) error {
			if sent.Load() < target {
				return fmt.Errorf("%d of %d requests served", sent.Load(), target)
			}
			return nil
		}
	}
	balancer.await(t, "serving", served(500))
	nginx[0].reload(t)
	balancer.await(t, "serving while nginx reloads", served(500))
	balancer.reload(t)
	balancer.await(t, "serving while it reloads", served(500))
	nginx[0].stop(t)
	balancer.await(t, "serving without one nginx", served(500))
	nginx[0] = start(t, nginx[0].unit)
	balancer.await(t, "serving with it again", served(500))
	stop()
	requests.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), sent.Load())
	}

	if _, body, err := get(t.Context(), "http://"+lb.At(PortBalancerStatus)+"/metrics"); err != nil || !strings.Contains(body, "haproxy_server_status") {
		t.Errorf("metrics: %v\n%.500s", err, body)
	}
	if status, _, err := get(t.Context(), "http://"+lb.At(PortHTTP)+"/metrics"); err != nil || status != 404 {
		t.Errorf("public /metrics: %d, %v", status, err)
	}
	for _, n := range nginx {
		n.stop(t)
	}
	balancer.await(t, "aware that nothing is behind it", func(ctx context.Context) error {
		if status, _, err := get(ctx, url); err != nil || status != 503 {
			return fmt.Errorf("%d, %v", status, err)
		}
		return nil
	})
}

func TestCDNCachesPhotosAndNothingElse(t *testing.T) {
	t.Parallel()
	p := running(t)
	store := first(t, p, Storage)
	origin := startAll(t, store, p, "storage")["storage"]
	secret := secrets()
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + store.At(PortStorage)),
		Region:       p.Region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(secret["storage-access-key"], secret["storage-secret-key"], ""),
	})
	bucket, key, photo := aws.String(p.Buckets.Media), aws.String("some/1080.jpg"), strings.Repeat("photo", 1000)
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}`, *bucket)
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(photo)}); err != nil {
		t.Fatal(err)
	}

	edge := first(t, p, CDN)
	startAll(t, edge, p, "cdn")
	base := "http://" + edge.At(PortHTTP)
	ask := func(t *testing.T, method, path, spread string) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if spread != "" {
			req.Header.Set("Range", spread)
		}
		status, header, body, err := do(req)
		if err != nil {
			t.Fatal(err)
		}
		return status, header, body
	}
	for _, want := range []string{"MISS", "HIT", "HIT"} {
		status, header, body := ask(t, "GET", "/some/1080.jpg", "")
		if status != 200 || header.Get("X-Cache") != want || body != photo {
			t.Errorf("got %d %s of %d bytes, want 200 %s", status, header.Get("X-Cache"), len(body), want)
		}
	}
	if status, header, _ := ask(t, "GET", "/some/1080.jpg?acl", ""); status != 200 || header.Get("X-Cache") != "HIT" {
		t.Errorf("an argument changed what was asked: %d %v", status, header)
	}
	if status, _, body := ask(t, "GET", "/some/1080.jpg", "bytes=5-9"); status != 206 || body != "photo" {
		t.Errorf("range: got %d %q", status, body)
	}
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"HEAD", "/some/1080.jpg", 200},
		{"PUT", "/some/1080.jpg", 403},
		{"DELETE", "/some/1080.jpg", 403},
		{"POST", "/some/1080.jpg", 403},
		{"GET", "/", 404},
		{"GET", "/?list-type=2", 404},
		{"GET", "/some/", 404},
		{"GET", "/stub_status", 404},
		{"GET", "/some/640.jpg", 404},
		{"GET", "/../" + p.Buckets.Uploads + "/x", 400},
	} {
		if status, _, body := ask(t, tt.method, tt.path, ""); status != tt.status {
			t.Errorf("%s %s: got %d %s, want %d", tt.method, tt.path, status, body, tt.status)
		}
	}

	worker := p.Of(Worker)[0]
	forget := media.NewEdge(p.edge(worker))
	if err := forget.Purge(t.Context(), *key); err == nil || !strings.Contains(err.Error(), "storage still has it") {
		t.Errorf("purged before it was deleted: %v", err)
	}
	gone := aws.String("gone/1080.jpg")
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: gone, Body: strings.NewReader(photo)}); err != nil {
		t.Fatal(err)
	}
	ask(t, "GET", "/"+*gone, "")
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: gone}); err != nil {
		t.Fatal(err)
	}
	if status, header, _ := ask(t, "GET", "/"+*gone, ""); status != 200 || header.Get("X-Cache") != "HIT" {
		t.Fatalf("before it is purged: %d %v", status, header)
	}
	stranger := media.NewEdge(settings.Edge{Purge: p.edge(worker).Purge, From: p.Of(API)[0].Addr})
	if err := stranger.Purge(t.Context(), *gone); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("purged by a stranger: %v", err)
	}
	if status, _, _ := ask(t, "GET", "/purge/"+*gone, ""); status != 404 {
		t.Errorf("the public port knows /purge: %d", status)
	}
	if status, header, _ := ask(t, "GET", "/"+*gone, ""); status != 200 || header.Get("X-Cache") != "HIT" {
		t.Errorf("after a stranger tried: %d %v", status, header)
	}
	for range 2 { // a task may run again
		if err := forget.Purge(t.Context(), *gone, "never/1080.jpg", "never/320.jpg"); err != nil {
			t.Error(err)
		}
	}
	if status, header, _ := ask(t, "GET", "/"+*gone, ""); status != 404 {
		t.Errorf("after it was purged: %d %v", status, header)
	}
	if err := forget.Purge(t.Context(), "no key"); err == nil {
		t.Error("what no URL names is purged")
	}

	origin.stop(t)
	if err := forget.Purge(t.Context(), *gone); err == nil {
		t.Error("purged though storage cannot say that it is gone")
	}
	if status, header, body := ask(t, "GET", "/some/1080.jpg", ""); status != 200 || header.Get("X-Cache") != "HIT" || body != photo {
		t.Errorf("without its origin: %d %v", status, header)
	}
	if status, _, _ := ask(t, "GET", "/some/320.jpg", ""); status != 502 && status != 504 {
		t.Errorf("a photo it does not have, without its origin: %d", status)
	}
}
