package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const document = "../api/testdata/openapi.json"

func TestMethodsAreTheDocuments(t *testing.T) {
	made := filepath.Join(t.TempDir(), "api.gen.go")
	out, err := exec.Command("go", "tool", "-modfile=../../tools/go.mod", "oapi-codegen",
		"-config", "oapi-codegen.yaml", "-o", made, document).CombinedOutput()
	if err != nil {
		t.Fatalf("make the client of %s: %v\n%s", document, err, out)
	}
	if want, got := read(t, made), read(t, "api.gen.go"); !bytes.Equal(got, want) {
		t.Errorf("api.gen.go is not what %s makes: go generate ./services/client", document)
	}
}

func TestProblemIsTheDocuments(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas struct {
				Problem struct{ Properties map[string]any }
			}
		}
	}
	if err := json.Unmarshal(read(t, document), &doc); err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	for f := range reflect.TypeFor[Problem]().Fields() {
		fields[f.Tag.Get("json")] = true
		if doc.Components.Schemas.Problem.Properties[f.Tag.Get("json")] == nil {
			t.Errorf("%s is not in the document", f.Name)
		}
	}
	for name := range doc.Components.Schemas.Problem.Properties {
		if !fields[name] {
			t.Errorf("the document's field %s is missing", name)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// server is an API in this process, so that a test's clock is its clock.
type server func(http.ResponseWriter, *http.Request) error

func (s server) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if err := s(w, r); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func problem(status int, code string, header ...string) server {
	return func(w http.ResponseWriter, _ *http.Request) error {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		return json.NewEncoder(w).Encode(Problem{Status: status, Code: code, RequestID: "r1", Detail: "Not now."})
	}
}

func made(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusCreated)
	_, err := io.WriteString(w, `{"id":"7"}`)
	return err
}

func lost(http.ResponseWriter, *http.Request) error { return io.ErrUnexpectedEOF }

// What the methods share: a body, its type, and an answer.
func post(ctx context.Context, c *Client, opts ...Option) (string, error) {
	type thing struct {
		ID string `json:"id"`
	}
	got, err := receive[thing](ctx, c, http.MethodPost, "/v1/things", nil, thing{ID: "6"}, opts)
	if err != nil {
		return "", err
	}
	return got.ID, nil
}

func TestTriesAgain(t *testing.T) {
	inTwoMinutes := func(w http.ResponseWriter, r *http.Request) error {
		return problem(http.StatusServiceUnavailable, "overloaded", "Retry-After", time.Now().Add(2*time.Minute).UTC().Format(http.TimeFormat))(w, r)
	}
	badGateway := func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		return nil
	}
	tests := []struct {
		name    string
		retries int
		answers []server
		pause   time.Duration // that it takes, at least
		err     string
	}{
		{"made at once", 3, []server{made}, 0, ""},
		{"refused is refused", 3, []server{problem(http.StatusConflict, "name_taken")}, 0, "POST /v1/things: 409 name_taken: Not now. (request r1)"},
		{"limited, with the seconds", 3, []server{problem(http.StatusTooManyRequests, "too_many", "Retry-After", "30"), made}, 30 * time.Second, ""},
		{"overloaded, with a date", 3, []server{inTwoMinutes, made}, 2 * time.Minute, ""},
		{"overloaded, without", 3, []server{problem(http.StatusServiceUnavailable, "overloaded"), made}, firstPause / 2, ""},
		{"answers lost on the way", 3, []server{lost, lost, lost, made}, firstPause * 7 / 2, ""},
		{"a proxy without an API", 1, []server{badGateway, badGateway}, firstPause / 2, `POST /v1/things: 502 Bad Gateway: the answer is not a problem document but "text/html"`},
		{"no second try", 0, []server{problem(http.StatusServiceUnavailable, "overloaded")}, 0, "POST /v1/things: 503 overloaded: Not now. (request r1)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent []string
				c := &Client{URL: "http://api.test/", Token: "secret", Retries: tt.retries, HTTP: &http.Client{Transport: server(func(w http.ResponseWriter, r *http.Request) error {
					b, err := io.ReadAll(r.Body)
					sent = append(sent, strings.Join([]string{r.URL.String(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"), string(b)}, " "))
					return errors.Join(err, tt.answers[len(sent)-1](w, r))
				})}}
				began := time.Now()
				got, err := post(t.Context(), c, Header("Idempotency-Key", "k1"))
				if msg := message(err); msg != tt.err || err == nil && got != "7" {
					t.Errorf("got %q, error %q; want error %q", got, msg, tt.err)
				}
				want := slices.Repeat([]string{`http://api.test/v1/things Bearer secret application/json k1 {"id":"6"}`}, len(tt.answers))
				if !slices.Equal(sent, want) {
					t.Errorf("sent %q, want %q", sent, want)
				}
				if took := time.Since(began); took < tt.pause || took > 2*tt.pause {
					t.Errorf("took %v, want %v to twice as much", took, tt.pause)
				}
			})
		})
	}
}

func TestGivesUpWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := post(ctx, &Client{Retries: 3, HTTP: &http.Client{Transport: problem(http.StatusServiceUnavailable, "overloaded", "Retry-After", "60")}})
		var p *Problem
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &p) || p.Code != "overloaded" {
			t.Errorf("error = %v, want the deadline and the problem", err)
		}
	})
}

