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

// A photo is Processing until it becomes Ready or Failed, once. One that is Deleted is
// given to nobody but to who erases it: all other operations find no such photo.
const (
	Processing MediaState = "processing"
	Ready      MediaState = "ready"
	Failed     MediaState = "failed"
	Deleted    MediaState = "deleted"
)

// Media is a photo.
type Media struct {
	ID           id.ID      `json:"id"`
	User         id.ID      `json:"user"` // its author
	Caption      string     `json:"caption"`
	Alt          string     `json:"alt,omitzero"` // what it shows, for who does not see it
	Filter       string     `json:"filter,omitzero"`
	Place        string     `json:"place,omitzero"`
	Location     *Location  `json:"location,omitzero"`
	State        MediaState `json:"state"`
	Reason       string     `json:"reason,omitzero"` // why it Failed; for the client
	Hidden       bool       `json:"hidden,omitzero"` // taken down by a moderator: only its author sees it
	Key          string     `json:"key"`             // of the original among the uploads, and prefix of its renditions
	Width        int        `json:"width"`           // of the original upright; 0 until Ready
	Height       int        `json:"height"`
	Blur         string     `json:"blur,omitzero"` // BlurHash; empty until Ready
	Tags         []string   `json:"tags,omitzero"`
	Mentions     []string   `json:"mentions,omitzero"`
	LikeCount    int64      `json:"likeCount"`
	CommentCount int64      `json:"commentCount,omitzero"`
	CreatedAt    time.Time  `json:"createdAt"` // when it was published
	EditedAt     time.Time  `json:"editedAt,omitzero"`
}

// Location is a point of the earth.
type Location struct {
	Latitude  float64 `json:"latitude" minimum:"-90" maximum:"90" doc:"Degrees, north is positive."`
	Longitude float64 `json:"longitude" minimum:"-180" maximum:"180" doc:"Degrees, east is positive."`
}

// The counters' changes that wait to be folded in belong to the counts.
const mediaColumns = `id, user_id, caption, alt, filter, place, latitude, longitude, state, reason, hidden, key, width, height, blur,
	tags, mentions,
	like_count + coalesce((SELECT sum(likes) FROM shard.count_changes WHERE media_id = id), 0),
	comment_count + coalesce((SELECT sum(comments) FROM shard.count_changes WHERE media_id = id), 0),
	created_at, edited_at`

func (m *Media) scan(row pgx.Row) error {
	var key [16]byte
	var latitude, longitude *float64
	var edited *time.Time
	err := row.Scan(&m.ID, &m.User, &m.Caption, &m.Alt, &m.Filter, &m.Place, &latitude, &longitude,
		&m.State, &m.Reason, &m.Hidden, &key, &m.Width, &m.Height, &m.Blur, &m.Tags, &m.Mentions,
		&m.LikeCount, &m.CommentCount, &m.CreatedAt, &edited)
	m.Key, m.CreatedAt = hex.EncodeToString(key[:]), m.CreatedAt.UTC()
	if latitude != nil && longitude != nil {
		m.Location = &Location{*latitude, *longitude}
	}
	if edited != nil {
		m.EditedAt = edited.UTC()
	}
	return err
}

// Media is one photo in whatever state, or ErrNotFound.
func (s *Store) Media(ctx context.Context, media id.ID) (Media, error) {
	var m Media
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, m.scan, `SELECT `+mediaColumns+` FROM shard.media WHERE id = $1 AND state <> 'deleted'`, media)
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
	}, `SELECT `+mediaColumns+` FROM shard.media WHERE id = ANY($1::bigint[]) AND state <> 'deleted'`)
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
		WHERE user_id = $1 AND id < $2 AND (state = 'ready' OR $3 AND state <> 'deleted')
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

// Post is a photo and its author.
type Post struct{ Media, Author id.ID }

