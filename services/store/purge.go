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

// How long is kept what is kept for a while only.
const (
	keepActivity = 90 * 24 * time.Hour
	keepRequests = 24 * time.Hour
	keepExports  = 7 * 24 * time.Hour
	// keepPushes is longer than any push is tried.
	keepPushes = 24 * time.Hour
	// staleUploads is how old the oldest upload is that is looked at. Their ids are in the
	// order of time, so those that were looked at each day for so long cost nothing more.
	staleUploads = 30 * 24 * time.Hour
)

// Purge removes some rows of each kind that are past their time from each of the shards
// from first to last, and folds some of the changes of counters that nobody came to fold.
// What names those who departed goes, too. It says whether there may be more.
//
// But for what is small, each row of activity and of sessions is read, once a day: indexes
// that would spare that would cost every like and every log-in.
func (s *Store) Purge(ctx context.Context, first, last shard.Number, departed []id.ID, some int) (more bool, err error) {
	now := time.Now()
	err = s.onRange(ctx, first, last, func(r pgx.Row) error {
		var full bool
		err := r.Scan(&full)
		more = more || full
		return err
	}, `
		WITH sessions AS (
			DELETE FROM shard.sessions WHERE id = ANY (ARRAY(
				SELECT id FROM shard.sessions WHERE expires_at < now() LIMIT $1)) RETURNING 1
		), requests AS (
			DELETE FROM shard.requests r USING (
				SELECT user_id, key FROM shard.requests WHERE claimed_at < $2 LIMIT $1
			) old WHERE r.user_id = old.user_id AND r.key = old.key RETURNING 1
		), activity AS (
			DELETE FROM shard.activity a USING (
				SELECT user_id, id FROM shard.activity WHERE created_at < $3 OR actor_id = ANY($5::bigint[]) LIMIT $1
			) old WHERE a.user_id = old.user_id AND a.id = old.id RETURNING 1
		), pushes AS (
			DELETE FROM shard.pushes p USING (
				SELECT user_id, kind, media_id FROM shard.pushes WHERE due_at < $4 LIMIT $1
			) old WHERE p.user_id = old.user_id AND p.kind = old.kind AND p.media_id = old.media_id RETURNING 1
		), barriers AS (
			DELETE FROM shard.barriers WHERE other_id = ANY($5::bigint[])
		), directory AS (
			DELETE FROM shard.directory WHERE user_id = ANY($5::bigint[])
		), changed AS (
			SELECT media_id, sum(likes) AS likes, sum(comments) AS comments FROM shard.count_changes
			GROUP BY media_id LIMIT $1
		), photos AS (
			-- Who changes a counter meanwhile holds the row, and folds by itself.
			SELECT id FROM shard.media WHERE id IN (SELECT media_id FROM changed) FOR NO KEY UPDATE SKIP LOCKED
		), folded AS (
			DELETE FROM shard.count_changes WHERE media_id IN (SELECT id FROM photos) RETURNING media_id, likes, comments
		), counted AS (
			UPDATE shard.media m SET like_count = m.like_count + f.likes, comment_count = m.comment_count + f.comments
			FROM (SELECT media_id, sum(likes) AS likes, sum(comments) AS comments FROM folded GROUP BY media_id) f
			WHERE m.id = f.media_id
		), orphans AS (
			DELETE FROM shard.count_changes c USING changed
			WHERE c.media_id = changed.media_id AND NOT EXISTS (SELECT FROM shard.media WHERE id = c.media_id)
		)
		SELECT greatest((SELECT count(*) FROM sessions), (SELECT count(*) FROM requests),
			(SELECT count(*) FROM activity), (SELECT count(*) FROM pushes)) = $1`,
		some, now.Add(-keepRequests), now.Add(-keepActivity), now.Add(-keepPushes), bigints(departed))
	if err != nil {
		return false, fmt.Errorf("purge shards %d to %d: %w", first, last, err)
	}
	return more, nil
}

// StaleUploads are some of the uploads that were never published, and cannot be any more,
// of each of the shards from first to last.
func (s *Store) StaleUploads(ctx context.Context, first, last shard.Number, some int) ([]Upload, error) {
	now := time.Now()
	var ups []Upload
	err := s.onRange(ctx, first, last, func(r pgx.Row) error {
		var u Upload
		err := u.scan(r)
		ups = append(ups, u)
		return err
	}, `
		SELECT `+uploadColumns+` FROM shard.uploads
		WHERE id > $1 AND id < $2 AND media_id IS NULL AND expires_at < $3 LIMIT $4`,
		id.Make(now.Add(-staleUploads), 0, 0), id.Make(now.Add(-publishGrace), 0, 0), now.Add(-publishGrace), some)
	if err != nil {
		return nil, fmt.Errorf("read stale uploads of shards %d to %d: %w", first, last, err)
	}
	return ups, nil
}

// OldExports are some exports past their time of each of the shards from first to last.
func (s *Store) OldExports(ctx context.Context, first, last shard.Number, some int) ([]Export, error) {
	var old []Export
	err := s.onRange(ctx, first, last, func(r pgx.Row) error {
		var e Export
		err := e.scan(r)
		old = append(old, e)
		return err
	}, `SELECT `+exportColumns+` FROM shard.exports WHERE coalesce(finished_at, created_at) < $1 LIMIT $2`, time.Now().Add(-keepExports), some)
	if err != nil {
		return nil, fmt.Errorf("read old exports of shards %d to %d: %w", first, last, err)
	}
	return old, nil
}

// Departed are the users who were erased, as the database of a shard knows.
func (s *Store) Departed(ctx context.Context, on shard.Number) ([]id.ID, error) {
	p, err := s.atShard(on)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, `SELECT user_id FROM burbn.departed`)
	var users []id.ID
	if err == nil {
		users, err = pgx.CollectRows(rows, pgx.RowTo[id.ID])
	}
	if err != nil {
		return nil, fmt.Errorf("read who departed: %w", err)
	}
	return users, nil
}

// ForgetDeparted forgets, in the database of a shard, those who were erased before the
// shards of it were gone over.
func (s *Store) ForgetDeparted(ctx context.Context, on shard.Number, before time.Time) error {
	p, err := s.atShard(on)
	if err == nil {
		_, err = p.pool.Exec(ctx, `DELETE FROM burbn.departed WHERE at < $1`, before)
	}
	if err != nil {
		return fmt.Errorf("forget who departed: %w", err)
	}
	return nil
}

// PurgeNext orders the purge of the next shards, once however often the task of those
// before them is repeated.
func (s *Store) PurgeNext(ctx context.Context, next queue.Purge) error {
	p, err := s.atShard(next.Shard)
	if err == nil {
		err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error { return p.inserter.InsertOnce(ctx, tx, next) })
	}
	if err != nil {
		return fmt.Errorf("order purge of shards from %d on: %w", next.Shard, err)
	}
	return nil
}
