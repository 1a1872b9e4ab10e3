package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
)

const (
	// shareTimeout bounds one request to another service.
	shareTimeout = 20 * time.Second
	// shareFor is how long a photo is offered to a service that asks to wait.
	shareFor = 24 * time.Hour
	// maxAnswer is what is read of an answer.
	maxAnswer = 64 << 10
	// sharedWidth is the rendition that is shared.
	sharedWidth = 1080
	// maxShared bounds what is read of it; X takes no larger image.
	maxShared = 5 << 20
)

// Why a share failed, for the client.
const (
	notLinked    = "not_linked"    // the account was unlinked since
	tokenRefused = "token_refused" // expired, or taken back there: link the account again
	notPermitted = "not_permitted" // the token does not allow to post
	refused      = "refused"       // not this photo with this caption
	takenDown    = "taken_down"    // by a moderator
	unavailable  = "unavailable"   // the service would not take it for a day
	unconfirmed  = "unconfirmed"   // the service was asked, and its answer is not known
)

// service is another service where photos are posted.
type service interface {
	// prepare does what shows nothing to anybody and may be repeated, and returns what
	// posts the photo, which tells where it is then.
	prepare(ctx context.Context, token string, p sharedPhoto) (post func(context.Context) (url string, err error), err error)
}

// sharedPhoto is a photo as other services take it.
type sharedPhoto struct {
	url     string // of a rendition, at the CDN
	caption string
	jpeg    func(context.Context) ([]byte, error) // of the same rendition
}

func newServices(doc settings.Share) map[store.Service]service {
	client := &http.Client{Timeout: shareTimeout}
	return map[store.Service]service{
		store.Facebook: &facebook{client, doc.Facebook},
		store.Twitter:  &twitter{client, doc.Twitter},
	}
}

// A declined error is the service's word that it has not posted and will not.
type declined struct {
	reason string
	err    error
}

func (d *declined) Error() string { return d.reason + ": " + d.err.Error() }

// A later error says that the service has not posted, and may another time: it asked to
// wait, was not well, or was not reached. A zero after leaves the time to us.
type later struct {
	after time.Duration
	err   error
}

func (l *later) Error() string { return l.err.Error() }

// share posts a photo at another service, once: that it is about to ask is written
// before, and the answer after. An attempt that finds that another one asked, and does
// not know the answer, does not ask again; it ends the share as unconfirmed.
//
// What it cannot rule out is that a service posts and answers that it could not (5xx),
// upon which it asks again: neither service takes a key of ours by which it would know
// the second request for the first.
type share struct {
	river.WorkerDefaults[queue.Share]
	*worker
}

func (s *share) Work(ctx context.Context, job *river.Job[queue.Share]) error {
	photo, to := job.Args.Media, store.Service(job.Args.Service)
	sharing, err := s.store.Sharing(ctx, photo, to)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil // deleted meanwhile
	case err != nil && job.Attempt >= job.MaxAttempts:
		return river.JobSnooze(giveUpAgain) // a share must not wait for ever
	case err != nil:
		return err
	case sharing.State == store.Posting:
		return s.end(ctx, job, store.Posting, unconfirmed, errors.New("an attempt was cut off"))
	case sharing.State != store.Waiting:
		return nil // done by an attempt whose end was not recorded
	case job.Attempt >= job.MaxAttempts, time.Since(job.CreatedAt) > shareFor:
		return s.end(ctx, job, store.Waiting, unavailable, fmt.Errorf("given up after %d attempts", job.Attempt))
	case sharing.Photo.Hidden:
		return s.end(ctx, job, store.Waiting, takenDown, errors.New("the photo was taken down"))
	case sharing.Token == nil:
		return s.end(ctx, job, store.Waiting, notLinked, errors.New("the account was unlinked"))
	}
	token, err := s.links.Open(sharing.Token, to.Sealed(sharing.Photo.User))
	if err != nil {
		return fmt.Errorf("open token of user %s at %s: %w", sharing.Photo.User, to, err)
	}
	at := s.services[to]
	if at == nil {
		return fmt.Errorf("share media %s: no service %q is known", photo, to)
	}
	post, err := at.prepare(ctx, string(token), s.sharedPhoto(sharing.Photo))
	if err != nil {
		return s.answered(ctx, job, store.Waiting, err)
	}
	if began, err := s.mark(ctx, job, store.Waiting, store.Share{State: store.Posting}); err != nil || !began {
		return err // another attempt has begun
	}
	url, err := post(ctx)
	// From here on the answer must be written even if the process is to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err != nil {
		return s.answered(ctx, job, store.Posting, err)
	}
	_, err = s.mark(ctx, job, store.Posting, store.Share{State: store.Shared, URL: url})
	return err
}

