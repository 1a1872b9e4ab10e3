package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// maxActors is how many of those who did the same are named.
const maxActors = 3

// Activity is a line of what others did: "maya and 12 others liked your photo".
type Activity struct {
	ID      id.ID     `json:"id" doc:"Of the newest that it tells: what PUT /v1/activity/seen takes."`
	Kind    string    `json:"kind" enum:"like,comment,follow,request,approval,mention" doc:"They liked your photo, commented on it, followed you, asked to, let you follow them, or mentioned you."`
	Actors  []Person  `json:"actors" nullable:"false" minItems:"1" maxItems:"3" doc:"The latest of those who did it, the latest first."`
	Count   int64     `json:"count" minimum:"1" doc:"How many did it, of whom actors are the latest."`
	Photo   *Photo    `json:"media,omitempty" doc:"The photo, if it is about one. What is about none is of one day."`
	Comment *Comment  `json:"comment,omitempty" doc:"The newest comment, if it is about comments."`
	At      time.Time `json:"at" doc:"Of the newest."`
	Unseen  bool      `json:"unseen" doc:"There is something in it that you have not seen."`
}

type activityIn struct {
	PageOf
}

// listActivity goes back 1,000 events, however many lines those make.
func (a *api) listActivity(ctx context.Context, in *activityIn) (*listed[Activity], error) {
	asOf, before, err := in.beforeAsOf()
	if err != nil {
		return nil, err
	}
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	lines, err := a.store.Activity(ctx, v.ID, asOf, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	if asOf == 0 && len(lines) > 0 {
		asOf = lines[0].Newest
	}
	lines, next := more(lines, in.Limit, func(l store.Activity) id.ID { return l.Newest })
	if next != "" {
		next = asOf.String() + "-" + next
	}
	shown, err := a.showActivity(ctx, v, lines)
	return page(ctx, shown, next), err
}

// beforeAsOf is the cursor of a list that is of the past, so that what happens meanwhile
// changes none of its pages: of which instant, and where in it.
func (p PageOf) beforeAsOf() (asOf, before id.ID, err error) {
	if p.Cursor == "" {
		return 0, 0, nil
	}
	first, last, _ := strings.Cut(p.Cursor, "-")
	if asOf, err = id.Parse(first); err == nil {
		before, err = id.Parse(last)
	}
	if err != nil {
		return 0, 0, invalid("cursor", "accepted is the cursor of the page before")
	}
	return asOf, before, nil
}

// showActivity is the lines as v may see them: without those whose people are all away,
// and those around photos that v may not see or comments that are gone.
func (a *api) showActivity(ctx context.Context, v audience.Viewer, lines []store.Activity) ([]Activity, error) {
	var actors, media []id.ID
	comments := map[id.ID]id.ID{}
	for _, l := range lines {
		actors = append(actors, l.Actors...)
		if l.Media != 0 {
			media = append(media, l.Media)
		}
		if l.Comment != 0 {
			comments[l.Comment] = l.Media
		}
	}
	me, _, err := a.users.Get(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	people, err := a.people(ctx, v, distinct(actors))
	if err != nil {
		return nil, err
	}
	photos, err := a.photos(ctx, v, distinct(media))
	if err != nil {
		return nil, err
	}
	written, err := a.store.CommentsMany(ctx, comments)
	if err != nil {
		return nil, err
	}
	shown := make([]Activity, 0, len(lines))
	for _, l := range lines {
		line := Activity{ID: l.Newest, Kind: l.Kind, Count: l.Count, At: l.At, Unseen: l.IsUnseen}
		for _, actor := range l.Actors {
			switch n := slices.IndexFunc(people, func(p Person) bool { return p.ID == actor }); {
			case n < 0:
				line.Count--
			case len(line.Actors) < maxActors:
				line.Actors = append(line.Actors, people[n])
			}
		}
		if len(line.Actors) == 0 {
			continue
		}
		if l.Media != 0 {
			n := slices.IndexFunc(photos, func(p Photo) bool { return p.ID == l.Media })
			if n < 0 {
				continue
			}
			line.Photo = &photos[n]
		}
		if l.Comment != 0 {
			c, ok := written[l.Comment]
			n := slices.IndexFunc(people, func(p Person) bool { return p.ID == c.User })
			if !ok || n < 0 {
				continue
			}
			line.Comment = &Comment{ID: c.ID, Media: c.Media, Author: people[n], Text: c.Text, Mentions: c.Mentions, CreatedAt: c.CreatedAt}
		} else if l.Kind == "mention" && !slices.Contains(line.Photo.Mentions, strings.ToLower(me.Name)) {
			continue // the caption is another by now
		}
		shown = append(shown, line)
	}
	return shown, nil
}

// distinct are the ids, each once.
func distinct(ids []id.ID) []id.ID {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Unread is how much activity is new.
type Unread struct {
	Count  int   `json:"count" doc:"Lines of activity with something new: what the app's icon shows."`
	Newest id.ID `json:"newest,omitzero" required:"false" doc:"The newest of them, if there are any: what PUT /v1/activity/seen takes."`
}

func (a *api) unreadActivity(ctx context.Context, _ *nothing) (*body[Unread], error) {
	n, newest, err := a.store.Unseen(ctx, viewer(ctx))
	return &body[Unread]{Unread{n, newest}}, err
}

type seeActivityIn struct {
	Body struct {
		ID idText `json:"id" doc:"Of the newest line that was shown. What is newer stays new."`
	}
}

func (a *api) seeActivity(ctx context.Context, in *seeActivityIn) (*nothing, error) {
	return nil, a.store.SeeActivity(ctx, viewer(ctx), in.Body.ID.ID())
}
