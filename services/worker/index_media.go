package main

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
)

// index brings the lists of tags and places to what the photo's row says when it runs, so
// that neither order nor repetition matters.
type index struct {
	river.WorkerDefaults[queue.Index]
	*worker
}

func (i *index) Work(ctx context.Context, job *river.Job[queue.Index]) error {
	return i.store.Index(ctx, job.Args)
}