func (s *share) sharedPhoto(m store.Media) sharedPhoto {
	key := rendition.Key(m.Key, sharedWidth)
	return sharedPhoto{
		url:     rendition.URL(s.doc.Storage.CDN, key),
		caption: m.Caption,
		jpeg: func(ctx context.Context) ([]byte, error) {
			return s.objects.GetRendition(ctx, key, maxShared)
		},
	}
}

// answered writes that a share in state from did not succeed, and why.
func (s *share) answered(ctx context.Context, job *river.Job[queue.Share], from store.ShareState, err error) error {
	var no *declined
	var wait *later
	switch {
	case errors.As(err, &no):
		return s.end(ctx, job, from, no.reason, no.err)
	case from == store.Posting && !errors.As(err, &wait):
		return s.end(ctx, job, from, unconfirmed, err)
	case from == store.Posting:
		if _, err := s.mark(ctx, job, from, store.Share{State: store.Waiting}); err != nil {
			return err
		}
	}
	if errors.As(err, &wait) && wait.after > 0 {
		s.log.InfoContext(ctx, "share put off", "media", job.Args.Media, "service", job.Args.Service, "seconds", wait.after.Seconds(), "error", wait.err)
		return river.JobSnooze(min(wait.after, shareFor))
	}
	return fmt.Errorf("share media %s at %s: %w", job.Args.Media, job.Args.Service, err)
}

// end writes that a share has failed for good.
func (s *share) end(ctx context.Context, job *river.Job[queue.Share], from store.ShareState, reason string, err error) error {
	s.log.InfoContext(ctx, "share failed", "media", job.Args.Media, "service", job.Args.Service, "reason", reason, "error", err)
	_, err = s.mark(ctx, job, from, store.Share{State: store.ShareFailed, Reason: reason})
	if err != nil && job.Attempt >= job.MaxAttempts {
		return river.JobSnooze(giveUpAgain)
	}
	return err
}

func (s *share) mark(ctx context.Context, job *river.Job[queue.Share], from store.ShareState, to store.Share) (bool, error) {
	to.Service = store.Service(job.Args.Service)
	return s.store.MarkShare(ctx, job.Args.Media, from, to)
}

// ask sends a request to another service. Its error is *later if nothing was sent; any
// other leaves open whether the service has done what it was asked.
func ask(client *http.Client, r *http.Request) (status int, header http.Header, body []byte, err error) {
	sent := false
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteHeaders: func() { sent = true }}))
	res, err := client.Do(r)
	if err != nil && !sent {
		return 0, nil, nil, &later{err: err}
	}
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, res.Header, body, err
}

// retryAfter is how long an answer asks to wait: by Retry-After in seconds or as a
// date, or by X's x-rate-limit-reset. 0: it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		return max(time.Second, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return max(time.Second, at.Sub(now))
	}
	if reset, err := strconv.ParseInt(h.Get("x-rate-limit-reset"), 10, 64); err == nil {
		return max(time.Second, time.Unix(reset, 0).Sub(now))
	}
	return 0
}
