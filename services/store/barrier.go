package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// maxBarriers is how many somebody may block, and how many they may mute.
const maxBarriers = 2000

// Barriers are what stands between a user and others, each sorted.
type Barriers struct {
	Blocks []id.ID `json:"b,omitempty"` // in either direction
	Mutes  []id.ID `json:"m,omitempty"`
}

// Barriers are those of the users who have any, or none at all: every user that was
// asked for is in the result. It makes one round trip to each database concerned.
func (s *Store) Barriers(ctx context.Context, users []id.ID) (map[id.ID]Barriers, error) {
	found := make(map[id.ID]Barriers, len(users))
	for _, u := range users {
		found[u] = Barriers{}
	}
	err := s.byShard(ctx, users, func(r pgx.Row) error {
		var user, other id.ID
		var kind string
		if err := r.Scan(&user, &kind, &other); err != nil {
			return err
		}
		b := found[user]
		if kind == "mute" {
			b.Mutes = append(b.Mutes, other)
		} else {
			b.Blocks = append(b.Blocks, other)
		}
		found[user] = b
		return nil
	}, `SELECT user_id, kind, other_id FROM shard.barriers WHERE user_id = ANY($1::bigint[]) ORDER BY other_id`)
	if err != nil {
		return nil, fmt.Errorf("read barriers: %w", err)
	}
	for u, b := range found {
		b.Blocks = slices.Compact(b.Blocks) // of two who block each other
		found[u] = b
	}
	return found, nil
}

// barred begins a statement that puts a barrier of kind $3, unless the actor has as many
// of it as anybody may.
const barred = `
	WITH actor AS (
		SELECT id, EXISTS (SELECT FROM shard.barriers WHERE user_id = $1 AND kind = $3 AND other_id = $2)
			OR (SELECT count(*) FROM shard.barriers WHERE user_id = $1 AND kind = $3) < $4 AS room
		FROM shard.users WHERE id = $1
	), barred AS (
		INSERT INTO shard.barriers (user_id, kind, other_id) SELECT id, $3, $2 FROM actor WHERE room
		ON CONFLICT DO NOTHING RETURNING user_id
	)`

// Block puts a block between actor and target. On the actor's shard it ends at once that
// either follows the other; it orders the tasks that tell the target's. It says whether
// that is new. ErrNotFound when there is no actor, ErrTooManyBarriers when they block as
// many as anybody may.
func (s *Store) Block(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	err = s.bar(ctx, actor, &changed, barred+`, followed AS (
			DELETE FROM shard.following
			WHERE user_id = $1 AND target_id = $2 AND EXISTS (SELECT FROM barred) RETURNING requested
		), follower AS (
			DELETE FROM shard.followers
			WHERE user_id = $1 AND follower_id = $2 AND EXISTS (SELECT FROM barred) RETURNING created_at
		), request AS (
			DELETE FROM shard.follow_requests
			WHERE user_id = $1 AND follower_id = $2 AND EXISTS (SELECT FROM barred) RETURNING created_at
		), counted AS (
			UPDATE shard.users
			SET following_count = following_count - (SELECT count(*) FROM followed WHERE NOT requested),
				follower_count = follower_count - (SELECT count(*) FROM follower)
			WHERE id = (SELECT user_id FROM barred)
		)
		SELECT EXISTS (SELECT FROM barred), room, (
			SELECT count(task) FROM (
				SELECT burbn.enqueue($5) AS task FROM barred
				UNION ALL SELECT burbn.enqueue($6) FROM followed
				UNION ALL SELECT burbn.enqueue($7, jsonb_build_object('until', created_at)) FROM follower
				UNION ALL SELECT burbn.enqueue($7, jsonb_build_object('until', created_at)) FROM request
			) ordered
		) FROM actor`, []any{actor, target, "block", maxBarriers},
		queue.SyncBlock{Actor: actor, Target: target},
		queue.SyncFollow{Actor: actor, Target: target},
		queue.EndFollow{Actor: target, Target: actor})
	if err != nil {
		return false, fmt.Errorf("block user %s by %s: %w", target, actor, err)
	}
	return changed, nil
}

// Mute makes that actor hears of target only where they ask for it. It says whether that
// is new. Errors as of Block.
func (s *Store) Mute(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	err = s.bar(ctx, actor, &changed, barred+`
		SELECT EXISTS (SELECT FROM barred), room, 0 FROM actor`, []any{actor, target, "mute", maxBarriers})
	if err != nil {
		return false, fmt.Errorf("mute user %s by %s: %w", target, actor, err)
	}
	return changed, nil
}

func (s *Store) bar(ctx context.Context, actor id.ID, changed *bool, sql string, args []any, tasks ...queue.Args) error {
	p, err := s.at(actor)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		task, err := p.task(t)
		if err != nil {
			return err
		}
		args = append(args, task)
	}
	var room bool
	err = p.alone(ctx, actor, func(r pgx.Row) error { return r.Scan(changed, &room, nil) }, sql, args...)
	if err == nil && !room {
		err = ErrTooManyBarriers
	}
	return err
}

// Unblock undoes Block, but for the follows.
func (s *Store) Unblock(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	p, err := s.at(actor)
	if err == nil {
		var task string
		if task, err = p.task(queue.SyncBlock{Actor: actor, Target: target}); err == nil {
			err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&changed) }, `
				WITH gone AS (
					DELETE FROM shard.barriers WHERE user_id = $1 AND kind = 'block' AND other_id = $2 RETURNING user_id
				)
				SELECT (SELECT burbn.enqueue($3) FROM gone) IS NOT NULL`, actor, target, task)
		}
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("unblock user %s by %s: %w", target, actor, err)
	}
	return changed, nil
}

// Unmute undoes Mute.
func (s *Store) Unmute(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	unmuted, err := s.ids(ctx, actor, `
		DELETE FROM shard.barriers WHERE user_id = $1 AND kind = 'mute' AND other_id = $2 RETURNING other_id`, actor, target)
	if err != nil {
		return false, fmt.Errorf("unmute user %s by %s: %w", target, actor, err)
	}
	return len(unmuted) > 0, nil
}

// SyncBlock brings the target's shard to what the actor's says of a block, so that
// whoever is blocked finds it among their own barriers. It may run any number of times,
// several at once.
func (s *Store) SyncBlock(ctx context.Context, actor, target id.ID) error {
	err := converge(func() (bool, error) {
		blocked, err := s.ids(ctx, actor, `
			SELECT other_id FROM shard.barriers WHERE user_id = $1 AND kind = 'block' AND other_id = $2`, actor, target)
		return len(blocked) > 0, err
	}, func(blocked bool) error {
		sql := `
			INSERT INTO shard.barriers (user_id, kind, other_id) SELECT id, 'blocked', $2 FROM shard.users WHERE id = $1
			ON CONFLICT DO NOTHING RETURNING other_id`
		if !blocked {
			sql = `
			DELETE FROM shard.barriers WHERE user_id = $1 AND kind = 'blocked' AND other_id = $2 RETURNING other_id`
		}
		_, err := s.ids(ctx, target, sql, target, actor)
		return err
	})
	if err != nil {
		return fmt.Errorf("sync block of user %s by %s: %w", target, actor, err)
	}
	return nil
}
