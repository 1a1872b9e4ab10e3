package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

// Session is a log-in of a user, on the user's shard.
type Session struct {
	ID        id.ID
	User      id.ID
	CreatedAt time.Time
	ExpiresAt time.Time
}

func (n *Session) scan(row pgx.Row) error {
	err := row.Scan(&n.ID, &n.User, &n.CreatedAt, &n.ExpiresAt)
	n.CreatedAt, n.ExpiresAt = n.CreatedAt.UTC(), n.ExpiresAt.UTC()
	return err
}

// CreateSession begins a session that lasts until expires.
func (s *Store) CreateSession(ctx context.Context, user id.ID, expires time.Time) (Session, error) {
	var n Session
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, n.scan, `
			INSERT INTO shard.sessions (id, user_id, expires_at) VALUES (shard.next_id(), $1, $2)
			RETURNING id, user_id, created_at, expires_at`, user, expires)
	}
	if err != nil {
		return Session{}, fmt.Errorf("create session of user %s: %w", user, err)
	}
	return n, nil
}

// Session is one that lasts; ErrNotFound when it has ended, has expired or never was.
func (s *Store) Session(ctx context.Context, session id.ID) (Session, error) {
	var n Session
	p, err := s.at(session)
	if err == nil {
		err = p.query(ctx, n.scan, `
			SELECT id, user_id, created_at, expires_at FROM shard.sessions
			WHERE id = $1 AND expires_at > now()`, session)
	}
	if err != nil {
		return Session{}, fmt.Errorf("read session %s: %w", session, err)
	}
	return n, nil
}

// EndSession ends a session, if it has not ended yet.
func (s *Store) EndSession(ctx context.Context, session id.ID) error {
	p, err := s.at(session)
	if err != nil {
		return nil // of no shard, so it never began
	}
	if _, err := p.pool.Exec(ctx, p.in(`DELETE FROM shard.sessions WHERE id = $1`), session); err != nil {
		return fmt.Errorf("end session %s: %w", session, err)
	}
	return nil
}
