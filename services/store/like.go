package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// Like records that user likes the photo, counts it and tells the author, unless that
// is user. It says whether that is new. ErrNotFound unless the photo is ready and user
// may see it, as its author's shard knows.
func (s *Store) Like(ctx context.Context, media, user id.ID) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		var task string
		if task, err = p.task(queue.Notify{}); err == nil {
			changed, err = p.changeLike(ctx, `SELECT shard.like_photo($1, $2, $3)`, media, user, task)
		}
	}
	if err != nil {
		return false, fmt.Errorf("like media %s by user %s: %w", media, user, err)
	}
	return changed, nil
}

// Unlike undoes Like. ErrNotFound as there.
func (s *Store) Unlike(ctx context.Context, media, user id.ID) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		changed, err = p.changeLike(ctx, `SELECT shard.unlike_photo($1, $2)`, media, user)
	}
	if err != nil {
		return false, fmt.Errorf("unlike media %s by user %s: %w", media, user, err)
	}
	return changed, nil
}

func (p place) changeLike(ctx context.Context, sql string, args ...any) (bool, error) {
	var changed *bool
	err := p.query(ctx, func(r pgx.Row) error { return r.Scan(&changed) }, sql, args...)
	if err == nil && changed == nil {
		err = ErrNotFound
	}
	return err == nil && *changed, err
}

// Likes says whether user likes the photo.
func (s *Store) Likes(ctx context.Context, media, user id.ID) (likes bool, err error) {
	liked, err := s.Liked(ctx, user, []id.ID{media})
	return len(liked) > 0, err
}

// Liked are those of the photos that user likes, by one round trip to each database
// concerned.
func (s *Store) Liked(ctx context.Context, user id.ID, media []id.ID) (liked []id.ID, err error) {
	err = s.byShard(ctx, media, func(r pgx.Row) error {
		var i id.ID
		err := r.Scan(&i)
		liked = append(liked, i)
		return err
	}, `SELECT media_id FROM shard.likes WHERE user_id = $2 AND media_id = ANY($1::bigint[])`, user)
	if err != nil {
		return nil, fmt.Errorf("read which of %d media user %s likes: %w", len(media), user, err)
	}
	return liked, nil
}

// Liker is who likes a photo, since when.
type Liker struct {
	User id.ID
	At   time.Time
}

// Likers are at most limit of those who like the photo, the latest first, from the one
// after after (zero: the latest).
func (s *Store) Likers(ctx context.Context, media id.ID, after Liker, limit int) ([]Liker, error) {
	p, err := s.at(media)
	if err != nil {
		return nil, nil
	}
	if after.User == 0 {
		after = Liker{User: 1<<63 - 1, At: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT user_id, created_at FROM shard.likes
		WHERE media_id = $1 AND (created_at, user_id) < ($2, $3)
		ORDER BY created_at DESC, user_id DESC LIMIT $4`), media, after.At, after.User, limit)
	var likers []Liker
	if err == nil {
		likers, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Liker])
	}
	if err != nil {
		return nil, fmt.Errorf("read likers of media %s: %w", media, err)
	}
	return likers, nil
}
