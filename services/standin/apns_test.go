package main

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/burbn/burbn/services/processtest"
)

// bearer is a provider token as Apple wants it, but for what change says.
func (s *standin) bearer(t *testing.T, key *ecdsa.PrivateKey, change func(*jwt.Token, jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": s.TeamID, "iat": time.Now().Unix()}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = s.KeyID
	if change != nil {
		change(token, claims)
	}
	var signing any = key
	if token.Method == jwt.SigningMethodHS256 {
		signing = []byte("key")
	}
	signed, err := token.SignedString(signing)
	if err != nil {
		t.Fatal(err)
	}
	return "bearer " + signed
}

const (
	device  = "00aa11bb22cc33dd44ee55ff66778899a0b1c2d3e4f5061728394a5b6c7d8e9f"
	payload = `{"aps":{"alert":{"body":"liked your photo"}}}`
)

func TestAPNs(t *testing.T) {
	s := start(t)
	good, client := s.bearer(t, s.key, nil), s.http2Client(t)
	push := func(t *testing.T, method, path, content string, header map[string]string) (int, http.Header, []byte) {
		return do(t, client, request(t, method, "https://"+s.APNs+path, content, header))
	}
	// From now on the connection has a token.
	push(t, "POST", "/3/device/"+device, payload, map[string]string{"authorization": good})
	for _, tt := range []struct {
		name    string
		path    string
		method  string
		header  map[string]string // "" removes
		payload string
		status  int
		reason  string
		more    func(*testing.T, http.Header, map[string]any)
	}{
		{name: "accepted", status: 200},
		{name: "id is echoed", header: map[string]string{"apns-id": "123e4567-e89b-12d3-a456-42665544000a"}, status: 200,
			more: func(t *testing.T, h http.Header, _ map[string]any) {
				if got := h.Get("apns-id"); got != "123e4567-e89b-12d3-a456-42665544000a" {
					t.Errorf("apns-id is %q", got)
				}
			}},
		{name: "no token", header: map[string]string{"authorization": ""}, status: 403, reason: "MissingProviderToken"},
		{name: "basic", header: map[string]string{"authorization": "Basic eA=="}, status: 403, reason: "MissingProviderToken"},
		{name: "nonsense", header: map[string]string{"authorization": "bearer nonsense"}, status: 403, reason: "InvalidProviderToken"},
		{name: "another key", header: map[string]string{"authorization": s.bearer(t, processtest.Key(t), nil)}, status: 403, reason: "InvalidProviderToken"},
		{name: "another key id", header: map[string]string{"authorization": s.bearer(t, s.key, func(k *jwt.Token, _ jwt.MapClaims) { k.Header["kid"] = "OTHER" })}, status: 403, reason: "InvalidProviderToken"},
		{name: "another team", header: map[string]string{"authorization": s.bearer(t, s.key, func(_ *jwt.Token, c jwt.MapClaims) { c["iss"] = "OTHER" })}, status: 403, reason: "InvalidProviderToken"},
		{name: "no time", header: map[string]string{"authorization": s.bearer(t, s.key, func(_ *jwt.Token, c jwt.MapClaims) { delete(c, "iat") })}, status: 403, reason: "InvalidProviderToken"},
		{name: "symmetric", header: map[string]string{"authorization": s.bearer(t, s.key, func(k *jwt.Token, _ jwt.MapClaims) {
			k.Method, k.Header["alg"] = jwt.SigningMethodHS256, "HS256"
		})}, status: 403, reason: "InvalidProviderToken"},
		{name: "of the future", header: map[string]string{"authorization": s.bearer(t, s.key, func(_ *jwt.Token, c jwt.MapClaims) { c["iat"] = time.Now().Add(time.Hour).Unix() })}, status: 403, reason: "InvalidProviderToken"},
		{name: "expired", header: map[string]string{"authorization": s.bearer(t, s.key, func(_ *jwt.Token, c jwt.MapClaims) { c["iat"] = time.Now().Add(-61 * time.Minute).Unix() })}, status: 403, reason: "ExpiredProviderToken"},
		{name: "renewed at once", header: map[string]string{"authorization": s.bearer(t, s.key, func(_ *jwt.Token, c jwt.MapClaims) { c["iat"] = time.Now().Add(-time.Minute).Unix() })}, status: 429, reason: "TooManyProviderTokenUpdates"},
		{name: "no topic", header: map[string]string{"apns-topic": ""}, status: 400, reason: "MissingTopic"},
		{name: "another topic", header: map[string]string{"apns-topic": "com.example.other"}, status: 400, reason: "TopicDisallowed"},
		{name: "bad id", header: map[string]string{"apns-id": "1"}, status: 400, reason: "BadMessageId"},
		{name: "bad expiration", header: map[string]string{"apns-expiration": "soon"}, status: 400, reason: "BadExpirationDate"},
		{name: "bad priority", header: map[string]string{"apns-priority": "11"}, status: 400, reason: "BadPriority"},
		{name: "bad type", header: map[string]string{"apns-push-type": "shout"}, status: 400, reason: "InvalidPushType"},
		{name: "long collapse id", header: map[string]string{"apns-collapse-id": strings.Repeat("x", 65)}, status: 400, reason: "BadCollapseId"},
		{name: "no payload", payload: " ", status: 400, reason: "PayloadEmpty"},
		{name: "payload without aps", payload: "{}", status: 400, reason: "PayloadEmpty"},
		{name: "largest payload", payload: pad(maxPayload), status: 200},
		{name: "payload too large", payload: pad(maxPayload + 1), status: 413, reason: "PayloadTooLarge"},
		{name: "no device", path: "/3/device/", status: 400, reason: "MissingDeviceToken"},
		{name: "short device", path: "/3/device/00aa", status: 400, reason: "BadDeviceToken"},
		{name: "device not hex", path: "/3/device/" + strings.Repeat("xy", 32), status: 400, reason: "BadDeviceToken"},
		{name: "device called bad", path: "/3/device/bad" + device[3:], status: 400, reason: "BadDeviceToken"},
		{name: "device called dead", path: "/3/device/dead" + device[4:], status: 410, reason: "Unregistered",
			more: func(t *testing.T, _ http.Header, body map[string]any) {
				ms, _ := body["timestamp"].(float64)
				if at := time.UnixMilli(int64(ms)); time.Since(at) < 0 || time.Since(at) > 24*time.Hour {
					t.Errorf("timestamp is %v", body["timestamp"])
				}
			}},
		{name: "device called 429429", path: "/3/device/429429" + device[6:], status: 429, reason: "TooManyRequests"},
		{name: "device called 503503", path: "/3/device/503503" + device[6:], status: 503, reason: "ServiceUnavailable"},
		{name: "reading", method: "GET", status: 405, reason: "MethodNotAllowed"},
		{name: "elsewhere", path: "/2/device/" + device, status: 404, reason: "BadPath"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := map[string]string{"authorization": good, "apns-topic": s.Topic, "apns-push-type": "alert", "apns-priority": "10", "apns-expiration": "0"}
			maps.Copy(h, tt.header)
			maps.DeleteFunc(h, func(_, v string) bool { return v == "" })
			status, head, body := push(t, cmp.Or(tt.method, "POST"), cmp.Or(tt.path, "/3/device/"+device), cmp.Or(tt.payload, payload), h)
			var answer map[string]any
			if len(body) > 0 {
				if err := json.Unmarshal(body, &answer); err != nil {
					t.Fatalf("%v: %s", err, body)
				}
			}
			reason, _ := answer["reason"].(string)
			if status != tt.status || reason != tt.reason {
				t.Errorf("answer is %d %q, want %d %q", status, reason, tt.status, tt.reason)
			}
			if head.Get("apns-id") == "" {
				t.Error("no apns-id")
			}
			if tt.more != nil {
				tt.more(t, head, answer)
			}
		})
	}
}

