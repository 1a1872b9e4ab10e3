package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

const (
	// slice is how long a task goes on before it lets others have its slot. With the
	// operation that is under way by then it must end within the limit of every task.
	slice = 20 * time.Second
	// shardsAtOnce is how many shards one task goes over.
	shardsAtOnce = 256
	// rowsAtOnce is how many rows one statement removes from one shard.
	rowsAtOnce = 1000
	// lookAgain is when to ask again whether the photos are erased.
	lookAgain = 10 * time.Second
)

// eraseUser removes everything of a user whose account is deleting. Nobody has seen any of
// it since it is, and when settle is over nothing is under way any more that would add
// to it. What is to be removed is itself the list of what is left to do, so that a task may
// be cut off anywhere and repeated; only which shards were gone over stands in the task.
type eraseUser struct {
	river.WorkerDefaults[queue.EraseUser]
	*worker
	shards int // at once
	rows   int // at once
}

func (e *eraseUser) Work(ctx context.Context, job *river.Job[queue.EraseUser]) error {
	task := job.Args
	u, err := e.store.User(ctx, task.User)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil // done by an attempt whose end was not recorded
	case err != nil:
		return err
	case u.State != store.Deleting:
		return river.JobCancel(errors.New("the account is not deleting"))
	}
	until := time.Now().Add(slice)
	if task.Shard == 0 {
		if wait := e.settle - time.Since(job.CreatedAt); wait > 0 {
			return river.JobSnooze(wait)
		}
		for _, step := range []func(context.Context, id.ID) (more bool, err error){e.followers, e.following, e.barriers, e.photos} {
			if err := e.whole(until, func() (bool, error) { return step(ctx, u.ID) }); err != nil {
				return err
			}
		}
	}
	all := e.store.Shards().Count
	if first := int(task.Shard); first < all {
		next := min(first+e.shards, all)
		err := e.whole(until, func() (bool, error) {
			return e.store.EraseDeeds(ctx, u.ID, shard.Number(first), shard.Number(next-1), e.rows)
		})
		if err != nil {
			return err
		}
		return e.store.EraseUserNext(ctx, queue.EraseUser{User: u.ID, Shard: shard.Number(next)})
	}
	// Photos are erased by tasks of their own, which read the account's shard.
	switch has, err := e.store.HasMedia(ctx, u.ID); {
	case err != nil:
		return err
	case has:
		return river.JobSnooze(min(lookAgain, e.settle))
	}
	for _, step := range []func(context.Context, id.ID) (more bool, err error){e.uploads, e.exports} {
		if err := e.whole(until, func() (bool, error) { return step(ctx, u.ID) }); err != nil {
			return err
		}
	}
	return e.account(ctx, u)
}

// whole repeats a step until there is no more of it. When the time is up, it is to go on
// after others had their turn.
func (e *eraseUser) whole(until time.Time, step func() (more bool, err error)) error {
	for {
		more, err := step()
		if err != nil || !more {
			return err
		}
		if time.Now().After(until) {
			return river.JobSnooze(0)
		}
	}
}

// followers drops their feeds, too: cheaper than taking each photo out of each of them.
func (e *eraseUser) followers(ctx context.Context, user id.ID) (more bool, err error) {
	gone, err := e.store.EraseFollowers(ctx, user, e.rows)
	if err != nil || len(gone) == 0 {
		return false, err
	}
	e.cache.Forget(ctx, cache.Users, gone...) // whose counts have changed
	return true, e.feeds.Forget(ctx, gone...)
}

func (e *eraseUser) following(ctx context.Context, user id.ID) (more bool, err error) {
	n, err := e.store.EraseFollowing(ctx, user, e.rows)
	return n > 0, err
}

func (e *eraseUser) barriers(ctx context.Context, user id.ID) (more bool, err error) {
	others, err := e.store.EraseBarriers(ctx, user, e.rows)
	e.cache.Forget(ctx, cache.Barriers, others...)
	return len(others) > 0, err
}

// photos are deleted as their author would have done.
func (e *eraseUser) photos(ctx context.Context, user id.ID) (more bool, err error) {
	ms, err := e.store.UserMedia(ctx, user, 0, e.rows, true)
	if err != nil || len(ms) == 0 {
		return false, err
	}
	ids := make([]id.ID, len(ms))
	for i, m := range ms {
		ids[i] = m.ID
	}
	_, err = e.store.DeleteMedia(ctx, user, ids...)
	return true, err
}

func (e *eraseUser) uploads(ctx context.Context, user id.ID) (more bool, err error) {
	ups, err := e.store.UploadsOf(ctx, user, e.rows)
	if err != nil || len(ups) == 0 {
		return false, err
	}
	return true, e.eraseUploads(ctx, ups)
}

// eraseUploads removes the objects first, which without the rows nobody would know.
func (w *worker) eraseUploads(ctx context.Context, ups []store.Upload) error {
	keys, ids := make([]string, len(ups)), make([]id.ID, len(ups))
	for i, u := range ups {
		keys[i], ids[i] = u.Key, u.ID
	}
	if err := w.objects.Delete(ctx, keys, nil); err != nil {
		return err
	}
	return w.store.EraseUploads(ctx, ids)
}

func (e *eraseUser) exports(ctx context.Context, user id.ID) (more bool, err error) {
	exports, err := e.store.Exports(ctx, user, 0, e.rows)
	for _, x := range exports {
		if err := e.eraseExport(ctx, x); err != nil {
			return false, err
		}
	}
	return len(exports) > 0, err
}

func (w *worker) eraseExport(ctx context.Context, x store.Export) error {
	if err := w.objects.AbortParts(ctx, x.Key(), x.Progress.Upload); err != nil {
		return err
	}
	if err := w.objects.Delete(ctx, []string{x.Key()}, nil); err != nil {
		return err
	}
	return w.store.EraseExport(ctx, x)
}

// account ends with the row: until it is gone, each attempt comes by here.
func (e *eraseUser) account(ctx context.Context, u store.User) error {
	tokens, err := e.store.Devices(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, token := range tokens {
		if err := e.store.ForgetDevice(ctx, u.ID, token, time.Time{}); err != nil {
			return err
		}
	}
	if u.Avatar != "" {
		var keys []string
		for _, width := range rendition.AvatarWidths() {
			keys = append(keys, rendition.Key(u.Avatar, width))
		}
		if err := e.eraseObjects(ctx, nil, keys); err != nil {
			return err
		}
	}
	// The feed, and what is known of sessions.
	if err := kv.DeleteTagged(ctx, e.redis, strconv.FormatInt(int64(u.ID), 36)); err != nil {
		return err
	}
	if err := e.store.EraseUser(ctx, u.ID); err != nil {
		return err
	}
	e.cache.Forget(ctx, cache.Users, u.ID)
	e.cache.Forget(ctx, cache.Barriers, u.ID)
	return nil
}
