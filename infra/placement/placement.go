// Package placement is what the placements of every target have in common: what a
// topology says that depends on no machine. Where the machines are is for infra/local
// and infra/aws.
package placement

import (
	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/topology"
)

// Of is a stack's placement without machines, programs and names.
func Of(t topology.Topology, stack string) images.Placement {
	return images.Placement{
		Stack:  stack,
		Target: string(t.Target),
		Shards: t.Shards,

		WorkerSlots:         images.Slots(t.Worker.Slots),
		PushSlots:           t.Push.Slots,
		MaxUploadBytes:      int64(t.Upload.MaxBytes),
		UploadExpires:       t.Upload.Expires,
		Session:             t.Session,
		MaxPixels:           t.Upload.MaxPixels,
		FeedLength:          t.Feed.Length,
		FanOutLimit:         t.Feed.FanOutLimit,
		RateLimits:          images.RateLimits(t.RateLimits),
		Origins:             t.Origins,
		MemcachedMB:         t.Memcached.MemoryMB,
		RedisMB:             t.Redis.MemoryMB,
		PostgresConnections: t.Postgres.Connections,
		ScrapeInterval:      t.Monitoring.ScrapeInterval,
	}
}