func TestWritesHaveAKeyEach(t *testing.T) {
	keys := map[string]bool{}
	c := &Client{HTTP: &http.Client{Transport: server(func(w http.ResponseWriter, r *http.Request) error {
		keys[r.Header.Get("Idempotency-Key")] = true
		return made(w, r)
	})}}
	for range 2 {
		if _, err := post(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 2 || keys[""] {
		t.Errorf("keys = %v, want two", keys)
	}
}

func TestNotModified(t *testing.T) {
	c := Client{HTTP: &http.Client{Transport: server(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("ETag", r.Header.Get("If-None-Match"))
		w.WriteHeader(http.StatusNotModified)
		return nil
	})}}
	var answer http.Response
	err := send(t.Context(), c.As("token"), http.MethodGet, "/v1/things/7", nil, nil, []Option{Header("If-None-Match", `"1"`), Answer(&answer)})
	if !errors.Is(err, ErrNotModified) || answer.StatusCode != http.StatusNotModified || answer.Header.Get("ETag") != `"1"` {
		t.Errorf("error = %v, answer %d %v; want not modified", err, answer.StatusCode, answer.Header)
	}
}

func TestPathAndQuery(t *testing.T) {
	type state string
	type params struct {
		Cursor *string    `query:"cursor"`
		Limit  *int64     `query:"limit"`
		States []state    `query:"states"`
		IDs    []string   `query:"id,explode"`
		Since  *time.Time `query:"since"`
		Near   float64    `query:"near"` // required
	}
	tests := []struct {
		name   string
		params any
		want   string
	}{
		{"no parameters", nil, "/v1/users/a%2Fb%3F/media/7"},
		{"none set", struct {
			Limit *int64 `query:"limit"`
		}{}, "/v1/users/a%2Fb%3F/media/7"},
		{"required alone", params{Near: 0.5}, "/v1/users/a%2Fb%3F/media/7?near=0.5"},
		{"all set", params{
			Cursor: new("a&b"), Limit: new(int64(20)), States: []state{"ready", "failed"}, IDs: []string{"1", "2"},
			Since: new(time.Date(2010, 10, 6, 0, 0, 0, 5, time.UTC)),
		}, "/v1/users/a%2Fb%3F/media/7?cursor=a%26b&id=1&id=2&limit=20&near=0&since=2010-10-06T00%3A00%3A00.000000005Z&states=ready%2Cfailed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := path("/v1/users/{name}/media/{id}", "a/b?", 7) + query(tt.params); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
