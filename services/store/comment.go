package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// Comment is what somebody wrote below a photo, on the photo's shard.
type Comment struct {
	ID        id.ID
	Media     id.ID
	User      id.ID // its author
	Text      string
	Mentions  []string // names in it, as names are compared
	CreatedAt time.Time
}

const commentColumns = `id, media_id, user_id, text, mentions, created_at`

func (c *Comment) scan(row pgx.Row) error {
	err := row.Scan(&c.ID, &c.Media, &c.User, &c.Text, &c.Mentions, &c.CreatedAt)
	c.CreatedAt = c.CreatedAt.UTC()
	return err
}

// Comment adds c, of which ID and CreatedAt are not looked at, counts it, tells the
// photo's author, and orders the task that tells who is mentioned. Repeated with the
// same key it answers the same comment; the zero key is of none. ErrNotFound unless the
// photo is ready and c.User may see it, as its author's shard knows.
func (s *Store) Comment(ctx context.Context, c Comment, key uuid.UUID) (Comment, error) {
	if key == uuid.Nil {
		key = uuid.New()
	}
	made, err := s.comment(ctx, c, key)
	if err != nil {
		return Comment{}, fmt.Errorf("comment on media %s by user %s: %w", c.Media, c.User, err)
	}
	return made, nil
}

func (s *Store) comment(ctx context.Context, c Comment, key uuid.UUID) (made Comment, err error) {
	p, err := s.at(c.Media)
	if err != nil {
		return made, err
	}
	push, err := p.task(queue.Notify{})
	if err != nil {
		return made, err
	}
	mention, err := p.task(queue.Mention{Media: c.Media})
	if err != nil {
		return made, err
	}
	err = p.query(ctx, made.scan, `SELECT `+commentColumns+` FROM shard.comment_photo($1, $2, $3, $4, $5, $6, $7)`,
		c.Media, c.User, key, c.Text, append([]string{}, c.Mentions...), push, mention)
	return made, err
}

// DeleteComment removes a comment, if user wrote it or the photo is theirs. It says whether
// that was so.
func (s *Store) DeleteComment(ctx context.Context, media, comment, user id.ID) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, scanned(&changed), `
			WITH gone AS (
				DELETE FROM shard.comments WHERE media_id = $1 AND id = $2
					AND (user_id = $3 OR EXISTS (SELECT FROM shard.media WHERE id = $1 AND user_id = $3))
				RETURNING media_id
			)
			SELECT true FROM gone, LATERAL shard.change_counts(media_id, 0, -1)`, media, comment, user)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("delete comment %s of media %s by user %s: %w", comment, media, user, err)
	}
	return changed, nil
}

// Comments are at most limit comments of the photo, newest first, from the one before
// before (0: the newest).
func (s *Store) Comments(ctx context.Context, media, before id.ID, limit int) ([]Comment, error) {
	p, err := s.at(media)
	if err != nil {
		return nil, nil
	}
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT `+commentColumns+` FROM shard.comments WHERE media_id = $1 AND id < $2
		ORDER BY id DESC LIMIT $3`), media, before, limit)
	var cs []Comment
	if err == nil {
		cs, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (c Comment, err error) {
			err = c.scan(r)
			return c, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read comments of media %s: %w", media, err)
	}
	return cs, nil
}

// CommentsMany are those of the comments that exist, each given with its photo, by one
// round trip to each database concerned.
func (s *Store) CommentsMany(ctx context.Context, photos map[id.ID]id.ID) (map[id.ID]Comment, error) {
	var ids, media []id.ID
	for comment, photo := range photos {
		ids, media = append(ids, comment), append(media, photo)
	}
	found := make(map[id.ID]Comment, len(ids))
	err := s.byShard(ctx, ids, func(r pgx.Row) error {
		var c Comment
		err := c.scan(r)
		if photos[c.ID] == c.Media {
			found[c.ID] = c
		}
		return err
	}, `SELECT `+commentColumns+` FROM shard.comments WHERE media_id = ANY($2::bigint[]) AND id = ANY($1::bigint[])`, bigints(media))
	if err != nil {
		return nil, fmt.Errorf("read comments: %w", err)
	}
	return found, nil
}
