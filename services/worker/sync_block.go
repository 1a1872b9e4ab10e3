package main

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/queue"
)

// syncBlock tells the shard of who is blocked, so that for them too the other is not
// there any more.
type syncBlock struct {
	river.WorkerDefaults[queue.SyncBlock]
	*worker
}

func (s *syncBlock) Work(ctx context.Context, job *river.Job[queue.SyncBlock]) error {
	actor, target := job.Args.Actor, job.Args.Target
	if err := s.store.SyncBlock(ctx, actor, target); err != nil {
		return err
	}
	s.cache.Forget(ctx, cache.Barriers, actor, target)
	return nil
}
