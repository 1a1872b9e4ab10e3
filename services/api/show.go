package main

import (
	"context"
	"errors"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// Every list of people or of photos is shown by these, so that blocks, private accounts
// and accounts that are away hold in all of them.

// viewer reads who sends the request, and what stands between them and others.
func (a *api) viewer(ctx context.Context) (audience.Viewer, error) {
	return a.audience.Viewer(ctx, viewer(ctx))
}

// known is the account of user, if who asks may know it.
func (a *api) known(ctx context.Context, user id.ID) (audience.Viewer, store.User, error) {
	v, err := a.viewer(ctx)
	if err != nil {
		return v, store.User{}, err
	}
	u, ok, err := a.users.Get(ctx, user)
	if err == nil && (!ok || !v.Knows(u)) {
		err = notFound("user")
	}
	return v, u, err
}

// seen is a photo and its author, if who asks may see it: their own in whatever
// state, others' when it is ready.
func (a *api) seen(ctx context.Context, photo id.ID) (m store.Media, author store.User, err error) {
	v, err := a.viewer(ctx)
	if err != nil {
		return m, author, err
	}
	m, ok, err := a.media.Get(ctx, photo)
	if err != nil || !ok {
		return m, author, errors.Join(err, absent(ok, "media"))
	}
	author, ok, err = a.users.Get(ctx, m.User)
	if err != nil || !ok {
		return m, author, errors.Join(err, absent(ok, "media"))
	}
	if m.User == v.ID {
		return m, author, nil
	}
	ok, err = a.audience.Sees(ctx, v, author)
	if err == nil && (!ok || !shown(m)) {
		err = notFound("media")
	}
	return m, author, err
}

// shown says whether others than its author may see m at all.
func shown(m store.Media) bool { return m.State == store.Ready && !m.Hidden }

func absent(ok bool, what string) error {
	if ok {
		return nil
	}
	return notFound(what)
}

// people are those of the users whom v knows, in the order of ids.
func (a *api) people(ctx context.Context, v audience.Viewer, ids []id.ID) ([]Person, error) {
	users, err := a.users.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Person, 0, len(ids))
	for _, i := range ids {
		if u, ok := users[i]; ok && v.Knows(u) {
			out = append(out, a.person(u))
		}
	}
	return out, nil
}

// photos are those of the media that v may see, in the order of ids.
func (a *api) photos(ctx context.Context, v audience.Viewer, ids []id.ID) ([]Photo, error) {
	ms, err := a.media.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	ordered := make([]store.Media, 0, len(ids))
	for _, i := range ids {
		if m, ok := ms[i]; ok {
			ordered = append(ordered, m)
		}
	}
	return a.show(ctx, v, ordered)
}

// show is those of the photos that v may see, in their order, with what v has done
// to them.
func (a *api) show(ctx context.Context, v audience.Viewer, ms []store.Media) ([]Photo, error) {
	var authors, ids []id.ID
	wanted := make(map[id.ID]bool, len(ms))
	for _, m := range ms {
		ids = append(ids, m.ID)
		if !wanted[m.User] {
			wanted[m.User] = true
			authors = append(authors, m.User)
		}
	}
	users, err := a.users.GetMany(ctx, authors)
	if err != nil {
		return nil, err
	}
	seen, err := a.audience.Seen(ctx, v, users)
	if err != nil {
		return nil, err
	}
	liked, saved, err := a.marks(ctx, v.ID, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Photo, 0, len(ms))
	for _, m := range ms {
		author, ok := seen[m.User]
		if !ok || m.User != v.ID && !shown(m) {
			continue
		}
		p := a.photo(m, author)
		p.Liked, p.Saved = liked[m.ID], saved[m.ID]
		out = append(out, p)
	}
	return out, nil
}

// marks are those of the photos that user likes, and those that they saved.
func (a *api) marks(ctx context.Context, user id.ID, photos []id.ID) (liked, saved map[id.ID]bool, err error) {
	if len(photos) == 0 {
		return nil, nil, nil
	}
	b := a.cache.Batch()
	q := a.marked.Ask(b, user)
	b.Send()
	known, _ := q.Known(0)
	known, learned, err := a.learn(ctx, known, user, photos)
	if err != nil {
		return nil, nil, err
	}
	if learned {
		q.Keep(0, known)
	}
	liked, saved = make(map[id.ID]bool, len(photos)), make(map[id.ID]bool, len(photos))
	for _, i := range photos {
		d, _ := known.deed(i)
		liked[i], saved[i] = d&liking != 0, d&saving != 0
	}
	return liked, saved, nil
}
