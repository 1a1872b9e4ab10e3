package feed

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

const (
	// fresh is how long a process goes by what it has read of an author with very many
	// followers: so late they see a photo at most.
	fresh = 3 * time.Second
	// recent is how many of their photos are kept, and so how far down a feed shows them.
	recent = 100
)

// stars are the newest photos of authors with very many followers, newest first. Such
// authors are few, so all of those who are read are kept.
type stars struct {
	mu      sync.Mutex
	kept    map[id.ID]star
	flights singleflight.Group
}

type star struct {
	posts []store.Post
	read  time.Time
}

// posts are those of the authors: read at most once in a while, by one reader for all.
func (s *stars) posts(ctx context.Context, db *store.Store, authors []id.ID) ([][]store.Post, error) {
	found := make([][]store.Post, 0, len(authors))
	var stale []id.ID
	s.mu.Lock()
	for _, a := range authors {
		if kept, ok := s.kept[a]; ok && time.Since(kept.read) < fresh {
			found = append(found, kept.posts)
		} else {
			stale = append(stale, a)
		}
	}
	s.mu.Unlock()
	for _, a := range stale {
		done := s.flights.DoChan(strconv.FormatInt(int64(a), 36), func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
			defer cancel()
			return s.read(ctx, db, a)
		})
		select {
		case r := <-done:
			if r.Err != nil {
				return nil, r.Err
			}
			found = append(found, r.Val.([]store.Post))
		case <-ctx.Done():
			return nil, fmt.Errorf("read recent media of user %s: %w", a, ctx.Err())
		}
	}
	return found, nil
}

func (s *stars) read(ctx context.Context, db *store.Store, author id.ID) ([]store.Post, error) {
	began := time.Now()
	posts, err := db.RecentMedia(ctx, []id.ID{author}, recent)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[id.ID]star{}
	}
	s.kept[author] = star{slices.Clip(posts), began}
	return posts, nil
}

// Merged says whether an author's photos are merged into their followers' feeds, and need
// be pushed to nobody: they have very many followers, and SetMerged was called since.
func (f *Feeds) Merged(ctx context.Context, author id.ID) (many, merged bool, err error) {
	found, err := f.store.FollowedByMoreThan(ctx, []id.ID{author}, f.limit)
	if err != nil {
		return false, false, err
	}
	if len(found) == 0 {
		err = f.redis.Del(ctx, starKey(author)).Err()
		return false, false, wrap(err, author)
	}
	n, err := f.redis.Exists(ctx, starKey(author)).Result()
	return true, n > 0, wrap(err, author)
}

// SetMerged is to be called when no feed is kept any more that was built before author had
// very many followers.
func (f *Feeds) SetMerged(ctx context.Context, author id.ID) error {
	return wrap(f.redis.Set(ctx, starKey(author), "", 0).Err(), author)
}

func starKey(author id.ID) string { return "star:" + strconv.FormatInt(int64(author), 36) }

func wrap(err error, author id.ID) error {
	if err != nil {
		return fmt.Errorf("ask whether the photos of user %s are merged: %w", author, err)
	}
	return nil
}
