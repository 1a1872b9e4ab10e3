package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func (a *api) talkRoutes(d *document) {
	add(d, operation{method: put, path: "/v1/media/{id}/like", id: "like", summary: "Like a photo",
		who: verified, status: 204, problems: []problem{notFound("media")}}, a.like)
	add(d, operation{method: remove, path: "/v1/media/{id}/like", id: "unlike", summary: "Take a like back",
		who: verified, status: 204, problems: []problem{notFound("media")}}, a.unlike)
	add(d, operation{method: get, path: "/v1/media/{id}/likes", id: "likers", summary: "Who likes a photo, the latest first",
		who: signedIn, status: 200, problems: []problem{notFound("media")}}, a.likers)
	add(d, operation{method: post, path: "/v1/media/{id}/comments", id: "comment", summary: "Comment on a photo",
		who: signedIn, status: 201, problems: []problem{notFound("media")}}, a.comment)
	add(d, operation{method: get, path: "/v1/media/{id}/comments", id: "comments", summary: "The comments on a photo, newest first",
		who: signedIn, status: 200, problems: []problem{notFound("media")}}, a.comments)
	add(d, operation{method: remove, path: "/v1/media/{id}/comments/{comment}", id: "deleteComment", summary: "Delete a comment of one's own, or below one's own photo",
		who: signedIn, status: 204, problems: []problem{notFound("media"), notYourComment}}, a.deleteComment)
	add(d, operation{method: get, path: "/v1/activity", id: "activity", summary: "What others did, the latest first",
		who: signedIn, status: 200}, a.listActivity)
	add(d, operation{method: get, path: "/v1/activity/unread", id: "unreadActivity", summary: "How much of it is new",
		who: signedIn, status: 200}, a.unreadActivity)
	add(d, operation{method: put, path: "/v1/activity/seen", id: "seeActivity", summary: "Note that one has seen it",
		who: signedIn, status: 204}, a.seeActivity)
}

func (a *api) like(ctx context.Context, in *ByID) (*nothing, error) {
	return nil, a.changeLike(ctx, in.ID.ID(), a.store.Like, a.metrics.likes.Inc)
}

func (a *api) unlike(ctx context.Context, in *ByID) (*nothing, error) {
	return nil, a.changeLike(ctx, in.ID.ID(), a.store.Unlike, func() {})
}

// changeLike makes one round trip to Redis, for the session and for whose the
// photo is, and one to the owner's shard, which also knows whether they may see it.
func (a *api) changeLike(ctx context.Context, photo id.ID, change func(ctx context.Context, media, user id.ID) (bool, error), count func()) error {
	user := viewer(ctx)
	var allowed asked
	var owner *redis.StringCmd
	a.gather.Ask(ctx, func(pipe redis.Pipeliner) {
		allowed, owner = a.ask(ctx, pipe), a.owners.Ask(ctx, pipe, photo)
	})
	if err := a.allow(ctx, allowed); err != nil {
		return err
	}
	switch _, known, err := a.owners.Answer(photo, owner); {
	case err != nil:
		// Redis is away. The statement finds the row by the id's shard bits.
		a.log.WarnContext(ctx, "ask the media map", "media", photo, "error", err)
	case !known:
		if err := a.repairOwner(ctx, photo); err != nil {
			return err
		}
	}
	changed, err := change(ctx, photo, user)
	if err != nil {
		return orNotFound(err, "media")
	}
	if changed {
		count()
		a.media.Forget(photo)
		a.marked.Forget(user)
	}
	return nil
}

// repairOwner puts a photo that the media map does not know back, if it exists.
func (a *api) repairOwner(ctx context.Context, photo id.ID) error {
	m, ok, err := a.media.Get(ctx, photo)
	switch {
	case err != nil:
		return err
	case !ok:
		return notFound("media")
	}
	a.putOwner(ctx, m.ID, m.User)
	return nil
}

type likersIn struct {
	ByID
	PageOf
}

func (a *api) likers(ctx context.Context, in *likersIn) (*listed[Person], error) {
	after, err := in.afterLiker()
	if err != nil {
		return nil, err
	}
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	m, _, err := a.seen(ctx, in.ID.ID())
	if err != nil {
		return nil, err
	}
	likers, err := a.store.Likers(ctx, m.ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(likers) > in.Limit {
		likers = likers[:in.Limit]
		last := likers[in.Limit-1]
		next = fmt.Sprintf("%d-%s", last.At.UnixMicro(), last.User)
	}
	ids := make([]id.ID, len(likers))
	for n, l := range likers {
		ids[n] = l.User
	}
	people, err := a.people(ctx, v, ids)
	return page(ctx, people, next), err
}

// afterLiker is the cursor of a list of likers: since when one likes the photo, in
// microseconds, and who it is.
func (p PageOf) afterLiker() (after store.Liker, err error) {
	if p.Cursor == "" {
		return after, nil
	}
	at, user, _ := strings.Cut(p.Cursor, "-")
	since, err := id.Parse(at)
	if err == nil {
		after.User, err = id.Parse(user)
	}
	// PostgreSQL knows no later years.
	if after.At = time.UnixMicro(int64(since)); err != nil || after.At.Year() > 9999 {
		return store.Liker{}, invalid("cursor", "accepted is the cursor of the page before")
	}
	return after, nil
}
