package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// A follow is two rows. That somebody wants to follow is the row of following on the
// actor's shard; whether they are let is on the target's: a row of followers or one of
// follow_requests, which carries the created_at of the actor's and so says which follow
// it is of, of two with an unfollow in between. Either side writes its own shard and
// orders a task; SyncFollow brings both together, and EndFollow what the target has
// ended.

// maxFollows is how many somebody may follow or ask to.
const maxFollows = 7500

// Follow makes actor follow target, who is public, on the actor's shard, and orders the
// task that tells the target's shard. It says whether that is new. ErrNotFound when
// there is no actor or a block stands between them, ErrTooManyFollows when the actor
// follows as many as anybody may; whether there is a target is for the caller to ask,
// since it may live in another database.
func (s *Store) Follow(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	return s.follow(ctx, actor, target, false)
}

// RequestFollow is Follow of a target who is private: until they approve, it is a request.
// Whether they are is for SyncFollow to find out in the end; this is what the
// actor is told until then.
func (s *Store) RequestFollow(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	return s.follow(ctx, actor, target, true)
}

func (s *Store) follow(ctx context.Context, actor, target id.ID, request bool) (changed bool, err error) {
	p, err := s.at(actor)
	if err == nil {
		var task string
		var room bool
		if task, err = p.task(queue.SyncFollow{Actor: actor, Target: target}); err == nil {
			// The time is that of the lock, so that a later follow has a later one.
			err = p.alone(ctx, actor, func(r pgx.Row) error { return r.Scan(&changed, &room) }, `
				WITH actor AS (
					SELECT id, EXISTS (SELECT FROM shard.following WHERE user_id = $1 AND target_id = $2)
						OR (SELECT count(*) FROM (SELECT FROM shard.following WHERE user_id = $1 LIMIT $5) f) < $5 AS room
					FROM shard.users WHERE id = $1 AND NOT EXISTS (
						SELECT FROM shard.barriers WHERE user_id = $1 AND kind IN ('block', 'blocked') AND other_id = $2
					)
				), edge AS (
					INSERT INTO shard.following (user_id, target_id, requested, created_at)
					SELECT id, $2, $4, clock_timestamp() FROM actor WHERE room
					ON CONFLICT DO NOTHING RETURNING user_id
				), counted AS (
					UPDATE shard.users SET following_count = following_count + 1
					WHERE id = (SELECT user_id FROM edge) AND NOT $4
				)
				SELECT (SELECT burbn.enqueue($3) FROM edge) IS NOT NULL, room FROM actor`,
				actor, target, task, request, maxFollows)
		}
		if err == nil && !room {
			err = ErrTooManyFollows
		}
	}
	if err != nil {
		return false, fmt.Errorf("follow user %s by %s: %w", target, actor, err)
	}
	return changed, nil
}

// Unfollow undoes Follow and RequestFollow.
func (s *Store) Unfollow(ctx context.Context, actor, target id.ID) (changed bool, err error) {
	p, err := s.at(actor)
	if err == nil {
		var task string
		if task, err = p.task(queue.SyncFollow{Actor: actor, Target: target}); err == nil {
			err = p.query(ctx, scanned(&changed), `
				WITH actor AS (
					SELECT id FROM shard.users WHERE id = $1
				), edge AS (
					DELETE FROM shard.following WHERE user_id = $1 AND target_id = $2 RETURNING user_id, requested
				), counted AS (
					UPDATE shard.users SET following_count = following_count - 1
					WHERE id = (SELECT user_id FROM edge WHERE NOT requested)
				)
				SELECT (SELECT burbn.enqueue($3) FROM edge) IS NOT NULL FROM actor`, actor, target, task)
		}
	}
	if err != nil {
		return false, fmt.Errorf("unfollow user %s by %s: %w", target, actor, err)
	}
	return changed, nil
}

// SyncFollow brings the shards of both to one word about a follow: whether the actor
// wants it, their shard says; whether they may, the target's. A follow of a private
// account is there a request until that approves, of a public one it is let, of one who
// blocks the actor or is being deleted it ends. It may run any number of times, several
// at once, in any order with what both do meanwhile.
func (s *Store) SyncFollow(ctx context.Context, actor, target id.ID) error {
	var w wish
	err := converge(func() (since time.Time, err error) {
		w, err = s.wish(ctx, actor, target)
		return w.since, err
	}, func(since time.Time) error {
		if since.IsZero() {
			return s.withdraw(ctx, actor, target, w.asOf)
		}
		state, err := s.admit(ctx, actor, target, since)
		if err != nil || state == w.state {
			return err
		}
		return s.settle(ctx, actor, target, since, state)
	})
	if err != nil {
		return fmt.Errorf("sync follow of user %s by %s: %w", target, actor, err)
	}
	return nil
}

