package main

import (
	"context"
	"errors"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
)

// mention tells those who are mentioned in a comment or a caption, once, if they may see
// the photo and want to hear of who mentions them. What was deleted meanwhile mentions
// nobody.
type mention struct {
	river.WorkerDefaults[queue.Mention]
	*worker
}

func (m *mention) Work(ctx context.Context, job *river.Job[queue.Mention]) error {
	photo, err := m.store.Media(ctx, job.Args.Media)
	if errors.Is(err, store.ErrNotFound) || err == nil && (photo.State != store.Ready || photo.Hidden) {
		return nil
	}
	if err != nil {
		return err
	}
	actor, names := photo.User, photo.Mentions
	if comment := job.Args.Comment; comment != 0 {
		cs, err := m.store.CommentsMany(ctx, map[id.ID]id.ID{comment: photo.ID})
		c, ok := cs[comment]
		if err != nil || !ok {
			return err
		}
		actor, names = c.User, c.Mentions
	}
	mentioned, err := m.audienceOf(ctx, photo, actor, names)
	if err != nil {
		return err
	}
	for _, u := range mentioned {
		err = errors.Join(err, m.store.Mention(ctx, u, actor, photo.ID, job.Args.Comment))
	}
	return err
}

// audienceOf are those of the names who hear that actor mentions them around the photo.
// Its author hears of every comment anyway.
func (m *mention) audienceOf(ctx context.Context, photo store.Media, actor id.ID, names []string) (users []id.ID, err error) {
	named, err := m.store.Named(ctx, names)
	if err != nil {
		return nil, err
	}
	var ids []id.ID
	for _, u := range named {
		ids = append(ids, u.ID)
	}
	barriers, err := m.store.Barriers(ctx, ids)
	if err != nil {
		return nil, err
	}
	people, err := m.store.Users(ctx, []id.ID{actor, photo.User})
	if err != nil {
		return nil, err
	}
	everybody := audience.New(m.store, nil) // whose barriers are read above, all at once
	for _, u := range named {
		v := audience.Viewer{ID: u.ID, Barriers: barriers[u.ID]}
		if u.ID == actor || u.ID == photo.User || u.State != store.Active || !v.Knows(people[actor]) || v.Mutes(actor) {
			continue
		}
		sees, err := everybody.Sees(ctx, v, people[photo.User])
		if err != nil {
			return nil, err
		}
		if sees {
			users = append(users, u.ID)
		}
	}
	return users, nil
}
