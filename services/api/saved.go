package main

import (
	"context"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func (a *api) saveMedia(ctx context.Context, in *ByID) (*nothing, error) {
	m, _, err := a.seen(ctx, in.ID.ID())
	if err != nil {
		return nil, err
	}
	user := viewer(ctx)
	if err := a.store.Save(ctx, user, m.ID); err != nil {
		return nil, err
	}
	a.marked.Forget(user)
	return nil, nil
}

// unsaveMedia asks of no photo whether it may be seen, because who saved it need not be
// one any more who may.
func (a *api) unsaveMedia(ctx context.Context, in *ByID) (*nothing, error) {
	user, photo := viewer(ctx), in.ID.ID()
	if err := a.store.Unsave(ctx, user, photo); err != nil {
		return nil, err
	}
	a.marked.Forget(user)
	return nil, nil
}

func (a *api) listSaved(ctx context.Context, in *PageOf) (*listed[Photo], error) {
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	saved, err := a.store.Saved(ctx, v.ID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	saved, next := more(saved, in.Limit, func(s store.Saved) id.ID { return s.ID })
	ids := make([]id.ID, len(saved))
	for i, s := range saved {
		ids[i] = s.Media
	}
	photos, err := a.photos(ctx, v, ids)
	if err != nil {
		return nil, err
	}
	return page(ctx, photos, next), nil
}
