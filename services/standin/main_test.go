package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/settings"
)

const sentryPublicKey = "0123456789abcdef0123456789abcdef"

// standin is the whole process, on free ports, from its settings document and its
// credentials.
type standin struct {
	settings.Standin
	key   *ecdsa.PrivateKey // the provider's
	roots *x509.CertPool
}

func start(t *testing.T) *standin {
	t.Helper()
	dir := t.TempDir()
	s := &standin{key: processtest.Key(t), roots: x509.NewCertPool()}
	cert, tlsKey := processtest.SelfSigned(t)
	s.roots.AppendCertsFromPEM(cert)
	for name, content := range map[string][]byte{
		"apns-key": processtest.PKCS8(t, s.key), "apns-tls-key": tlsKey, "apns-tls-cert": cert, "sentry-key": []byte(sentryPublicKey + "\n"),
	} {
		processtest.Write(t, filepath.Join(dir, name), content)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	s.Standin = settings.Standin{
		Admin: processtest.FreeAddr(t), APNs: processtest.FreeAddr(t), Facebook: processtest.FreeAddr(t), Twitter: processtest.FreeAddr(t), Sentry: processtest.FreeAddr(t),
		TeamID: "TEAM123456", KeyID: "KEY1234567", Topic: "com.example.burbn", CertFile: filepath.Join(dir, "apns-tls-cert"),
	}
	doc, err := settings.Render(s.Standin)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "standin.json")
	processtest.Write(t, file, doc)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, file, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for {
		r, err := http.Get("http://" + s.Admin + "/healthz")
		if err == nil {
			r.Body.Close()
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("did not start: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// list is what /received.json says.
func (s *standin) list(t *testing.T, query string) []receipt {
	t.Helper()
	status, _, body := do(t, http.DefaultClient, request(t, "GET", "http://"+s.Admin+"/received.json"+query, "", nil))
	if status != http.StatusOK {
		t.Fatalf("received.json answers %d: %s", status, body)
	}
	var all []receipt
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPage(t *testing.T) {
	s := start(t)
	status, header, body := do(t, http.DefaultClient, request(t, "GET", "http://"+s.Admin+"/", "", nil))
	if status != 200 || !bytes.Contains(body, []byte("Nothing yet.")) {
		t.Fatalf("empty page: %d %s", status, body)
	}
	if got := header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") {
		t.Errorf("policy is %q", got)
	}
	tweet := `{"text":"<script>alert(1)</script>"}`
	do(t, http.DefaultClient, request(t, "POST", "http://"+s.Twitter+"/2/tweets", tweet, map[string]string{"Authorization": "Bearer secret-token"}))
	do(t, http.DefaultClient, request(t, "POST", "http://"+s.Facebook+"/me/photos", "access_token=secret-token&url=x", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}))

	for _, tt := range []struct {
		path      string
		want, not string
	}{
		{"/", "&lt;script&gt;", "<script>"},
		{"/", `http-equiv="refresh"`, "secret-token"},
		{"/?paused", "Paused.", `http-equiv="refresh"`},
		{"/?service=facebook", "url=x", "script"},
		{"/metrics", `burbn_standin_requests_total{code="201",service="twitter"} 1`, "secret-token"},
		{"/received.json", `"service":"twitter"`, "secret-token"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			_, _, body := do(t, http.DefaultClient, request(t, "GET", "http://"+s.Admin+tt.path, "", nil))
			if !bytes.Contains(body, []byte(tt.want)) || bytes.Contains(body, []byte(tt.not)) {
				t.Errorf("want %q and not %q in\n%s", tt.want, tt.not, body)
			}
		})
	}
	status, _, body = do(t, http.DefaultClient, request(t, "GET", "http://"+s.Admin+"/received.json?service=myspace", "", nil))
	if status != http.StatusBadRequest || !bytes.Contains(body, []byte(`"facebook"`)) {
		t.Errorf("unknown service: %d %s", status, body)
	}
}

func TestReceivedIsBounded(t *testing.T) {
	s := start(t)
	long := strings.Repeat("ü", maxShow)
	for i := range keep + 5 {
		do(t, http.DefaultClient, request(t, "POST", "http://"+s.Twitter+"/2/tweets", fmt.Sprintf(`{"text":"%d","x":"%s"}`, i, long), map[string]string{"Authorization": "Bearer t"}))
	}
	all := s.list(t, "?service=twitter")
	if len(all) != keep || !strings.HasPrefix(all[0].Body, `{"text":"1004"`) || !strings.HasPrefix(all[keep-1].Body, `{"text":"5"`) {
		t.Errorf("%d kept, from %.20s to %.20s", len(all), all[0].Body, all[len(all)-1].Body)
	}
	if n := len(all[0].Body); n > maxShow+3 {
		t.Errorf("a body of %d bytes is kept", n)
	}
	status, _, _ := do(t, http.DefaultClient, request(t, "POST", "http://"+s.Facebook+"/me/photos", strings.Repeat("x", maxBody+1), nil))
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("an outsized body is answered %d", status)
	}
}

func TestTakenPort(t *testing.T) {
	s := start(t)
	err := run(t.Context(), filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "standin.json"), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), s.Admin) {
		t.Errorf("error is %v, want one that names %s", err, s.Admin)
	}
}

