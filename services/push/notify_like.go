package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/payload"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
)

// news is how long a like is worth a push, also to a device that was off.
const news = 24 * time.Hour

// notifyLike tells the devices of a photo's owner who likes it. A like that was
// taken back before is not told.
type notifyLike struct {
	river.WorkerDefaults[queue.NotifyLike]
	*push
}

func (n *notifyLike) Work(ctx context.Context, job *river.Job[queue.NotifyLike]) error {
	like := job.Args
	expires := job.CreatedAt.Add(news)
	if like.Actor == like.Owner || time.Now().After(expires) {
		return nil
	}
	devices, err := n.store.Devices(ctx, like.Owner)
	if err != nil || len(devices) == 0 {
		return err
	}
	likes, err := n.store.Likes(ctx, like.Media, like.Actor)
	if err != nil || !likes {
		return err
	}
	actor, err := n.store.User(ctx, like.Actor)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, device := range devices {
		errs = append(errs, n.tell(ctx, like.Owner, &apns2.Notification{
			ApnsID:      pushID(job, device),
			CollapseID:  "like-" + like.Media.String(),
			DeviceToken: device,
			Expiration:  expires,
			Priority:    apns2.PriorityHigh,
			PushType:    apns2.PushTypeAlert,
			Payload:     likePayload(like, actor.Name),
		}))
	}
	return errors.Join(errs...)
}

// tell pushes to one device of owner. The error is for what may work later.
func (n *notifyLike) tell(ctx context.Context, owner id.ID, push *apns2.Notification) error {
	res, err := n.apns.send(ctx, push)
	n.pushes.WithLabelValues(string(res)).Inc()
	switch res {
	case forgotten:
		return n.store.ForgetDevice(ctx, owner, push.DeviceToken)
	case refused:
		n.log.ErrorContext(ctx, "push refused", "user", owner, "error", err)
		return nil
	}
	return err
}

// pushID is the same however often a task is tried, so that Apple and the log know
// the push again. Task ids repeat in other databases; photos' do not.
func pushID(job *river.Job[queue.NotifyLike], device string) string {
	name := fmt.Sprintf("%s/%d/%s", job.Args.Media, job.ID, device)
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String()
}

// likePayload is what a phone shows: in its own language if the app knows
// the key, else in English. All likes of a photo stand in one thread.
func likePayload(like queue.NotifyLike, actor string) *payload.Payload {
	return payload.NewPayload().
		AlertBody(actor+" liked your photo.").
		AlertLocKey("LIKE").
		AlertLocArgs([]string{actor}).
		ThreadID("media-"+like.Media.String()).
		Custom("media", like.Media.String()).
		Custom("actor", like.Actor.String())
}
