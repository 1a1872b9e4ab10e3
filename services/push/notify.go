package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/sideshow/apns2"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
)

const (
	// fresh is how long what happened is worth a push, also to a device that was off.
	fresh = 24 * time.Hour
	// gather is how long what happens is gathered before the first push.
	gather = 5 * time.Second
	// settle is longer than whatever tells somebody of something may take.
	settle = 10 * time.Second
)

// rest is how long a phone rings no more of a kind and photo after it did: the longer its
// user has looked away the longer, a minute at first, then ten, then an hour.
func rest(unseen time.Duration) time.Duration {
	return min(max(10*unseen, time.Minute), time.Hour)
}

// notify tells the devices of a user what happened of one kind, around one photo. It
// tells what still stands when it runs and the user has not seen; nothing newer than what
// was told before rings no phone.
//
// What happens while a push is due, or rests, orders none. So it is one row that is due
// at one instant, and one task that names the instant, pushes, and orders itself anew for
// the end of the rest; when nothing has happened until then the row goes. What saw the
// row but was not to be seen yet a last task tells.
type notify struct {
	river.WorkerDefaults[queue.Notify]
	*push
}

func (n *notify) Work(ctx context.Context, job *river.Job[queue.Notify]) error {
	task := job.Args
	if task.About == "" {
		return nil // of a release that told each like by itself
	}
	news, err := n.store.News(ctx, task.User, task.About, task.Media)
	if err != nil {
		return err
	}
	silent := news.Newest <= task.Told || len(news.Devices) == 0 || time.Since(news.At) > fresh
	switch {
	case task.Last && silent:
		return nil // nothing ended up in between
	case task.Due.IsZero():
		task.Last = false
		return n.store.TakePush(ctx, task, gather)
	case !task.Due.Equal(news.Due):
		return nil // another's
	case silent:
		return n.end(ctx, task, news)
	}
	told, err := n.tell(ctx, job, news)
	switch {
	case err != nil && job.Attempt >= job.MaxAttempts:
		// Given up. What happens next rings the phone again.
		return errors.Join(err, n.end(ctx, task, news))
	case err != nil:
		return err
	case !told:
		return n.end(ctx, task, news)
	}
	task.Told = news.Newest
	return n.store.TakePush(ctx, task, rest(news.At.Sub(news.Since)))
}

// end lets what happens next order a push.
func (n *notify) end(ctx context.Context, task queue.Notify, news store.News) error {
	task.Told, task.Last = max(task.Told, news.Newest), true
	return n.store.EndPush(ctx, task, settle)
}

// tell pushes the news to all devices of the user, unless those who made them are away.
func (n *notify) tell(ctx context.Context, job *river.Job[queue.Notify], news store.News) (told bool, err error) {
	users, err := n.store.Users(ctx, news.Actors)
	if err != nil {
		return false, err
	}
	var actors []store.User
	for _, i := range news.Actors {
		if u, ok := users[i]; ok && u.State == store.Active {
			actors = append(actors, u)
		} else {
			news.Count--
		}
	}
	if len(actors) == 0 {
		return false, nil
	}
	what := payloadOf(job.Args, news, actors)
	var errs []error
	for _, device := range news.Devices {
		errs = append(errs, n.send(ctx, job.Args.User, &apns2.Notification{
			ApnsID:      pushID(job.Args, news, device),
			CollapseID:  thread(job.Args),
			DeviceToken: device,
			Expiration:  news.At.Add(fresh),
			Priority:    apns2.PriorityHigh,
			PushType:    apns2.PushTypeAlert,
			Payload:     what,
		}))
	}
	return true, errors.Join(errs...)
}

// send pushes to one device of user. The error is for what may work later.
func (p *push) send(ctx context.Context, user id.ID, n *apns2.Notification) error {
	r, err := p.apns.send(ctx, n)
	p.pushes.WithLabelValues(string(r.result)).Inc()
	switch r.result {
	case forgotten:
		return p.store.ForgetDevice(ctx, user, n.DeviceToken, r.since)
	case refused:
		p.log.ErrorContext(ctx, "push refused", "user", user, "error", err)
		return nil
	}
	return err
}

// pushID is the same however often the same news are told, so that Apple and the log know
// the push again.
func pushID(task queue.Notify, news store.News, device string) string {
	name := fmt.Sprintf("%s/%s/%s/%s/%s", task.User, task.About, task.Media, news.Newest, device)
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String()
}
