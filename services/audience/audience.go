// Package audience says who may see whom: blocks, mutes, private accounts and accounts
// that are away hold in every list, count, feed and push, because all of them ask here.
//
// It deliberately knows no HTTP, and nothing of what a list is for. It answers from
// what it is given (Viewer and store.User, both of which are cached), and asks a
// database only whether the viewer follows those of the authors who are private.
package audience

import (
	"context"
	"slices"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// Audience answers for all viewers. Its methods may be called by many goroutines.
type Audience struct {
	store   *store.Store
	viewers *cache.Table[id.ID, store.Barriers]
}

// New reads what stands between people through viewers, the table cache.Barriers.
func New(s *store.Store, viewers *cache.Table[id.ID, store.Barriers]) *Audience {
	return &Audience{s, viewers}
}

// A Viewer is somebody who looks, and what stands between them and others.
type Viewer struct {
	ID id.ID
	store.Barriers
}

// Viewer reads what stands between user and others, through the cache.
func (a *Audience) Viewer(ctx context.Context, user id.ID) (Viewer, error) {
	b, _, err := a.viewers.Get(ctx, user)
	return Viewer{user, b}, err
}

// Knows says whether v may know that u exists: u is active, and neither has blocked
// the other. What is said of u, such as their name in a list of likers, is shown to
// whoever knows them.
func (v Viewer) Knows(u store.User) bool {
	return u.ID == v.ID || u.State == store.Active && !v.blocked(u.ID)
}

// Mutes says whether v wants nothing of u where v does not ask for it by name: in the
// feed, in explore, in suggestions, in activity, on the phone.
func (v Viewer) Mutes(u id.ID) bool { return contains(v.Barriers.Mutes, u) }

func (v Viewer) blocked(u id.ID) bool { return contains(v.Blocks, u) }

func contains(sorted []id.ID, u id.ID) bool {
	_, found := slices.BinarySearch(sorted, u)
	return found
}

// Seen are those of the authors whose photos v may see: those whom v knows and who are
// public, or whom v follows, or v. It asks v's shard once, if any of them is private.
func (a *Audience) Seen(ctx context.Context, v Viewer, authors map[id.ID]store.User) (map[id.ID]store.User, error) {
	seen := make(map[id.ID]store.User, len(authors))
	var private []id.ID
	for i, u := range authors {
		switch {
		case !v.Knows(u):
		case u.Private && u.ID != v.ID:
			private = append(private, i)
		default:
			seen[i] = u
		}
	}
	if len(private) == 0 {
		return seen, nil
	}
	followed, err := a.store.FollowsAny(ctx, v.ID, private)
	if err != nil {
		return nil, err
	}
	for _, i := range followed {
		seen[i] = authors[i]
	}
	return seen, nil
}

// Sees says whether v may see the photos of u.
func (a *Audience) Sees(ctx context.Context, v Viewer, u store.User) (bool, error) {
	seen, err := a.Seen(ctx, v, map[id.ID]store.User{u.ID: u})
	return len(seen) > 0, err
}
