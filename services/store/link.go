package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

// Service is where photos can be shared to.
type Service string

const (
	Facebook Service = "facebook"
	Twitter  Service = "twitter"
)

// Link is an account of a user at another service.
type Link struct {
	Service   Service
	Account   string    // what its owner knows it by there; at most 100 characters
	CreatedAt time.Time // when it was linked first
}

// Sealed names what the token of a link is sealed for: it opens for no other user and
// no other service.
func (service Service) Sealed(user id.ID) []byte {
	return []byte("link " + user.String() + " " + string(service))
}

// SetLink links an account, in place of the one that was linked before. The token is
// sealed. ErrNotFound when there is no such user.
func (s *Store) SetLink(ctx context.Context, user id.ID, service Service, account string, token []byte) (Link, error) {
	l := Link{Service: service, Account: account}
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&l.CreatedAt) }, `
			INSERT INTO shard.links (user_id, service, account, token)
			SELECT id, $2, $3, $4 FROM shard.users WHERE id = $1
			ON CONFLICT (user_id, service) DO UPDATE SET account = $3, token = $4,
				created_at = CASE WHEN links.account = $3 THEN links.created_at ELSE now() END
			RETURNING created_at`, user, service, account, token)
	}
	if err != nil {
		return Link{}, fmt.Errorf("link %s of user %s: %w", service, user, err)
	}
	l.CreatedAt = l.CreatedAt.UTC()
	return l, nil
}

// Links are a user's, by service.
func (s *Store) Links(ctx context.Context, user id.ID) ([]Link, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, p.in(`SELECT service, account, created_at FROM shard.links WHERE user_id = $1 ORDER BY service`), user)
	var links []Link
	if err == nil {
		links, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (l Link, err error) {
			err = r.Scan(&l.Service, &l.Account, &l.CreatedAt)
			l.CreatedAt = l.CreatedAt.UTC()
			return l, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read links of user %s: %w", user, err)
	}
	return links, nil
}

// DeleteLink forgets an account, with its token. It may be repeated.
func (s *Store) DeleteLink(ctx context.Context, user id.ID, service Service) error {
	p, err := s.at(user)
	if err != nil {
		return nil
	}
	if _, err := p.pool.Exec(ctx, p.in(`DELETE FROM shard.links WHERE user_id = $1 AND service = $2`), user, service); err != nil {
		return fmt.Errorf("forget link %s of user %s: %w", service, user, err)
	}
	return nil
}
