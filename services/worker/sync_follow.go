package main

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/queue"
)

// syncFollow brings the followed one's shard to what the follower's shard says,
// and drops the follower's feed, which the next read builds anew. It says what is
// so when it runs, not when it was ordered, so that order does not matter.
type syncFollow struct {
	river.WorkerDefaults[queue.SyncFollow]
	*worker
}

func (s *syncFollow) Work(ctx context.Context, job *river.Job[queue.SyncFollow]) error {
	actor, target := job.Args.Actor, job.Args.Target
	if err := s.store.SyncFollow(ctx, actor, target); err != nil {
		return err
	}
	s.cache.Forget(ctx, cache.Users, actor, target) // whose counts have changed
	return s.feeds.Forget(ctx, actor)
}
