package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

// Save keeps a photo among those that user has saved. It may be repeated. Whether there
// is such a photo is for the caller to ask, since it may live in another database.
// ErrNotFound when there is no such user.
func (s *Store) Save(ctx context.Context, user, media id.ID) error {
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, func(r pgx.Row) error { return r.Scan(nil) }, `
			WITH saved AS (
				INSERT INTO shard.saved (user_id, id, media_id) SELECT id, shard.next_id(), $2 FROM shard.users WHERE id = $1
				ON CONFLICT (user_id, media_id) DO NOTHING
			)
			SELECT id FROM shard.users WHERE id = $1`, user, media)
	}
	if err != nil {
		return fmt.Errorf("save media %s for user %s: %w", media, user, err)
	}
	return nil
}

// Unsave undoes Save. It may be repeated.
func (s *Store) Unsave(ctx context.Context, user, media id.ID) error {
	p, err := s.at(user)
	if err != nil {
		return nil
	}
	if _, err := p.pool.Exec(ctx, p.in(`DELETE FROM shard.saved WHERE user_id = $1 AND media_id = $2`), user, media); err != nil {
		return fmt.Errorf("unsave media %s for user %s: %w", media, user, err)
	}
	return nil
}

// Saved is a photo that somebody saved. The ID says when.
type Saved struct{ ID, Media id.ID }

// Saved are at most limit photos that user has saved, the last saved first, from the
// one before before (0: the last). Photos that were deleted since are among them.
func (s *Store) Saved(ctx context.Context, user, before id.ID, limit int) ([]Saved, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT id, media_id FROM shard.saved WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`), user, before, limit)
	var saved []Saved
	if err == nil {
		saved, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Saved])
	}
	if err != nil {
		return nil, fmt.Errorf("read what user %s saved: %w", user, err)
	}
	return saved, nil
}

// SavedAny are those of the photos that user has saved.
func (s *Store) SavedAny(ctx context.Context, user id.ID, media []id.ID) ([]id.ID, error) {
	ids, err := s.ids(ctx, user, `
		SELECT media_id FROM shard.saved WHERE user_id = $1 AND media_id = ANY($2::bigint[])`, user, bigints(media))
	if err != nil {
		return nil, fmt.Errorf("read which of %d media user %s saved: %w", len(media), user, err)
	}
	return ids, nil
}
