package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/telemetry"
)

// push is one process, wired.
type push struct {
	doc      settings.Push
	name     string // of the process
	password string // of the databases
	log      *slog.Logger
	registry *prometheus.Registry
	pushes   *prometheus.CounterVec

	store *store.Store
	apns  *apns
}

// secrets are the credentials of a push process.
type secrets struct {
	Postgres, APNs, Sentry string
}

// loadSecrets reads those that the settings ask for: without a DSN nothing is
// reported.
func loadSecrets(doc settings.Push) (s secrets, err error) {
	want := map[string]*string{"postgres-app-password": &s.Postgres, "apns-key": &s.APNs}
	if doc.SentryDSN != "" {
		want["sentry-key"] = &s.Sentry
	}
	var errs []error
	for name, to := range want {
		*to, err = settings.Credential(name)
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// open wires a process. It waits for nothing that it talks to: /readyz says what
// is missing.
func open(ctx context.Context, doc settings.Push, s secrets, p *telemetry.Process) (*push, error) {
	apns, err := newAPNs(doc.APNs, s.APNs)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, doc.Stores, s.Postgres)
	if err != nil {
		return nil, err
	}
	pushes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "burbn_pushes_total",
		Help: "Pushes to devices, by result: sent, forgotten (the device is gone), retry, refused (our fault).",
	}, []string{"result"})
	p.Metrics.MustRegister(pushes)
	p.Check("databases", db.Ping)
	return &push{
		doc: doc, name: p.Name, password: s.Postgres, log: p.Log, registry: p.Metrics, pushes: pushes,
		store: db, apns: apns,
	}, nil
}

func (p *push) close() {
	p.store.Close()
	p.apns.close()
}

// run works the queue until ctx is done.
func (p *push) run(ctx context.Context) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &notify{push: p})
	river.AddWorker(workers, &disownDevice{push: p})
	return queue.Run(ctx, queue.Config{
		Name:     p.name,
		Stores:   p.doc.Stores,
		Password: p.password,
		Queues:   map[string]int{queue.QueuePush: p.doc.Slots},
		Workers:  workers,
		// A little less than the process has, so that the last task's end is written.
		Stop:    time.Duration(p.doc.Stop) * 9 / 10,
		Metrics: p.registry,
		Logger:  p.log,
	})
}