func TestFacebook(t *testing.T) {
	s := start(t)
	form := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	multipart := "--b\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\nt\r\n--b\r\nContent-Disposition: form-data; name=\"source\"; filename=\"a.jpg\"\r\n\r\n\xff\xd8\xff\r\n--b--\r\n"
	for _, tt := range []struct {
		name, method, path, kind, body string
		status                         int
		want                           string
	}{
		{"by URL", "POST", "/me/photos", "", form("access_token", "t", "url", "https://x/y.jpg"), 200, `"post_id"`},
		{"with a version", "POST", "/v23.0/me/photos", "", form("access_token", "t", "url", "https://x/y.jpg"), 200, `"id"`},
		{"as multipart", "POST", "/me/photos", "multipart/form-data; boundary=b", multipart, 200, `"id"`},
		{"no token", "POST", "/me/photos", "", form("url", "u"), 400, `"code":2500`},
		{"bad token", "POST", "/me/photos", "", form("access_token", "bad", "url", "u"), 400, `"code":190`},
		{"expired token", "POST", "/me/photos", "", form("access_token", "expired", "url", "u"), 400, `"error_subcode":463`},
		{"too many", "POST", "/me/photos", "", form("access_token", "429", "url", "u"), 400, `"code":17`},
		{"out of order", "POST", "/me/photos", "", form("access_token", "503", "url", "u"), 503, `"code":2`},
		{"no photo", "POST", "/me/photos", "", form("access_token", "t"), 400, `"code":324`},
		{"broken form", "POST", "/me/photos", "multipart/form-data; boundary=b", "nonsense", 400, `"code":100`},
		{"reading", "GET", "/me/photos", "", "", 400, `"code":100`},
		{"elsewhere", "POST", "/you/photos", "", "", 400, `"code":2500`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kind := tt.kind
			if kind == "" {
				kind = "application/x-www-form-urlencoded"
			}
			status, _, body := do(t, http.DefaultClient, request(t, tt.method, "http://"+s.Facebook+tt.path, tt.body, map[string]string{"Content-Type": kind}))
			if status != tt.status || !bytes.Contains(body, []byte(tt.want)) {
				t.Errorf("answer is %d %s, want %d with %s", status, body, tt.status, tt.want)
			}
		})
	}
}

func TestTwitter(t *testing.T) {
	s := start(t)
	for _, tt := range []struct {
		name, method, path, bearer, body string
		status                           int
		want                             string
	}{
		{"posted", "POST", "/2/tweets", "t", `{"text":"hello"}`, 201, `"text":"hello"`},
		{"photo alone", "POST", "/2/tweets", "t", `{"media":{"media_ids":["1"]}}`, 201, `"id":"`},
		{"no token", "POST", "/2/tweets", "", `{"text":"hello"}`, 401, `"title":"Unauthorized"`},
		{"bad token", "POST", "/2/tweets", "bad", `{"text":"hello"}`, 401, `"type":"about:blank"`},
		{"too many", "POST", "/2/tweets", "429", `{"text":"hello"}`, 429, `"status":429`},
		{"expired token", "POST", "/2/tweets", "expired", `{"text":"hello"}`, 401, `"status":401`},
		{"out of order", "POST", "/2/tweets", "503", `{"text":"hello"}`, 503, `"status":503`},
		{"no id of a photo", "POST", "/2/tweets", "t", `{"media":{"media_ids":["k/320.jpg"]}}`, 400, `invalid-request`},
		{"too many photos", "POST", "/2/tweets", "t", `{"media":{"media_ids":["1","2","3","4","5"]}}`, 400, `invalid-request`},
		{"empty", "POST", "/2/tweets", "t", `{}`, 400, `invalid-request`},
		{"not JSON", "POST", "/2/tweets", "t", `text=hello`, 400, `invalid-request`},
		{"too long", "POST", "/2/tweets", "t", `{"text":"` + strings.Repeat("x", 281) + `"}`, 403, `"title":"Forbidden"`},
		{"reading", "GET", "/2/tweets", "t", "", 405, `"status":405`},
		{"elsewhere", "POST", "/1.1/statuses/update.json", "t", "", 404, `"status":404`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := map[string]string{"Content-Type": "application/json"}
			if tt.bearer != "" {
				header["Authorization"] = "Bearer " + tt.bearer
			}
			status, _, body := do(t, http.DefaultClient, request(t, tt.method, "http://"+s.Twitter+tt.path, tt.body, header))
			if status != tt.status || !bytes.Contains(body, []byte(tt.want)) {
				t.Errorf("answer is %d %s, want %d with %s", status, body, tt.status, tt.want)
			}
		})
	}
}

