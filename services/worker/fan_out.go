package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
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
	if _, err := f.store.Media(ctx, task.Media); errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	if task.After == 0 {
		many, merged, err := f.feeds.Merged(ctx, task.Author)
		if err != nil {
			return err
		}
		if merged {
			return f.deliver(ctx, task, []id.ID{task.Author})
		}
		task.Forget = many
	}
	followers, err := f.store.Followers(ctx, task.Author, task.After, f.chunk)
	if err != nil {
		return err
	}
	readers := followers
	if task.After == 0 {
		readers = append(slices.Clip(followers), task.Author) // who sees their own photos too
	}
	if err := f.deliver(ctx, task, readers); err != nil {
		return err
	}
	if len(followers) == f.chunk {
		next := task
		next.After = followers[len(followers)-1]
		return f.store.FanOutNext(ctx, next)
	}
	if task.Forget {
		if err := f.feeds.SetMerged(ctx, task.Author); err != nil {
			return err
		}
	}
	f.metrics.visible.Observe(time.Since(task.Published).Seconds())
	return nil
}

func (f *fanOut) deliver(ctx context.Context, task queue.FanOut, readers []id.ID) error {
	if task.Forget {
		return f.feeds.Forget(ctx, readers...)
	}
	return f.feeds.Push(ctx, readers, store.Post{Media: task.Media, Author: task.Author})
}
