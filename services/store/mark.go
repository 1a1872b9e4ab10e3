package store

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/burbn/burbn/services/id"
)

// Marks are what a user has done to photos.
type Marks struct{ Liked, Saved []id.ID }

// Marks are those of the photos that user likes, and those that they saved: by one round
// trip to each database that holds some of the photos, and one to the user's shard, all
// at once.
func (s *Store) Marks(ctx context.Context, user id.ID, photos []id.ID) (m Marks, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		m.Liked, err = s.Liked(ctx, user, photos)
		return err
	})
	g.Go(func() (err error) {
		m.Saved, err = s.SavedAny(ctx, user, photos)
		return err
	})
	if err := g.Wait(); err != nil {
		return Marks{}, fmt.Errorf("read what user %s did to %d photos: %w", user, len(photos), err)
	}
	return m, nil
}
