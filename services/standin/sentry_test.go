package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	sentrygo "github.com/getsentry/sentry-go"
)

func TestSentry(t *testing.T) {
	s := start(t)
	const (
		auth  = "Sentry sentry_version=7, sentry_client=test/1.0, sentry_key=" + sentryPublicKey
		event = `{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","message":"it broke"}`
		head  = `{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc"}`
	)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(event))
	z.Close()
	var bomb bytes.Buffer
	z = gzip.NewWriter(&bomb)
	z.Write(make([]byte, maxBody+1))
	z.Close()
	for _, tt := range []struct {
		name, method, path, auth, encoding, body string
		status                                   int
		answer, word                             string
	}{
		{"store", "POST", "/api/1/store/", auth, "", event, 200, `{"id":"9ec79c33ec9942ab8353589fcb2e04dc"}`, "it broke"},
		{"key in the query", "POST", "/api/1/store/?sentry_key=" + sentryPublicKey, "", "", event, 200, `"id"`, "it broke"},
		{"zipped", "POST", "/api/1/store/", auth, "gzip", zipped.String(), 200, `"id"`, "it broke"},
		{"envelope", "POST", "/api/1/envelope/", auth, "", head + "\n" + fmt.Sprintf(`{"type":"event","length":%d}`, len(event)) + "\n" + event + "\n", 200, `9ec79c33`, "it broke"},
		{"envelope, to the end of the line", "POST", "/api/1/envelope/", auth, "", head + "\n{\"type\":\"attachment\"}\nx\n{\"type\":\"event\"}\n" + event, 200, `9ec79c33`, "it broke"},
		{"envelope without event", "POST", "/api/1/envelope/", auth, "", head + "\n{\"type\":\"session\"}\n{}", 200, `9ec79c33`, "session"},
		{"exception", "POST", "/api/1/store/", auth, "", `{"exception":{"values":[{"type":"a","value":"b"},{"type":"Oops","value":"it broke"}]}}`, 200, `"id"`, "Oops: it broke"},
		{"exception of old clients", "POST", "/api/1/store/", auth, "", `{"exception":[{"type":"Oops","value":"it broke"}]}`, 200, `"id"`, "Oops: it broke"},
		{"no key", "POST", "/api/1/store/", "", "", event, 401, "missing authorization information", "missing authorization information"},
		{"wrong key", "POST", "/api/1/store/", "Sentry sentry_key=x", "", event, 403, "ProjectId", "event submission rejected with_reason: ProjectId"},
		{"not an event", "POST", "/api/1/store/", auth, "", "x", 400, "invalid event", ""},
		{"not an envelope", "POST", "/api/1/envelope/", auth, "", "x", 400, "invalid envelope header", ""},
		{"item without type", "POST", "/api/1/envelope/", auth, "", head + "\n{}\n{}", 400, "invalid item header", ""},
		{"item cut", "POST", "/api/1/envelope/", auth, "", head + "\n{\"type\":\"event\",\"length\":99}\n{}", 400, "unexpected end", ""},
		{"not zipped", "POST", "/api/1/store/", auth, "gzip", event, 400, "invalid gzip", ""},
		{"bomb", "POST", "/api/1/store/", auth, "gzip", bomb.String(), 400, "too large", ""},
		{"reading", "GET", "/api/1/store/", auth, "", "", 405, "method", ""},
		{"elsewhere", "POST", "/api/1/minidump/", auth, "", "", 404, "not found", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := map[string]string{}
			if tt.auth != "" {
				header["X-Sentry-Auth"] = tt.auth
			}
			if tt.encoding != "" {
				header["Content-Encoding"] = tt.encoding
			}
			status, _, body := do(t, http.DefaultClient, request(t, tt.method, "http://"+s.Sentry+tt.path, tt.body, header))
			if status != tt.status || !bytes.Contains(body, []byte(tt.answer)) {
				t.Errorf("answer is %d %s, want %d with %s", status, body, tt.status, tt.answer)
			}
			if got := s.list(t, "?service=sentry")[0]; tt.word != "" && got.Answer != tt.word {
				t.Errorf("listed as %q, want %q", got.Answer, tt.word)
			}
		})
	}
}

// The real SDK must be content.
func TestSentrySDK(t *testing.T) {
	s := start(t)
	client, err := sentrygo.NewClient(sentrygo.ClientOptions{Dsn: "http://" + sentryPublicKey + "@" + s.Sentry + "/1"})
	if err != nil {
		t.Fatal(err)
	}
	client.CaptureMessage("from the SDK", nil, nil)
	if !client.Flush(5 * time.Second) {
		t.Fatal("not sent in time")
	}
	all := s.list(t, "?service=sentry")
	if len(all) == 0 || all[0].Status != 200 || !strings.Contains(all[0].Answer, "from the SDK") {
		t.Errorf("listed are %+v", all)
	}
}
