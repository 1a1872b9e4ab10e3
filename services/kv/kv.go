// Package kv opens the Redis cluster that holds feeds, sessions and the media
// map. One master is a cluster of one.
//
// It deliberately wraps nothing: keys, encodings and what to do without Redis
// belong to those who use it. Everything in it can be made again from the
// databases.
package kv

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/burbn/burbn/services/settings"
)

const (
	// timeout bounds the dialling of a node and each read and write. What lives in
	// Redis answers within a millisecond or is not worth waiting for.
	timeout = 500 * time.Millisecond
	// connections is how many one process keeps with one node at most.
	connections = 64
)

// Open returns the client of the cluster. It dials nothing yet, so that a process
// starts without Redis.
func Open(stores settings.Stores, password string) *redis.ClusterClient {
	o := &redis.ClusterOptions{
		Addrs:                 stores.Redis,
		Password:              password,
		DialTimeout:           timeout,
		DialerRetries:         1,
		ReadTimeout:           timeout,
		WriteTimeout:          timeout,
		PoolTimeout:           timeout,
		ContextTimeoutEnabled: true,
		PoolSize:              connections,
		MaxActiveConns:        connections,
		// A pool of their own would cost pipelines, which are most of what is sent,
		// 256 KiB a connection.
		PipelinePoolSize: -1,
		MaxRetryBackoff:  100 * time.Millisecond,
		// A failover is over in seconds; a stale view of the cluster should be too.
		ClusterStateReloadInterval: 10 * time.Second,
		FailingTimeoutSeconds:      1,
		MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		NewClient: func(o *redis.Options) *redis.Client {
			o.Limiter = &breaker{}
			return redis.NewClient(o)
		},
	}
	if stores.RedisTLSDomain != "" {
		o.TLSConfig = below(stores.RedisTLSDomain, nil)
	}
	return redis.NewClusterClient(o)
}

// LogTo sends to l what the client has to say for itself, which is of connections
// that fail; otherwise it writes to stderr. It is for main, before Open.
func LogTo(l *slog.Logger) { redis.SetLogger(logger{l}) }

type logger struct{ *slog.Logger }

func (l logger) Printf(ctx context.Context, format string, v ...any) {
	l.WarnContext(ctx, "redis", "detail", fmt.Sprintf(format, v...))
}

// Ping says which master does not answer.
func Ping(ctx context.Context, c *redis.ClusterClient) error {
	return c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		if err := node.Ping(ctx).Err(); err != nil {
			return fmt.Errorf("redis %s: %w", node.Options().Addr, err)
		}
		return nil
	})
}
