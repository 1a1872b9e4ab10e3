package main

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
)

// eraseObjects removes objects that nothing refers to any more from storage and from the
// edge. Repeated, it finds nothing.
type eraseObjects struct {
	river.WorkerDefaults[queue.EraseObjects]
	*worker
}

func (e *eraseObjects) Work(ctx context.Context, job *river.Job[queue.EraseObjects]) error {
	return e.eraseObjects(ctx, job.Args.Uploads, job.Args.Media)
}

// eraseObjects removes objects from storage, and those of media from the edge too.
func (w *worker) eraseObjects(ctx context.Context, uploads, media []string) error {
	if err := w.objects.Delete(ctx, uploads, media); err != nil {
		return err
	}
	return w.edge.Purge(ctx, media...)
}