func TestTwitterTakesPhotos(t *testing.T) {
	s := start(t)
	part := func(name, rest, content string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"" + rest + "\r\n\r\n" + content + "\r\n"
	}
	photo := part("media", `; filename="a.jpg"`, "\xff\xd8\xff")
	category := part("media_category", "", "tweet_image")
	for _, tt := range []struct {
		name, method, bearer, body string
		status                     int
		want                       string
	}{
		{"a photo", "POST", "t", category + photo, 200, `"size":3`},
		{"its type", "POST", "t", category + part("media_type", "", "image/jpeg") + photo, 200, `"media_key":"3_`},
		{"another type", "POST", "t", category + part("media_type", "", "video/mp4") + photo, 400, "invalid-request"},
		{"no category", "POST", "t", photo, 400, "invalid-request"},
		{"of a video", "POST", "t", part("media_category", "", "tweet_video") + photo, 400, "invalid-request"},
		{"no photo", "POST", "t", category, 400, "invalid-request"},
		{"an empty one", "POST", "t", category + part("media", `; filename="a.jpg"`, ""), 400, "invalid-request"},
		{"the largest", "POST", "t", category + part("media", `; filename="a.jpg"`, strings.Repeat("x", maxImage)), 200, `"size":5242880`},
		{"too large", "POST", "t", category + part("media", `; filename="a.jpg"`, strings.Repeat("x", maxImage+1)), 400, "invalid-request"},
		{"no form", "POST", "t", "", 400, "invalid-request"},
		{"no token", "POST", "", category + photo, 401, `"status":401`},
		{"expired token", "POST", "expired", category + photo, 401, `"status":401`},
		{"too many", "POST", "429", category + photo, 429, `"status":429`},
		{"reading", "GET", "t", "", 405, `"status":405`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := tt.body
			if body != "" {
				body += "--b--\r\n"
			}
			header := map[string]string{"Content-Type": "multipart/form-data; boundary=b"}
			if tt.bearer != "" {
				header["Authorization"] = "Bearer " + tt.bearer
			}
			status, head, answer := do(t, http.DefaultClient, request(t, tt.method, "http://"+s.Twitter+"/2/media/upload", body, header))
			if status != tt.status || !bytes.Contains(answer, []byte(tt.want)) {
				t.Errorf("answer is %d %s, want %d with %s", status, answer, tt.status, tt.want)
			}
			if reset := head.Get("x-rate-limit-reset"); (reset != "") != (status == http.StatusTooManyRequests) {
				t.Errorf("with %d comes x-rate-limit-reset %q", status, reset)
			}
		})
	}
	if all := s.list(t, "?service=twitter"); !strings.Contains(all[len(all)-1].Body+all[0].Body, "media_category=tweet_image") {
		t.Errorf("listed are %+v and %+v", all[0], all[len(all)-1])
	}
}

func request(t *testing.T, method, url, body string, header map[string]string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	return r
}

func do(t *testing.T, c *http.Client, r *http.Request) (status int, header http.Header, body []byte) {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, body
}

// http2Client speaks nothing but HTTP/2 over TLS.
func (s *standin) http2Client(t *testing.T) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP2(true)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}, Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestSecretsThatAreMissing(t *testing.T) {
	start(t)
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	file := filepath.Join(dir, "standin.json")
	for _, name := range []string{"apns-key", "apns-tls-key", "apns-tls-cert", "sentry-key"} {
		good, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, name))
		if err := run(t.Context(), file, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s the error is %v", name, err)
		}
		if slices.Contains([]string{"apns-key", "apns-tls-key"}, name) {
			processtest.Write(t, filepath.Join(dir, name), []byte("nonsense"))
			if err := run(t.Context(), file, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("with a broken %s the error is %v", name, err)
			}
		}
		processtest.Write(t, filepath.Join(dir, name), good)
	}
}
