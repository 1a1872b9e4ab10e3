package main

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/burbn/burbn/services/seal"
	"github.com/burbn/burbn/services/store"
)

// Names of headers, in the form that http.Header keeps.
const (
	// draft-ietf-httpapi-idempotency-key-header-07
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
)

const (
	maxKey = 200 // characters
	// patience is how long a request waits for the answer to another with its key, which
	// it asks for after pollFirst, and then twice as long after each time.
	patience  = 2 * time.Second
	pollFirst = 20 * time.Millisecond
	// recordTimeout bounds the writing of an answer for those who ask again.
	recordTimeout = 2 * time.Second
)

var (
	keyReused  = problem{Status: http.StatusUnprocessableEntity, Code: "idempotency_key_reused", Field: idempotencyHeader, Detail: "This key was sent with another request. Make a new one for each thing to be done."}
	inProgress = problem{Status: http.StatusConflict, Code: "request_in_progress", Field: idempotencyHeader, Detail: "The first request with this key is not answered yet. Ask again.", retryAfter: "1"}
)

// kept are the headers that belong to an answer rather than to one sending of it.
var kept = []string{"Content-Type", "Link", "Location", "Retry-After", "WWW-Authenticate"}

// recorded is an answer as the row of its request keeps it, sealed.
type recorded struct {
	Header map[string]string `json:"header"`
	Body   []byte            `json:"body"`
}

// newAnswers derives the key of recorded answers from that of the tokens.
func newAnswers(tokenKey string) (seal.Sealer, error) {
	key, err := hkdf.Key(sha256.New, []byte(tokenKey), nil, "burbn/answers", 32)
	if err != nil {
		return seal.Sealer{}, fmt.Errorf("derive the key of answers: %w", err)
	}
	return seal.New(string(key))
}

// once serves a write that bears an Idempotency-Key: the first time by next, afterwards
// with the answer that there was. It makes two round trips to the shard of who sends it.
func (a *api) once(c *gin.Context, next func()) error {
	ctx := c.Request.Context()
	r := requestOf(ctx)
	key, err := keyOf(c.Request.Header[idempotencyHeader])
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(c.Request.Body, maxBody+1))
	switch {
	case err != nil:
		return unread(ctx, err)
	case len(body) > maxBody:
		return tooLarge
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	asked := store.Request{User: r.who.User, Key: key, Fingerprint: fingerprint(c.Request, body)}
	claim, err := a.claim(ctx, asked)
	switch {
	case err != nil:
		return err
	case claim.Status != 0:
		return a.replay(c, asked, claim)
	}
	r.key, r.repeated = uuid.NewSHA1(keySpace, fmt.Appendf(nil, "%s %s", r.who.User, key)), claim.Repeated
	w := &recorder{ResponseWriter: c.Writer}
	c.Writer = w
	panics := true
	defer func() {
		c.Writer = w.ResponseWriter
		a.record(ctx, asked, claim, w, panics)
	}()
	next()
	panics = false
	return nil
}

// keySpace makes requests' keys of users' keys. It never changes.
var keySpace = uuid.MustParse("5f0c7a3e-9b1d-4a52-8c86-2d1f6be0a947")

func keyOf(values []string) (string, error) {
	if len(values) == 1 && len(values[0]) >= 1 && len(values[0]) <= maxKey && !strings.ContainsFunc(values[0], func(r rune) bool { return r <= ' ' || r > '~' }) {
		return values[0], nil
	}
	return "", invalid(idempotencyHeader, "accepted is one key of 1 to %d visible ASCII characters, such as a UUID", maxKey)
}

// fingerprint tells requests apart that bear one key.
func fingerprint(r *http.Request, body []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", r.Method, r.URL.RequestURI())
	h.Write(body)
	return h.Sum(nil)
}

// claim is asked as it was answered before, or claimed for this attempt.
func (a *api) claim(ctx context.Context, asked store.Request) (store.Claim, error) {
	deadline := time.Now().Add(patience)
	for wait := pollFirst; ; wait *= 2 {
		claim, err := a.store.ClaimRequest(ctx, asked)
		switch {
		case errors.Is(err, store.ErrOtherRequest):
			return claim, keyReused
		case !errors.Is(err, store.ErrUnderWay):
			return claim, err
		case !time.Now().Before(deadline):
			return claim, inProgress
		}
		select {
		case <-time.After(min(wait, time.Until(deadline))):
		case <-ctx.Done():
			return claim, ctx.Err()
		}
	}
}

// record keeps what an attempt was answered, and answers it. What the client may try
// again is not kept: it then comes as a repeated attempt. What panicked is answered by
// recover.
func (a *api) record(ctx context.Context, asked store.Request, claim store.Claim, w *recorder, panics bool) {
	// Whoever sent it may be gone; who asks again is not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	var err error
	status := w.Status()
	if panics || status >= http.StatusInternalServerError || status == clientGone || status == http.StatusTooManyRequests {
		err = a.store.ReleaseRequest(ctx, asked, claim)
	} else {
		err = a.store.FinishRequest(ctx, asked, claim, status, a.sealed(asked, w))
	}
	if err != nil {
		// Another attempt is made of it half a minute later.
		a.log.WarnContext(ctx, "record the answer", "error", err)
	}
	if !panics && w.Written() {
		w.ResponseWriter.Write(w.body.Bytes())
	}
}

// belongs is what a sealed answer is bound to.
func belongs(asked store.Request) []byte {
	return fmt.Appendf(nil, "%s %s %x", asked.User, asked.Key, asked.Fingerprint)
}

func (a *api) sealed(asked store.Request, w *recorder) []byte {
	out := recorded{Header: map[string]string{}, Body: w.body.Bytes()}
	for _, name := range kept {
		if v := w.Header().Get(name); v != "" {
			out.Header[name] = v
		}
	}
	plain, err := json.Marshal(out)
	if err != nil {
		panic(err) // strings and bytes can be marshalled
	}
	return a.answers.Seal(plain, belongs(asked))
}

// replay answers as an earlier attempt was answered.
func (a *api) replay(c *gin.Context, asked store.Request, claim store.Claim) error {
	var out recorded
	plain, err := a.answers.Open(claim.Answer, belongs(asked))
	if err == nil {
		err = json.Unmarshal(plain, &out)
	}
	if err != nil {
		return fmt.Errorf("read the recorded answer: %w", err)
	}
	for name, v := range out.Header {
		c.Header(name, v)
	}
	c.Header(replayedHeader, "true")
	c.Status(claim.Status)
	if len(out.Body) > 0 {
		c.Writer.Write(out.Body)
	}
	return nil
}

// recorder holds an answer back until it is recorded.
type recorder struct {
	gin.ResponseWriter
	body bytes.Buffer
}

func (w *recorder) Write(b []byte) (int, error)       { return w.body.Write(b) }
func (w *recorder) WriteString(s string) (int, error) { return w.body.WriteString(s) }
func (w *recorder) Written() bool                     { return w.body.Len() > 0 }
func (w *recorder) WriteHeaderNow()                   {}

// unread is why the body of a request could not be read.
func unread(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w (%w)", malformed, err)
}
