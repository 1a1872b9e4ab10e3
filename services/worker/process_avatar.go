package main

import (
	"context"
	"errors"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
)

// processAvatar makes an upload the avatar of its user, or keeps for them why not.
// Repeated, it writes the same objects.
type processAvatar struct {
	river.WorkerDefaults[queue.ProcessAvatar]
	*worker
}

func (p *processAvatar) Work(ctx context.Context, job *river.Job[queue.ProcessAvatar]) error {
	user := job.Args.User
	up, err := p.store.Upload(ctx, job.Args.Upload)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && up.User != user:
		return nil // gone with its user, or never theirs
	case job.Attempt >= job.MaxAttempts:
		// Whatever went wrong every time may be what ends this attempt too.
		if err := p.store.RefuseAvatar(ctx, user, internal); err != nil {
			return river.JobSnooze(giveUpAgain)
		}
		return nil
	case err != nil:
		return err
	}
	photo, err := p.developed(ctx, up.Key, p.darkroom.Portrait)
	if refusal := (*media.Refusal)(nil); errors.As(err, &refusal) {
		p.log.InfoContext(ctx, "avatar refused", "user", user, "reason", refusal.Reason, "error", refusal.Err)
		return p.store.RefuseAvatar(ctx, user, string(refusal.Reason))
	}
	if err != nil {
		return err
	}
	key := store.AvatarKey(up.Key)
	if err := p.putPhoto(ctx, key, photo); err != nil {
		return err
	}
	if err := p.store.SetAvatar(ctx, user, key); err != nil {
		return err
	}
	p.cache.Forget(ctx, cache.Users, user)
	return nil
}
