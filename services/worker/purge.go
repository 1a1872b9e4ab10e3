package main

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
)

const (
	// purgedAtOnce is how many shards of a database one task purges. It is few, because
	// each has tables that are read as a whole.
	purgedAtOnce = 32
	// clocks is by how much the clocks of two machines may differ.
	clocks = time.Minute
)

// purge removes what is kept for a while only from a slice of the shards of a database, then
// orders the next slice. Repeated, it finds less to do.
type purge struct {
	river.WorkerDefaults[queue.Purge]
	*worker
	shards int // at once
	rows   int // at once
}

func (p *purge) Work(ctx context.Context, job *river.Job[queue.Purge]) error {
	task := job.Args
	if task.Began.IsZero() {
		task.Began = job.CreatedAt.UTC()
	}
	until := time.Now().Add(slice)
	last := min(int(task.Shard)+p.shards-1, int(task.Last))
	departed, err := p.store.Departed(ctx, task.Shard)
	if err != nil {
		return err
	}
	for more := true; more; {
		if more, err = p.store.Purge(ctx, task.Shard, shard.Number(last), departed, p.rows); err != nil {
			return err
		}
		ups, err := p.store.StaleUploads(ctx, task.Shard, shard.Number(last), p.rows)
		if err != nil {
			return err
		}
		if err := p.eraseUploads(ctx, ups); err != nil {
			return err
		}
		exports, err := p.store.OldExports(ctx, task.Shard, shard.Number(last), p.rows)
		if err != nil {
			return err
		}
		for _, x := range exports {
			if err := p.eraseExport(ctx, x); err != nil {
				return err
			}
		}
		more = more || len(ups) > 0 || len(exports) > 0
		if more && time.Now().After(until) {
			return river.JobSnooze(0)
		}
	}
	if last < int(task.Last) {
		task.Shard = shard.Number(last + 1)
		return p.store.PurgeNext(ctx, task)
	}
	return p.store.ForgetDeparted(ctx, task.Shard, task.Began.Add(-clocks))
}
