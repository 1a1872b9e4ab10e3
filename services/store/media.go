package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// MediaState is how far a photo has come.
type MediaState string

// A photo is Processing until it becomes Ready or Failed, once.
const (
	Processing MediaState = "processing"
	Ready      MediaState = "ready"
	Failed     MediaState = "failed"
)

// Media is a photo.
type Media struct {
	ID        id.ID      `json:"id"`
	User      id.ID      `json:"user"` // its author
	Caption   string     `json:"caption"`
	State     MediaState `json:"state"`
	Reason    string     `json:"reason,omitzero"` // why it Failed; for the client
	Key       string     `json:"key"`             // of the original among the uploads, and prefix of its renditions
	Width     int        `json:"width"`           // of the original upright; 0 until Ready
	Height    int        `json:"height"`
	LikeCount int64      `json:"likeCount"`
	CreatedAt time.Time  `json:"createdAt"` // when it was published
}

const mediaColumns = `id, user_id, caption, state, reason, key, width, height, like_count, created_at`

func (m *Media) scan(row pgx.Row) error {
	var key [16]byte
	err := row.Scan(&m.ID, &m.User, &m.Caption, &m.State, &m.Reason, &key, &m.Width, &m.Height, &m.LikeCount, &m.CreatedAt)
	m.Key, m.CreatedAt = hex.EncodeToString(key[:]), m.CreatedAt.UTC()
	return err
}

// Media is one photo in whatever state, or ErrNotFound.
func (s *Store) Media(ctx context.Context, media id.ID) (Media, error) {
	var m Media
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, m.scan, `SELECT `+mediaColumns+` FROM shard.media WHERE id = $1`, media)
	}
	if err != nil {
		return Media{}, fmt.Errorf("read media %s: %w", media, err)
	}
	return m, nil
}

// MediaMany are those of the photos that exist, in whatever state, by one round
// trip to each database concerned.
func (s *Store) MediaMany(ctx context.Context, media []id.ID) (map[id.ID]Media, error) {
	found := make(map[id.ID]Media, len(media))
	err := s.byShard(ctx, media, func(r pgx.Row) error {
		var m Media
		err := m.scan(r)
		found[m.ID] = m
		return err
	}, `SELECT `+mediaColumns+` FROM shard.media WHERE id = ANY($1::bigint[])`)
	if err != nil {
		return nil, fmt.Errorf("read media: %w", err)
	}
	return found, nil
}

// UserMedia are at most limit photos of user, newest first, from the one before
// before (0: the newest). The user themself sees those that are not ready, too: all.
func (s *Store) UserMedia(ctx context.Context, user, before id.ID, limit int, all bool) ([]Media, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT `+mediaColumns+` FROM shard.media
		WHERE user_id = $1 AND id < $2 AND (state = 'ready' OR $3)
		ORDER BY id DESC LIMIT $4`), user, before, all, limit)
	var ms []Media
	if err == nil {
		ms, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (m Media, err error) {
			err = m.scan(r)
			return m, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read media of user %s: %w", user, err)
	}
	return ms, nil
}

// RecentMedia are the newest ready photos of the users, at most each of every
// one, newest first. It makes one round trip to each database concerned, and
// its cost does not depend on how old the photos are.
func (s *Store) RecentMedia(ctx context.Context, users []id.ID, each int) ([]id.ID, error) {
	var ids []id.ID
	err := s.byShard(ctx, users, func(r pgx.Row) error {
		var i id.ID
		err := r.Scan(&i)
		ids = append(ids, i)
		return err
	}, `
		SELECT m.id FROM unnest($1::bigint[]) u(id) CROSS JOIN LATERAL (
			SELECT id FROM shard.media WHERE user_id = u.id AND state = 'ready' ORDER BY id DESC LIMIT $2
		) m`, each)
	if err != nil {
		return nil, fmt.Errorf("read recent media: %w", err)
	}
	slices.SortFunc(ids, func(a, b id.ID) int { return cmp.Compare(b, a) })
	return ids, nil
}

// MarkReady makes a photo in state Processing visible, of the given size, and
// orders the task that fans it out. It says whether the photo was in that state.
func (s *Store) MarkReady(ctx context.Context, media id.ID, width, height int) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		var task string
		if task, err = p.task(queue.FanOut{Media: media}); err == nil {
			err = p.query(ctx, scanned(&changed), `
				WITH photo AS (
					UPDATE shard.media SET state = 'ready', width = $2, height = $3
					WHERE id = $1 AND state = 'processing' RETURNING user_id, created_at
				), counted AS (
					UPDATE shard.users SET media_count = media_count + 1 WHERE id = (SELECT user_id FROM photo)
				)
				SELECT burbn.enqueue($4, jsonb_build_object('author', user_id::text, 'published', created_at)) IS NOT NULL
				FROM photo`, media, width, height, task)
		}
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("mark media %s ready: %w", media, err)
	}
	return changed, nil
}

// MarkFailed ends a photo in state Processing, with the reason that its author is
// shown (at most 40 characters). It says whether the photo was in that state.
func (s *Store) MarkFailed(ctx context.Context, media id.ID, reason string) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, scanned(&changed), `
			UPDATE shard.media SET state = 'failed', reason = $2
			WHERE id = $1 AND state = 'processing' RETURNING true`, media, reason)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("mark media %s failed: %w", media, err)
	}
	return changed, nil
}

// FanOutNext orders the fan-out of the next chunk of followers, once however
// often the task of the chunk before it is repeated.
func (s *Store) FanOutNext(ctx context.Context, next queue.FanOut) error {
	p, err := s.at(next.Media)
	if err == nil {
		err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error { return p.inserter.InsertOnce(ctx, tx, next) })
	}
	if err != nil {
		return fmt.Errorf("order next fan-out of media %s: %w", next.Media, err)
	}
	return nil
}

func scanned(dst *bool) func(pgx.Row) error {
	return func(r pgx.Row) error { return r.Scan(dst) }
}
