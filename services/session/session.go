// Package session knows who sends a request: it issues and checks the tokens of
// logged-in clients, and hashes passwords.
//
// A token is verified offline; then Redis is asked whether its session still
// lasts, in the same round trip as whatever else the request needs from there.
// The session's row on the user's shard is the truth: it answers when Redis does
// not know or is away, and what it says is put back.
//
// The package deliberately knows no names and no HTTP: who may log in is for the
// caller to decide.
package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// ErrEnded says that the session was logged out of, or never was.
var ErrEnded = errors.New("the session has ended")

// What Redis says of a session.
const (
	lasting = "1"
	ended   = "0"
)

// Sessions is everybody's sessions. Its methods may be called by many goroutines.
type Sessions struct {
	Keys
	redis *redis.ClusterClient
	store *store.Store
	life  time.Duration
}

// New returns the sessions, each of which lasts life.
func New(keys Keys, r *redis.ClusterClient, s *store.Store, life time.Duration) *Sessions {
	return &Sessions{keys, r, s, life}
}

// Begin logs user in, from a client (User-Agent) at an address: it returns the token of
// a new session, and what it says.
func (s *Sessions) Begin(ctx context.Context, user id.ID, client string, address netip.Addr) (text string, t Token, err error) {
	row, err := s.store.CreateSession(ctx, store.Session{
		User: user, Client: client, Address: address, ExpiresAt: time.Now().Add(s.life),
	})
	if err != nil {
		return "", Token{}, fmt.Errorf("begin session: %w", err)
	}
	t = tokenOf(row)
	// If Redis does not take it, the row answers for it.
	s.redis.SetNX(ctx, key(t), lasting, time.Until(t.Expires))
	return s.Sign(t), t, nil
}

func tokenOf(row store.Session) Token {
	return Token{User: row.User, Session: row.ID, Expires: row.ExpiresAt.Truncate(time.Second)}
}

// Ask adds to a pipeline of Redis what Answer needs to know.
func (s *Sessions) Ask(ctx context.Context, pipe redis.Pipeliner, t Token) *redis.StringCmd {
	return pipe.Get(ctx, key(t))
}

// Answer says whether the session of t, for which Ask added cmd, lasts: nil,
// ErrEnded, or why nobody knows.
func (s *Sessions) Answer(ctx context.Context, t Token, cmd *redis.StringCmd) error {
	said, err := cmd.Result()
	switch {
	case err == nil && said == lasting:
		return nil
	case err == nil:
		return ErrEnded
	}
	missing := errors.Is(err, redis.Nil) // otherwise Redis is away, and nothing is put back
	_, err = s.store.Session(ctx, t.Session)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if missing {
			s.redis.Set(ctx, key(t), ended, time.Until(t.Expires))
		}
		return ErrEnded
	case err != nil:
		return fmt.Errorf("check session: %w", err)
	}
	if missing {
		// Only if nobody has said otherwise since the row was read: End may have.
		s.redis.SetNX(ctx, key(t), lasting, time.Until(t.Expires))
	}
	return nil
}

// Check is Ask and Answer in one.
func (s *Sessions) Check(ctx context.Context, t Token) error {
	return s.Answer(ctx, t, s.redis.Get(ctx, key(t)))
}

// End logs out. It may be repeated; an error says that the session may still last.
func (s *Sessions) End(ctx context.Context, t Token) error {
	// The row first: with Redis lost, the row is asked.
	if err := s.store.EndSession(ctx, t.Session); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return s.forget(ctx, t)
}

// EndRow logs out of the session of a row.
func (s *Sessions) EndRow(ctx context.Context, row store.Session) error {
	return s.End(ctx, tokenOf(row))
}

// EndAll logs user out everywhere, but of the session named (0: of that too). It may be
// repeated; an error says that some may still last.
func (s *Sessions) EndAll(ctx context.Context, user, but id.ID) error {
	ended, err := s.store.EndSessions(ctx, user, but)
	if err != nil {
		return err
	}
	for _, row := range ended {
		if err := s.forget(ctx, tokenOf(row)); err != nil {
			return err
		}
	}
	return nil
}

// forget makes Redis say that a session has ended, whose row is gone.
func (s *Sessions) forget(ctx context.Context, t Token) error {
	// A moment longer than the token, so that no clock revives it.
	if err := s.redis.Set(ctx, key(t), ended, max(time.Second, time.Until(t.Expires))).Err(); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// key is the name of a session. The braces put it into one slot with its user's feed.
func key(t Token) string {
	return "s:{" + strconv.FormatInt(int64(t.User), 36) + "}:" + strconv.FormatInt(int64(t.Session), 36)
}
