package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	keep    = 1000     // receipts of each service
	maxBody = 10 << 20 // what is read of a request
	maxShow = 4 << 10  // what is kept of it
)

// receipt is one request as it is listed.
type receipt struct {
	At      time.Time         `json:"at"`
	Service string            `json:"service"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"` // apns-*
	Body    string            `json:"body"`              // its beginning
	Status  int               `json:"status"`            // what was answered
	Answer  string            `json:"answer"`            // in a word: "BadDeviceToken"
}

// answer is what a service says to a request.
type answer struct {
	status int
	header map[string]string
	body   any // as JSON; nil: none
	// word sums it up for the list.
	word string
	// show replaces the request's body in the list, if it holds what must not be
	// shown or is not text.
	show string
}

// received is what the services have received, the last of each. Its methods may
// be called by many goroutines.
type received struct {
	mu    sync.Mutex
	rings map[string]*ring
	total *prometheus.CounterVec
}

type ring struct {
	receipts [keep]receipt
	next     int // where the next one goes, counted on and on
}

func newReceived(reg prometheus.Registerer) *received {
	r := &received{
		rings: map[string]*ring{},
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "burbn_standin_requests_total",
			Help: "Requests received, by service and by the status that was answered.",
		}, []string{"service", "code"}),
	}
	reg.MustRegister(r.total)
	return r
}

// service is the handler of a stand-in whose answers depend on the request and its
// body alone.
func (rec *received) service(name string, answers func(*http.Request, []byte) answer) http.Handler {
	rec.rings[name] = &ring{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a answer
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			a = answer{status: http.StatusRequestEntityTooLarge, word: "body unread"}
		} else {
			a = answers(r, body)
		}
		// Listed first: who has the answer may look for it at once.
		rec.add(name, r, body, a)
		for k, v := range a.header {
			w.Header().Set(k, v)
		}
		if a.body == nil {
			w.WriteHeader(a.status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		json.NewEncoder(w).Encode(a.body) // who hangs up does not want it
	})
}

func (rec *received) add(service string, r *http.Request, body []byte, a answer) {
	one := receipt{
		At: time.Now().UTC(), Service: service, Method: r.Method, Path: cut(r.URL.Path),
		Body: a.show, Status: a.status, Answer: a.word,
	}
	if one.Body == "" && utf8.Valid(body) {
		one.Body = string(body)
	} else if one.Body == "" {
		one.Body = fmt.Sprintf("%d bytes of %s", len(body), http.DetectContentType(body))
	}
	one.Body = cut(one.Body)
	for _, k := range []string{"Apns-Id", "Apns-Topic", "Apns-Push-Type", "Apns-Priority", "Apns-Expiration", "Apns-Collapse-Id"} {
		if v := r.Header.Get(k); v != "" {
			if one.Headers == nil {
				one.Headers = map[string]string{}
			}
			one.Headers[k] = cut(v)
		}
	}
	rec.total.WithLabelValues(service, fmt.Sprint(a.status)).Inc()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	g := rec.rings[service]
	g.receipts[g.next%keep] = one
	g.next++
}

// list is what one service, or every one (""), has received, newest first.
func (rec *received) list(service string) []receipt {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	all := []receipt{}
	for name, g := range rec.rings {
		if service == "" || service == name {
			all = append(all, g.receipts[:min(g.next, keep)]...)
		}
	}
	slices.SortStableFunc(all, func(a, b receipt) int { return b.At.Compare(a.At) })
	return all
}

func (rec *received) services() []string { return slices.Sorted(maps.Keys(rec.rings)) }

// cut keeps the beginning, in whole characters.
func cut(s string) string {
	if len(s) <= maxShow {
		return s
	}
	n := maxShow
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
