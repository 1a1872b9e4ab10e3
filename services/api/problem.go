package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/store"
)

// problem is an answer that is not what the client wanted: a problem document of
// RFC 9457. Programs go by the code, people read the detail.
type problem struct {
	Type      string `json:"type"` // urn:burbn:problem:<code>
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail,omitempty"`
	Field     string `json:"field,omitempty"` // of the request, that is to blame
	Media     id.ID  `json:"media,omitzero"`  // with already_published
	RequestID string `json:"requestId"`
}

func (p problem) Error() string {
	if p.Field != "" {
		return fmt.Sprintf("%s: %s: %s", p.Code, p.Field, p.Detail)
	}
	return p.Code + ": " + p.Detail
}

// clientGone is nginx's status for a client that did not wait for the answer.
const clientGone = 499

var (
	internal     = problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "This is our fault. We were told of it."}
	overloaded   = problem{Status: http.StatusServiceUnavailable, Code: "overloaded", Detail: "Too much to do just now. Try again in a moment."}
	cancelled    = problem{Status: clientGone, Code: "cancelled", Detail: "You did not wait for the answer."}
	tokenMissing = problem{Status: http.StatusUnauthorized, Code: "token_missing", Detail: "Send the token of a log-in: Authorization: Bearer <token>."}
	tokenInvalid = problem{Status: http.StatusUnauthorized, Code: "token_invalid", Detail: "The token is not one of ours."}
	tokenExpired = problem{Status: http.StatusUnauthorized, Code: "token_expired", Detail: "The session is over. Log in again."}
	sessionEnded = problem{Status: http.StatusUnauthorized, Code: "session_ended", Detail: "The session was logged out of. Log in again."}
	wrongLogIn   = problem{Status: http.StatusUnauthorized, Code: "wrong_credentials", Detail: "No account has this name and password."}
	nameTaken    = problem{Status: http.StatusConflict, Code: "name_taken", Field: "name", Detail: "Somebody has this name."}
	selfFollow   = problem{Status: http.StatusBadRequest, Code: "cannot_follow_yourself", Field: "id", Detail: "Nobody follows themself."}

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
	return problem{Status: http.StatusNotFound, Code: what + "_not_found", Detail: "There is no such " + what + "."}
}

func alreadyPublished(photo id.ID) problem {
	return problem{Status: http.StatusConflict, Code: "already_published", Field: "upload", Media: photo,
		Detail: "The upload is published already, as the media named here."}
}

func noRoute(*gin.Context) error {
	return problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this path."}
}

func noMethod(c *gin.Context) error {
	return problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
		Detail: fmt.Sprintf("Accepted here is %s.", c.Writer.Header().Get("Allow"))}
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
	p.Type = "urn:burbn:problem:" + p.Code
	p.RequestID = c.GetString(requestID)
	if p.Title = http.StatusText(p.Status); p.Status == clientGone {
		p.Title = "Client Closed Request"
	}
	switch p.Status {
	case http.StatusUnauthorized:
		challenge := `Bearer realm="burbn"`
		if p.Code != tokenMissing.Code && p.Code != wrongLogIn.Code {
			challenge += `, error="invalid_token", error_description="` + p.Detail + `"`
		}
		c.Header("WWW-Authenticate", challenge)
	case http.StatusServiceUnavailable:
		c.Header("Retry-After", "1")
	}
	c.Header("Content-Type", "application/problem+json")
	c.JSON(p.Status, p)
}
