package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
)

// Everything of a user goes in steps, each of which can be repeated and takes at most
// some: what is on other shards first, because what is on their own says where that is.

// BeginErasure makes an account be there for nobody from now on, not even for its user,
// and orders the tasks that erase it. There is no way back. It may be repeated.
func (s *Store) BeginErasure(ctx context.Context, user id.ID) error {
	p, err := s.at(user)
	if err == nil {
		var tasks []string
		if tasks, err = p.tasks(queue.EraseUser{User: user}, queue.IndexUser{User: user}); err == nil {
			_, err = p.pool.Exec(ctx, p.in(`
				WITH gone AS (
					UPDATE shard.users SET state = 'deleting' WHERE id = $1 AND state <> 'deleting' RETURNING id
				)
				SELECT burbn.enqueue($2), burbn.enqueue($3) FROM gone`), user, tasks[0], tasks[1])
		}
	}
	if err != nil {
		return fmt.Errorf("begin erasure of user %s: %w", user, err)
	}
	return nil
}

// EraseFollowers makes some of those who follow user, or have asked to, do so no more, and
// returns them.
func (s *Store) EraseFollowers(ctx context.Context, user id.ID, some int) ([]id.ID, error) {
	followers, err := s.eraseMirrored(ctx, user, some, `
		(SELECT follower_id FROM shard.followers WHERE user_id = $1 LIMIT $2) UNION
		(SELECT follower_id FROM shard.follow_requests WHERE user_id = $1 LIMIT $2)`, `
		WITH edge AS (
			DELETE FROM shard.following WHERE user_id = ANY($1::bigint[]) AND target_id = $2 RETURNING user_id, requested
		)
		UPDATE shard.users SET following_count = following_count - 1
		WHERE id IN (SELECT user_id FROM edge WHERE NOT requested)`, `
		WITH request AS (
			DELETE FROM shard.follow_requests WHERE user_id = $1 AND follower_id = ANY($2::bigint[])
		)
		DELETE FROM shard.followers WHERE user_id = $1 AND follower_id = ANY($2::bigint[])`)
	if err != nil {
		return nil, fmt.Errorf("erase followers of user %s: %w", user, err)
	}
	return followers, nil
}

// EraseBarriers takes away what stands between user and some others, and returns them.
// Who mutes user is not known on user's shard: see Purge.
func (s *Store) EraseBarriers(ctx context.Context, user id.ID, some int) ([]id.ID, error) {
	others, err := s.eraseMirrored(ctx, user, some,
		`SELECT DISTINCT other_id FROM shard.barriers WHERE user_id = $1 LIMIT $2`,
		`DELETE FROM shard.barriers WHERE user_id = ANY($1::bigint[]) AND other_id = $2`,
		`DELETE FROM shard.barriers WHERE user_id = $1 AND other_id = ANY($2::bigint[])`)
	if err != nil {
		return nil, fmt.Errorf("erase barriers of user %s: %w", user, err)
	}
	return others, nil
}

// eraseMirrored removes what user's shard says of others, and others' shards of user. user's
// own side goes last, because without it nobody would know of the others.
func (s *Store) eraseMirrored(ctx context.Context, user id.ID, some int, which, theirs, own string) ([]id.ID, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	others, err := s.ids(ctx, user, which, user, some)
	if err != nil || len(others) == 0 {
		return nil, err
	}
	if err := s.byShard(ctx, others, func(pgx.Row) error { return nil }, theirs, user); err != nil {
		return nil, err
	}
	_, err = p.pool.Exec(ctx, p.in(own), user, bigints(others))
	return others, err
}

// EraseFollowing makes user follow some others no more, as Unfollow does one: the tasks
// that it orders tell the others' shards. It returns how many it were.
func (s *Store) EraseFollowing(ctx context.Context, user id.ID, some int) (n int, err error) {
	p, err := s.at(user)
	if err == nil {
		var task string
		if task, err = p.task(queue.SyncFollow{Actor: user}); err == nil {
			err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&n) }, `
				WITH gone AS (
					DELETE FROM shard.following WHERE user_id = $1 AND target_id = ANY (ARRAY(
						SELECT target_id FROM shard.following WHERE user_id = $1 LIMIT $2))
					RETURNING target_id
				)
				SELECT count(burbn.enqueue($3, jsonb_build_object('target', target_id::text))) FROM gone`, user, some, task)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("erase whom user %s follows: %w", user, err)
	}
	return n, nil
}

// EraseDeeds removes some of the likes and of the comments of user on each of the shards
// from first to last, by one round trip to each database concerned. It says whether there
// may be more. No row of a photo is locked, so that popular ones are not held up.
func (s *Store) EraseDeeds(ctx context.Context, user id.ID, first, last shard.Number, some int) (more bool, err error) {
	err = s.onRange(ctx, first, last, func(r pgx.Row) error {
		var full bool
		err := r.Scan(&full)
		more = more || full
		return err
	}, `
		WITH likes AS (
			DELETE FROM shard.likes WHERE user_id = $1 AND media_id = ANY (ARRAY(
				SELECT media_id FROM shard.likes WHERE user_id = $1 LIMIT $2))
			RETURNING media_id
		), comments AS (
			DELETE FROM shard.comments c USING (
				SELECT media_id, id FROM shard.comments WHERE user_id = $1 LIMIT $2
			) s WHERE c.media_id = s.media_id AND c.id = s.id
			RETURNING c.media_id
		), counted AS (
			INSERT INTO shard.count_changes (media_id, likes, comments)
			SELECT m.id, -sum(likes), -sum(comments) FROM (
				SELECT media_id, 1 AS likes, 0 AS comments FROM likes UNION ALL SELECT media_id, 0, 1 FROM comments
			) d JOIN shard.media m ON m.id = d.media_id
			GROUP BY m.id
		)
		SELECT greatest((SELECT count(*) FROM likes), (SELECT count(*) FROM comments)) = $2`, user, some)
	if err != nil {
		return false, fmt.Errorf("erase likes and comments of user %s on shards %d to %d: %w", user, first, last, err)
	}
	return more, nil
}

