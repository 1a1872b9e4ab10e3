package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/burbn/burbn/services/settings"
)

type attrsKey struct{}

// With attaches attributes, such as the id of a request or a task, to every log
// line and every reported error under the returned context.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	return context.WithValue(ctx, attrsKey{}, slices.Concat(attrsOf(ctx), attrs))
}

func attrsOf(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return attrs
}

// Lines gathers what is logged and writes it a little later, many lines at once: a system
// call for each request is a good part of what a short one costs. What is worse than
// information is written at once. Whoever makes one flushes it at the end.
type Lines struct {
	mu    sync.Mutex
	out   io.Writer
	buf   []byte
	timer *time.Timer // until what is gathered is written; nil: nothing is
}

const (
	linesLate = 100 * time.Millisecond
	linesMost = 64 << 10 // bytes
)

// NewLines gathers lines for out.
func NewLines(out io.Writer) *Lines { return &Lines{out: out} }

func (l *Lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, line...)
	if len(l.buf) > linesMost {
		return len(line), l.flush()
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(linesLate, func() { _ = l.Flush() }) // nowhere to say that logging fails
	}
	return len(line), nil
}

// Flush writes what is gathered.
func (l *Lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

func (l *Lines) flush() error {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	_, err := l.out.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

func newLogger(out io.Writer, rep *reporter, service, name string, doc settings.Process) *slog.Logger {
	h := handler{Handler: slog.NewJSONHandler(out, nil), reporter: rep}
	if l, ok := out.(*Lines); ok {
		h.lines = l
	}
	return slog.New(h).With(
		"service", service, "machine", name, "release", doc.Release)
}

// handler adds the context's attributes to a line and reports what is an error.
type handler struct {
	slog.Handler
	reporter *reporter
	lines    *Lines // nil: each line is written at once
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := attrsOf(ctx)
	if r.Level >= slog.LevelError {
		h.reporter.report(r, attrs)
	}
	r = r.Clone()
	r.AddAttrs(attrs...)
	err := h.Handler.Handle(ctx, r)
	if h.lines != nil && r.Level > slog.LevelInfo {
		err = errors.Join(err, h.lines.Flush())
	}
	return err
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.reporter, h.lines}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.reporter, h.lines}
}
