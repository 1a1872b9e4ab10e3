package main

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
)

// endFollow ends on the follower's shard what the followed one has ended, and drops the
// follower's feed.
type endFollow struct {
	river.WorkerDefaults[queue.EndFollow]
	*worker
}

func (e *endFollow) Work(ctx context.Context, job *river.Job[queue.EndFollow]) error {
	actor, target := job.Args.Actor, job.Args.Target
	if err := e.store.EndFollow(ctx, actor, target, job.Args.Until); err != nil {
		return err
	}
	return e.followed(ctx, actor, target)
}
