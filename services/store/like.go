package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// Like records that user likes the photo, counts it and orders the task that
// tells the owner, unless the owner it is. It says whether that is new.
// ErrNotFound unless the photo is ready.
func (s *Store) Like(ctx context.Context, media, user id.ID) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		var task string
		if task, err = p.task(queue.NotifyLike{Media: media, Actor: user}); err == nil {
			err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&changed, nil) }, `
				WITH photo AS (
					SELECT id, user_id FROM shard.media WHERE id = $1 AND state = 'ready'
				), liked AS (
					INSERT INTO shard.likes (media_id, user_id) SELECT id, $2 FROM photo
					ON CONFLICT DO NOTHING RETURNING media_id
				), counted AS (
					UPDATE shard.media SET like_count = like_count + 1 WHERE id = (SELECT media_id FROM liked)
				)
				SELECT EXISTS (SELECT FROM liked), (
					SELECT burbn.enqueue($3, jsonb_build_object('owner', photo.user_id::text))
					FROM liked WHERE photo.user_id <> $2
				) FROM photo`, media, user, task)
		}
	}
	if err != nil {
		return false, fmt.Errorf("like media %s by user %s: %w", media, user, err)
	}
	return changed, nil
}

// Unlike undoes Like. ErrNotFound unless the photo is ready.
func (s *Store) Unlike(ctx context.Context, media, user id.ID) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, scanned(&changed), `
			WITH photo AS (
				SELECT id FROM shard.media WHERE id = $1 AND state = 'ready'
			), unliked AS (
				DELETE FROM shard.likes WHERE media_id = (SELECT id FROM photo) AND user_id = $2 RETURNING media_id
			), counted AS (
				UPDATE shard.media SET like_count = like_count - 1 WHERE id = (SELECT media_id FROM unliked)
			)
			SELECT EXISTS (SELECT FROM unliked) FROM photo`, media, user)
	}
	if err != nil {
		return false, fmt.Errorf("unlike media %s by user %s: %w", media, user, err)
	}
	return changed, nil
}

// Likes says whether user likes the photo.
func (s *Store) Likes(ctx context.Context, media, user id.ID) (likes bool, err error) {
	p, err := s.at(media)
	if err != nil {
		return false, nil // nothing to be liked
	}
	err = p.query(ctx, scanned(&likes),
		`SELECT EXISTS (SELECT FROM shard.likes WHERE media_id = $1 AND user_id = $2)`, media, user)
	if err != nil {
		return false, fmt.Errorf("read whether user %s likes media %s: %w", user, media, err)
	}
	return likes, nil
}
