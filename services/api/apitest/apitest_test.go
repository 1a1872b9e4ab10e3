package apitest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

func parse(t testing.TB) *Document {
	t.Helper()
	b, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// exchange is a request and its answer, as text.
type exchange struct {
	method, url, sent string
	status            int
	header            string // "Name: value" lines
	body              string
}

func (e exchange) check(d *Document) error {
	req := httptest.NewRequest(e.method, e.url, nil)
	if e.sent != "" {
		req, _ = http.NewRequest(e.method, "http://api.test"+e.url, strings.NewReader(e.sent))
		req.Header.Set("Content-Type", "application/json")
	}
	res := &http.Response{StatusCode: e.status, Header: http.Header{}}
	for line := range strings.Lines(e.header) {
		name, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
		res.Header.Add(name, v)
	}
	if e.body != "" && res.Header.Get("Content-Type") == "" {
		res.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return d.Check(req, res, []byte(e.body))
}

const (
	thing   = `{"id":"7","name":"a","made":"2010-10-06T00:00:00Z","size":3}`
	missing = `{"type":"urn:burbn:problem:not_found","status":404,"code":"not_found"}`
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name string
		exchange
		err string // is within the error; empty: none
	}{
		{"a thing", exchange{"GET", "/v1/things/7", "", 200, `ETag: "1"`, thing}, ""},
		{"the one that the path names", exchange{"GET", "/v1/things/newest", "", 204, "", ""}, ""},
		{"a page", exchange{"GET", "/v1/things?limit=5&states=ready,failed", "", 200, "", `{"items":[` + thing + `]}`}, ""},
		{"made", exchange{"POST", "/v1/things", `{"name":"a"}`, 201, "", thing}, ""},
		{"refused for what the document forbids", exchange{"POST", "/v1/things", `{"name":""}`, 400, "Content-Type: application/problem+json", `{"type":"urn:burbn:problem:invalid_field","status":400,"code":"invalid_field"}`}, ""},
		{"no such path", exchange{"GET", "/v1/nothing", "", 404, "Content-Type: application/problem+json", missing}, ""},
		{"headers of HTTP", exchange{"GET", "/v1/things/newest", "", 204, "Vary: Accept-Encoding\nCache-Control: no-store", ""}, ""},

		{"an operation of its own", exchange{"GET", "/v1/nothing", "", 200, "", thing}, "GET /v1/nothing 200: the document has no such operation"},
		{"a page for what is not there", exchange{"GET", "/v1/nothing", "", 404, "Content-Type: text/html", "<p>"}, `content type "text/html" is not declared`},
		{"a status of its own", exchange{"GET", "/v1/things/7", "", 500, "", thing}, "GET /v1/things/{id} 500: this status is not declared"},
		{"a content type of its own", exchange{"GET", "/v1/things/7", "", 200, "Content-Type: text/plain\nETag: \"1\"", "7"}, `content type "text/plain" is not declared, but ["application/json"]`},
		{"a body where none is", exchange{"GET", "/v1/things/newest", "", 204, "", thing}, "a body is not declared"},
		{"no body where one is", exchange{"GET", "/v1/things/7", "", 200, "Content-Type: application/json\nETag: \"1\"", ""}, "EOF"},
		{"a header of its own", exchange{"GET", "/v1/things/newest", "", 204, "X-Secret: 1", ""}, "header X-Secret is not declared"},
		{"without its header", exchange{"GET", "/v1/things/7", "", 200, "", thing}, "header Etag is missing"},
		{"a header twice", exchange{"GET", "/v1/things/7", "", 200, "ETag: \"1\"\nETag: \"2\"", thing}, "header Etag is there 2 times"},
		{"a field of its own", exchange{"GET", "/v1/things/7", "", 200, `ETag: "1"`, strings.Replace(thing, "{", `{"secret":1,`, 1)}, "'secret' not allowed"},
		{"without a field", exchange{"GET", "/v1/things/7", "", 200, `ETag: "1"`, `{"id":"7"}`}, "missing properties 'name', 'made', 'size'"},
		{"an id as a number", exchange{"GET", "/v1/things/7", "", 200, `ETag: "1"`, strings.Replace(thing, `"7"`, "7", 1)}, "got number, want string"},
		{"a time that is none", exchange{"GET", "/v1/things/7", "", 200, `ETag: "1"`, strings.Replace(thing, "T00", " 00", 1)}, "is not valid date-time"},
		{"more than int32", exchange{"GET", "/v1/things/7", "", 200, `ETag: "1"`, strings.Replace(thing, ":3}", ":3000000000}", 1)}, "is not valid int32"},

		{"accepted a limit that it forbids", exchange{"GET", "/v1/things?limit=500", "", 200, "", `{"items":[]}`}, "query limit: "},
		{"accepted a limit that is no number", exchange{"GET", "/v1/things?limit=x", "", 200, "", `{"items":[]}`}, "got string, want integer"},
		{"accepted a state that is none", exchange{"GET", "/v1/things?states=ready,x", "", 200, "", `{"items":[]}`}, "query states: "},
		{"accepted a parameter of its own", exchange{"GET", "/v1/things?x=1", "", 200, "", `{"items":[]}`}, "query x is not declared and was accepted"},
		{"accepted an id that is none", exchange{"GET", "/v1/things/x", "", 200, `ETag: "1"`, thing}, "path id: "},
		{"accepted a field of its own", exchange{"POST", "/v1/things", `{"name":"a","x":1}`, 201, "", thing}, "the request was accepted: "},
		{"accepted nothing", exchange{"POST", "/v1/things", "", 201, "", thing}, `content type "" is not declared`},
	}
	d := parse(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.check(d)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error = %v, want %q", err, tt.err)
			}
		})
	}
}

func TestUnseen(t *testing.T) {
	d := parse(t)
	if err := (exchange{"GET", "/v1/things/newest", "", 204, "", ""}).check(d); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /v1/things 200", "GET /v1/things/{id} 200", "GET /v1/things/{id} 404", "POST /v1/things 201", "POST /v1/things 400"}
	if got := d.Unseen(); !slices.Equal(got, want) {
		t.Errorf("unseen = %q, want %q", got, want)
	}
}

func TestTransport(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, strings.Replace(thing, "{", `{"secret":1,`, 1))
	}))
	defer srv.Close()
	var errs []error
	c := http.Client{Transport: parse(t).Transport(http.DefaultTransport, func(err error) { errs = append(errs, err) })}
	res, err := c.Get(srv.URL + "/v1/things/7")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(b), "secret") {
		t.Errorf("the client got %q, %v", b, err)
	}
	if err := errors.Join(errs...); err == nil || !strings.Contains(err.Error(), "'secret' not allowed") {
		t.Errorf("reported = %v, want the field", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, doc := range map[string]string{
		"no JSON":          `{`,
		"an unknown form":  `{"components":{"schemas":{"Problem":{"type":"string","format":"colour"}}}}`,
		"a broken pattern": `{"components":{"schemas":{"Problem":{"type":"string","pattern":"("}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(doc)); err == nil {
				t.Error("no error")
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	d := parse(b)
	page := exchange{"GET", "/v1/things?limit=20", "", 200, "", `{"items":[` + strings.TrimSuffix(strings.Repeat(thing+",", 20), ",") + `]}`}
	for b.Loop() {
		if err := page.check(d); err != nil {
			b.Fatal(err)
		}
	}
}
