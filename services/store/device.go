package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

// maxDevices is how many devices a user's pushes go to.
const maxDevices = 10

// RegisterDevice sends the user's pushes to the device of token (at most 200
// characters) from now on. Beyond ten the one registered longest ago goes.
func (s *Store) RegisterDevice(ctx context.Context, user id.ID, token string) error {
	p, err := s.at(user)
	if err == nil {
		_, err = p.pool.Exec(ctx, p.in(`
			WITH gone AS (
				DELETE FROM shard.devices WHERE user_id = $1 AND token IN (
					SELECT token FROM shard.devices WHERE user_id = $1 AND token <> $2
					ORDER BY registered_at DESC OFFSET $3
				)
			)
			INSERT INTO shard.devices (user_id, token) VALUES ($1, $2)
			ON CONFLICT (user_id, token) DO UPDATE SET registered_at = now()`), user, token, maxDevices-1)
	}
	if err != nil {
		return fmt.Errorf("register device of user %s: %w", user, err)
	}
	return nil
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

// ForgetDevice sends the user's pushes to that device no more.
func (s *Store) ForgetDevice(ctx context.Context, user id.ID, token string) error {
	p, err := s.at(user)
	if err != nil {
		return nil
	}
	if _, err := p.pool.Exec(ctx, p.in(`DELETE FROM shard.devices WHERE user_id = $1 AND token = $2`), user, token); err != nil {
		return fmt.Errorf("forget device of user %s: %w", user, err)
	}
	return nil
}
