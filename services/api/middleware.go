package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/telemetry"
)

// requestID is the header, and the key in the context, of what names a request in
// every log on its way.
const requestID = "X-Request-ID"

var sane = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// observe names the request, bounds its time, counts it and logs it.
func (a *api) observe(c *gin.Context) {
	began := time.Now()
	rid := c.GetHeader(requestID)
	if !sane.MatchString(rid) {
		rid = rand.Text()
	}
	c.Set(requestID, rid)
	c.Header(requestID, rid)
	c.Header("Cache-Control", "no-store") // what one may see is not for another
	ctx, cancel := context.WithTimeout(telemetry.With(c.Request.Context(), slog.String("request", rid)), requestTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)

	c.Next()

	route := c.FullPath()
	if route == "" {
		route = "none" // whatever path was made up
	}
	status, took := c.Writer.Status(), time.Since(began)
	a.metrics.request(route, c.Request.Method, status, took)
	attrs := []slog.Attr{
		slog.String("method", c.Request.Method), slog.String("route", route), slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("client", c.ClientIP()),
	}
	if who, ok := c.Get(whoKey); ok {
		attrs = append(attrs, slog.String("user", who.(session.Token).User.String()))
	}
	level := slog.LevelInfo
	if err := c.Errors.Last(); err != nil {
		attrs = append(attrs, slog.Any("error", err.Err))
		switch {
		case status == http.StatusInternalServerError:
			level = slog.LevelError
		case status > http.StatusInternalServerError:
			level = slog.LevelWarn
		}
	}
	a.log.LogAttrs(ctx, level, "request", attrs...)
}

// recover answers a panic with 500. It logs it here, where the stack still is.
func (a *api) recover(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v) // meant for the server
		}
		a.log.ErrorContext(c.Request.Context(), "panic", "error", fmt.Errorf("panic: %v", v),
			"route", c.FullPath(), "stack", string(debug.Stack()))
		a.answer(c, internal)
	}()
	c.Next()
}

// handle adapts a handler that returns an error.
func (a *api) handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			c.Error(err)
			a.answer(c, problemOf(err))
		}
	}
}

const whoKey = "who"

// verified lets in who bears a valid token. Its handlers must still ask whether
// the session lasts.
func (a *api) verified(h func(*gin.Context, session.Token) error) gin.HandlerFunc {
	return a.handle(func(c *gin.Context) error {
		scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			return tokenMissing
		}
		who, err := a.sessions.Verify(token, time.Now())
		if err != nil {
			return err
		}
		c.Set(whoKey, who)
		return h(c, who)
	})
}

// signedIn lets in who bears a valid token of a session that lasts.
func (a *api) signedIn(h func(*gin.Context, session.Token) error) gin.HandlerFunc {
	return a.verified(func(c *gin.Context, who session.Token) error {
		if err := a.sessions.Check(c.Request.Context(), who); err != nil {
			return err
		}
		return h(c, who)
	})
}
