package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/feed"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/seal"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/telemetry"
)

// worker is one process, wired.
type worker struct {
	doc      settings.Worker
	name     string // of the process
	password string // of the databases
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  metrics

	store    *store.Store
	redis    *redis.ClusterClient
	cache    *cache.Cache
	objects  *media.Objects
	darkroom *media.Darkroom
	feeds    *feed.Feeds
	owners   *media.Map
	edge     *media.Edge
	links    seal.Sealer // of the tokens of linked accounts
	services map[store.Service]service
	settle   time.Duration // between the rounds in which a deleted photo is erased
}

type metrics struct {
	ready   prometheus.Counter
	failed  *prometheus.CounterVec
	visible prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		ready: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "burbn_photos_ready_total", Help: "Photos whose renditions were made.",
		}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "burbn_photos_failed_total", Help: "Photos that will not become ready.",
		}, []string{"reason"}),
		visible: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "burbn_visible_seconds", Help: "From publishing a photo to its being in the feeds of all followers.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800},
		}),
	}
	reg.MustRegister(m.ready, m.failed, m.visible)
	return m
}

// secrets are the credentials of a worker process.
type secrets struct {
	Postgres, Redis, AccessKey, SecretKey, LinkKey, Sentry string
}

// loadSecrets reads those that the settings ask for: without a DSN nothing is
// reported, and AWS's own storage knows the machine by its role.
func loadSecrets(doc settings.Worker) (s secrets, err error) {
	want := map[string]*string{"postgres-app-password": &s.Postgres, "redis-password": &s.Redis, "link-key": &s.LinkKey}
	if doc.Storage.Endpoint != "" {
		want["storage-access-key"], want["storage-secret-key"] = &s.AccessKey, &s.SecretKey
	}
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
func open(ctx context.Context, doc settings.Worker, s secrets, p *telemetry.Process) (*worker, error) {
	links, err := seal.New(s.LinkKey)
	if err != nil {
		return nil, fmt.Errorf("credential link-key: %w", err)
	}
	objects, err := media.NewObjects(doc.Storage, s.AccessKey, s.SecretKey)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, doc.Stores, s.Postgres)
	if err != nil {
		return nil, err
	}
	r := kv.Open(doc.Stores, s.Redis)
	w := &worker{
		doc: doc, name: p.Name, password: s.Postgres, log: p.Log, registry: p.Metrics, metrics: newMetrics(p.Metrics),
		store:    db,
		redis:    r,
		cache:    cache.Open(doc.Memcached, p.Metrics),
		objects:  objects,
		darkroom: media.NewDarkroom(doc.MaxPixels),
		feeds:    feed.New(r, db, doc.FeedLength, doc.FanOutLimit, p.Metrics),
		owners:   media.NewMap(r),
		edge:     media.NewEdge(doc.Edge),
		links:    links,
		services: newServices(doc.Share),
		settle:   settle,
	}
	p.Check("databases", db.Ping)
	p.Check("redis", func(ctx context.Context) error { return kv.Ping(ctx, r) })
	p.Check("storage", objects.Ping)
	return w, nil
}

func (w *worker) close() {
	w.store.Close()
	if err := errors.Join(w.redis.Close(), w.cache.Close()); err != nil {
		w.log.Warn("close connections", "error", err)
	}
}

// run works the queues until ctx is done.
func (w *worker) run(ctx context.Context) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &processPhoto{worker: w})
	river.AddWorker(workers, &processAvatar{worker: w})
	river.AddWorker(workers, &fanOut{worker: w, chunk: followersAtOnce})
	river.AddWorker(workers, &syncFollow{worker: w})
	river.AddWorker(workers, &index{worker: w})
	river.AddWorker(workers, &indexUser{worker: w})
	river.AddWorker(workers, &indexPhotos{worker: w, chunk: photosAtOnce})
	river.AddWorker(workers, &eraseMedia{worker: w, chunk: followersAtOnce})
	river.AddWorker(workers, &share{worker: w})
	river.AddWorker(workers, &eraseObjects{worker: w})
	river.AddWorker(workers, &endFollow{worker: w})
	river.AddWorker(workers, &approveAll{worker: w, chunk: approvedAtOnce})
	river.AddWorker(workers, &syncBlock{worker: w})
	river.AddWorker(workers, &mention{worker: w})
	river.AddWorker(workers, &eraseUser{worker: w, shards: shardsAtOnce, rows: rowsAtOnce})
	river.AddWorker(workers, &export{worker: w, slice: slice, rows: rowsOfFile, part: partAtLeast})
	river.AddWorker(workers, &purge{worker: w, shards: purgedAtOnce, rows: rowsAtOnce})
	return queue.Run(ctx, queue.Config{
		Name:     w.name,
		Stores:   w.doc.Stores,
		Password: w.password,
		Queues: map[string]int{
			queue.QueuePhoto:  w.doc.Slots.Photo,
			queue.QueueFanOut: w.doc.Slots.FanOut,
			queue.QueueFollow: w.doc.Slots.Follow,
			queue.QueueIndex:  w.doc.Slots.Index,
			queue.QueueShare:  w.doc.Slots.Share,
			queue.QueueDelete: w.doc.Slots.Delete,
			queue.QueueExport: w.doc.Slots.Export,
		},
		Workers: workers,
		// A little less than the process has, so that the last task's end is written.
		Stop:    time.Duration(w.doc.Stop) * 9 / 10,
		Metrics: w.registry,
		Logger:  w.log,
	})
}
