package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

var (
	selfFollow     = problem{Status: http.StatusBadRequest, Code: "cannot_follow_yourself", Field: "id", Detail: "Nobody follows themself."}
	tooManyFollows = problem{Status: http.StatusConflict, Code: "too_many_follows", Detail: "You follow, or have asked to follow, 7,500 people. Unfollow somebody first."}
	accountPrivate = problem{Status: http.StatusForbidden, Code: "account_private", Detail: "Only who follows this account sees that. Ask to follow it."}
)

func (a *api) followRoutes(d *document) {
	noUser, noRequest := notFound("user"), notFound("follow_request")
	add(d, operation{method: put, path: "/v1/users/{id}/follow", id: "follow", summary: "Follow a user, or ask to if they are private",
		who: signedIn, status: 200, problems: []problem{noUser, selfFollow, tooManyFollows}}, a.follow)
	add(d, operation{method: remove, path: "/v1/users/{id}/follow", id: "unfollow", summary: "Follow a user no more, or take the request back",
		who: signedIn, status: 200, problems: []problem{noUser, selfFollow}}, a.unfollow)
	add(d, operation{method: get, path: "/v1/users/{id}/followers", id: "listFollowers", summary: "Who follows a user, the newest account first",
		who: signedIn, status: 200, problems: []problem{noUser, accountPrivate}}, a.listFollowers)
	add(d, operation{method: get, path: "/v1/users/{id}/following", id: "listFollowing", summary: "Whom a user follows, the newest account first",
		who: signedIn, status: 200, problems: []problem{noUser, accountPrivate}}, a.listFollowing)
	add(d, operation{method: remove, path: "/v1/me/followers/{id}", id: "removeFollower", summary: "Make somebody follow you no more; they are not told",
		who: signedIn, status: 204, problems: []problem{noUser}}, a.removeFollower)
	add(d, operation{method: get, path: "/v1/me/follow-requests", id: "listFollowRequests", summary: "Who asks to follow you, the newest account first",
		who: signedIn, status: 200}, a.listFollowRequests)
	add(d, operation{method: put, path: "/v1/me/follow-requests/{id}", id: "approveFollowRequest", summary: "Let somebody follow you who asks to",
		who: signedIn, status: 204, problems: []problem{noRequest}}, a.approveFollow)
	add(d, operation{method: remove, path: "/v1/me/follow-requests/{id}", id: "refuseFollowRequest", summary: "Do not let somebody follow you who asks to; they are not told",
		who: signedIn, status: 204, problems: []problem{noUser}}, a.refuseFollow)
}

func (a *api) follow(ctx context.Context, in *ByID) (*body[Relationship], error) {
	actor, target := viewer(ctx), in.ID.ID()
	if target == actor {
		return nil, selfFollow
	}
	_, u, err := a.known(ctx, target)
	if err != nil {
		return nil, err
	}
	change := a.store.Follow
	if u.Private {
		change = a.store.RequestFollow
	}
	switch changed, err := change(ctx, actor, target); {
	case errors.Is(err, store.ErrNotFound): // blocked a moment ago
		return nil, notFound("user")
	case err != nil:
		return nil, err
	case changed:
		a.metrics.follows.Inc()
		a.followed(ctx, actor, target)
		a.becomesPopular(ctx, u)
	}
	return a.relationship(ctx, target)
}

func (a *api) unfollow(ctx context.Context, in *ByID) (*body[Relationship], error) {
	actor, target := viewer(ctx), in.ID.ID()
	if target == actor {
		return nil, selfFollow
	}
	changed, err := a.store.Unfollow(ctx, actor, target)
	if err := a.undone(ctx, target, changed, err); err != nil {
		return nil, err
	}
	if changed {
		a.followed(ctx, actor, target)
	}
	return a.relationship(ctx, target)
}

// undone is the error of undoing what stands between who asks and target: it may be undone
// whoever they are to each other by now, but where nothing was there to undo, the target
// must be somebody whom the viewer may know.
func (a *api) undone(ctx context.Context, target id.ID, changed bool, err error) error {
	if err == nil && !changed {
		_, _, err = a.known(ctx, target)
	}
	return err
}

// followed forgets what a follow of target by actor has changed, so that the next page
// has it at once. The task that tells the target's shard forgets it again, whatever
// becomes of this.
func (a *api) followed(ctx context.Context, actor, target id.ID) {
	a.users.Forget(actor, target)
	if err := a.feeds.Forget(ctx, actor); err != nil {
		a.log.WarnContext(ctx, "forget feed", "user", actor, "error", err)
	}
}

type peopleOf struct {
	ByID
	PageOf
}

func (a *api) listFollowers(ctx context.Context, in *peopleOf) (*listed[Person], error) {
	return a.circleOf(ctx, store.Followers, in)
}

func (a *api) listFollowing(ctx context.Context, in *peopleOf) (*listed[Person], error) {
	return a.circleOf(ctx, store.Followed, in)
}

// circleOf is a page of a circle of somebody whose photos the viewer may see.
func (a *api) circleOf(ctx context.Context, c store.Circle, in *peopleOf) (*listed[Person], error) {
	v, u, err := a.known(ctx, in.ID.ID())
	if err != nil {
		return nil, err
	}
	switch sees, err := a.audience.Sees(ctx, v, u); {
	case err != nil:
		return nil, err
	case !sees:
		return nil, accountPrivate
	}
	return a.circle(ctx, v, c, u.ID, in.PageOf)
}

func (a *api) listFollowRequests(ctx context.Context, in *PageOf) (*listed[Person], error) {
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	return a.circle(ctx, v, store.FollowRequests, v.ID, *in)
}

func (a *api) approveFollow(ctx context.Context, in *ByID) (*nothing, error) {
	user, follower := viewer(ctx), in.ID.ID()
	follows, err := a.store.ApproveFollow(ctx, user, follower)
	if err != nil {
		return nil, err
	}
	if !follows {
		return nil, notFound("follow_request")
	}
	a.users.Forget(user)
	return nil, nil
}

func (a *api) refuseFollow(ctx context.Context, in *ByID) (*nothing, error) {
	return nil, a.dismiss(ctx, in.ID.ID(), a.store.RefuseFollow)
}

func (a *api) removeFollower(ctx context.Context, in *ByID) (*nothing, error) {
	return nil, a.dismiss(ctx, in.ID.ID(), a.store.RemoveFollower)
}

func (a *api) dismiss(ctx context.Context, follower id.ID, end func(ctx context.Context, user, follower id.ID) (time.Time, error)) error {
	user := viewer(ctx)
	ended, err := end(ctx, user, follower)
	if err := a.undone(ctx, follower, !ended.IsZero(), err); err != nil || ended.IsZero() {
		return err
	}
	// What the follower may see is asked of their shard. A task sees to it, but that
	// somebody was removed is to hold at once.
	a.atOnce(ctx, "end follow", func(ctx context.Context) error {
		return a.store.EndFollow(ctx, follower, user, ended)
	})
	a.followed(ctx, follower, user)
	return nil
}

// atOnceLimit bounds how long an answer waits for the other side's database.
const atOnceLimit = time.Second

// atOnce does already what a task has been ordered for.
func (a *api) atOnce(ctx context.Context, what string, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, atOnceLimit)
	defer cancel()
	if err := do(ctx); err != nil {
		a.log.WarnContext(ctx, what, "error", err)
	}
}