func TestAPNsIsListed(t *testing.T) {
	s := start(t)
	do(t, s.http2Client(t), request(t, "POST", "https://"+s.APNs+"/3/device/"+device, payload, map[string]string{
		"authorization": s.bearer(t, s.key, nil), "apns-topic": s.Topic, "apns-collapse-id": "like.1",
	}))
	all := s.list(t, "?service=apns")
	if len(all) != 1 {
		t.Fatalf("%d listed, want 1", len(all))
	}
	if got := all[0]; got.Status != 200 || got.Path != "/3/device/"+device || got.Body != payload || got.Headers["Apns-Collapse-Id"] != "like.1" {
		t.Errorf("listed is %+v", got)
	}
}

func TestAPNsSpeaksHTTP2Only(t *testing.T) {
	s := start(t)
	p := new(http.Protocols)
	p.SetHTTP1(true)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}, Protocols: p}}
	if r, err := client.Do(request(t, "POST", "https://"+s.APNs+"/3/device/"+device, payload, nil)); err == nil {
		r.Body.Close()
		t.Errorf("HTTP/1.1 is answered %s", r.Status)
	}
}

func TestConnectionToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c connection
		steps := []struct {
			after  time.Duration
			bearer string
			want   bool
		}{
			{0, "a", true}, {time.Minute, "a", true}, {time.Minute, "b", false},
			{17 * time.Minute, "b", false}, {time.Minute, "b", true}, {0, "a", false},
		}
		for i, s := range steps {
			time.Sleep(s.after) // the bubble's clock
			if got := c.use(s.bearer, time.Now()); got != s.want {
				t.Errorf("step %d: %v, want %v", i, got, s.want)
			}
		}
	})
}

// pad is a payload of n bytes.
func pad(n int) string {
	const head, tail = `{"aps":{"alert":"`, `"}}`
	return head + string(bytes.Repeat([]byte("x"), n-len(head)-len(tail))) + tail
}
