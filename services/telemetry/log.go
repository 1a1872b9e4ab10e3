package telemetry

import (
	"context"
	"io"
	"log/slog"
	"slices"

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

func newLogger(out io.Writer, rep *reporter, service, name string, doc settings.Process) *slog.Logger {
	return slog.New(handler{slog.NewJSONHandler(out, nil), rep}).With(
		"service", service, "machine", name, "release", doc.Release)
}

// handler adds the context's attributes to a line and reports what is an error.
type handler struct {
	slog.Handler
	reporter *reporter
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := attrsOf(ctx)
	if r.Level >= slog.LevelError {
		h.reporter.report(r, attrs)
	}
	r = r.Clone()
	r.AddAttrs(attrs...)
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.reporter}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.reporter}
}
