package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/store"
)

const (
	// maxOriginal is what a worker reads of an original. What a phone may upload is
	// the API's to say, and less.
	maxOriginal = 100 << 20
	// internal is the reason that a client is shown when the fault was ours.
	internal = "internal"
	// giveUpAgain is when giving up is tried again.
	giveUpAgain = 10 * time.Second
)

// processPhoto makes the renditions of a photo and marks it ready, or failed.
// Repeated, it writes the same objects and marks nothing twice.
type processPhoto struct {
	river.WorkerDefaults[queue.ProcessPhoto]
	*worker
}

func (p *processPhoto) Work(ctx context.Context, job *river.Job[queue.ProcessPhoto]) error {
	m, err := p.store.Media(ctx, job.Args.Media)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil // deleted meanwhile
	case err == nil && m.State != store.Processing:
		return nil // done by an attempt whose end was not recorded
	case job.Attempt >= job.MaxAttempts:
		// Whatever went wrong every time may be what ends this attempt too.
		p.log.ErrorContext(ctx, "photo given up", "media", job.Args.Media, "attempts", job.Attempt)
		if err := p.fail(ctx, store.Media{ID: job.Args.Media}, internal); err != nil {
			return river.JobSnooze(giveUpAgain) // a photo must not stay in processing for ever
		}
		return nil
	case err != nil:
		return err
	}
	photo, err := p.developed(ctx, m.Key, p.darkroom.Develop)
	if refusal := (*media.Refusal)(nil); errors.As(err, &refusal) {
		p.log.InfoContext(ctx, "photo refused", "media", m.ID, "reason", refusal.Reason, "error", refusal.Err)
		return p.fail(ctx, m, string(refusal.Reason))
	}
	if err != nil {
		return err
	}
	if err := p.putPhoto(ctx, m.Key, photo); err != nil {
		return err
	}
	changed, err := p.store.MarkReady(ctx, m.ID, photo.Width, photo.Height, photo.Blur)
	if err != nil {
		return err
	}
	p.cache.Forget(ctx, cache.Media, m.ID)
	p.cache.Forget(ctx, cache.Users, m.User) // who has one photo more
	if changed {
		p.metrics.ready.Inc()
	}
	return nil
}

// developed is what develop makes of an upload.
func (w *worker) developed(ctx context.Context, key string, develop func(context.Context, []byte) (media.Photo, error)) (media.Photo, error) {
	original, err := w.objects.Get(ctx, key, maxOriginal)
	if errors.Is(err, media.ErrTooLarge) {
		return media.Photo{}, &media.Refusal{Reason: media.TooManyPixels, Err: err}
	}
	if err != nil {
		return media.Photo{}, err
	}
	return develop(ctx, original)
}

// putPhoto stores the renditions of a photo.
func (w *worker) putPhoto(ctx context.Context, key string, photo media.Photo) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range photo.Renditions {
		g.Go(func() error { return w.objects.Put(ctx, rendition.Key(key, r.Width), r.JPEG) })
	}
	return g.Wait()
}

func (p *processPhoto) fail(ctx context.Context, m store.Media, reason string) error {
	changed, err := p.store.MarkFailed(ctx, m.ID, reason)
	if err != nil {
		return fmt.Errorf("give up photo: %w", err)
	}
	p.cache.Forget(ctx, cache.Media, m.ID)
	if changed {
		p.metrics.failed.WithLabelValues(reason).Inc()
	}
	return nil
}
