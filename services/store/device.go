package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// maxDevices is how many devices a user's pushes go to.
const maxDevices = 10

// RegisterDevice sends the user's pushes to the device of token (at most 200
// characters) from now on, and nobody else's. Beyond ten the ones registered longest ago
// go.
func (s *Store) RegisterDevice(ctx context.Context, user id.ID, token string) error {
	p, err := s.at(user)
	if err == nil {
		var task string
		if task, err = p.task(queue.DisownDevice{User: user}); err == nil {
			_, err = p.pool.Exec(ctx, p.in(`
				WITH registered AS (
					INSERT INTO shard.devices (user_id, token) VALUES ($1, $2)
					ON CONFLICT (user_id, token) DO UPDATE SET registered_at = now()
				)
				SELECT burbn.enqueue($4, jsonb_build_object('token', token, 'since', now())) FROM (
					SELECT token FROM shard.devices WHERE user_id = $1 AND token <> $2
					ORDER BY registered_at DESC OFFSET $3
				) beyond`), user, token, maxDevices-1, task)
		}
	}
	if err == nil {
		// Registered before it is claimed: of two users who do so at once, the one who
		// claims later finds the other's row to be taken away.
		err = s.claimDevice(ctx, user, token)
	}
	if err != nil {
		return fmt.Errorf("register device of user %s: %w", user, err)
	}
	return nil
}

func (s *Store) claimDevice(ctx context.Context, user id.ID, token string) error {
	p, err := s.atShard(s.shards.ForName(token))
	if err != nil {
		return err
	}
	task, err := p.task(queue.DisownDevice{Token: token})
	if err != nil {
		return err
	}
	_, err = p.pool.Exec(ctx, p.in(`SELECT shard.claim_device($1, $2, $3)`), token, user, task)
	return err
}

// Devices are the tokens of the user's devices, the latest registered first.
func (s *Store) Devices(ctx context.Context, user id.ID) ([]string, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT token FROM shard.devices WHERE user_id = $1
		ORDER BY registered_at DESC LIMIT $2`), user, maxDevices)
	var tokens []string
	if err == nil {
		tokens, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("read devices of user %s: %w", user, err)
	}
	return tokens, nil
}

// ForgetDevice sends the user's pushes to that device no more, unless it was registered
// at or after since (zero: whenever).
func (s *Store) ForgetDevice(ctx context.Context, user id.ID, token string, since time.Time) error {
	if err := s.forgetDevice(ctx, user, token, since); err != nil {
		return fmt.Errorf("forget device of user %s: %w", user, err)
	}
	return nil
}

func (s *Store) forgetDevice(ctx context.Context, user id.ID, token string, since time.Time) error {
	p, err := s.at(user)
	if err != nil {
		return nil
	}
	var before *time.Time
	if !since.IsZero() {
		before = &since
	}
	// The row goes last, because by it what was cut off is found again.
	var registered bool
	err = p.query(ctx, scanned(&registered), `
		SELECT EXISTS (
			SELECT FROM shard.devices WHERE user_id = $1 AND token = $2 AND (registered_at < $3) IS NOT FALSE
		)`, user, token, before)
	if err != nil || !registered {
		return err
	}
	at, err := s.atShard(s.shards.ForName(token))
	if err != nil {
		return err
	}
	if _, err := at.pool.Exec(ctx, at.in(`DELETE FROM shard.device_owners WHERE token = $1 AND user_id = $2`), token, user); err != nil {
		return err
	}
	_, err = p.pool.Exec(ctx, p.in(`
		DELETE FROM shard.devices WHERE user_id = $1 AND token = $2 AND (registered_at < $3) IS NOT FALSE`), user, token, before)
	return err
}