// RecentMedia are the newest ready photos of the users, at most each of every
// one, newest first. It makes one round trip to each database concerned, and
// its cost does not depend on how old the photos are.
func (s *Store) RecentMedia(ctx context.Context, users []id.ID, each int) ([]Post, error) {
	var posts []Post
	err := s.byShard(ctx, users, func(r pgx.Row) error {
		var p Post
		err := r.Scan(&p.Media, &p.Author)
		posts = append(posts, p)
		return err
	}, `
		SELECT m.id, u.id FROM unnest($1::bigint[]) u(id) CROSS JOIN LATERAL (
			SELECT id FROM shard.media WHERE user_id = u.id AND state = 'ready' ORDER BY id DESC LIMIT $2
		) m`, each)
	if err != nil {
		return nil, fmt.Errorf("read recent media: %w", err)
	}
	slices.SortFunc(posts, func(a, b Post) int { return cmp.Compare(b.Media, a.Media) })
	return posts, nil
}

// MarkReady makes a photo in state Processing visible, of the given size and BlurHash,
// and orders the tasks that fan it out, index it, tell whom it mentions and share it. It
// says whether the photo
// was in that state.
func (s *Store) MarkReady(ctx context.Context, media id.ID, width, height int, blur string) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		var tasks []string
		tasks, err = p.tasks(queue.FanOut{Media: media}, queue.Index{Media: media}, queue.Mention{Media: media}, queue.Share{Media: media})
		if err == nil {
			err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&changed, nil) }, `
				WITH photo AS (
					UPDATE shard.media SET state = 'ready', width = $2, height = $3, blur = $4
					WHERE id = $1 AND state = 'processing' RETURNING user_id, created_at, mentions
				), counted AS (
					UPDATE shard.users SET media_count = media_count + 1 WHERE id = (SELECT user_id FROM photo)
				)
				SELECT burbn.enqueue($5, jsonb_build_object('author', user_id::text, 'published', created_at)) IS NOT NULL
						AND burbn.enqueue($6) IS NOT NULL
						AND (mentions = '{}' OR burbn.enqueue($7) IS NOT NULL),
					(SELECT count(burbn.enqueue($8, jsonb_build_object('service', service)))
						FROM shard.shares WHERE media_id = $1 AND state = 'waiting')
				FROM photo`, media, width, height, blur, tasks[0], tasks[1], tasks[2], tasks[3])
		}
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("mark media %s ready: %w", media, err)
	}
	return changed, nil
}

// MarkFailed ends a photo in state Processing, with the reason that its author is
// shown (at most 40 characters), and with it its shares. It says whether the photo was
// in that state.
func (s *Store) MarkFailed(ctx context.Context, media id.ID, reason string) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, scanned(&changed), `
			WITH photo AS (
				UPDATE shard.media SET state = 'failed', reason = $2
				WHERE id = $1 AND state = 'processing' RETURNING id
			), unshared AS (
				UPDATE shard.shares SET state = 'failed', reason = 'photo_failed', changed_at = now()
				WHERE media_id = (SELECT id FROM photo)
			)
			SELECT true FROM photo`, media, reason)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("mark media %s failed: %w", media, err)
	}
	return changed, nil
}

// MediaEdit is what changes of a photo. What is nil stays as it is.
type MediaEdit struct {
	Caption        *string
	Tags, Mentions []string // of the new caption
	Alt, Place     *string
	// Move says that Location is the new one; nil: none.
	Move     bool
	Location *Location
}

