// Package telemetry is the plumbing that every process of burbn shares: its log,
// its metrics, the reporting of its errors, the admin server and the graceful
// stop.
//
// It deliberately knows nothing of photos, decides nothing for the services and
// has no lifecycle framework: a process is wired by its own main and hands its
// tasks to Run.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/burbn/burbn/services/settings"
)

const (
	// drain is how long a stopping server goes on to accept requests, answering
	// each with "Connection: close": so the proxies in front let go of their
	// connections before the listener closes, and no request meets a reset.
	drain = time.Second
	flush = 2 * time.Second // the last errors' way to Sentry
)

// Process is the plumbing of one running process. Make it with New.
type Process struct {
	// Log writes JSON lines. A line at level Error is reported to Sentry too.
	Log *slog.Logger
	// Name is what the process is called in the log, at Sentry and among those that
	// work queues. No two processes of a service that run at the same time have the same.
	Name string
	// Metrics is what /metrics answers.
	Metrics *prometheus.Registry

	settings settings.Process
	reporter *reporter
	checks   []check
	stopping atomic.Bool
	drain    time.Duration
}

// A Task runs until ctx is done, then finishes what it has begun, within the
// Stop of its process, and returns nil.
type Task struct {
	Name string // "river"
	Run  func(ctx context.Context) error
}

// New sets up the plumbing of a process of the given service ("api"), which logs
// to out. sentryKey completes the document's SentryDSN; without a DSN errors are
// logged only.
func New(service string, doc settings.Process, sentryKey string, out io.Writer) (*Process, error) {
	name, err := name(doc)
	if err != nil {
		return nil, err
	}
	rep, err := newReporter(service, name, doc, sentryKey)
	if err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "burbn_release_info",
			Help:        "1, labelled with the release that runs.",
			ConstLabels: prometheus.Labels{"service": service, "release": doc.Release},
		}, func() float64 { return 1 }),
	)
	return &Process{
		Log:      newLogger(out, rep, service, name, doc),
		Name:     name,
		Metrics:  reg,
		settings: doc,
		reporter: rep,
		drain:    drain,
	}, nil
}

// name is the machine's, to which one of a fleet adds its host's.
func name(doc settings.Process) (string, error) {
	if !doc.Fleet {
		return doc.Machine, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name the process: %w", err)
	}
	return doc.Machine + "@" + host, nil
}

// Run serves the admin endpoints and runs the tasks until ctx is done or a task
// ends by itself, which is an error. Then it stops them all and waits for them,
// at most the document's Stop; a task that is still running then is named in the
// error. A service manager is told when the tasks have begun and when they stop.
func (p *Process) Run(ctx context.Context, tasks ...Task) error {
	ln, err := net.Listen("tcp", p.settings.Admin)
	if err != nil {
		return fmt.Errorf("listen for the admin server: %w", err)
	}
	admin := p.adminServer()
	go admin.Serve(ln)
	defer admin.Close()
	defer p.reporter.flush(flush)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type end struct {
		task int
		err  error
	}
	ends := make(chan end, len(tasks))
	for i, t := range tasks {
		go func() { ends <- end{i, t.Run(ctx)} }()
	}
	p.Log.InfoContext(ctx, "started", "admin", ln.Addr().String())
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		p.Log.WarnContext(ctx, "tell the service manager that the process is ready", "error", err)
	}

	running := make(map[int]string, len(tasks))
	for i, t := range tasks {
		running[i] = t.Name
	}
	var errs []error
	ended := func(e end) {
		if e.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", running[e.task], e.err))
		} else if ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("%s: ended by itself", running[e.task]))
		}
		delete(running, e.task)
	}
	select {
	case <-ctx.Done():
	case e := <-ends:
		ended(e)
	}

	p.stopping.Store(true)
	p.Log.InfoContext(ctx, "stopping", "deadline", time.Duration(p.settings.Stop).String())
	if _, err := daemon.SdNotify(false, daemon.SdNotifyStopping); err != nil {
		p.Log.WarnContext(ctx, "tell the service manager that the process stops", "error", err)
	}
	cancel()
	deadline := time.NewTimer(time.Duration(p.settings.Stop))
	defer deadline.Stop()
	for len(running) > 0 {
		select {
		case e := <-ends:
			ended(e)
		case <-deadline.C:
			var names []string
			for _, name := range running {
				names = append(names, name)
			}
			errs = append(errs, fmt.Errorf("still running after %s: %s", time.Duration(p.settings.Stop), strings.Join(names, ", ")))
			clear(running)
		}
	}
	p.Log.InfoContext(ctx, "stopped")
	return errors.Join(errs...)
}

// Serve is the task that serves srv on ln, which it closes. Stopping, it first
// lets go of the connections one by one (see drain), then waits for the requests
// under way.
func (p *Process) Serve(name string, srv *http.Server, ln net.Listener) Task {
	var draining atomic.Bool
	next := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
	return Task{Name: name, Run: func(ctx context.Context) error {
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
		}
		draining.Store(true)
		limit := time.Duration(p.settings.Stop)
		pause := min(p.drain, limit/4)
		time.Sleep(pause)
		// A little before the process gives up, so that the cut is an orderly one.
		stop, cancel := context.WithTimeout(context.Background(), (limit-pause)*9/10)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			srv.Close()
			return fmt.Errorf("requests were cut off: %w", err)
		}
		return nil
	}}
}
