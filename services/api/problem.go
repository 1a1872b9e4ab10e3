package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/store"
)

// problem is an answer that is not what the client wanted: a problem document of
// RFC 9457. Programs go by the code, people read the detail.
type problem struct {
	Type      string `json:"type" format:"uri" doc:"urn:burbn:problem: and the code"`
	Title     string `json:"title" doc:"Of the status"`
	Status    int    `json:"status"`
	Code      string `json:"code" doc:"What programs go by; never changes"`
	Detail    string `json:"detail" doc:"What people read"`
	Field     string `json:"field,omitempty" doc:"Of the request, that is to blame"`
	Media     id.ID  `json:"media,omitzero" required:"false" doc:"With already_published: what the upload became"`
	RequestID string `json:"requestId" doc:"Names the request in our logs"`

	retryAfter string // seconds, for the header; empty: trying again may not help
}

func (p problem) Error() string {
	if p.Field != "" {
		return fmt.Sprintf("%s: %s: %s", p.Code, p.Field, p.Detail)
	}
	return p.Code + ": " + p.Detail
}

// What huma wants of an error: its status, its headers and its content type.

func (p problem) GetStatus() int            { return p.Status }
func (p problem) ContentType(string) string { return "application/problem+json" }

func (p problem) GetHeaders() http.Header {
	h := http.Header{}
	switch p.Status {
	case http.StatusUnauthorized:
		challenge := `Bearer realm="burbn"`
		if p.Code != tokenMissing.Code && p.Code != wrongLogIn.Code {
			challenge += `, error="invalid_token", error_description="` + p.Detail + `"`
		}
		h.Set("WWW-Authenticate", challenge)
	}
	if p.retryAfter != "" {
		h.Set("Retry-After", p.retryAfter)
	}
	return h
}

// of completes a problem for the request of that id.
func (p problem) of(request string) problem {
	p.Type = "urn:burbn:problem:" + p.Code
	p.RequestID = request
	if p.Title = http.StatusText(p.Status); p.Status == clientGone {
		p.Title = "Client Closed Request"
	}
	return p
}

// clientGone is nginx's status for a client that did not wait for the answer.
const clientGone = 499

var (
	internal      = problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "This is our fault. We were told of it."}
	overloaded    = problem{Status: http.StatusServiceUnavailable, Code: "overloaded", Detail: "Too much to do just now. Try again in a moment.", retryAfter: "1"}
	cancelled     = problem{Status: clientGone, Code: "cancelled", Detail: "You did not wait for the answer."}
	tokenMissing  = problem{Status: http.StatusUnauthorized, Code: "token_missing", Detail: "Send the token of a log-in: Authorization: Bearer <token>."}
	tokenInvalid  = problem{Status: http.StatusUnauthorized, Code: "token_invalid", Detail: "The token is not one of ours."}
	tokenExpired  = problem{Status: http.StatusUnauthorized, Code: "token_expired", Detail: "The session is over. Log in again."}
	sessionEnded  = problem{Status: http.StatusUnauthorized, Code: "session_ended", Detail: "The session was logged out of. Log in again."}
	wrongLogIn    = problem{Status: http.StatusUnauthorized, Code: "wrong_credentials", Detail: "No account has this name and password."}
	wrongPassword = problem{Status: http.StatusForbidden, Code: "wrong_password", Field: "password", Detail: "That is not your password."}
	suspended     = problem{Status: http.StatusForbidden, Code: "account_suspended", Detail: "The account was suspended by a moderator."}
	nameTaken     = problem{Status: http.StatusConflict, Code: "name_taken", Field: "name", Detail: "Somebody has this name."}
	malformedID   = problem{Status: http.StatusBadRequest, Code: "malformed_id", Field: "id", Detail: "An id is a positive decimal number of at most 19 digits."}
	wrongType     = problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: "Accepted is Content-Type: application/json."}
	tooLarge      = problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: "Accepted are 65536 bytes."}
	tooMany       = problem{Status: http.StatusTooManyRequests, Code: "rate_limited", Detail: "Too many requests. Wait as long as Retry-After says."}
	malformed     = problem{Status: http.StatusBadRequest, Code: "malformed_json", Detail: "The body is not one JSON object in UTF-8."}

	uploadMissing  = problem{Status: http.StatusConflict, Code: "upload_missing", Field: "upload", Detail: "Storage has not got the photo yet. PUT it to the upload's URL first."}
	uploadMismatch = problem{Status: http.StatusConflict, Code: "upload_mismatch", Field: "upload", Detail: "What storage has got is not of the size and type that the upload announced."}
	uploadExpired  = problem{Status: http.StatusGone, Code: "upload_expired", Field: "upload", Detail: "The upload has expired. Create another."}
)