// EditMedia changes a photo of user and orders the task that brings the lists after it, and that
// which tells whom a new caption mentions. A photo that is so already it leaves alone.
// ErrNotFound if user has no such photo.
func (s *Store) EditMedia(ctx context.Context, user, media id.ID, e MediaEdit) (Media, error) {
	var m Media
	p, err := s.at(media)
	if err == nil {
		var tasks []string
		if tasks, err = p.tasks(queue.Index{Media: media}, queue.Mention{Media: media}); err == nil {
			latitude, longitude := e.Location.columns()
			err = p.query(ctx, m.scan, `
				WITH old AS (
					SELECT id, tags, latitude, longitude FROM shard.media
					WHERE id = $1 AND user_id = $2 AND state <> 'deleted'
						AND (caption, alt, place, latitude, longitude) IS DISTINCT FROM (
							coalesce($5, caption), coalesce($8, alt), coalesce($9, place),
							CASE WHEN $10 THEN $11 ELSE latitude END, CASE WHEN $10 THEN $12 ELSE longitude END)
					FOR UPDATE
				), tasks AS (
					SELECT burbn.enqueue($3, `+indexed+`), $7::text[] <> '{}' AND burbn.enqueue($4) IS NOT NULL FROM old
				), photo AS (
					UPDATE shard.media m SET
						caption = coalesce($5, caption),
						tags = CASE WHEN $5::text IS NULL THEN m.tags ELSE $6 END,
						mentions = CASE WHEN $5::text IS NULL THEN mentions ELSE $7 END,
						alt = coalesce($8, alt),
						place = coalesce($9, place),
						latitude = CASE WHEN $10 THEN $11 ELSE m.latitude END,
						longitude = CASE WHEN $10 THEN $12 ELSE m.longitude END,
						edited_at = now()
					FROM old WHERE m.id = old.id
					RETURNING m.*
				)
				SELECT `+mediaColumns+` FROM photo, tasks`,
				media, user, tasks[0], tasks[1], e.Caption, listOf(e.Tags), listOf(e.Mentions), e.Alt, e.Place, e.Move, latitude, longitude)
		}
	}
	if errors.Is(err, ErrNotFound) { // or as it should be
		if m, err = s.Media(ctx, media); err == nil && m.User != user {
			err = ErrNotFound
		}
	}
	if err != nil {
		return Media{}, fmt.Errorf("edit media %s of user %s: %w", media, user, err)
	}
	return m, nil
}

// indexed is queue.Index.Was of a row.
const indexed = `jsonb_build_object('was', jsonb_build_object('tags', tags, 'latitude', latitude, 'longitude', longitude))`

// columns are those of a location.
func (l *Location) columns() (latitude, longitude *float64) {
	if l == nil {
		return nil, nil
	}
	return &l.Latitude, &l.Longitude
}

// listOf is a list as a column that is never NULL takes it.
func listOf(list []string) []string { return append([]string{}, list...) }

// DeleteMedia makes photos of user be seen by nobody from now on, and orders the tasks
// that erase what there is of them. It returns those that were not deleted before, all
// of which lie on the shard of user.
func (s *Store) DeleteMedia(ctx context.Context, user id.ID, media ...id.ID) ([]id.ID, error) {
	deleted, err := s.deleteMedia(ctx, user, media)
	if err != nil {
		return nil, fmt.Errorf("delete %d media of user %s: %w", len(media), user, err)
	}
	return deleted, nil
}

func (s *Store) deleteMedia(ctx context.Context, user id.ID, media []id.ID) ([]id.ID, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil // nobody has nothing
	}
	tasks, err := p.tasks(queue.EraseMedia{Author: user}, queue.Index{})
	if err != nil {
		return nil, err
	}
	// Only what was ready has a width, and was counted.
	rows, err := p.pool.Query(ctx, p.in(`
		WITH photo AS (
			UPDATE shard.media SET state = 'deleted'
			WHERE id = ANY($2::bigint[]) AND user_id = $1 AND state <> 'deleted'
			RETURNING id, width, tags, latitude, longitude
		), counted AS (
			UPDATE shard.users SET media_count = media_count - (SELECT count(*) FROM photo WHERE width > 0)
			WHERE id = $1 AND EXISTS (SELECT FROM photo)
		), tasks AS (
			SELECT id, burbn.enqueue($3, jsonb_build_object('media', id::text)),
				burbn.enqueue($4, jsonb_build_object('media', id::text) || `+indexed+`)
			FROM photo
		)
		SELECT id FROM tasks`), user, bigints(media), tasks[0], tasks[1])
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[id.ID])
}

