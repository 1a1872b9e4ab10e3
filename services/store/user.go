package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// UserState says whether an account is there for others.
type UserState string

// Only an Active account is seen by anybody else.
const (
	Active      UserState = "active"
	Deactivated UserState = "deactivated" // by its user, until they log in again
	Suspended   UserState = "suspended"   // by a moderator
	Deleting    UserState = "deleting"    // what is theirs is being removed
)

// User is an account without what only its user may know.
type User struct {
	ID             id.ID     `json:"id"`
	State          UserState `json:"state"`
	Private        bool      `json:"private,omitzero"` // only whom its user approves sees the photos
	Name           string    `json:"name"`             // as its owner wrote it
	FullName       string    `json:"fullName"`
	Bio            string    `json:"bio"`
	Website        string    `json:"website,omitzero"`
	Avatar         string    `json:"avatar,omitzero"` // prefix of its renditions; empty: none
	MediaCount     int64     `json:"mediaCount"`      // ready photos
	FollowerCount  int64     `json:"followerCount"`
	FollowingCount int64     `json:"followingCount"`
	CreatedAt      time.Time `json:"createdAt"`
}

// NewUser is what a sign-up says. Name is 1 to 30 of a-z, A-Z, 0-9, '.' and '_'; FullName
// has at most 64 characters, Email 254, PasswordHash 128.
type NewUser struct {
	Name, FullName, Email, PasswordHash string
	// Request is of the sign-up; zero: it cannot be repeated.
	Request uuid.UUID
}

const userColumns = `id, state, private, name, full_name, bio, website, avatar, media_count, follower_count, following_count, created_at`

func (u *User) scan(row pgx.Row) error {
	var avatar pgtype.UUID
	err := row.Scan(&u.ID, &u.State, &u.Private, &u.Name, &u.FullName, &u.Bio, &u.Website, &avatar,
		&u.MediaCount, &u.FollowerCount, &u.FollowingCount, &u.CreatedAt)
	u.CreatedAt = u.CreatedAt.UTC()
	if avatar.Valid {
		u.Avatar = hex.EncodeToString(avatar.Bytes[:])
	}
	return err
}

// claimed is the form in which names are compared: Kevin and kevin are one name.
func claimed(name string) string { return strings.ToLower(name) }

// CreateUser claims the name, makes the account on the shard of the name's hash, and
// orders the task that makes it be found. ErrNameTaken when somebody has the name, in
// whatever case; but a sign-up that is repeated gets what it made the first time.
func (s *Store) CreateUser(ctx context.Context, n NewUser) (User, error) {
	var u User
	name := claimed(n.Name)
	p, err := s.atShard(s.shards.ForName(name))
	if err == nil {
		var task string
		if task, err = p.task(queue.IndexUser{}); err == nil {
			err = p.query(ctx, u.scan, `
				WITH claim AS (
					INSERT INTO shard.names (name, user_id) VALUES ($1, shard.next_id())
					ON CONFLICT DO NOTHING RETURNING user_id
				), made AS (
					INSERT INTO shard.users (id, name, full_name, email, password_hash, sign_up)
					SELECT user_id, $2, $3, $4, $5, $6 FROM claim
					RETURNING *
				), task AS (
					SELECT burbn.enqueue($7, jsonb_build_object('user', id::text)) FROM made
				)
				SELECT `+userColumns+` FROM made, task
				UNION ALL
				SELECT `+userColumns+` FROM shard.users
				WHERE id = (SELECT user_id FROM shard.names WHERE name = $1) AND sign_up = $6`,
				name, n.Name, n.FullName, n.Email, n.PasswordHash, uuid.NullUUID{UUID: n.Request, Valid: n.Request != uuid.Nil}, task)
		}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return User{}, fmt.Errorf("create user %q: %w", n.Name, ErrNameTaken)
	case err != nil:
		return User{}, fmt.Errorf("create user %q: %w", n.Name, err)
	}
	return u, nil
}

// Credentials are what a log-in must match.
type Credentials struct {
	User  id.ID
	Hash  string // of the password
	State UserState
}

// Credentials are those of the account of a name in whatever case, or ErrNotFound.
func (s *Store) Credentials(ctx context.Context, name string) (c Credentials, err error) {
	p, err := s.atShard(s.shards.ForName(claimed(name)))
	if err == nil {
		err = p.query(ctx, c.scan, `
			SELECT u.id, u.password_hash, u.state FROM shard.names n JOIN shard.users u ON u.id = n.user_id
			WHERE n.name = $1`, claimed(name))
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials of %q: %w", name, err)
	}
	return c, nil
}

// CredentialsOf are those of an account, or ErrNotFound.
func (s *Store) CredentialsOf(ctx context.Context, user id.ID) (c Credentials, err error) {
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, c.scan, `SELECT id, password_hash, state FROM shard.users WHERE id = $1`, user)
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials of user %s: %w", user, err)
	}
	return c, nil
}

func (c *Credentials) scan(r pgx.Row) error { return r.Scan(&c.User, &c.Hash, &c.State) }

// User is one account, or ErrNotFound.
func (s *Store) User(ctx context.Context, user id.ID) (User, error) {
	var u User
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, u.scan, `SELECT `+userColumns+` FROM shard.users WHERE id = $1`, user)
	}
	if err != nil {
		return User{}, fmt.Errorf("read user %s: %w", user, err)
	}
	return u, nil
}

// UserByName is the account of a name in whatever case, or ErrNotFound.
func (s *Store) UserByName(ctx context.Context, name string) (User, error) {
	var u User
	p, err := s.atShard(s.shards.ForName(claimed(name)))
	if err == nil {
		err = p.query(ctx, u.scan, `
			SELECT `+userColumns+` FROM shard.users
			WHERE id = (SELECT user_id FROM shard.names WHERE name = $1)`, claimed(name))
	}
	if err != nil {
		return User{}, fmt.Errorf("read user %q: %w", name, err)
	}
	return u, nil
}

// Users are those of the accounts that exist, by one round trip to each database
// concerned.
func (s *Store) Users(ctx context.Context, users []id.ID) (map[id.ID]User, error) {
	found := make(map[id.ID]User, len(users))
	err := s.byShard(ctx, users, func(r pgx.Row) error {
		var u User
		err := u.scan(r)
		found[u.ID] = u
		return err
	}, `SELECT `+userColumns+` FROM shard.users WHERE id = ANY($1::bigint[])`)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	return found, nil
}
