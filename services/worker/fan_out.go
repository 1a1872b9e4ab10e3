package main

import (
	"context"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
)

// followersAtOnce is how many followers one task serves, so that no task is long
// and the photos of the followed by millions do not hold up everybody else's.
const followersAtOnce = 10_000

// fanOut puts a photo into the feeds of one chunk of its author's followers, then
// orders the next chunk. Repeated, it adds nothing twice.
type fanOut struct {
	river.WorkerDefaults[queue.FanOut]
	*worker
	chunk int
}

func (f *fanOut) Work(ctx context.Context, job *river.Job[queue.FanOut]) error {
	task := job.Args
	followers, err := f.store.Followers(ctx, task.Author, task.After, f.chunk)
	if err != nil {
		return err
	}
	readers := followers
	if task.After == 0 {
		readers = append(slices.Clip(followers), task.Author) // who sees their own photos too
	}
	if err := f.feeds.Push(ctx, readers, task.Media); err != nil {
		return err
	}
	if len(followers) == f.chunk {
		next := task
		next.After = followers[len(followers)-1]
		return f.store.FanOutNext(ctx, next)
	}
	f.metrics.visible.Observe(time.Since(task.Published).Seconds())
	return nil
}
