package main

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/queue"
)

// approvedAtOnce is how many requests one attempt approves: they lock out who follows
// the same user meanwhile.
const approvedAtOnce = 500

// approveAll lets all who have asked follow a user whose account is public now, unless
// it is private again. The tasks that it orders tell the followers' shards.
type approveAll struct {
	river.WorkerDefaults[queue.ApproveAll]
	*worker
	chunk int
}

func (a *approveAll) Work(ctx context.Context, job *river.Job[queue.ApproveAll]) error {
	more, err := a.store.ApproveFollows(ctx, job.Args.User, a.chunk)
	if err != nil {
		return err
	}
	a.cache.Forget(ctx, cache.Users, job.Args.User)
	if more {
		return river.JobSnooze(0) // to go on at once; it costs no attempt
	}
	return nil
}
