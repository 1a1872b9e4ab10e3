package telemetry

import (
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"

	"github.com/burbn/burbn/services/settings"
)

// reporter sends errors to Sentry. Without a DSN it sends nothing.
type reporter struct {
	client *sentry.Client // nil: off

	mu   sync.Mutex
	last map[string]time.Time // by message and type of error, which are few
}

// every is the least time between two reports of the same kind: an outage is told
// once a second, not once a request. The log has them all.
const every = time.Second

func newReporter(service, name string, doc settings.Process, key string) (*reporter, error) {
	if doc.SentryDSN == "" {
		return &reporter{}, nil
	}
	dsn, err := url.Parse(doc.SentryDSN)
	if err != nil {
		return nil, fmt.Errorf("parse sentryDSN: %w", err)
	}
	dsn.User = url.User(key)
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:         dsn.String(),
		Release:     doc.Release,
		Environment: doc.Stack,
		ServerName:  name,
		Tags:        map[string]string{"service": service},
		BeforeSend:  func(e *sentry.Event, _ *sentry.EventHint) *sentry.Event { return scrub(e) },
	})
	if err != nil {
		// The error would quote the DSN with its key.
		return nil, fmt.Errorf("set up Sentry for %s: the DSN or its key is not accepted", doc.SentryDSN)
	}
	return &reporter{client: client, last: map[string]time.Time{}}, nil
}

// report sends one record at level Error: its message, its attributes and the
// stack of where it was logged. The attribute "error" becomes the exception. No
// request is attached: what a client sent stays out of Sentry.
func (r *reporter) report(rec slog.Record, attrs []slog.Attr) {
	if r.client == nil {
		return
	}
	event := sentry.NewEvent()
	event.Level = sentry.LevelError
	event.Timestamp = rec.Time
	event.Message = rec.Message
	event.Tags = map[string]string{}
	exception := sentry.Exception{Type: rec.Message}
	add := func(a slog.Attr) bool {
		switch err, ok := a.Value.Any().(error); {
		case ok && a.Key == "error":
			exception.Type = fmt.Sprintf("%s (%s)", rec.Message, reflect.TypeOf(root(err)))
			exception.Value = err.Error()
		case a.Key == "stack": // the exception carries it
		default:
			event.Tags[a.Key] = a.Value.String()
		}
		return true
	}
	for _, a := range attrs {
		add(a)
	}
	rec.Attrs(add)
	if !r.due(exception.Type, rec.Time) {
		return
	}
	exception.Stacktrace = stack(rec)
	event.Exception = []sentry.Exception{exception}
	r.client.CaptureEvent(event, nil, nil)
}

func (r *reporter) due(kind string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.last[kind]) < every {
		return false
	}
	r.last[kind] = now
	return true
}

func (r *reporter) flush(wait time.Duration) {
	if r.client != nil {
		r.client.Flush(wait)
	}
}

// root unwraps an error to the one that began the chain, whose type says most.
func root(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok || u.Unwrap() == nil {
			return err
		}
		err = u.Unwrap()
	}
}

// stack is the stack of who logged rec, without the logging itself.
func stack(rec slog.Record) *sentry.Stacktrace {
	s := sentry.NewStacktrace()
	if s == nil {
		return nil
	}
	caller, _ := runtime.CallersFrames([]uintptr{rec.PC}).Next()
	for i, f := range s.Frames { // the innermost is the last
		if f.AbsPath == caller.File && f.Lineno == caller.Line {
			s.Frames = s.Frames[:i+1]
			break
		}
	}
	return s
}

// secrets are what must not leave in the text of an error: bearer tokens,
// passwords within URLs and connection strings, and signatures of presigned URLs.
var secrets = regexp.MustCompile(`(?i)(bearer\s+|://[^\s:/@]*:|password=|x-amz-signature=|x-amz-credential=)[^\s@&"']+`)

func scrub(e *sentry.Event) *sentry.Event {
	clean := func(s string) string { return secrets.ReplaceAllString(s, "${1}[redacted]") }
	e.Request, e.User = nil, sentry.User{}
	e.Message = clean(e.Message)
	for i := range e.Exception {
		e.Exception[i].Value = clean(e.Exception[i].Value)
	}
	for k, v := range e.Tags {
		e.Tags[k] = clean(v)
	}
	return e
}
