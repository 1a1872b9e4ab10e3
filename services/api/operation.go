package main

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
)

// access says who is let in to an operation, before anything of it is read.
type access int

const (
	// public operations are open to everybody.
	public access = iota
	// signedIn operations are for who bears a valid token of a session that lasts.
	signedIn
	// verified operations are for who bears a valid token. They ask whether the session
	// lasts themselves, by the round trip to Redis that they make anyway.
	verified
)

// operation is a line of the table of contents: what the document says of a handler
// besides the shapes of its input and output, which are those of its types.
type operation struct {
	method, path string
	id           string // operationId: the method's name in generated clients
	summary      string
	who          access
	status       int       // of the answer to success
	problems     []problem // that only this operation has
}

// document is the API as it is being put together: handlers for gin, and OpenAPI.
type document struct {
	*api
	huma huma.API
	tag  string // of the operations that are added next
	// admit says why who sends a request to such an operation is not let in, if so.
	admit func(c *gin.Context, who access) error
}

// newDocument puts no path of its own on e.
func newDocument(a *api, e *gin.Engine) *document {
	config := huma.DefaultConfig("burbn", "1.0.0")
	config.Info.Description = about
	config.Info.License = &huma.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"}
	config.Info.Contact = &huma.Contact{Name: "burbn", URL: "https://github.com/burbn/burbn"}
	config.Servers = []*huma.Server{{URL: "/", Description: "Where this document is served"}}
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema in answers
	config.RejectUnknownQueryParameters = true
	json := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	config.Formats = map[string]huma.Format{"application/json": json, "json": json} // +json, too
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "The token of a sign-up or a log-in."},
	}
	config.Components.Headers = headers()
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[id.ID](), reflect.TypeFor[idText]())
	setErrors()
	return &document{api: a, huma: humagin.New(e, config), admit: a.admit}
}

// tagged begins a chapter of the document.
func (d *document) tagged(name, description string) *document {
	o := d.huma.OpenAPI()
	o.Tags = append(o.Tags, &huma.Tag{Name: name, Description: description})
	chapter := *d
	chapter.tag = name
	return &chapter
}

// add puts one operation into the document and its handler behind its path. What the
// handler returns as an error, problemOf translates.
func add[I, O any](d *document, op operation, handler func(context.Context, *I) (*O, error)) {
	reads := op.method == get
	in := reflect.TypeFor[I]()
	_, body := in.FieldByName("Body")
	documented := huma.Operation{
		Method: op.method, Path: op.path, OperationID: op.id, Summary: op.summary, Tags: []string{d.tag},
		DefaultStatus: op.status, Responses: map[string]*huma.Response{},
		MaxBodyBytes: maxBody + 1, // huma refuses what is as long as this
		Middlewares:  huma.Middlewares{d.enter(op.who, body)},
	}
	problems := slices.Concat([]problem{tooMany, internal, overloaded, invalid("", "A field or a parameter cannot be accepted; the detail says what can.")}, op.problems)
	if op.who != public {
		documented.Security = []map[string][]string{{"token": {}}}
		problems = append(problems, tokenMissing, tokenInvalid, tokenExpired, sessionEnded)
	}
	if reads {
		documented.Parameters = []*huma.Param{ifNoneMatch()}
	} else {
		documented.Parameters = []*huma.Param{idempotencyKey()}
		problems = append(problems, keyReused, inProgress)
	}
	if body {
		problems = append(problems, malformed, tooLarge, wrongType)
	}
	problem := d.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	for _, p := range problems {
		declare(documented.Responses, problem, p)
	}
	huma.Register(d.huma, documented, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, requestOf(ctx).refuse(err)
		}
		return out, nil
	})
	delete(documented.Responses, "422")
	if !reads {
		declare(documented.Responses, problem, keyReused)
	} else {
		documented.Responses["304"] = &huma.Response{Description: "It is still what the ETag of If-None-Match says."}
	}
	for status, r := range documented.Responses {
		declareHeaders(r, status, reads)
	}
}

// enter is what comes before an operation: who sends the request is let in or not, what
// is read is compared with what they have, and what is written is written once.
func (d *document) enter(who access, body bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := humagin.Unwrap(ctx)
		err := d.admit(c, who)
		switch {
		case err != nil:
		case body && !strings.EqualFold(c.ContentType(), "application/json"):
			err = wrongType
		case c.Request.Method == get:
			compare(c)
			next(ctx)
		case c.Request.Header[idempotencyHeader] == nil:
			next(ctx)
		default:
			err = d.once(c, func() { next(ctx) })
		}
		if err != nil {
			requestOf(c.Request.Context()).err = err
			d.answer(c, problemOf(err))
		}
	}
}

// admit lets in those whom an operation is for.
func (a *api) admit(c *gin.Context, who access) error {
	ctx := c.Request.Context()
	if who == public {
		return a.allowAddress(ctx)
	}
	t, err := a.verify(c)
	if err != nil {
		return cmp.Or(a.allowAddress(ctx), err)
	}
	requestOf(ctx).who = t
	// What was answered before is for those alone whose session lasts.
	if who == signedIn || c.Request.Header[idempotencyHeader] != nil {
		pipe := a.redis.Pipeline()
		q := a.ask(ctx, pipe)
		pipe.Exec(ctx) // each command carries its error
		return a.allow(ctx, q)
	}
	return nil
}

// verify reads the token of a request.
func (a *api) verify(c *gin.Context) (session.Token, error) {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return session.Token{}, tokenMissing
	}
	return a.sessions.Verify(token, now())
}

// nothing is the input or the output of an operation that has none.
type nothing struct{}

const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)
