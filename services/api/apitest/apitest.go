// Package apitest holds what the API answers against the document that it publishes,
// more strictly than a client would: every path, method, status, content type, header
// and field must be declared, and every declared header that is required must be there.
//
// It reads the OpenAPI 3.1 that our handlers generate: objects without allOf, parameters
// of operations rather than of paths, JSON bodies. It is for tests alone.
package apitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is what an API says of itself. Its methods can be called at once.
type Document struct {
	operations []*operation
	problem    *jsonschema.Schema // of answers to what the document has not got

	mu   sync.Mutex
	seen map[string]bool // "GET /v1/feed 200"
}

type operation struct {
	method, path string
	params       []value
	body         map[string]*jsonschema.Schema // by content type
	bodyRequired bool
	responses    map[string]response // by status
}

type response struct {
	headers []value
	body    map[string]*jsonschema.Schema
}

// value is a parameter of a request or a header of a response.
type value struct {
	in, name string
	required bool
	schema   *jsonschema.Schema
	kind     string // of JSON, that its text stands for
	items    string // the kind of an array's items
}

// Check says how an exchange is not as the document says. The body is that of the
// response, read to its end. A request is looked at if it was accepted: one that the
// document forbids should have been refused.
func (d *Document) Check(req *http.Request, res *http.Response, body []byte) error {
	op := d.find(req)
	if op == nil {
		return d.checkAbsent(req, res, body)
	}
	status := strconv.Itoa(res.StatusCode)
	name := op.method + " " + op.path + " " + status
	r, ok := op.responses[status]
	if !ok {
		return fmt.Errorf("%s: this status is not declared: %s", name, body)
	}
	d.mu.Lock()
	d.seen[name] = true
	d.mu.Unlock()
	errs := []error{r.check(res, body)}
	if res.StatusCode < http.StatusBadRequest {
		errs = append(errs, op.check(req))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Unseen lists the declared answers that no call of Check has met: "GET /v1/feed 200".
func (d *Document) Unseen() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var unseen []string
	for _, op := range d.operations {
		for status := range op.responses {
			if name := op.method + " " + op.path + " " + status; !d.seen[name] {
				unseen = append(unseen, name)
			}
		}
	}
	slices.Sort(unseen)
	return unseen
}

// Transport checks every exchange that passes through base.
func (d *Document) Transport(base http.RoundTripper, report func(error)) http.RoundTripper {
	return transport(func(req *http.Request) (*http.Response, error) {
		res, err := base.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		if err := d.Check(req, res, body); err != nil {
			report(err)
		}
		return res, nil
	})
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// checkAbsent looks at the answer to a request that the document has not got.
func (d *Document) checkAbsent(req *http.Request, res *http.Response, body []byte) error {
	if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
		return fmt.Errorf("%s %s %d: the document has no such operation", req.Method, req.URL.Path, res.StatusCode)
	}
	err := checkBody(map[string]*jsonschema.Schema{"application/problem+json": d.problem}, res.Header, body)
	if err != nil {
		return fmt.Errorf("%s %s %d, of no operation: %w", req.Method, req.URL.Path, res.StatusCode, err)
	}
	return nil
}

// find is the operation of a request. Of several paths that fit, the one that says more
// of the earlier segments is meant: /users/self rather than /users/{id}.
func (d *Document) find(req *http.Request) *operation {
	var best *operation
	for _, op := range d.operations {
		if op.method != req.Method {
			continue
		}
		if _, ok := op.match(req.URL); ok && (best == nil || strings.ReplaceAll(op.path, "{", "\U0010ffff") < strings.ReplaceAll(best.path, "{", "\U0010ffff")) {
			best = op
		}
	}
	return best
}

// match reads the parameters of the path.
func (op *operation) match(u *url.URL) (map[string]string, bool) {
	want, got := strings.Split(op.path, "/"), strings.Split(u.EscapedPath(), "/")
	if len(want) != len(got) {
		return nil, false
	}
	params := map[string]string{}
	for i, w := range want {
		v, err := url.PathUnescape(got[i])
		if name, ok := strings.CutPrefix(w, "{"); ok {
			params[strings.TrimSuffix(name, "}")] = v
		} else if err != nil || v != w {
			return nil, false
		}
	}
	return params, true
}

func (op *operation) check(req *http.Request) error {
	var errs []error
	path, _ := op.match(req.URL)
	query := req.URL.Query()
	for _, p := range op.params {
		var texts []string
		switch p.in {
		case "path":
			texts = []string{path[p.name]}
		case "query":
			texts = query[p.name]
			delete(query, p.name)
		case "header":
			texts = req.Header.Values(p.name)
		}
		errs = append(errs, p.check(texts))
	}
	for name := range query {
		errs = append(errs, fmt.Errorf("query %s is not declared and was accepted", name))
	}
	body, err := sent(req)
	if err != nil {
		return err
	}
	if len(body) > 0 || op.bodyRequired {
		if err := checkBody(op.body, req.Header, body); err != nil {
			errs = append(errs, fmt.Errorf("the request was accepted: %w", err))
		}
	}
	return errors.Join(errs...)
}

// sent is the body that a request had.
func sent(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("the request's body cannot be read again: send a bytes.Reader or strings.Reader")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// free are headers of HTTP and of browsers, which are not this API's to declare.
var free = []string{
	"Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Vary", "X-Content-Type-Options",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
}

func (r response) check(res *http.Response, body []byte) error {
	var errs []error
	declared := slices.Clone(free)
	for _, h := range r.headers {
		declared = append(declared, h.name)
		errs = append(errs, h.check(res.Header.Values(h.name)))
	}
	for name := range res.Header {
		if !slices.Contains(declared, name) {
			errs = append(errs, fmt.Errorf("header %s is not declared", name))
		}
	}
	return errors.Join(append(errs, checkBody(r.body, res.Header, body))...)
}

func checkBody(declared map[string]*jsonschema.Schema, header http.Header, body []byte) error {
	if len(declared) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("a body is not declared: %s", body)
		}
		return nil
	}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	schema, ok := declared[kind]
	if !ok {
		return fmt.Errorf("content type %q is not declared, but %q", kind, slices.Sorted(maps.Keys(declared)))
	}
	if schema == nil {
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	return nil
}

func (v value) check(texts []string) error {
	if len(texts) == 0 {
		if v.required {
			return fmt.Errorf("%s %s is missing", v.in, v.name)
		}
		return nil
	}
	var got any = read(texts[0], v.kind)
	if v.kind == "array" {
		var items []any
		for _, text := range texts {
			for item := range strings.SplitSeq(text, ",") {
				items = append(items, read(item, v.items))
			}
		}
		got = items
	} else if len(texts) > 1 {
		return fmt.Errorf("%s %s is there %d times", v.in, v.name, len(texts))
	}
	if err := v.schema.Validate(got); err != nil {
		return fmt.Errorf("%s %s: %w: %q", v.in, v.name, err, texts)
	}
	return nil
}

// read is what a text stands for; one that does not is left for the schema to refuse.
func read(text, kind string) any {
	switch kind {
	case "integer", "number":
		if json.Valid([]byte(text)) {
			return json.Number(text)
		}
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return text
}
