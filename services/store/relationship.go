package store

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

// FollowState says how far somebody follows somebody.
type FollowState string

const (
	FollowNo        FollowState = "no"
	FollowRequested FollowState = "requested" // until the other approves
	FollowYes       FollowState = "yes"
)

// Relationship is how a user stands to another one.
type Relationship struct {
	Following  FollowState // by the user
	FollowedBy FollowState // by the other
	Blocking   bool        // by the user; what the other does, only they know
	Muting     bool
}

// Relationships are how user stands to each of the others, as user's shard has it.
func (s *Store) Relationships(ctx context.Context, user id.ID, others []id.ID) (map[id.ID]Relationship, error) {
	found := make(map[id.ID]Relationship, len(others))
	p, err := s.at(user)
	if err != nil {
		return found, nil // nobody
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT other.id,
			CASE WHEN f.user_id IS NULL THEN 'no' WHEN f.requested THEN 'requested' ELSE 'yes' END,
			CASE WHEN by.user_id IS NOT NULL THEN 'yes' WHEN q.user_id IS NOT NULL THEN 'requested' ELSE 'no' END,
			b.user_id IS NOT NULL, m.user_id IS NOT NULL
		FROM unnest($2::bigint[]) other (id)
		LEFT JOIN shard.following f ON f.user_id = $1 AND f.target_id = other.id
		LEFT JOIN shard.followers by ON by.user_id = $1 AND by.follower_id = other.id
		LEFT JOIN shard.follow_requests q ON q.user_id = $1 AND q.follower_id = other.id
		LEFT JOIN shard.barriers b ON b.user_id = $1 AND b.kind = 'block' AND b.other_id = other.id
		LEFT JOIN shard.barriers m ON m.user_id = $1 AND m.kind = 'mute' AND m.other_id = other.id`), user, bigints(others))
	if err == nil {
		var other id.ID
		var r Relationship
		_, err = pgx.ForEachRow(rows, []any{&other, &r.Following, &r.FollowedBy, &r.Blocking, &r.Muting}, func() error {
			found[other] = r
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read how user %s stands to %d others: %w", user, len(others), err)
	}
	return found, nil
}

// Follows says whether actor follows target, as the actor's shard has it. To have asked is
// not to follow.
func (s *Store) Follows(ctx context.Context, actor, target id.ID) (follows bool, err error) {
	followed, err := s.FollowsAny(ctx, actor, []id.ID{target})
	return len(followed) > 0, err
}

// FollowsAny are those of the targets whom actor follows, as the actor's shard has it.
// Whom the actor has only asked to follow is not among them.
func (s *Store) FollowsAny(ctx context.Context, actor id.ID, targets []id.ID) ([]id.ID, error) {
	ids, err := s.ids(ctx, actor, `
		SELECT target_id FROM shard.following
		WHERE user_id = $1 AND target_id = ANY($2::bigint[]) AND NOT requested`, actor, bigints(targets))
	if err != nil {
		return nil, fmt.Errorf("read whom of %d user %s follows: %w", len(targets), actor, err)
	}
	return ids, nil
}

// Following are all whom user follows, by id: at most maxFollows.
func (s *Store) Following(ctx context.Context, user id.ID) ([]id.ID, error) {
	ids, err := s.ids(ctx, user, `
		SELECT target_id FROM shard.following WHERE user_id = $1 AND NOT requested ORDER BY target_id`, user)
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

// A Circle is those who stand to a user in one way.
type Circle string

const (
	Followers      Circle = `SELECT follower_id AS person FROM shard.followers WHERE user_id = $1`
	Followed       Circle = `SELECT target_id AS person FROM shard.following WHERE user_id = $1 AND NOT requested`
	FollowRequests Circle = `SELECT follower_id AS person FROM shard.follow_requests WHERE user_id = $1`
	Blocked        Circle = `SELECT other_id AS person FROM shard.barriers WHERE user_id = $1 AND kind = 'block'`
	Muted          Circle = `SELECT other_id AS person FROM shard.barriers WHERE user_id = $1 AND kind = 'mute'`
)

// Circle are at most limit of a circle of user, by id, the newest account first, from the
// one before before (0: from the newest). That is the order of the primary keys: no
// follow pays for an index by time.
func (s *Store) Circle(ctx context.Context, c Circle, user, before id.ID, limit int) ([]id.ID, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	ids, err := s.ids(ctx, user, `
		SELECT person FROM (`+string(c)+`) circle WHERE person < $2 ORDER BY person DESC LIMIT $3`, user, before, limit)
	if err != nil {
		return nil, fmt.Errorf("read a circle of user %s: %w", user, err)
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

// alone runs a statement after all others that change how people stand to user: it locks
// the user's row, and only then looks. That is one round trip and one transaction.
func (p place) alone(ctx context.Context, user id.ID, scan func(pgx.Row) error, sql string, args ...any) error {
	var b pgx.Batch
	b.Queue(p.in(`SELECT FROM shard.users WHERE id = $1 FOR NO KEY UPDATE`), user)
	q := b.Queue(p.in(sql), args...)
	if scan != nil {
		q.QueryRow(scan)
	}
	return found(p.pool.SendBatch(ctx, &b).Close())
}
