package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// Follow makes actor follow target, on the actor's shard, and orders the task
// that tells the target's shard. It says whether that is new. ErrNotFound when there is no
// actor; whether there is a target is for the caller to ask, since it may live
// in another database.
func (s *Store) Follow(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	changed, err = s.follow(ctx, actor, target, `
		WITH actor AS (
			SELECT id FROM shard.users WHERE id = $1
		), edge AS (
			INSERT INTO shard.following (user_id, target_id) SELECT id, $2 FROM actor
			ON CONFLICT DO NOTHING RETURNING user_id
		), counted AS (
			UPDATE shard.users SET following_count = following_count + 1 WHERE id = (SELECT user_id FROM edge)
		)
		SELECT (SELECT burbn.enqueue($3) FROM edge) IS NOT NULL FROM actor`)
	if err != nil {
		return false, fmt.Errorf("follow user %s by %s: %w", target, actor, err)
	}
	return changed, nil
}

// Unfollow undoes Follow.
func (s *Store) Unfollow(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	changed, err = s.follow(ctx, actor, target, `
		WITH actor AS (
			SELECT id FROM shard.users WHERE id = $1
		), edge AS (
			DELETE FROM shard.following WHERE user_id = $1 AND target_id = $2 RETURNING user_id
		), counted AS (
			UPDATE shard.users SET following_count = following_count - 1 WHERE id = (SELECT user_id FROM edge)
		)
		SELECT (SELECT burbn.enqueue($3) FROM edge) IS NOT NULL FROM actor`)
	if err != nil {
		return false, fmt.Errorf("unfollow user %s by %s: %w", target, actor, err)
	}
	return changed, nil
}

func (s *Store) follow(ctx context.Context, actor, target id.ID, sql string) (changed bool, err error) {
	p, err := s.at(actor)
	if err != nil {
		return false, err
	}
	task, err := p.task(queue.SyncFollow{Actor: actor, Target: target})
	if err != nil {
		return false, err
	}
	err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&changed) }, sql, actor, target, task)
	return changed, err
}

// syncRounds is how often SyncFollow follows an actor who changes their mind
// meanwhile; after that its task is retried later.
const syncRounds = 10

// SyncFollow brings the target's shard, its row and its counter, to what the
// actor's shard says. It may run any number of times, several at once.
//
// It asks the actor's shard again after it has written, and repeats until the
// answer is the one that it wrote. So the last of several at once to write has
// written what the actor's shard said after that, and no connection to one
// database is held while waiting for another, as a lock would have it.
func (s *Store) SyncFollow(ctx context.Context, actor, target id.ID) error {
	follows, err := s.Follows(ctx, actor, target)
	for range syncRounds {
		if err != nil {
			break
		}
		if err = s.setFollower(ctx, actor, target, follows); err != nil {
			break
		}
		wrote := follows
		if follows, err = s.Follows(ctx, actor, target); err == nil && follows == wrote {
			return nil
		}
	}
	if err == nil {
		err = errors.New("it keeps changing")
	}
	return fmt.Errorf("sync follow of user %s by %s: %w", target, actor, err)
}

func (s *Store) setFollower(ctx context.Context, actor, target id.ID, follows bool) error {
	p, err := s.at(target)
	if err != nil {
		return nil // nobody to be followed
	}
	sql := `
		WITH edge AS (
			INSERT INTO shard.followers (user_id, follower_id) SELECT id, $2 FROM shard.users WHERE id = $1
			ON CONFLICT DO NOTHING RETURNING user_id
		)
		UPDATE shard.users SET follower_count = follower_count + 1 WHERE id = (SELECT user_id FROM edge)`
	if !follows {
		sql = `
		WITH edge AS (
			DELETE FROM shard.followers WHERE user_id = $1 AND follower_id = $2 RETURNING user_id
		)
		UPDATE shard.users SET follower_count = follower_count - 1 WHERE id = (SELECT user_id FROM edge)`
	}
	_, err = p.pool.Exec(ctx, p.in(sql), target, actor)
	return err
}

// Follows says whether actor follows target, as the actor's shard has it.
func (s *Store) Follows(ctx context.Context, actor, target id.ID) (follows bool, err error) {
	p, err := s.at(actor)
	if err != nil {
		return false, nil // nobody follows nobody
	}
	err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&follows) },
		`SELECT EXISTS (SELECT FROM shard.following WHERE user_id = $1 AND target_id = $2)`, actor, target)
	if err != nil {
		return false, fmt.Errorf("read whether user %s follows %s: %w", actor, target, err)
	}
	return follows, nil
}

// Following are all whom user follows, by id.
func (s *Store) Following(ctx context.Context, user id.ID) ([]id.ID, error) {
	ids, err := s.ids(ctx, user, `SELECT target_id FROM shard.following WHERE user_id = $1 ORDER BY target_id`, user)
	if err != nil {
		return nil, fmt.Errorf("read whom user %s follows: %w", user, err)
	}
	return ids, nil
}

// Followers are at most limit of those who follow user, by id, from the one after after.
func (s *Store) Followers(ctx context.Context, user, after id.ID, limit int) ([]id.ID, error) {
	ids, err := s.ids(ctx, user, `
		SELECT follower_id FROM shard.followers WHERE user_id = $1 AND follower_id > $2
		ORDER BY follower_id LIMIT $3`, user, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read followers of user %s: %w", user, err)
	}
	return ids, nil
}

// ids runs a statement on the shard of user and collects the ids that it returns.
func (s *Store) ids(ctx context.Context, user id.ID, sql string, args ...any) ([]id.ID, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, p.in(sql), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[id.ID])
}
