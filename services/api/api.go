package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/explore"
	"github.com/burbn/burbn/services/feed"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/limit"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/seal"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/telemetry"
)

const (
	// requestTimeout bounds what a handler may wait for, all in all.
	requestTimeout = 5 * time.Second
	// atOnce is how many requests one process serves at a time. It is far more than the
	// connections that they share, so that those who wait for one make up for the ones
	// that wait for none; a hundred times as many would only time out together.
	atOnce = 512
	// hashWait is how long a log-in waits for its turn to be hashed.
	hashWait = 2 * time.Second

	// How long memcached may say what is no longer so: counters that another
	// process changed while this one was reading them.
	cacheTTL = 2 * time.Minute
	// How long it says that there is no such photo or user.
	absentTTL = 10 * time.Second
	// How long what somebody did to photos is kept. Whatever changes it forgets it.
	marksTTL = time.Hour
)

// api is one process, wired.
type api struct {
	doc     settings.API
	log     *slog.Logger
	metrics metrics

	redis     *redis.ClusterClient
	gather    *kv.Gatherer // of redis, for what is read most
	store     *store.Store
	cache     *cache.Cache
	objects   *media.Objects
	owners    *media.Map
	feeds     *feed.Feeds
	popular   *explore.Explore
	sessions  *session.Sessions
	passwords *session.Passwords
	audience  *audience.Audience
	links     seal.Sealer // of the tokens of linked accounts
	limits    *limit.Limits
	policies  policies
	answers   seal.Sealer   // of requests with an Idempotency-Key
	slots     chan struct{} // of requests that are served at once

	users    cache.Table[id.ID, store.User]
	barriers cache.Table[id.ID, store.Barriers]
	names    cache.Table[string, id.ID] // by the name in lower case
	media    cache.Table[id.ID, store.Media]
	marked   cache.Table[id.ID, marks] // by who made them
	asking   singleflight.Group        // of marks

	suggestions cache.Table[id.ID, []store.Suggestion]
}

// secrets are the credentials of an api process.
type secrets struct {
	Postgres, Redis, AccessKey, SecretKey, TokenKey, LinkKey, Sentry string
}

// loadSecrets reads those that the settings ask for: without a DSN nothing is
// reported, and AWS's own storage knows the machine by its role.
func loadSecrets(doc settings.API) (s secrets, err error) {
	want := map[string]*string{
		"postgres-app-password": &s.Postgres,
		"redis-password":        &s.Redis,
		"token-key":             &s.TokenKey,
		"link-key":              &s.LinkKey,
	}
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
func open(ctx context.Context, doc settings.API, s secrets, p *telemetry.Process) (*api, error) {
	keys, err := session.NewKeys(s.TokenKey)
	if err != nil {
		return nil, err
	}
	links, err := seal.New(s.LinkKey)
	if err != nil {
		return nil, fmt.Errorf("credential link-key: %w", err)
	}
	answers, err := newAnswers(s.TokenKey)
	if err != nil {
		return nil, err
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
	a := &api{
		doc:       doc,
		log:       p.Log,
		metrics:   newMetrics(p.Metrics),
		redis:     r,
		gather:    kv.Gather(r),
		store:     db,
		cache:     cache.Open(doc.Memcached, p.Metrics),
		objects:   objects,
		links:     links,
		owners:    media.NewMap(r),
		popular:   explore.New(r, db, p.Metrics),
		feeds:     feed.New(r, db, doc.FeedLength, doc.FanOutLimit, p.Metrics),
		sessions:  session.New(keys, r, db, time.Duration(doc.Session)),
		passwords: session.NewPasswords(runtime.GOMAXPROCS(0), hashWait),
		limits:    limit.New(r, now),
		policies:  newPolicies(doc.RateLimits),
		answers:   answers,
		slots:     make(chan struct{}, atOnce),
	}
	a.users = cache.Table[id.ID, store.User]{
		Cache: a.cache, Name: cache.Users, TTL: cacheTTL, Absent: absentTTL, Load: db.Users, Face: a.authorFace,
	}
	a.barriers = cache.Table[id.ID, store.Barriers]{Cache: a.cache, Name: cache.Barriers, TTL: cacheTTL, Load: db.Barriers}
	a.audience = audience.New(db, &a.barriers)
	a.media = cache.Table[id.ID, store.Media]{
		Cache: a.cache, Name: cache.Media, TTL: cacheTTL, Absent: absentTTL, Load: db.MediaMany, Face: a.photoFace,
		// A photo that becomes ready must be seen at once, whoever just looked at it.
		Keep: func(m store.Media) bool { return m.State == store.Ready },
	}
	a.names = cache.Table[string, id.ID]{Cache: a.cache, Name: "name1", TTL: cacheTTL, Load: a.loadNames}
	a.suggestions = cache.Table[id.ID, []store.Suggestion]{Cache: a.cache, Name: "suggest1", TTL: suggestionsTTL, Load: a.loadSuggestions}
	a.marked = cache.Table[id.ID, marks]{Cache: a.cache, Name: "marks1", TTL: marksTTL}

	p.Check("databases", db.Ping)
	p.Check("redis", func(ctx context.Context) error { return kv.Ping(ctx, r) })
	p.Check("storage", objects.Ping)
	return a, nil
}

func (a *api) close() {
	a.store.Close()
	if err := errors.Join(a.redis.Close(), a.cache.Close()); err != nil {
		a.log.Warn("close connections", "error", err)
	}
}

func (a *api) server() *http.Server {
	return &http.Server{
		Handler:           a.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      requestTimeout + 10*time.Second,
		IdleTimeout:       2 * time.Minute, // longer than the proxies keep theirs
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
}

func (a *api) loadNames(ctx context.Context, names []string) (map[string]id.ID, error) {
	ids := make(map[string]id.ID, len(names))
	for _, n := range names {
		switch u, err := a.store.UserByName(ctx, n); {
		case err == nil:
			ids[n] = u.ID
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return ids, nil
}
