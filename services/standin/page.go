package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed page.html
var pageHTML string

// pageLength is how many receipts the page shows; /received.json has them all.
const pageLength = 100

// page is the handler for those who look: the list for people at /, for programs
// at /received.json, each by ?service= if wanted, and what every process has.
func (rec *received) page(reg *prometheus.Registry) http.Handler {
	list := template.Must(template.New("page").Parse(pageHTML))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", rec.known(func(w http.ResponseWriter, r *http.Request, service string) {
		all := rec.list(service)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// What strangers sent is shown: nothing of it may run.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		list.Execute(w, struct {
			Services []string
			Service  string
			Paused   bool
			Total    int
			Receipts []receipt
		}{rec.services(), service, r.URL.Query().Has("paused"), len(all), all[:min(len(all), pageLength)]})
	}))
	mux.HandleFunc("GET /received.json", rec.known(func(w http.ResponseWriter, r *http.Request, service string) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(rec.list(service))
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}

// known refuses a ?service= that there is not.
func (rec *received) known(next func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		service := r.URL.Query().Get("service")
		if service != "" && !slices.Contains(rec.services(), service) {
			http.Error(w, fmt.Sprintf("service %q: accepted are %q", service, rec.services()), http.StatusBadRequest)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		next(w, r, service)
	}
}
