package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

// User is an account as everybody may see it.
type User struct {
	ID             id.ID     `json:"id"`
	Name           string    `json:"name"` // as its owner wrote it
	FullName       string    `json:"fullName"`
	Bio            string    `json:"bio"`
	MediaCount     int64     `json:"mediaCount"` // ready photos
	FollowerCount  int64     `json:"followerCount"`
	FollowingCount int64     `json:"followingCount"`
	CreatedAt      time.Time `json:"createdAt"`
}

// NewUser is what a sign-up says. Name is 1 to 30 of a-z, A-Z, 0-9, '.' and '_'; FullName
// has at most 64 characters, PasswordHash 128.
type NewUser struct {
	Name, FullName, PasswordHash string
}

const userColumns = `id, name, full_name, bio, media_count, follower_count, following_count, created_at`

func (u *User) scan(row pgx.Row) error {
	err := row.Scan(&u.ID, &u.Name, &u.FullName, &u.Bio, &u.MediaCount, &u.FollowerCount, &u.FollowingCount, &u.CreatedAt)
	u.CreatedAt = u.CreatedAt.UTC()
	return err
}

// claimed is the form in which names are compared: Kevin and kevin are one name.
func claimed(name string) string { return strings.ToLower(name) }

// CreateUser claims the name and makes the account, on the shard of the name's
// hash. ErrNameTaken when somebody has the name, in whatever case.
func (s *Store) CreateUser(ctx context.Context, n NewUser) (User, error) {
	var u User
	name := claimed(n.Name)
	p, err := s.atShard(s.shards.ForName(name))
	if err == nil {
		err = p.query(ctx, u.scan, `
			WITH claim AS (
				INSERT INTO shard.names (name, user_id) VALUES ($1, shard.next_id())
				ON CONFLICT DO NOTHING RETURNING user_id
			)
			INSERT INTO shard.users (id, name, full_name, password_hash)
			SELECT user_id, $2, $3, $4 FROM claim
			RETURNING `+userColumns, name, n.Name, n.FullName, n.PasswordHash)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return User{}, fmt.Errorf("create user %q: %w", n.Name, ErrNameTaken)
	case err != nil:
		return User{}, fmt.Errorf("create user %q: %w", n.Name, err)
	}
	return u, nil
}

// PasswordHash is the account of a name and the hash that its password must
// match, or ErrNotFound.
func (s *Store) PasswordHash(ctx context.Context, name string) (user id.ID, hash string, err error) {
	p, err := s.atShard(s.shards.ForName(claimed(name)))
	if err == nil {
		err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&user, &hash) }, `
			SELECT u.id, u.password_hash FROM shard.names n JOIN shard.users u ON u.id = n.user_id
			WHERE n.name = $1`, claimed(name))
	}
	if err != nil {
		return 0, "", fmt.Errorf("read password hash of %q: %w", name, err)
	}
	return user, hash, nil
}

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
