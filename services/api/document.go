package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

// What the document says of every operation alike.

const about = `The API of burbn, a system for sharing photos.

Send the token of a sign-up or a log-in as "Authorization: Bearer". Ids and cursors are strings.
Bodies are JSON objects in UTF-8 of at most 64 KiB; unknown fields and unknown parameters are refused.

Problems: What is not answered as asked is answered with a problem document (RFC 9457). Go by its "code".

Once: Any write may bear an Idempotency-Key. Sent again with the same key within a day, it is done once
and answered as the first time, with "Idempotency-Replayed: true".

Pages: Lists are newest first and stable while things are added. The next page is behind the cursor of
the body, or behind the link of the Link header (RFC 8288).

Not modified: Reads answer an ETag. Send it as If-None-Match, and what has not changed is answered with 304.
HEAD is answered wherever GET is.

Limits: RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10) say how many requests a
minute are answered and how many remain: "read" and "write" of an account, "anonymous" of an address, "guess" of
log-ins to one account from one address. Further ones are answered with 429. When there is too much to do for all,
503. Both say in Retry-After how many seconds to wait.`

// headers are those that many answers have.
func headers() map[string]*huma.Header {
	text := func(doc string, example string) *huma.Header {
		return &huma.Header{Description: doc, Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{example}}}
	}
	return map[string]*huma.Header{
		requestID:          text("Names the request in our logs: yours, or a new one.", "JBSWY3DPEHPK3PXPJBSWY3DPEH"),
		"RateLimit-Policy": text("How many requests (q) are answered within how many seconds (w).", `"read";q=3000;w=60`),
		"RateLimit":        text("How many requests remain (r), until when in seconds (t).", `"read";r=2999;t=42`),
		"Retry-After":      text("Seconds to wait before the request is sent again.", "1"),
		"WWW-Authenticate": text("What is wrong with the token (RFC 6750).", `Bearer realm="burbn"`),
		"ETag":             text("Of the body, for If-None-Match.", `W/"1c9vlzq5zjw9n"`),
		replayedHeader:     text("true: an earlier request with this Idempotency-Key was answered so.", "true"),
	}
}

// declareHeaders says which of the headers an answer of the status may have.
func declareHeaders(r *huma.Response, status string, reads bool) {
	names := []string{requestID, "RateLimit-Policy", "RateLimit"}
	switch status {
	case "200":
		if reads {
			names = append(names, "ETag")
		}
	case "304":
		names = append(names, "ETag")
	case "401":
		names = append(names, "WWW-Authenticate")
	case "409", "429", "503":
		names = append(names, "Retry-After")
	}
	if !reads && status < "500" && status != "429" {
		names = append(names, replayedHeader)
	}
	if r.Headers == nil {
		r.Headers = map[string]*huma.Param{}
	}
	for _, n := range names {
		r.Headers[n] = &huma.Param{Ref: "#/components/headers/" + n}
	}
}

// declare adds p to what an operation says of its answers.
func declare(to map[string]*huma.Response, schema *huma.Schema, p problem) {
	status := strconv.Itoa(p.Status)
	r := to[status]
	if r == nil {
		r = &huma.Response{
			Description: http.StatusText(p.Status),
			Content:     map[string]*huma.MediaType{p.ContentType(""): {Schema: schema}},
		}
		to[status] = r
	}
	if line := fmt.Sprintf("\n- `%s`: %s", p.Code, p.Detail); !strings.Contains(r.Description, "`"+p.Code+"`") {
		r.Description += line
	}
}

func ifNoneMatch() *huma.Param {
	most := 1000
	return &huma.Param{
		Name: "If-None-Match", In: "header", Description: "ETags that the client has.",
		Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most}, Example: `W/"1c9vlzq5zjw9n"`,
	}
}

func idempotencyKey() *huma.Param {
	most := maxKey
	return &huma.Param{
		Name: idempotencyHeader, In: "header", Description: "New for each thing to be done, and the same whenever that is sent again.",
		Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^[!-~]+$", MaxLength: &most}, Example: "8e03978e-40d5-43dd-bc93-6894a57f9324",
	}
}

// standard leaves of o what OpenAPI knows: huma's patternDescription is for the problems
// that it tells, which are made by now.
func standard(o *huma.OpenAPI) {
	var walk func(*huma.Schema)
	walk = func(s *huma.Schema) {
		if s == nil {
			return
		}
		if s.PatternDescription != "" && s.Description == "" {
			s.Description = s.PatternDescription
		}
		s.PatternDescription = ""
		walk(s.Items)
		for _, p := range s.Properties {
			walk(p)
		}
	}
	for _, s := range o.Components.Schemas.Map() {
		walk(s)
	}
	for _, path := range o.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Put, path.Post, path.Patch, path.Delete} {
			if op == nil {
				continue
			}
			for _, p := range op.Parameters {
				walk(p.Schema)
			}
		}
	}
}

// publishDocument answers the document itself, for programs and for people, which limits
// nobody.
func (a *api) publishDocument(d *document, e *gin.Engine) {
	standard(d.huma.OpenAPI())
	openapi, err := d.huma.OpenAPI().MarshalJSON()
	if err != nil {
		panic(err) // it is made of our own types
	}
	page, err := renderDocs(openapi)
	if err != nil {
		panic(err)
	}
	e.GET("/openapi.json", func(c *gin.Context) {
		compare(c)
		c.Data(http.StatusOK, "application/json", openapi)
	})
	e.GET("/docs", func(c *gin.Context) {
		compare(c)
		c.Header("Content-Security-Policy", docsPolicy)
		c.Data(http.StatusOK, "text/html; charset=utf-8", page)
	})
}
