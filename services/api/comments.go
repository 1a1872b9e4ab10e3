package main

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/store"
)

const maxComment = 2200 // characters

// Comment is what somebody wrote below a photo.
type Comment struct {
	ID        id.ID     `json:"id"`
	Media     id.ID     `json:"mediaId"`
	Author    Person    `json:"author"`
	Text      string    `json:"text"`
	Mentions  []string  `json:"mentions" nullable:"false" doc:"Names in the text, in lower case, without @."`
	CreatedAt time.Time `json:"createdAt"`
}

var notYourComment = problem{Status: http.StatusForbidden, Code: "not_yours", Field: "comment", Detail: "Neither the comment nor the photo is yours."}

type commentIn struct {
	ByID
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"2200" doc:"Who is mentioned in it by @name, at most 20 people, is told."`
	}
}

// comment makes the comment with who sees the photo in one statement: the author's shard
// knows, as it does for likes.
func (a *api) comment(ctx context.Context, in *commentIn) (*body[Comment], error) {
	words := in.Body.Text
	if err := text("text", words, 1, maxComment); err != nil {
		return nil, err
	}
	names := media.Mentions(words)
	if len(names) > media.MaxMentions {
		return nil, invalid("text", "mentions %d people; accepted are at most %d", len(names), media.MaxMentions)
	}
	r := requestOf(ctx)
	c, err := a.store.Comment(ctx, store.Comment{Media: in.ID.ID(), User: r.who.User, Text: words, Mentions: names}, r.key)
	if err != nil {
		return nil, orNotFound(err, "media")
	}
	a.media.Forget(c.Media) // whose count has changed
	shown, err := a.showComments(ctx, audience.Viewer{ID: c.User}, []store.Comment{c})
	if err == nil && len(shown) == 0 {
		err = sessionEnded // with the account
	}
	if err != nil {
		return nil, err
	}
	return &body[Comment]{shown[0]}, nil
}

type commentsIn struct {
	ByID
	PageOf
}

func (a *api) comments(ctx context.Context, in *commentsIn) (*listed[Comment], error) {
	before, err := in.before()
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
	cs, err := a.store.Comments(ctx, m.ID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	cs, next := more(cs, in.Limit, func(c store.Comment) id.ID { return c.ID })
	shown, err := a.showComments(ctx, v, cs)
	return page(ctx, shown, next), err
}

// showComments are those of the comments whose authors v knows, in their order. Every
// comment is shown by it.
func (a *api) showComments(ctx context.Context, v audience.Viewer, cs []store.Comment) ([]Comment, error) {
	var authors []id.ID
	for _, c := range cs {
		if !slices.Contains(authors, c.User) {
			authors = append(authors, c.User)
		}
	}
	people, err := a.people(ctx, v, authors)
	if err != nil {
		return nil, err
	}
	byID := map[id.ID]Person{}
	for _, p := range people {
		byID[p.ID] = p
	}
	shown := make([]Comment, 0, len(cs))
	for _, c := range cs {
		if p, ok := byID[c.User]; ok {
			shown = append(shown, Comment{ID: c.ID, Media: c.Media, Author: p, Text: c.Text, Mentions: c.Mentions, CreatedAt: c.CreatedAt})
		}
	}
	return shown, nil
}

type byComment struct {
	ByID
	Comment idText `path:"comment" doc:"Which one."`
}

// deleteComment is also for who no longer sees the photo, if they wrote the comment.
func (a *api) deleteComment(ctx context.Context, in *byComment) (*nothing, error) {
	photo, comment := in.ID.ID(), in.Comment.ID()
	changed, err := a.store.DeleteComment(ctx, photo, comment, viewer(ctx))
	if err != nil {
		return nil, err
	}
	if changed {
		a.media.Forget(photo)
		return nil, nil
	}
	if _, _, err := a.seen(ctx, photo); err != nil {
		return nil, err
	}
	cs, err := a.store.CommentsMany(ctx, map[id.ID]id.ID{comment: photo})
	if err != nil {
		return nil, err
	}
	if _, ok := cs[comment]; ok {
		return nil, notYourComment
	}
	return nil, nil // gone, by a request before
}