// invalid is a field of the request that cannot be accepted; the detail says what
// can.
func invalid(field, format string, args ...any) problem {
	return problem{Status: http.StatusBadRequest, Code: "invalid_field", Field: field, Detail: fmt.Sprintf(format, args...)}
}

// notFound is a thing that does not exist, or not for who asks: "user", "media".
func notFound(what string) problem {
	return problem{Status: http.StatusNotFound, Code: what + "_not_found", Detail: "There is no such " + strings.ReplaceAll(what, "_", " ") + "."}
}

// orNotFound is err, or that there is no such thing if that is what err says.
func orNotFound(err error, what string) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound(what)
	}
	return err
}

func alreadyPublished(photo id.ID) problem {
	return problem{Status: http.StatusConflict, Code: "already_published", Field: "upload", Media: photo,
		Detail: "The upload is published already, as the media named here."}
}

func (a *api) noRoute(c *gin.Context) {
	a.answer(c, problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this path."})
}

// noMethod answers what no operation of the path is. Where GET is accepted, HEAD is, and
// everywhere OPTIONS.
func (a *api) noMethod(c *gin.Context) {
	allow := strings.Replace(c.Writer.Header().Get("Allow"), get, get+", "+http.MethodHead, 1) + ", " + http.MethodOptions
	c.Header("Allow", allow)
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		c.Abort()
		return
	}
	a.answer(c, problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
		Detail: fmt.Sprintf("Accepted here is %s.", allow)})
}

// problemOf is what a client is told of an error. Whatever it does not know is
// internal: the log has it, the client does not.
func problemOf(err error) problem {
	var p problem
	var published *store.AlreadyPublishedError
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, session.ErrInvalid):
		return tokenInvalid
	case errors.Is(err, session.ErrExpired):
		return tokenExpired
	case errors.Is(err, session.ErrEnded):
		return sessionEnded
	case errors.Is(err, store.ErrNameTaken):
		return nameTaken
	case errors.As(err, &published):
		return alreadyPublished(published.Media)
	case errors.Is(err, store.ErrTooManyFollows):
		return tooManyFollows
	case errors.Is(err, store.ErrTooManyBarriers):
		return tooManyBarriers
	case errors.Is(err, store.ErrUploadExpired):
		return uploadExpired
	case errors.Is(err, session.ErrBusy), errors.Is(err, context.DeadlineExceeded):
		return overloaded
	case errors.Is(err, context.Canceled):
		return cancelled
	}
	return internal
}

// answer writes a problem, unless the handler has begun to answer already.
func (a *api) answer(c *gin.Context, p problem) {
	c.Abort()
	if c.Writer.Written() {
		return
	}
	for name, values := range p.GetHeaders() {
		c.Header(name, values[0])
	}
	c.Header("Content-Type", p.ContentType(""))
	c.JSON(p.Status, p.of(requestOf(c.Request.Context()).id))
}

// setErrors makes what huma refuses a problem: it knows its errors by globals.
var setErrors = sync.OnceFunc(func() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return refusal(status, message, errs).of("")
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		r := requestOf(humagin.Unwrap(ctx).Request.Context())
		p := refusal(status, message, errs)
		// Not the field: one that the document does not know may be called anything.
		r.err = problem{Code: p.Code, Detail: p.Detail}
		return p.of(r.id)
	}
})

// refusal is what a client is told of a request that does not fit the document: of
// several faults one, rather of a field that is there than of one that is missing. The
// value at fault is not repeated, since it may be secret.
func refusal(status int, message string, errs []error) problem {
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return tooLarge
	case status == http.StatusUnsupportedMediaType:
		return wrongType
	case message == "cannot read request body": // it ended early
		return malformed
	case status >= http.StatusInternalServerError:
		return internal
	}
	p := malformed
	for _, err := range errs {
		var fault *huma.ErrorDetail
		if !errors.As(err, &fault) {
			continue
		}
		place, field, _ := strings.Cut(fault.Location, ".")
		switch missing, ok := strings.CutPrefix(fault.Message, "expected required property "); {
		case place == "path" && field == "id":
			return malformedID
		case field != "":
			return invalid(field, "%s", fault.Message)
		case ok:
			missing, _, _ = strings.Cut(missing, " ")
			p = invalid(missing, "is required")
		case strings.HasPrefix(fault.Message, "expected"):
			p = invalid("", "%s", fault.Message)
		}
	}
	return p
}