// DeletedMedia is a photo that was deleted and is not erased, or ErrNotFound.
func (s *Store) DeletedMedia(ctx context.Context, media id.ID) (Media, error) {
	var m Media
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, m.scan, `SELECT `+mediaColumns+` FROM shard.media WHERE id = $1 AND state = 'deleted'`, media)
	}
	if err != nil {
		return Media{}, fmt.Errorf("read deleted media %s: %w", media, err)
	}
	return m, nil
}

// EraseTalk removes at most some of the likes and of the comments of a deleted photo,
// and what its author was told of it. It says whether there may be more.
func (s *Store) EraseTalk(ctx context.Context, media id.ID, some int) (more bool, err error) {
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, scanned(&more), `
			WITH photo AS (
				SELECT id, user_id FROM shard.media WHERE id = $1 AND state = 'deleted'
			), likes AS (
				DELETE FROM shard.likes WHERE media_id = $1 AND user_id = ANY (ARRAY(
					SELECT l.user_id FROM photo JOIN shard.likes l ON l.media_id = photo.id LIMIT $2)) RETURNING 1
			), comments AS (
				DELETE FROM shard.comments WHERE media_id = $1 AND id = ANY (ARRAY(
					SELECT c.id FROM photo JOIN shard.comments c ON c.media_id = photo.id LIMIT $2)) RETURNING 1
			), activity AS (
				DELETE FROM shard.activity a USING photo
				WHERE a.user_id = photo.user_id AND a.id > $1 AND a.media_id = $1
			), pushes AS (
				DELETE FROM shard.pushes p USING photo WHERE p.user_id = photo.user_id AND p.media_id = $1
			)
			SELECT greatest((SELECT count(*) FROM likes), (SELECT count(*) FROM comments)) = $2`, media, some)
	}
	if err != nil {
		return false, fmt.Errorf("erase likes and comments of media %s: %w", media, err)
	}
	return more, nil
}

// EraseMedia removes the last that there is of a deleted photo: its row.
func (s *Store) EraseMedia(ctx context.Context, media id.ID) error {
	p, err := s.at(media)
	if err == nil {
		_, err = p.pool.Exec(ctx, p.in(`
			WITH photo AS (
				DELETE FROM shard.media WHERE id = $1 AND state = 'deleted' RETURNING id
			), changes AS (
				DELETE FROM shard.count_changes WHERE media_id = (SELECT id FROM photo)
			)
			DELETE FROM shard.shares WHERE media_id = (SELECT id FROM photo)`), media)
	}
	if err != nil {
		return fmt.Errorf("erase media %s: %w", media, err)
	}
	return nil
}

// EraseNext orders the next step of erasing a photo, once however often the task of
// the step before it is repeated.
func (s *Store) EraseNext(ctx context.Context, next queue.EraseMedia) error {
	if err := s.next(ctx, next.Media, next); err != nil {
		return fmt.Errorf("order next step of erasing media %s: %w", next.Media, err)
	}
	return nil
}

// FanOutNext orders the fan-out of the next chunk of followers, once however
// often the task of the chunk before it is repeated.
func (s *Store) FanOutNext(ctx context.Context, next queue.FanOut) error {
	if err := s.next(ctx, next.Media, next); err != nil {
		return fmt.Errorf("order next fan-out of media %s: %w", next.Media, err)
	}
	return nil
}

// next orders a task on the shard of media, once.
func (s *Store) next(ctx context.Context, media id.ID, task queue.Args) error {
	p, err := s.at(media)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error { return p.inserter.InsertOnce(ctx, tx, task) })
}

func scanned(dst *bool) func(pgx.Row) error {
	return func(r pgx.Row) error { return r.Scan(dst) }
}
