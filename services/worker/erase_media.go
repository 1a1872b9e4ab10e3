package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/store"
)

const (
	// settle is longer than anything lasts that may have been under way when a photo was
	// deleted, and that leaves something of it behind: an attempt to make its renditions, a
	// chunk of its fan-out, the loading of a cache, a like.
	settle = 2 * time.Minute
	// talkAtOnce is how many likes and comments one statement erases.
	talkAtOnce = 5000
)

// eraseMedia removes what there is of a deleted photo: its bytes in storage and at the
// edge, its place in feeds, caches and the media map, likes and comments, and at last
// its row. Nobody has been shown any of it since it was deleted.
//
// It goes over everything twice, because the first round may be overtaken by what was
// under way; the row goes last in the second. So until nothing is left each step can
// be repeated, and is.
type eraseMedia struct {
	river.WorkerDefaults[queue.EraseMedia]
	*worker
	chunk int
}

func (e *eraseMedia) Work(ctx context.Context, job *river.Job[queue.EraseMedia]) error {
	task := job.Args
	m, err := e.store.DeletedMedia(ctx, task.Media)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil // done by an attempt whose end was not recorded
	case err != nil:
		return err
	}
	if wait := e.settle - time.Since(job.CreatedAt); task.Last && task.After == 0 && wait > 0 {
		return river.JobSnooze(wait)
	}
	if task.After == 0 {
		if err := e.hide(ctx, m, task.Last); err != nil {
			return err
		}
	}
	followers, err := e.store.Followers(ctx, m.User, task.After, e.chunk)
	if err != nil {
		return err
	}
	readers := append(slices.Clip(followers), m.User) // who sees their own photos too
	if err := e.feeds.Remove(ctx, readers, store.Post{Media: m.ID, Author: m.User}); err != nil {
		return err
	}
	next := task
	if len(followers) == e.chunk {
		next.After = followers[len(followers)-1]
		return e.store.EraseNext(ctx, next)
	}
	for more := true; more; {
		if more, err = e.store.EraseTalk(ctx, m.ID, talkAtOnce); err != nil {
			return err
		}
	}
	if !task.Last {
		next.Last, next.After = true, 0
		return e.store.EraseNext(ctx, next)
	}
	return e.store.EraseMedia(ctx, m.ID)
}

// hide takes away what can be read without asking a database.
func (e *eraseMedia) hide(ctx context.Context, m store.Media, again bool) error {
	e.cache.Forget(ctx, cache.Media, m.ID)
	e.cache.Forget(ctx, cache.Users, m.User) // who has one photo less
	renditions := rendition.Keys(m.Key)
	if err := e.objects.Delete(ctx, []string{m.Key}, renditions); err != nil {
		return err
	}
	// Once is enough for the edge, which may bill it: of what was made since, nobody
	// knows the URL.
	if !again {
		if err := e.edge.Purge(ctx, renditions...); err != nil {
			return err
		}
	}
	return e.owners.Forget(ctx, m.ID)
}
