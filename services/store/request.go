package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

var (
	// ErrUnderWay says that another attempt at the request is being made.
	ErrUnderWay = errors.New("the request is under way")
	// ErrOtherRequest says that the key belongs to another request.
	ErrOtherRequest = errors.New("the key belongs to another request")
)

// Request is a write that bears an Idempotency-Key.
type Request struct {
	User        id.ID  // 0: nobody who is logged in
	Key         string // at most 200 characters
	Fingerprint []byte // of what is asked for
}

// Claim is what becomes of a request: it is to be done, or was done.
type Claim struct {
	Repeated bool // an attempt was made that may have had its effect
	Status   int  // of the answer; 0: it is to be done
	Answer   []byte

	at time.Time
}

// requests are kept on the shard of who sends them, or on that of the key.
func (s *Store) requests(r Request) (place, error) {
	if r.User == 0 {
		return s.atShard(s.shards.ForName(r.Key))
	}
	return s.at(r.User)
}

// ClaimRequest is the answer to the request, or claims it for who asks: then
// FinishRequest or ReleaseRequest is to follow. A claim that neither followed for half a
// minute was cut off, and the next one is Repeated. ErrUnderWay while somebody else has
// it; ErrOtherRequest. It forgets two requests of the day before, if there are any.
func (s *Store) ClaimRequest(ctx context.Context, r Request) (Claim, error) {
	var c Claim
	var mine, same bool
	p, err := s.requests(r)
	if err != nil {
		return Claim{}, fmt.Errorf("claim request of user %s: %w", r.User, err)
	}
	err = p.query(ctx, func(row pgx.Row) error {
		return row.Scan(&mine, &same, &c.at, &c.Repeated, &c.Status, &c.Answer)
	}, `
		WITH old AS (
			DELETE FROM shard.requests WHERE (user_id, key) IN (
				SELECT user_id, key FROM shard.requests
				WHERE claimed_at < now() - interval '1 day' AND (user_id, key) <> ($1, $2)
				ORDER BY claimed_at LIMIT 2 FOR UPDATE SKIP LOCKED
			)
		), claim AS (
			INSERT INTO shard.requests AS r (user_id, key, fingerprint) VALUES ($1, $2, $3)
			ON CONFLICT (user_id, key) DO UPDATE SET claimed_at = now(), status = NULL, attempts = r.attempts + 1
			WHERE r.fingerprint = $3 AND (r.status = 0 OR r.status IS NULL AND r.claimed_at < now() - interval '30 seconds')
			RETURNING claimed_at, attempts
		)
		SELECT true, true, claimed_at, attempts > 1, 0, NULL::bytea FROM claim
		UNION ALL
		SELECT false, fingerprint = $3, claimed_at, false, coalesce(status, 0), answer FROM shard.requests
		WHERE user_id = $1 AND key = $2 AND NOT EXISTS (SELECT FROM claim)`, r.User, r.Key, r.Fingerprint)
	switch {
	// Claimed by another since this statement began to look.
	case errors.Is(err, ErrNotFound), err == nil && same && !mine && c.Status == 0:
		err = ErrUnderWay
	case err == nil && !same:
		err = ErrOtherRequest
	}
	if err != nil {
		return Claim{}, fmt.Errorf("claim request of user %s: %w", r.User, err)
	}
	return c, nil
}

// FinishRequest keeps the answer to a request that was claimed, for a day.
func (s *Store) FinishRequest(ctx context.Context, r Request, c Claim, status int, answer []byte) error {
	return s.endClaim(ctx, r, c, status, answer)
}

// ReleaseRequest lets the next attempt be made at once. It is Repeated.
func (s *Store) ReleaseRequest(ctx context.Context, r Request, c Claim) error {
	return s.endClaim(ctx, r, c, 0, nil)
}

func (s *Store) endClaim(ctx context.Context, r Request, c Claim, status int, answer []byte) error {
	p, err := s.requests(r)
	if err == nil {
		_, err = p.pool.Exec(ctx, p.in(`
			UPDATE shard.requests SET status = $4, answer = $5
			WHERE user_id = $1 AND key = $2 AND claimed_at = $3 AND status IS NULL`), r.User, r.Key, c.at, status, answer)
	}
	if err != nil {
		return fmt.Errorf("end request of user %s: %w", r.User, err)
	}
	return nil
}
