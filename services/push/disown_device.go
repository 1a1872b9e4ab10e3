package main

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
)

// disownDevice takes a device from a user who has it no more.
type disownDevice struct {
	river.WorkerDefaults[queue.DisownDevice]
	*push
}

func (d *disownDevice) Work(ctx context.Context, job *river.Job[queue.DisownDevice]) error {
	return d.store.ForgetDevice(ctx, job.Args.User, job.Args.Token, job.Args.Since)
}
