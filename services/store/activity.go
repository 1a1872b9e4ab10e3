package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
)

// Kinds are the kinds of activity. A phone rings for each unless its user has muted it.
var Kinds = []string{"like", "comment", "follow", "request", "approval", "mention"}

// Activity is what happened to a user, of one kind: around one photo, or on one day.
type Activity struct {
	Newest   id.ID // of what is told here
	Kind     string
	Media    id.ID   // 0: of no photo
	Comment  id.ID   // the newest, if it is about comments
	Actors   []id.ID // the latest of them, at most LatestActors, latest first
	Count    int64   // of the actors
	At       time.Time
	IsUnseen bool
}

// LatestActors is how many of those who did the same are known by id.
const LatestActors = 10

// activityKept is how far activity is read back: so many rows, whatever they say.
const activityKept = 1000

// standing continues the WITH of a statement about user $1: of the rows of activity that
// a condition holds for, those that still stand. What was taken back does not, nor does
// what somebody did with whom there is a barrier: a block either way, or a mute.
func standing(condition string) string {
	return fmt.Sprintf(`recent AS MATERIALIZED (
		SELECT * FROM shard.activity WHERE user_id = $1 AND %s ORDER BY id DESC LIMIT %d
	), standing AS (
		SELECT id, kind, actor_id, coalesce(media_id, 0) AS media_id, comment_id, created_at,
			CASE WHEN media_id IS NULL THEN (created_at AT TIME ZONE 'UTC')::date END AS day
		FROM recent a
		WHERE NOT EXISTS (SELECT FROM shard.barriers WHERE user_id = $1 AND other_id = a.actor_id)
			AND CASE kind
			WHEN 'like' THEN EXISTS (SELECT FROM shard.likes WHERE media_id = a.media_id AND user_id = a.actor_id)
			WHEN 'comment' THEN EXISTS (SELECT FROM shard.comments WHERE media_id = a.media_id AND id = a.comment_id)
			WHEN 'follow' THEN EXISTS (SELECT FROM shard.followers WHERE user_id = $1 AND follower_id = a.actor_id)
			WHEN 'request' THEN EXISTS (SELECT FROM shard.follow_requests WHERE user_id = $1 AND follower_id = a.actor_id)
			WHEN 'approval' THEN EXISTS (SELECT FROM shard.following WHERE user_id = $1 AND target_id = a.actor_id AND NOT requested)
			ELSE true END
	)`, condition, activityKept)
}

// grouped continues standing: who did the same, each once.
var grouped = fmt.Sprintf(`actors AS (
		SELECT kind, media_id, day, actor_id, max(id) AS id, max(comment_id) AS comment_id, max(created_at) AS created_at
		FROM standing GROUP BY kind, media_id, day, actor_id
	), grouped AS (
		SELECT max(id) AS newest, kind, media_id, coalesce(max(comment_id), 0) AS comment_id,
			(array_agg(actor_id ORDER BY id DESC))[1:%d] AS actors, count(*) AS count, max(created_at) AS at
		FROM actors GROUP BY kind, media_id, day
	)`, LatestActors)

func (a *Activity) scan(row pgx.Row) error {
	err := row.Scan(&a.Newest, &a.Kind, &a.Media, &a.Comment, &a.Actors, &a.Count, &a.At, &a.IsUnseen)
	a.At = a.At.UTC()
	return err
}

// Activity is at most limit of what happened to user until asOf (0: now), grouped,
// latest first, from the one before before (0: the latest). With the same asOf the pages
// are of one list, whatever happens meanwhile.
func (s *Store) Activity(ctx context.Context, user, asOf, before id.ID, limit int) ([]Activity, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	const latest = 1<<63 - 1
	if asOf == 0 {
		asOf = latest
	}
	if before == 0 {
		before = latest
	}
	rows, err := p.pool.Query(ctx, p.in(`
		WITH `+standing(`id <= $2`)+`, `+grouped+`
		SELECT grouped.*, newest > (SELECT activity_seen FROM shard.users WHERE id = $1)
		FROM grouped WHERE newest < $3 ORDER BY newest DESC LIMIT $4`), user, asOf, before, limit)
	var as []Activity
	if err == nil {
		as, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (a Activity, err error) {
			err = a.scan(r)
			return a, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read activity of user %s: %w", user, err)
	}
	return as, nil
}

const unseen = `id > (SELECT activity_seen FROM shard.users WHERE id = $1)`

// Unseen is how many lines of Activity are new to user, and the newest of all (0: none).
func (s *Store) Unseen(ctx context.Context, user id.ID) (lines int, newest id.ID, err error) {
	p, err := s.at(user)
	if err != nil {
		return 0, 0, nil
	}
	err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&lines, &newest) }, `
		WITH `+standing(unseen)+`
		SELECT count(*), coalesce(max(newest), 0)
		FROM (SELECT max(id) AS newest FROM standing GROUP BY kind, media_id, day) line`, user)
	if err != nil {
		return 0, 0, fmt.Errorf("count activity of user %s: %w", user, err)
	}
	return lines, newest, nil
}

