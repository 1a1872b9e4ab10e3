package media

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudfront"

	"github.com/burbn/burbn/services/media/mediatest"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/settings"
)

// batch is an invalidation as CloudFront's protocol has it.
type batch struct {
	XMLName   xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ InvalidationBatch"`
	Reference string   `xml:"CallerReference"`
	Quantity  int      `xml:"Paths>Quantity"`
	Paths     []string `xml:"Paths>Items>Path"`
}

// cloudFront stands in for CloudFront: it keeps the batches, and refuses with the code
// of an error while there is one.
type cloudFront struct {
	mu      sync.Mutex
	batches []batch
	refuse  []string // codes of errors, of the next requests
}

func (c *cloudFront) answer(t *testing.T, w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var b batch
	if err := errors.Join(err, xml.Unmarshal(body, &b)); err != nil ||
		r.Method != http.MethodPost || r.URL.Path != "/2020-05-31/distribution/E123EXAMPLE/invalidation" ||
		!strings.Contains(r.Header.Get("Authorization"), "Credential="+mediatest.RoleKey+"/") ||
		!strings.Contains(r.Header.Get("Authorization"), "/us-east-1/cloudfront/aws4_request") {
		t.Errorf("%s %s by %q: %v\n%s", r.Method, r.URL, r.Header.Get("Authorization"), err, body)
	}
	if len(c.refuse) > 0 {
		code := c.refuse[0]
		c.refuse = c.refuse[1:]
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Error><Type>Sender</Type><Code>%s</Code><Message>refused</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code)
		return
	}
	c.batches = append(c.batches, b)
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `<Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Id>I1</Id><Status>InProgress</Status><CreateTime>2026-01-02T03:04:05.678Z</CreateTime>%s</Invalidation>`, body)
}

// newCloudFront is an Edge in front of the stand-in, in a region that is not CloudFront's.
func newCloudFront(t *testing.T) (*cloudFront, *Edge) {
	t.Helper()
	mediatest.NewRole(t)
	c := &cloudFront{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.answer(t, w, r) }))
	t.Cleanup(s.Close)
	e := NewEdge(settings.Edge{Distribution: "cdn.test.burbn.internal", Region: "eu-west-1"}, func(o *cloudfront.Options) {
		o.HTTPClient = &http.Client{Transport: redirected{s.Listener.Addr().String()}}
	})
	e.lookUp = func(_ context.Context, name string) ([]string, error) {
		if name != "cdn.test.burbn.internal" {
			return nil, errors.New("no such host")
		}
		return []string{"E123EXAMPLE"}, nil
	}
	return c, e
}

// redirected sends the requests for CloudFront's own host to an address, in the clear.
type redirected struct{ addr string }

func (to redirected) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.String() != "https://cloudfront.amazonaws.com"+r.URL.Path {
		return nil, fmt.Errorf("asked is %s", r.URL)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", to.addr
	return http.DefaultTransport.RoundTrip(r)
}

func TestCloudFrontForgets(t *testing.T) {
	c, e := newCloudFront(t)
	if err := e.Purge(t.Context()); err != nil || len(c.batches) != 0 {
		t.Errorf("nothing to purge: %v, %d requests", err, len(c.batches))
	}
	keys := []string{"k/1080.jpg", "k/ä b.jpg"}
	for i := range pathsAtOnce {
		keys = append(keys, rendition.Key(fmt.Sprint(i), 320))
	}
	for range 2 {
		if err := e.Purge(t.Context(), keys...); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.batches) != 4 {
		t.Fatalf("%d requests, want 2 for each call", len(c.batches))
	}
	var references []string
	for _, b := range c.batches {
		if b.Quantity != len(b.Paths) {
			t.Errorf("%d paths are said to be %d", len(b.Paths), b.Quantity)
		}
		references = append(references, b.Reference)
	}
	if got := c.batches[0].Paths; len(got) != pathsAtOnce || got[0] != "/k/1080.jpg" || got[1] != "/k/%C3%A4%20b.jpg" || len(c.batches[1].Paths) != 2 {
		t.Errorf("paths are %q and %q", got[:2], c.batches[1].Paths)
	}
	// CloudFront takes an invalidation that has the reference of an earlier one for it.
	slices.Sort(references)
	if len(slices.Compact(references)) != 4 {
		t.Errorf("references are %q", references)
	}
}

func TestCloudFrontRefuses(t *testing.T) {
	for _, tt := range []struct {
		code, want string
	}{
		{"TooManyInvalidationsInProgress", "CloudFront is at work on as many as it can"},
		{"NoSuchDistribution", "purge 1 objects"},
		{"AccessDenied", "purge 1 objects"},
	} {
		c, e := newCloudFront(t)
		c.refuse = []string{tt.code}
		if err := e.Purge(t.Context(), "k/320.jpg"); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.code) {
			t.Errorf("%s: %v, want %q", tt.code, err, tt.want)
		}
	}
	_, e := newCloudFront(t)
	for want, found := range map[string][]string{"it has 0 values": {}, "it has 2 values": {"E1", "E2"}} {
		e.lookUp = func(context.Context, string) ([]string, error) { return found, nil }
		if err := e.Purge(t.Context(), "k/320.jpg"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "cdn.test.burbn.internal") {
			t.Errorf("record %q: %v", found, err)
		}
	}
}

// What storage's answer was is told by the edge; anything else says nothing of a photo.
func TestAnEdgeOfOurOwnIsBelievedOnlyWhenItAsked(t *testing.T) {
	var asked http.HandlerFunc
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked(w, r) }))
	defer s.Close()
	e := NewEdge(settings.Edge{Purge: s.URL + "/purge", From: "127.0.0.1"})
	for _, tt := range []struct {
		name, cache string
		status      int
		want        string
	}{
		{"gone", "BYPASS", 404, ""},
		{"still there", "BYPASS", 200, "storage still has it"},
		{"not for us", "", 403, "403 Forbidden"},
		{"another server", "", 404, "404 Not Found"},
		{"of the cache", "HIT", 404, "404 Not Found"},
		{"storage is away", "BYPASS", 502, "502 Bad Gateway"},
	} {
		asked = func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/purge/k/320.jpg" {
				t.Errorf("asked is %s %s", r.Method, r.URL)
			}
			w.Header().Set("X-Cache", tt.cache)
			w.WriteHeader(tt.status)
		}
		err := e.Purge(t.Context(), "k/320.jpg")
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "purge k/320.jpg")) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
