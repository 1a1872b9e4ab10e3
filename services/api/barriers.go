package main

import (
	"context"
	"net/http"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

var (
	selfBarrier     = problem{Status: http.StatusBadRequest, Code: "cannot_bar_yourself", Field: "id", Detail: "Nobody blocks or mutes themself."}
	tooManyBarriers = problem{Status: http.StatusConflict, Code: "too_many_barriers", Detail: "You block, or mute, 2,000 people. Unblock or unmute somebody first."}
)

func (a *api) barrierRoutes(d *document) {
	noUser := notFound("user")
	add(d, operation{method: put, path: "/v1/users/{id}/block", id: "block", summary: "Block a user: neither knows of the other, or follows them, any more",
		who: signedIn, status: 200, problems: []problem{noUser, selfBarrier, tooManyBarriers}}, a.block)
	add(d, operation{method: remove, path: "/v1/users/{id}/block", id: "unblock", summary: "Block a user no more; who followed whom stays ended",
		who: signedIn, status: 200, problems: []problem{noUser, selfBarrier}}, a.unblock)
	add(d, operation{method: put, path: "/v1/users/{id}/mute", id: "mute", summary: "Hear of a user only where you ask for them; they are not told",
		who: signedIn, status: 200, problems: []problem{noUser, selfBarrier, tooManyBarriers}}, a.mute)
	add(d, operation{method: remove, path: "/v1/users/{id}/mute", id: "unmute", summary: "Mute a user no more",
		who: signedIn, status: 200, problems: []problem{noUser, selfBarrier}}, a.unmute)
	add(d, operation{method: get, path: "/v1/me/blocks", id: "listBlocks", summary: "Whom you block, the newest account first",
		who: signedIn, status: 200}, a.listBlocks)
	add(d, operation{method: get, path: "/v1/me/mutes", id: "listMutes", summary: "Whom you mute, the newest account first",
		who: signedIn, status: 200}, a.listMutes)
}

func (a *api) block(ctx context.Context, in *ByID) (*body[Relationship], error) {
	actor, target := viewer(ctx), in.ID.ID()
	if target == actor {
		return nil, selfBarrier
	}
	if _, _, err := a.known(ctx, target); err != nil {
		if r, unread := a.relationship(ctx, target); unread == nil && r.Body.Blocking {
			return r, nil // repeated
		}
		return nil, err
	}
	changed, err := a.store.Block(ctx, actor, target)
	if err != nil {
		return nil, err
	}
	if changed {
		a.barred(ctx, actor, target)
		for _, f := range [][2]id.ID{{actor, target}, {target, actor}} {
			a.atOnce(ctx, "sync follow", func(ctx context.Context) error { return a.store.SyncFollow(ctx, f[0], f[1]) })
			a.followed(ctx, f[0], f[1])
		}
	}
	return a.relationship(ctx, target)
}

func (a *api) unblock(ctx context.Context, in *ByID) (*body[Relationship], error) {
	actor, target := viewer(ctx), in.ID.ID()
	if target == actor {
		return nil, selfBarrier
	}
	changed, err := a.store.Unblock(ctx, actor, target)
	if err := a.undone(ctx, target, changed, err); err != nil {
		return nil, err
	}
	if changed {
		a.barred(ctx, actor, target)
	}
	return a.relationship(ctx, target)
}

// barred tells both sides of a block that has come or gone. A task sees to it, but a block
// is to hold at once.
func (a *api) barred(ctx context.Context, actor, target id.ID) {
	a.atOnce(ctx, "sync block", func(ctx context.Context) error { return a.store.SyncBlock(ctx, actor, target) })
	a.barriers.Forget(actor, target)
}

func (a *api) mute(ctx context.Context, in *ByID) (*body[Relationship], error) {
	actor, target := viewer(ctx), in.ID.ID()
	if target == actor {
		return nil, selfBarrier
	}
	if _, _, err := a.known(ctx, target); err != nil {
		return nil, err
	}
	if _, err := a.store.Mute(ctx, actor, target); err != nil {
		return nil, err
	}
	a.barriers.Forget(actor)
	return a.relationship(ctx, target)
}

func (a *api) unmute(ctx context.Context, in *ByID) (*body[Relationship], error) {
	actor, target := viewer(ctx), in.ID.ID()
	if target == actor {
		return nil, selfBarrier
	}
	changed, err := a.store.Unmute(ctx, actor, target)
	if err := a.undone(ctx, target, changed, err); err != nil {
		return nil, err
	}
	a.barriers.Forget(actor)
	return a.relationship(ctx, target)
}

// listBlocks is the one list that shows those whom the viewer blocks.
func (a *api) listBlocks(ctx context.Context, in *PageOf) (*listed[Person], error) {
	user := viewer(ctx)
	return a.circle(ctx, audience.Viewer{ID: user}, store.Blocked, user, *in)
}

func (a *api) listMutes(ctx context.Context, in *PageOf) (*listed[Person], error) {
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	return a.circle(ctx, v, store.Muted, v.ID, *in)
}