// syncRounds is how often converge follows somebody who changes their mind
// meanwhile; after that the task is retried later.
const syncRounds = 10

// converge writes in one database what is to be read in another. It reads again after it
// has written, and repeats until that is what it wrote. So the last of several at once
// to write has written what was so after that, and no connection to one database is
// held while waiting for another, as a lock would have it.
func converge[T comparable](read func() (T, error), write func(T) error) error {
	want, err := read()
	for range syncRounds {
		if err != nil {
			return err
		}
		if err := write(want); err != nil {
			return err
		}
		wrote := want
		if want, err = read(); err == nil && want == wrote {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return errors.New("it keeps changing")
}

// A wish is what the actor's shard says of a follow.
type wish struct {
	since time.Time   // zero: there is none
	asOf  time.Time   // when it was read
	state FollowState // as the actor is told
}

func (s *Store) wish(ctx context.Context, actor, target id.ID) (w wish, err error) {
	p, err := s.at(actor)
	if err != nil {
		return wish{asOf: time.Now(), state: FollowNo}, nil // nobody follows nobody
	}
	var since *time.Time
	err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&since, &w.asOf, &w.state) }, `
		SELECT f.created_at, now(),
			CASE WHEN f.user_id IS NULL THEN 'no' WHEN f.requested THEN 'requested' ELSE 'yes' END
		FROM (VALUES ($1::bigint, $2::bigint)) edge (user_id, target_id)
		LEFT JOIN shard.following f USING (user_id, target_id)`, actor, target)
	if since != nil {
		w.since = since.UTC() // comparable
	}
	return w, err
}

// withdraw takes from the target's shard what it knows of follows by actor, up to those
// that began at asOf: what began later, another task has told.
func (s *Store) withdraw(ctx context.Context, actor, target id.ID, asOf time.Time) error {
	p, err := s.at(target)
	if err != nil {
		return nil // nobody was followed
	}
	return p.alone(ctx, target, nil, `
		WITH edge AS (
			DELETE FROM shard.followers WHERE user_id = $1 AND follower_id = $2 AND created_at <= $3 RETURNING user_id
		), request AS (
			DELETE FROM shard.follow_requests WHERE user_id = $1 AND follower_id = $2 AND created_at <= $3
		)
		UPDATE shard.users SET follower_count = follower_count - 1 WHERE id = (SELECT user_id FROM edge)`,
		target, actor, asOf)
}

// admit puts the follow that began at since before the target's shard, and says what
// has become of it there. Of what is new the target is told, though not again of who
// comes back within a day.
func (s *Store) admit(ctx context.Context, actor, target id.ID, since time.Time) (state FollowState, err error) {
	p, err := s.at(target)
	if err != nil {
		return FollowNo, nil // nobody to be followed
	}
	task, err := p.task(queue.Notify{User: target})
	if err != nil {
		return "", err
	}
	err = p.alone(ctx, target, func(r pgx.Row) error { return r.Scan(&state, nil) }, `
		WITH target AS (
			SELECT CASE
				WHEN u.state = 'deleting' OR EXISTS (
					SELECT FROM shard.barriers WHERE user_id = $1 AND kind = 'block' AND other_id = $2
				) THEN 'no'
				WHEN u.private AND (f.created_at < $3) IS NOT FALSE THEN 'requested'
				ELSE 'yes'
			END AS state, f.user_id IS NOT NULL AS followed, q.user_id IS NOT NULL AS asked
			FROM shard.users u
			LEFT JOIN shard.followers f ON f.user_id = $1 AND f.follower_id = $2
			LEFT JOIN shard.follow_requests q ON q.user_id = $1 AND q.follower_id = $2
			WHERE u.id = $1
		), added AS (
			INSERT INTO shard.followers (user_id, follower_id, created_at)
			SELECT $1, $2, $3::timestamptz FROM target WHERE state = 'yes'
			ON CONFLICT (user_id, follower_id) DO UPDATE SET created_at = excluded.created_at
			WHERE followers.created_at < excluded.created_at
		), removed AS (
			DELETE FROM shard.followers
			WHERE user_id = $1 AND follower_id = $2 AND (SELECT state FROM target) <> 'yes'
		), counted AS (
			UPDATE shard.users u SET follower_count = follower_count + CASE WHEN followed THEN -1 ELSE 1 END
			FROM target t WHERE u.id = $1 AND followed <> (t.state = 'yes')
		), requested AS (
			INSERT INTO shard.follow_requests (user_id, follower_id, created_at)
			SELECT $1, $2, $3::timestamptz FROM target WHERE state = 'requested'
			ON CONFLICT (user_id, follower_id) DO UPDATE SET created_at = excluded.created_at
			WHERE follow_requests.created_at < excluded.created_at
		), answered AS (
			DELETE FROM shard.follow_requests
			WHERE user_id = $1 AND follower_id = $2 AND (SELECT state FROM target) <> 'requested'
		), `+told(`
			SELECT $1::bigint, CASE state WHEN 'yes' THEN 'follow' ELSE 'request' END, $2::bigint FROM target
			WHERE state = 'yes' AND NOT followed OR state = 'requested' AND NOT asked`)+`
		SELECT coalesce((SELECT state FROM target), 'no'),
			(SELECT burbn.enqueue($4, jsonb_build_object('about', kind)) FROM due)`, target, actor, since, task)
	return state, err
}

