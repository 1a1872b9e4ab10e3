package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/store"
)

type feedItem struct {
	Media  photo      `json:"media"`
	Author store.User `json:"author"`
}

// getFeed makes one round trip to Redis, for the session and the ids, and two to
// memcached, for the photos and for their authors. It asks the databases for what
// those have not got.
func (a *api) getFeed(c *gin.Context, who session.Token) error {
	pg, err := readPage(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	tx := a.redis.TxPipeline()
	lasts := a.sessions.Ask(ctx, tx, who)
	// One more than asked for tells whether there is a next page.
	asked := a.feeds.Ask(ctx, tx, who.User, pg.Before, pg.Limit+1)
	tx.Exec(ctx) // each command carries its error
	if err := a.sessions.Answer(ctx, who, lasts); err != nil {
		return err
	}
	ids, err := a.feeds.Answer(ctx, asked)
	if err != nil {
		return err
	}
	out := struct {
		Items  []feedItem `json:"items"`
		Cursor id.ID      `json:"cursor,omitzero"`
	}{Items: make([]feedItem, 0, len(ids))}
	if len(ids) > pg.Limit {
		ids = ids[:pg.Limit]
		out.Cursor = ids[len(ids)-1]
	}
	photos, err := a.media.GetMany(ctx, ids)
	if err != nil {
		return err
	}
	var authors []id.ID
	seen := make(map[id.ID]bool, len(photos))
	for _, m := range photos {
		if !seen[m.User] {
			seen[m.User] = true
			authors = append(authors, m.User)
		}
	}
	users, err := a.users.GetMany(ctx, authors)
	if err != nil {
		return err
	}
	for _, i := range ids {
		m, ok := photos[i]
		author, known := users[m.User]
		if ok && known && m.State == store.Ready {
			out.Items = append(out.Items, feedItem{a.photo(m), author})
		}
	}
	c.JSON(http.StatusOK, out)
	return nil
}
