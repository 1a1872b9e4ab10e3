package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/store"
)

func (a *api) like(c *gin.Context, who session.Token) error {
	return a.changeLike(c, who, a.store.Like, a.metrics.likes.Inc)
}

func (a *api) unlike(c *gin.Context, who session.Token) error {
	return a.changeLike(c, who, a.store.Unlike, func() {})
}

// changeLike makes one round trip to Redis, for the session and for whose the
// photo is, and one to the owner's shard.
func (a *api) changeLike(c *gin.Context, who session.Token, change func(ctx context.Context, media, user id.ID) (bool, error), count func()) error {
	photo, err := pathID(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	pipe := a.redis.Pipeline()
	lasts := a.sessions.Ask(ctx, pipe, who)
	owner := a.owners.Ask(ctx, pipe, photo)
	pipe.Exec(ctx) // each command carries its error
	if err := a.sessions.Answer(ctx, who, lasts); err != nil {
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
	changed, err := change(ctx, photo, who.User)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return notFound("media")
	case err != nil:
		return err
	}
	if changed {
		count()
		a.media.Forget(photo)
		a.likes.Forget(likeKey(photo, who.User))
	}
	c.Status(http.StatusNoContent)
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