// settle tells the actor's shard what became of the follow that began at since.
func (s *Store) settle(ctx context.Context, actor, target id.ID, since time.Time, state FollowState) error {
	p, err := s.at(actor)
	if err != nil {
		return err
	}
	task, err := p.task(queue.Notify{User: actor})
	if err != nil {
		return err
	}
	return p.query(ctx, func(r pgx.Row) error { return r.Scan(nil) }, `
		WITH changed AS (
			UPDATE shard.following SET requested = NOT requested
			WHERE user_id = $1 AND target_id = $2 AND created_at = $3
				AND (requested AND $4 = 'yes' OR NOT requested AND $4 = 'requested')
			RETURNING user_id, requested
		), ended AS (
			DELETE FROM shard.following
			WHERE user_id = $1 AND target_id = $2 AND created_at = $3 AND $4 = 'no'
			RETURNING user_id, requested
		), counted AS (
			UPDATE shard.users SET following_count = following_count + by
			FROM (
				SELECT CASE WHEN requested THEN -1 ELSE 1 END AS by FROM changed
				UNION ALL SELECT -1 FROM ended WHERE NOT requested
			) change WHERE id = $1
		), `+told(`SELECT user_id, 'approval', $2::bigint FROM changed WHERE NOT requested`)+`
		SELECT (SELECT burbn.enqueue($5, jsonb_build_object('about', kind)) FROM due)`,
		actor, target, since, string(state), task)
}

// told continues the WITH of a statement whose rows news (user_id, kind, actor_id) are to
// be told: it notes them as activity, one row of each kind and actor, and calls due the
// kinds whose task is to be ordered, because no push of the kind is under way.
func told(news string) string {
	return `news (user_id, kind, actor_id) AS (` + news + `), told AS (
		INSERT INTO shard.activity (user_id, id, kind, actor_id)
		SELECT user_id, shard.next_id(), kind, actor_id FROM news
		ON CONFLICT (user_id, kind, actor_id) WHERE kind IN ('follow', 'request', 'approval')
		DO UPDATE SET id = excluded.id, created_at = excluded.created_at
		WHERE activity.created_at < now() - interval '1 day'
		RETURNING user_id, kind
	), due AS (
		SELECT kind FROM told WHERE NOT EXISTS (
			SELECT FROM shard.pushes p
			WHERE p.user_id = told.user_id AND p.kind = told.kind AND p.media_id = 0 AND p.due_at > now()
		)
	)`
}

// EndFollow ends on the actor's shard what the target has ended: the follow that began
// at until at the latest, not one that began since. It may run any number of times.
func (s *Store) EndFollow(ctx context.Context, actor, target id.ID, until time.Time) error {
	p, err := s.at(actor)
	if err == nil {
		_, err = p.pool.Exec(ctx, p.in(`
			WITH edge AS (
				DELETE FROM shard.following WHERE user_id = $1 AND target_id = $2 AND created_at <= $3
				RETURNING user_id, requested
			)
			UPDATE shard.users SET following_count = following_count - 1
			WHERE id = (SELECT user_id FROM edge WHERE NOT requested)`), actor, target, until)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("end follow of user %s by %s: %w", target, actor, err)
	}
	// What a task that ran in between has put back on the target's shard.
	return s.SyncFollow(ctx, actor, target)
}

// ApproveFollow lets follower follow user, who was asked. It says whether they follow
// now; if not, there is no such request.
func (s *Store) ApproveFollow(ctx context.Context, user, follower id.ID) (follows bool, err error) {
	n, err := s.approve(ctx, user, []id.ID{follower}, false)
	if err != nil {
		return false, fmt.Errorf("approve follow of user %s by %s: %w", user, follower, err)
	}
	return n > 0, nil
}