// SeeActivity notes that user has seen what happened until upTo. It is never taken back.
func (s *Store) SeeActivity(ctx context.Context, user, upTo id.ID) error {
	p, err := s.at(user)
	if err != nil {
		return nil
	}
	// What has not happened yet cannot have been seen.
	_, err = p.pool.Exec(ctx, p.in(`
		UPDATE shard.users SET activity_seen = seen
		FROM (SELECT max(id) AS seen FROM shard.activity WHERE user_id = $1 AND id <= $2) a
		WHERE users.id = $1 AND seen > activity_seen`), user, upTo)
	if err != nil {
		return fmt.Errorf("see activity of user %s: %w", user, err)
	}
	return nil
}

// Named are those of the accounts of names, in whatever case, that exist, by one round
// trip to each database concerned.
func (s *Store) Named(ctx context.Context, names []string) (users []User, err error) {
	onShard := map[shard.Number][]string{}
	for _, name := range names {
		name = claimed(name)
		n := s.shards.ForName(name)
		onShard[n] = append(onShard[n], name)
	}
	err = askShards(ctx, s, onShard, func(r pgx.Row) error {
		var u User
		err := u.scan(r)
		users = append(users, u)
		return err
	}, `
		SELECT `+userColumns+` FROM shard.users
		WHERE id IN (SELECT user_id FROM shard.names WHERE name = ANY($1::text[]))`)
	if err != nil {
		return nil, fmt.Errorf("read users by %d names: %w", len(names), err)
	}
	return users, nil
}

// Mention tells user, once, that actor mentions them in the comment of a photo or (0) in
// its caption.
func (s *Store) Mention(ctx context.Context, user, actor, media, comment id.ID) error {
	p, err := s.at(user)
	if err != nil {
		return nil
	}
	task, err := p.task(queue.Notify{})
	if err == nil {
		// What mentions is older than the row that says so, so no row before that is
		// looked at.
		since := media
		if comment != 0 {
			since = comment
		}
		_, err = p.pool.Exec(ctx, p.in(`
			SELECT shard.tell($1, 'mention', $2, $3, nullif($4::bigint, 0), $5)
			WHERE NOT EXISTS (
				SELECT FROM shard.activity
				WHERE user_id = $1 AND id > $6 AND kind = 'mention' AND media_id = $3 AND coalesce(comment_id, 0) = $4
			)`), user, actor, media, comment, task, id.Make(since.Time().Add(-mentionSkew), 0, 0))
	}
	if err != nil {
		return fmt.Errorf("mention user %s by %s: %w", user, actor, err)
	}
	return nil
}

// mentionSkew is how far the clocks of two databases may be apart.
const mentionSkew = time.Minute

// MutedPushes are the kinds of activity that no phone of user rings for.
func (s *Store) MutedPushes(ctx context.Context, user id.ID) (kinds []string, err error) {
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&kinds) }, `SELECT muted_pushes FROM shard.users WHERE id = $1`, user)
	}
	if err != nil {
		return nil, fmt.Errorf("read muted pushes of user %s: %w", user, err)
	}
	return kinds, nil
}

// MutePushes makes kinds those that no phone of user rings for. ErrNotFound when there is
// no such user.
func (s *Store) MutePushes(ctx context.Context, user id.ID, kinds []string) error {
	p, err := s.at(user)
	if err == nil {
		var done bool
		err = p.query(ctx, scanned(&done), `UPDATE shard.users SET muted_pushes = $2 WHERE id = $1 RETURNING true`, user, append([]string{}, kinds...))
	}
	if err != nil {
		return fmt.Errorf("mute pushes of user %s: %w", user, err)
	}
	return nil
}
