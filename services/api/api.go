package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/feed"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/telemetry"
)

const (
	// requestTimeout bounds what a handler may wait for, all in all.
	requestTimeout = 5 * time.Second
	// hashWait is how long a log-in waits for its turn to be hashed.
	hashWait = 2 * time.Second

	// How long memcached may say what is no longer so: counters that another
	// process changed while this one was reading them.
	cacheTTL = 2 * time.Minute
	// How long it says that there is no such photo or user.
	absentTTL = 10 * time.Second
)

// api is one process, wired.
type api struct {
	doc     settings.API
	log     *slog.Logger
	metrics metrics

	redis     *redis.ClusterClient
	store     *store.Store
	cache     *cache.Cache
	objects   *media.Objects
	owners    *media.Map
	feeds     *feed.Feeds
	sessions  *session.Sessions
	passwords *session.Passwords

	users cache.Table[id.ID, store.User]
	names cache.Table[string, id.ID] // by the name in lower case
	media cache.Table[id.ID, store.Media]
	likes cache.Table[string, bool] // by likeKey
}

// secrets are the credentials of an api process.
type secrets struct {
	Postgres, Redis, AccessKey, SecretKey, TokenKey, Sentry string
}

// loadSecrets reads those that the settings ask for: without a DSN nothing is
// reported, and AWS's own storage knows the machine by its role.
func loadSecrets(doc settings.API) (s secrets, err error) {
	want := map[string]*string{
		"postgres-app-password": &s.Postgres,
		"redis-password":        &s.Redis,
		"token-key":             &s.TokenKey,
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
		store:     db,
		cache:     cache.Open(doc.Memcached, p.Metrics),
		objects:   objects,
		owners:    media.NewMap(r),
		feeds:     feed.New(r, db, doc.FeedLength, p.Metrics),
		sessions:  session.New(keys, r, db, time.Duration(doc.Session)),
		passwords: session.NewPasswords(runtime.GOMAXPROCS(0), hashWait),
	}
	a.users = cache.Table[id.ID, store.User]{Cache: a.cache, Name: cache.Users, TTL: cacheTTL, Absent: absentTTL, Load: db.Users}
	a.media = cache.Table[id.ID, store.Media]{
		Cache: a.cache, Name: cache.Media, TTL: cacheTTL, Absent: absentTTL, Load: db.MediaMany,
		// A photo that becomes ready must be seen at once, whoever just looked at it.
		Keep: func(m store.Media) bool { return m.State == store.Ready },
	}
	a.names = cache.Table[string, id.ID]{Cache: a.cache, Name: "name1", TTL: cacheTTL, Load: a.loadNames}
	a.likes = cache.Table[string, bool]{Cache: a.cache, Name: "like1", TTL: cacheTTL, Load: a.loadLikes}

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

// likeKey names the like of a photo by a user in the table of likes.
func likeKey(photo, user id.ID) string { return photo.String() + "-" + user.String() }

func (a *api) loadLikes(ctx context.Context, keys []string) (map[string]bool, error) {
	likes := make(map[string]bool, len(keys))
	for _, k := range keys {
		m, u, _ := strings.Cut(k, "-")
		photo, err := id.Parse(m)
		if err != nil {
			return nil, fmt.Errorf("read like %s: %w", k, err)
		}
		user, err := id.Parse(u)
		if err != nil {
			return nil, fmt.Errorf("read like %s: %w", k, err)
		}
		if likes[k], err = a.store.Likes(ctx, photo, user); err != nil {
			return nil, err
		}
	}
	return likes, nil
}