// EraseUserNext orders the next step of erasing a user, once however often the task of
// the step before it is repeated.
func (s *Store) EraseUserNext(ctx context.Context, next queue.EraseUser) error {
	if err := s.next(ctx, next.User, next); err != nil {
		return fmt.Errorf("order next step of erasing user %s: %w", next.User, err)
	}
	return nil
}

// HasMedia says whether there is a photo of user, be it one that was deleted and is not
// erased.
func (s *Store) HasMedia(ctx context.Context, user id.ID) (has bool, err error) {
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, scanned(&has), `SELECT EXISTS (SELECT FROM shard.media WHERE user_id = $1)`, user)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("read whether user %s has media: %w", user, err)
	}
	return has, nil
}

// UploadsOf are at most some uploads of user, published or not. No index finds them: this
// reads all uploads of a shard, and is for what is done once.
func (s *Store) UploadsOf(ctx context.Context, user id.ID, some int) ([]Upload, error) {
	ups, err := s.uploads(ctx, user, `SELECT `+uploadColumns+` FROM shard.uploads WHERE user_id = $1 LIMIT $2`, user, some)
	if err != nil {
		return nil, fmt.Errorf("read uploads of user %s: %w", user, err)
	}
	return ups, nil
}

func (s *Store) uploads(ctx context.Context, on id.ID, sql string, args ...any) ([]Upload, error) {
	p, err := s.at(on)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, p.in(sql), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (u Upload, err error) {
		err = u.scan(r)
		return u, err
	})
}

// EraseUploads removes the rows of uploads, whose objects are gone.
func (s *Store) EraseUploads(ctx context.Context, uploads []id.ID) error {
	err := s.byShard(ctx, uploads, func(pgx.Row) error { return nil }, `DELETE FROM shard.uploads WHERE id = ANY($1::bigint[])`)
	if err != nil {
		return fmt.Errorf("erase %d uploads: %w", len(uploads), err)
	}
	return nil
}

// EraseUser removes the last that there is of a user who is deleting: what else lies on
// their shard, and their account, whose name is free then. Before, it removes what
// moderators were told of and by them, and tells every database that they are gone.
func (s *Store) EraseUser(ctx context.Context, user id.ID) error {
	if err := s.eraseUser(ctx, user); err != nil {
		return fmt.Errorf("erase user %s: %w", user, err)
	}
	return nil
}

func (s *Store) eraseUser(ctx context.Context, user id.ID) error {
	err := s.onDatabases(func(d *database) error {
		_, err := d.pool.Exec(ctx, `
			WITH reports AS (
				DELETE FROM burbn.reports WHERE user_id = $1 OR reporter_id = $1
			)
			INSERT INTO burbn.departed (user_id) VALUES ($1) ON CONFLICT DO NOTHING`, user)
		return err
	})
	if err != nil {
		return err
	}
	p, err := s.at(user)
	if err != nil {
		return err
	}
	_, err = p.pool.Exec(ctx, p.in(`
		WITH gone AS (
			DELETE FROM shard.users WHERE id = $1 AND state = 'deleting' RETURNING id, name
		),
		a AS (DELETE FROM shard.sessions USING gone WHERE user_id = gone.id),
		b AS (DELETE FROM shard.requests USING gone WHERE user_id = gone.id),
		c AS (DELETE FROM shard.activity USING gone WHERE user_id = gone.id),
		d AS (DELETE FROM shard.pushes USING gone WHERE user_id = gone.id),
		e AS (DELETE FROM shard.devices USING gone WHERE user_id = gone.id),
		f AS (DELETE FROM shard.saved USING gone WHERE user_id = gone.id),
		g AS (DELETE FROM shard.links USING gone WHERE user_id = gone.id),
		h AS (DELETE FROM shard.exports USING gone WHERE user_id = gone.id),
		i AS (DELETE FROM shard.export_parts USING gone WHERE user_id = gone.id)
		DELETE FROM shard.names n USING gone WHERE n.name = lower(gone.name) AND n.user_id = gone.id`), user)
	return err
}

// onDatabases runs do for every database, at once.
func (s *Store) onDatabases(do func(*database) error) error {
	errs := make([]error, len(s.databases))
	var wg sync.WaitGroup
	for i, d := range s.databases {
		wg.Go(func() {
			if err := do(d); err != nil {
				errs[i] = fmt.Errorf("database %s: %w", d.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// onRange runs sql on the shards from first to last, as onShards does.
func (s *Store) onRange(ctx context.Context, first, last shard.Number, scan func(pgx.Row) error, sql string, args ...any) error {
	asked := map[shard.Number][]any{}
	for n := first; n <= last; n++ {
		asked[n] = args
	}
	return s.onShards(ctx, asked, scan, sql)
}
