package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds each check of /readyz.
const checkTimeout = 2 * time.Second

type check struct {
	name string
	f    func(context.Context) error
}

// Check adds a condition of /readyz under a name; f returns why it does not hold.
// All checks must stand before Run.
func (p *Process) Check(name string, f func(context.Context) error) {
	p.checks = append(p.checks, check{name, f})
}

// Admin is the handler of the admin server: /healthz says that the process lives,
// /readyz whether it can do its work and what keeps it from it, /metrics and
// /debug/pprof serve those who look inside.
func (p *Process) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", p.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{Registry: p.Metrics, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func (p *Process) adminServer() *http.Server {
	return &http.Server{
		Handler:           p.Admin(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // a profile of 30 s or more
		IdleTimeout:       2 * time.Minute,
	}
}

// readyz answers 200 {"ready":true} or 503 {"ready":false,"reasons":{"redis":"..."}}.
func (p *Process) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		reasons = map[string]string{}
	)
	if p.stopping.Load() {
		reasons["process"] = "stopping"
	}
	for _, c := range p.checks {
		wg.Go(func() {
			if err := c.f(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				reasons[c.name] = err.Error()
			}
		})
	}
	wg.Wait()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if len(reasons) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(struct {
		Ready   bool              `json:"ready"`
		Reasons map[string]string `json:"reasons,omitempty"`
	}{len(reasons) == 0, reasons})
}
