package main

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// syncFollow brings the shards of both to one word about a follow, and drops the
// follower's feed, which the next read builds anew. It says what is so when it runs,
// not when it was ordered, so that order does not matter.
type syncFollow struct {
	river.WorkerDefaults[queue.SyncFollow]
	*worker
}

func (s *syncFollow) Work(ctx context.Context, job *river.Job[queue.SyncFollow]) error {
	actor, target := job.Args.Actor, job.Args.Target
	if err := s.store.SyncFollow(ctx, actor, target); err != nil {
		return err
	}
	return s.followed(ctx, actor, target)
}

// followed forgets what a follow has changed: the counts of both, the feed of one.
func (w *worker) followed(ctx context.Context, actor, target id.ID) error {
	w.cache.Forget(ctx, cache.Users, actor, target)
	return w.feeds.Forget(ctx, actor)
}
