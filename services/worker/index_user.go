package main

import (
	"cmp"
	"context"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
)

// photosAtOnce is how many photos one task indexes, so that none is long.
const photosAtOnce = 100

// indexUser brings the directory to what the user's row says when it runs.
type indexUser struct {
	river.WorkerDefaults[queue.IndexUser]
	*worker
}

func (i *indexUser) Work(ctx context.Context, job *river.Job[queue.IndexUser]) error {
	return i.store.IndexUser(ctx, job.Args.User)
}

// indexPhotos indexes one chunk of a user's photos, then orders the next chunk: whether
// they are listed has changed for all of them.
type indexPhotos struct {
	river.WorkerDefaults[queue.IndexPhotos]
	*worker
	chunk int
}

func (i *indexPhotos) Work(ctx context.Context, job *river.Job[queue.IndexPhotos]) error {
	task := job.Args
	photos, err := i.store.Tagged(ctx, task.User, task.After, i.chunk)
	if err != nil {
		return err
	}
	for _, photo := range photos {
		if err := i.store.Index(ctx, queue.Index{Media: photo}); err != nil {
			return err
		}
	}
	if len(photos) < i.chunk {
		return nil
	}
	return i.store.IndexNext(ctx, queue.IndexPhotos{
		User: task.User, After: photos[len(photos)-1], Round: cmp.Or(task.Round, job.ID),
	})
}
