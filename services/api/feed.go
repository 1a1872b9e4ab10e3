package main

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/feed"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func (a *api) findRoutes(d *document) {
	add(d, operation{method: get, path: "/v1/feed", id: "getFeed", summary: "The newest photos of those whom you follow, and yours",
		who: verified, status: 200}, a.getFeed)
}

// getFeed makes one round trip to Redis, for the session and for which photos, and one
// to memcached. It asks the databases for what memcached has not got.
func (a *api) getFeed(ctx context.Context, in *PageOf) (*renderedPage, error) {
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	user := viewer(ctx)
	var allowed asked
	var q *feed.Question
	a.gather.Ask(ctx, func(pipe redis.Pipeliner) {
		allowed = a.ask(ctx, pipe)
		// One more than asked for tells whether there is a next page.
		q = a.feeds.Ask(ctx, pipe, user, before, in.Limit+1)
	})
	if err := a.allow(ctx, allowed); err != nil {
		return nil, err
	}
	page, err := a.feeds.Answer(ctx, q)
	if err != nil {
		return nil, err
	}
	posts, next := more(page.Posts, in.Limit, func(p store.Post) id.ID { return p.Media })
	g := a.glance(user, posts, page.Build)
	defer g.Release()
	v, sights, err := a.sights(ctx, g)
	if err != nil {
		return nil, err
	}
	wanted := slices.DeleteFunc(sights, func(s sight) bool { return s.photo[0]&isReady == 0 || v.Mutes(s.Author) })
	return renderPage(ctx, wanted, next), nil
}
