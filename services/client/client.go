// Package client is the API for programs in Go: a method for each operation of the
// document that the API serves at /openapi.json, with its types. api.gen.go is made of
// that document; this file sends.
//
// It knows no other package of ours, and checks nothing that the API checks.
package client

//go:generate go tool -modfile=../../tools/go.mod oapi-codegen -config oapi-codegen.yaml -o api.gen.go ../api/testdata/openapi.json

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Client calls one API as one account. The zero values of all but URL are good: the
// default HTTP client, nobody, no second try. Its methods can be called at once.
type Client struct {
	URL   string // without the version: "https://api.burbn.example"
	HTTP  *http.Client
	Token string // of a log-in; empty: anonymous

	// Retries is how often a call is sent again that no answer came to, or one that says
	// to come back: 429, 502, 503, 504. A write is still done once, because all its
	// sendings bear one Idempotency-Key or are idempotent by themselves.
	Retries int
}

// As is the same API to another account: the one that the token was given to.
func (c Client) As(token string) *Client {
	c.Token = token
	return &c
}

// ErrNotModified says that the thing is still the one of If-None-Match.
var ErrNotModified = errors.New("not modified")

// Problem is an answer that is not what was asked for: a problem document of RFC 9457.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"` // what programs go by; empty: the answer is a proxy's
	Detail    string `json:"detail"`
	Field     string `json:"field"` // of the request, that is to blame
	Media     string `json:"media"` // with already_published
	RequestID string `json:"requestId"`
}

func (p *Problem) Error() string {
	if p.Code == "" {
		return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail)
	}
	return fmt.Sprintf("%d %s: %s%s (request %s)", p.Status, p.Code, strings.TrimPrefix(p.Field+": ", ": "), p.Detail, p.RequestID)
}

// An Option changes one call.
type Option func(*call)

// Header sets a header of the request, as If-None-Match, or an Idempotency-Key to use
// again when this process may have died in between.
func Header(name, value string) Option {
	return func(c *call) { c.header.Set(name, value) }
}

// Answer tells the status and the headers of the answer. Its body is read and closed.
func Answer(to *http.Response) Option {
	return func(c *call) { c.answer = to }
}

// call is a request that may be sent more than once.
type call struct {
	method, url string
	header      http.Header
	body        []byte
	answer      *http.Response
}

// receive sends a call and reads what it answers.
func receive[T any](ctx context.Context, c *Client, method, path string, params, body any, opts []Option) (*T, error) {
	b, err := c.send(ctx, method, path, params, body, opts)
	if err != nil {
		return nil, err
	}
	to := new(T)
	if err := json.Unmarshal(b, to); err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return to, nil
}

// send sends a call whose answer has no body.
func send(ctx context.Context, c *Client, method, path string, params, body any, opts []Option) error {
	_, err := c.send(ctx, method, path, params, body, opts)
	return err
}

func (c *Client) send(ctx context.Context, method, path string, params, body any, opts []Option) ([]byte, error) {
	r := call{method: method, url: strings.TrimSuffix(c.URL, "/") + path + query(params), header: http.Header{}, answer: new(http.Response)}
	if body != nil {
		var err error
		if r.body, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("%s %s: write the body: %w", method, path, err)
		}
		r.header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		r.header.Set("Authorization", "Bearer "+c.Token)
	}
	if method == http.MethodPost || method == http.MethodPatch {
		r.header.Set("Idempotency-Key", rand.Text())
	}
	for _, o := range opts {
		o(&r)
	}
	for try := 0; ; try++ {
		b, err := c.once(ctx, r)
		if err == nil {
			return b, nil
		}
		pause, passing := r.passing(ctx, err, try)
		if !passing || try == c.Retries {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s %s: %w, after %w", method, path, ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// once sends a call and reads the whole answer.
func (c *Client) once(ctx context.Context, r call) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header = r.header.Clone()
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	*r.answer = http.Response{} // of the try before
	res, err := h.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	*r.answer = *res
	switch {
	case res.StatusCode == http.StatusNotModified:
		return nil, ErrNotModified
	case res.StatusCode < 300:
		return b, nil
	}
	p := &Problem{}
	if kind := res.Header.Get("Content-Type"); kind != "application/problem+json" || json.Unmarshal(b, p) != nil {
		p = &Problem{Title: http.StatusText(res.StatusCode), Detail: "the answer is not a problem document but " + strconv.Quote(kind)}
	}
	p.Status = res.StatusCode
	return nil, p
}

// The pauses before a call is sent again, where the answer names none.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// passing says whether the cause of an error may be gone after a pause.
func (r call) passing(ctx context.Context, err error, try int) (time.Duration, bool) {
	pause := min(firstPause<<min(try, 10), maxPause)
	pause = pause/2 + mathrand.N(pause/2) // or all who were sent away come back together
	var p *Problem
	switch {
	case errors.Is(err, ErrNotModified), ctx.Err() != nil:
		return 0, false
	case !errors.As(err, &p):
		return pause, true // no answer, or half of one
	}
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return 0, false
	}
	after := r.answer.Header.Get("Retry-After")
	if s, err := strconv.Atoi(after); err == nil {
		return time.Duration(s) * time.Second, true
	}
	if t, err := http.ParseTime(after); err == nil {
		return time.Until(t), true
	}
	return pause, true
}

// path puts parameters into a path template, in its order: "/v1/users/{id}".
func path(template string, params ...any) string {
	for _, p := range params {
		before, rest, _ := strings.Cut(template, "{")
		_, after, _ := strings.Cut(rest, "}")
		template = before + url.PathEscape(fmt.Sprint(p)) + after
	}
	return template
}

// query is the query that a struct of parameters stands for, with its question mark.
// What is nil is left out.
func query(params any) string {
	if params == nil {
		return ""
	}
	q := url.Values{}
	for f, v := range reflect.ValueOf(params).Fields() {
		name, explode, _ := strings.Cut(f.Tag.Get("query"), ",")
		switch {
		case v.Kind() == reflect.Slice:
			var each []string
			for i := range v.Len() {
				each = append(each, text(v.Index(i)))
			}
			if explode == "" && each != nil {
				each = []string{strings.Join(each, ",")}
			}
			q[name] = each
		case v.Kind() != reflect.Pointer:
			q.Set(name, text(v))
		case !v.IsNil():
			q.Set(name, text(v.Elem()))
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func text(v reflect.Value) string {
	if t, ok := v.Interface().(time.Time); ok {
		return t.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v.Interface())
}
