package store

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

// Session is a log-in of a user, on the user's shard.
type Session struct {
	ID        id.ID
	User      id.ID
	Client    string     // User-Agent of the log-in
	Address   netip.Addr // of the log-in; invalid: unknown
	CreatedAt time.Time
	ExpiresAt time.Time
}

const sessionColumns = `id, user_id, client, address, created_at, expires_at`

func (n *Session) scan(row pgx.Row) error {
	var address *netip.Addr
	err := row.Scan(&n.ID, &n.User, &n.Client, &address, &n.CreatedAt, &n.ExpiresAt)
	if address != nil {
		n.Address = *address
	}
	n.CreatedAt, n.ExpiresAt = n.CreatedAt.UTC(), n.ExpiresAt.UTC()
	return err
}

// CreateSession begins the session n, whose ID and CreatedAt it makes.
func (s *Store) CreateSession(ctx context.Context, n Session) (Session, error) {
	p, err := s.at(n.User)
	if err == nil {
		var address *netip.Addr
		if n.Address.IsValid() {
			address = &n.Address
		}
		err = p.query(ctx, n.scan, `
			INSERT INTO shard.sessions (id, user_id, client, address, expires_at) VALUES (shard.next_id(), $1, $2, $3, $4)
			RETURNING `+sessionColumns, n.User, n.Client, address, n.ExpiresAt)
	}
	if err != nil {
		return Session{}, fmt.Errorf("create session of user %s: %w", n.User, err)
	}
	return n, nil
}

// Session is one that lasts; ErrNotFound when it has ended, has expired or never was.
func (s *Store) Session(ctx context.Context, session id.ID) (Session, error) {
	var n Session
	p, err := s.at(session)
	if err == nil {
		err = p.query(ctx, n.scan, `
			SELECT `+sessionColumns+` FROM shard.sessions
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

// Sessions are those of user that last, newest first; at most a hundred.
func (s *Store) Sessions(ctx context.Context, user id.ID) ([]Session, error) {
	ns, err := s.sessions(ctx, user, `
		SELECT `+sessionColumns+` FROM shard.sessions
		WHERE user_id = $1 AND expires_at > now() ORDER BY id DESC LIMIT 100`)
	if err != nil {
		return nil, fmt.Errorf("read sessions of user %s: %w", user, err)
	}
	return ns, nil
}

// EndSessions ends those of user but the one named, 0 for all, and returns what it
// ended.
func (s *Store) EndSessions(ctx context.Context, user, but id.ID) ([]Session, error) {
	ns, err := s.sessions(ctx, user, `
		DELETE FROM shard.sessions WHERE user_id = $1 AND id <> $2 RETURNING `+sessionColumns, but)
	if err != nil {
		return nil, fmt.Errorf("end sessions of user %s: %w", user, err)
	}
	return ns, nil
}

func (s *Store) sessions(ctx context.Context, user id.ID, sql string, args ...any) ([]Session, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, p.in(sql), append([]any{user}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (n Session, err error) {
		err = n.scan(r)
		return n, err
	})
}
