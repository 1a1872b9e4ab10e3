package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/limit"
	"github.com/burbn/burbn/services/session"
)

const (
	maxBody      = 64 << 10
	defaultLimit = 20
	maxLimit     = 50
)

// request is what handlers and middleware know of the request that they serve.
type request struct {
	id  string
	url *url.URL
	who session.Token // zero: nobody
	err error         // what it was refused for; for the log
	// client is the address of who sends it; header that of the answer.
	client  string
	agent   string // User-Agent
	header  http.Header
	reads   bool // changes nothing: GET and HEAD
	allowed bool // the session lasts and no limit is exceeded
	counts  []limit.Count
	// key is made of the Idempotency-Key and of who sent it; zero: none was sent. What a
	// write makes carries it, because an attempt that was cut off is repeated.
	key      uuid.UUID
	repeated bool // after an attempt that was cut off
}

type requestKey struct{}

// requestOf is the request of a handler's context.
func requestOf(ctx context.Context) *request { return ctx.Value(requestKey{}).(*request) }

// viewer is who sends the request.
func viewer(ctx context.Context) id.ID { return requestOf(ctx).who.User }

// refuse notes for the log why, and is what the client is told.
func (r *request) refuse(err error) error {
	r.err = err
	return problemOf(err).of(r.id)
}

func now() time.Time { return time.Now() }

// idText is an id in a path or in a query, whose form the document states.
type idText string

// Schema is that of every id in the document.
func (idText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: "^[1-9][0-9]{0,18}$", Examples: []any{"4611686018427387904"},
		PatternDescription: "a positive decimal number of at most 19 digits",
	}
}

// ID is the id; a number of 19 digits that is none is nobody's, so 0.
func (t idText) ID() id.ID {
	i, _ := id.Parse(string(t))
	return i
}

// ByID is the input of an operation on one thing.
type ByID struct {
	ID idText `path:"id" doc:"Which one."`
}

// mostValues is how many values the JSON of a body may have.
const mostValues = 1000

// unmarshal reads a JSON body: the decoder itself would put U+FFFD for what is not
// UTF-8 and say nothing.
func unmarshal(b []byte, v any) error {
	switch {
	case !utf8.Valid(b):
		return errors.New("the body is not UTF-8")
	case values(b) > mostValues:
		return fmt.Errorf("the body has more than %d values", mostValues)
	}
	return json.Unmarshal(b, v)
}

// values bounds from above how many values a JSON text has: a text of empty objects takes
// fifty times its size when it is decoded.
func values(b []byte) (n int) {
	inString := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\' && inString:
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

// marshal writes JSON by one Write. Whether the client is still there to read it is not
// an error of ours.
func marshal(w io.Writer, v any) error {
	if r, ok := v.(interface{ bytes() []byte }); ok {
		sent{w}.Write(r.bytes())
		page := r.bytes()[:0] // whoever took it keeps nothing of it
		pages.Put(&page)
		return nil
	}
	e := json.NewEncoder(sent{w})
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

type sent struct{ io.Writer }

func (s sent) Write(b []byte) (int, error) {
	s.Writer.Write(b)
	return len(b), nil
}

// text checks a field of min to max characters that people will read.
func text(field, v string, min, max int) error {
	if n := utf8.RuneCountInString(v); n < min || n > max {
		return invalid(field, "has %d characters; accepted are %d to %d", n, min, max)
	}
	if strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
		return invalid(field, "has control characters; accepted are printable ones and line feeds")
	}
	return nil
}

// PageOf is the input of an operation that answers a page of a list.
type PageOf struct {
	Cursor string `query:"cursor" maxLength:"200" doc:"The cursor of the page before; without it the first page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"50" default:"20" doc:"At most so many items. There may be fewer, even none, and more after them: the last page is the one without a cursor."`
}

// before is the cursor of a list that is ordered by id, newest first: 0 at its beginning.
func (p PageOf) before() (id.ID, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	i, err := id.Parse(p.Cursor)
	if err != nil {
		return 0, invalid("cursor", "accepted is the cursor of the page before")
	}
	return i, nil
}

// list is a page of a list.
type list[T any] struct {
	Items  []T    `json:"items" nullable:"false"`
	Cursor string `json:"cursor,omitempty" doc:"Of the next page; without it this one is the last."`
}

// listed answers a page of a list.
type listed[T any] struct {
	Link string `header:"Link" doc:"The next page (RFC 8288), if there is one."`
	Body list[T]
}

// page answers items, after which the list goes on at the cursor next ("": nowhere).
func page[T any](ctx context.Context, items []T, next string) *listed[T] {
	out := &listed[T]{Body: list[T]{Items: items, Cursor: next}}
	if items == nil {
		out.Body.Items = []T{}
	}
	if next != "" {
		out.Link = "<" + nextURL(ctx, next) + `>; rel="next"`
	}
	return out
}

// nextURL is where the next page is.
func nextURL(ctx context.Context, next string) string {
	u := *requestOf(ctx).url
	q := u.Query()
	q.Set("cursor", next)
	u.RawQuery = q.Encode()
	return u.RequestURI()
}

// more cuts a list that was asked for with one more item than limit, which tells
// whether there is a next page, and names the cursor of that.
func more[T any](items []T, limit int, cursor func(T) id.ID) ([]T, string) {
	if len(items) <= limit {
		return items, ""
	}
	items = items[:limit]
	return items, strconv.FormatInt(int64(cursor(items[limit-1])), 10)
}

// body is the output of an operation that answers one thing.
type body[T any] struct {
	Body T
}