// ApproveFollows lets at most limit of those who have asked follow user, unless user is
// private. It says whether others may be left.
func (s *Store) ApproveFollows(ctx context.Context, user id.ID, limit int) (more bool, err error) {
	followers, err := s.Circle(ctx, FollowRequests, user, 0, limit)
	approved := 0
	if err == nil && len(followers) > 0 {
		approved, err = s.approve(ctx, user, followers, true)
	}
	if err != nil {
		return false, fmt.Errorf("approve follows of user %s: %w", user, err)
	}
	return approved == limit, nil
}

// approve makes followers of those who have asked, orders the tasks that tell them, and
// says how many of them follow now.
func (s *Store) approve(ctx context.Context, user id.ID, followers []id.ID, ifPublic bool) (follow int, err error) {
	p, err := s.at(user)
	if err != nil {
		return 0, err
	}
	task, err := p.task(queue.SyncFollow{Target: user})
	if err != nil {
		return 0, err
	}
	err = p.alone(ctx, user, func(r pgx.Row) error { return r.Scan(&follow) }, `
		WITH request AS (
			DELETE FROM shard.follow_requests WHERE user_id = $1 AND follower_id = ANY($2::bigint[])
				AND NOT ($4 AND (SELECT private FROM shard.users WHERE id = $1))
			RETURNING user_id, follower_id, created_at
		), edge AS (
			INSERT INTO shard.followers (user_id, follower_id, created_at)
			SELECT user_id, follower_id, created_at FROM request
			ON CONFLICT DO NOTHING RETURNING user_id
		), counted AS (
			UPDATE shard.users SET follower_count = follower_count + (SELECT count(*) FROM edge)
			WHERE id = (SELECT user_id FROM edge LIMIT 1)
		)
		SELECT (SELECT count(burbn.enqueue($3, jsonb_build_object('actor', follower_id::text))) FROM request)
			+ (SELECT count(*) FROM shard.followers WHERE user_id = $1 AND follower_id = ANY($2::bigint[]))`,
		user, bigints(followers), task, ifPublic)
	return follow, err
}

// RefuseFollow takes back from user's shard what follower has asked for, and orders the
// task that tells the follower's. ended says of which follow; zero: of none.
func (s *Store) RefuseFollow(ctx context.Context, user, follower id.ID) (ended time.Time, err error) {
	ended, err = s.dismiss(ctx, user, follower, `
		WITH gone AS (
			DELETE FROM shard.follow_requests WHERE user_id = $1 AND follower_id = $2 RETURNING created_at
		)`)
	if err != nil {
		return time.Time{}, fmt.Errorf("refuse follow of user %s by %s: %w", user, follower, err)
	}
	return ended, nil
}

// RemoveFollower ends that follower follows user, as RefuseFollow ends what is asked for.
func (s *Store) RemoveFollower(ctx context.Context, user, follower id.ID) (ended time.Time, err error) {
	ended, err = s.dismiss(ctx, user, follower, `
		WITH gone AS (
			DELETE FROM shard.followers WHERE user_id = $1 AND follower_id = $2 RETURNING user_id, created_at
		), counted AS (
			UPDATE shard.users SET follower_count = follower_count - 1 WHERE id = (SELECT user_id FROM gone)
		)`)
	if err != nil {
		return time.Time{}, fmt.Errorf("remove follower %s of user %s: %w", follower, user, err)
	}
	return ended, nil
}

func (s *Store) dismiss(ctx context.Context, user, follower id.ID, with string) (ended time.Time, err error) {
	p, err := s.at(user)
	if err != nil {
		return ended, err
	}
	task, err := p.task(queue.EndFollow{Actor: follower, Target: user})
	if err != nil {
		return ended, err
	}
	err = p.alone(ctx, user, func(r pgx.Row) error { return r.Scan(&ended, nil) }, with+`
		SELECT created_at, burbn.enqueue($3, jsonb_build_object('until', created_at)) FROM gone`, user, follower, task)
	if errors.Is(err, ErrNotFound) {
		return ended, nil
	}
	return ended, err
}

// FollowedByMoreThan are those of the users who have more than limit followers, by one
// round trip to each database concerned.
func (s *Store) FollowedByMoreThan(ctx context.Context, users []id.ID, limit int) ([]id.ID, error) {
	var many []id.ID
	err := s.byShard(ctx, users, func(r pgx.Row) error {
		var u id.ID
		err := r.Scan(&u)
		many = append(many, u)
		return err
	}, `SELECT id FROM shard.users WHERE id = ANY($1::bigint[]) AND follower_count > $2`, limit)
	if err != nil {
		return nil, fmt.Errorf("read who of %d users has more than %d followers: %w", len(users), limit, err)
	}
	slices.Sort(many)
	return many, nil
}
