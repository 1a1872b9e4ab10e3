package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/telemetry"
)

// requestID is the header, and the key in the context, of what names a request in
// every log on its way.
const requestID = "X-Request-ID"

// sane says whether a request may keep the id that it came with: 8 to 64 letters, digits,
// dots, dashes and underscores.
func sane(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return 8 <= len(id) && len(id) <= 64
}

// observe names the request, bounds its time, counts it and logs it.
func (a *api) observe(c *gin.Context) {
	began := time.Now()
	rid := c.GetHeader(requestID)
	if !sane(rid) {
		rid = rand.Text()
	}
	c.Header(requestID, rid)
	c.Header("Cache-Control", "no-store") // what one may see is not for another
	r := &request{
		id: rid, url: c.Request.URL, client: c.ClientIP(), agent: c.Request.UserAgent(), header: c.Writer.Header(),
		reads: c.Request.Method == http.MethodGet,
	}
	ctx := context.WithValue(telemetry.With(c.Request.Context(), slog.String("request", rid)), requestKey{}, r)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
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
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("client", r.client),
	}
	if r.who.User != 0 {
		attrs = append(attrs, slog.String("user", r.who.User.String()))
	}
	level := slog.LevelInfo
	if r.err != nil {
		attrs = append(attrs, slog.Any("error", r.err))
		switch {
		// What was not done in time is our fault; what was refused at once is the load's.
		case status == http.StatusInternalServerError, status > http.StatusInternalServerError && errors.Is(r.err, context.DeadlineExceeded):
			level = slog.LevelError
		case status > http.StatusInternalServerError:
			level = slog.LevelWarn
		}
	}
	a.log.LogAttrs(ctx, level, "request", attrs...)
}

// printable is what may be kept of text that a client made up: ASCII, at most max of it.
func printable(text string, max int) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	return clean[:min(max, len(clean))]
}

// shed refuses what comes while as much is being served as can be, before anything is
// done for it.
func (a *api) shed(c *gin.Context) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
		c.Next()
	default:
		a.answer(c, overloaded)
	}
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
