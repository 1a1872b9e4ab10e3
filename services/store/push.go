package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// News is what a push would tell: what happened to a user, of one kind and around one
// photo, that they have not seen.
type News struct {
	Due     time.Time // of the row of pushes; zero: there is none
	Devices []string  // none if the user is away, or has muted the kind
	Newest  id.ID     // 0: there are none
	Since   time.Time // the oldest
	At      time.Time // the newest
	Actors  []id.ID   // the latest, latest first, at most LatestActors
	Count   int64     // of the actors
	Comment id.ID     // the newest, if it is about comments
	Text    string    // of that, the beginning, if the photo is the user's
	Lines   int       // that Unseen counts
}

// excerpt is how much of a comment a push quotes, in characters.
const excerpt = 100

// News reads what a push is to tell, by one round trip.
func (s *Store) News(ctx context.Context, user id.ID, kind string, media id.ID) (n News, err error) {
	p, err := s.at(user)
	if err != nil {
		return n, nil // nobody's
	}
	var due, since, at *time.Time
	err = p.query(ctx, func(r pgx.Row) error {
		return r.Scan(&due, &n.Devices, &n.Newest, &since, &at, &n.Actors, &n.Count, &n.Comment, &n.Text, &n.Lines)
	}, `
		WITH `+standing(unseen)+`, news AS (
			SELECT actor_id, max(id) AS id, max(comment_id) AS comment_id, min(created_at) AS since, max(created_at) AS at
			FROM standing WHERE kind = $2 AND media_id = $3 GROUP BY actor_id
		), told AS (
			SELECT coalesce(max(id), 0) AS newest, min(since) AS since, max(at) AS at,
				coalesce((array_agg(actor_id ORDER BY id DESC))[1:$4], '{}') AS actors, count(*) AS count,
				coalesce(max(comment_id), 0) AS comment
			FROM news
		)
		SELECT (SELECT due_at FROM shard.pushes WHERE user_id = $1 AND kind = $2 AND media_id = $3),
			ARRAY(
				SELECT token FROM shard.devices d JOIN shard.users u ON u.id = d.user_id
				WHERE u.id = $1 AND u.state = 'active' AND $2 <> ALL (u.muted_pushes)
				ORDER BY registered_at DESC LIMIT $5
			),
			told.*, coalesce((
				SELECT left(text, $6) FROM shard.comments WHERE media_id = $3 AND id = told.comment AND $2 = 'comment'
			), ''),
			(SELECT count(DISTINCT (kind, media_id, day)) FROM standing)
		FROM told`, user, kind, media, LatestActors, maxDevices, excerpt)
	if err != nil {
		return News{}, fmt.Errorf("read news of user %s: %w", user, err)
	}
	for from, to := range map[*time.Time]*time.Time{due: &n.Due, since: &n.Since, at: &n.At} {
		if from != nil {
			*to = *from
		}
	}
	return n, nil
}

// TakePush makes the push that n is about due after the time wait, unless it is due by a
// task other than n, and orders the task for then.
func (s *Store) TakePush(ctx context.Context, n queue.Notify, wait time.Duration) error {
	return s.push(ctx, n, wait, `
		INSERT INTO shard.pushes (user_id, kind, media_id, due_at) VALUES ($1, $2, $3, now() + $5)
		ON CONFLICT (user_id, kind, media_id) DO UPDATE SET due_at = excluded.due_at WHERE pushes.due_at = $4 OR pushes.due_at <= now() AND $4 IS NULL
		RETURNING due_at AS at, due_at AS due`)
}

// EndPush makes the next activity order a push anew, if it is due by the task n. It
// orders the task that, after the time wait, looks for what ended up between the two.
func (s *Store) EndPush(ctx context.Context, n queue.Notify, wait time.Duration) error {
	return s.push(ctx, n, wait, `
		DELETE FROM shard.pushes WHERE user_id = $1 AND kind = $2 AND media_id = $3 AND due_at = $4
		RETURNING now() + $5 AS at, NULL::timestamptz AS due`)
}

func (s *Store) push(ctx context.Context, n queue.Notify, wait time.Duration, sql string) error {
	p, err := s.at(n.User)
	if err == nil {
		var due *time.Time
		if by := n.Due; !by.IsZero() {
			due = &by
		}
		n.Due = time.Time{} // the next task's is another
		var task string
		if task, err = p.task(n); err == nil {
			var ordered int64
			err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&ordered) }, `
				WITH push AS (`+sql+`)
				SELECT burbn.enqueue_at(at, $6, jsonb_strip_nulls(jsonb_build_object('due', due))) FROM push`,
				n.User, n.About, n.Media, due, wait, task)
		}
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("order push to user %s: %w", n.User, err)
	}
	return nil
}
