package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// Account is a user with what nobody else may know.
type Account struct {
	User
	Email       string
	AvatarFault string // why the last avatar was not taken; for the client
}

const accountColumns = userColumns + `, email, avatar_fault`

func (a *Account) scan(row pgx.Row) error {
	return a.User.scan(with{row, []any{&a.Email, &a.AvatarFault}})
}

// with is a row with more columns than its reader knows.
type with struct {
	pgx.Row
	more []any
}

func (w with) Scan(to ...any) error { return w.Row.Scan(append(to, w.more...)...) }

// Account is that of a user, or ErrNotFound.
func (s *Store) Account(ctx context.Context, user id.ID) (Account, error) {
	var a Account
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, a.scan, `SELECT `+accountColumns+` FROM shard.users WHERE id = $1`, user)
	}
	if err != nil {
		return Account{}, fmt.Errorf("read account %s: %w", user, err)
	}
	return a, nil
}

// Changes are what an edit changes of an account: what is nil stays as it is.
type Changes struct {
	FullName, Bio, Website, Email *string
	Private                       *bool
	// Avatar is an upload of the user, 0 for no avatar any more. The upload becomes the
	// avatar by a task.
	Avatar *id.ID
}

// Edit changes an account. It orders what follows of that: that it is found by what it
// says now, that requests to follow one who is private no more are approved, and
// the making or unmaking of the avatar. ErrNotFound.
func (s *Store) Edit(ctx context.Context, user id.ID, c Changes) (Account, error) {
	a, err := s.edit(ctx, user, c)
	if err != nil {
		return Account{}, fmt.Errorf("edit account %s: %w", user, err)
	}
	return a, nil
}

func (s *Store) edit(ctx context.Context, user id.ID, c Changes) (a Account, err error) {
	p, err := s.at(user)
	if err != nil {
		return a, err
	}
	index, err := p.task(queue.IndexUser{User: user})
	if err != nil {
		return a, err
	}
	approve, err := p.task(queue.ApproveAll{User: user})
	if err != nil {
		return a, err
	}
	erase, err := p.task(queue.EraseObjects{})
	if err != nil {
		return a, err
	}
	none := c.Avatar != nil && *c.Avatar == 0
	var avatar *string // the task, if it is a new one
	if c.Avatar != nil && !none {
		task, err := p.task(queue.ProcessAvatar{User: user, Upload: *c.Avatar})
		if err != nil {
			return a, err
		}
		avatar = &task
	}
	err = p.query(ctx, a.scan, `
		WITH before AS (
			SELECT id, private, avatar, replace(avatar::text, '-', '') AS key FROM shard.users WHERE id = $1 FOR UPDATE
		), changed AS (
			UPDATE shard.users u SET
				full_name = coalesce($2, u.full_name), bio = coalesce($3, u.bio), website = coalesce($4, u.website),
				email = coalesce($5, u.email), private = coalesce($6, u.private),
				avatar = CASE WHEN $7 THEN NULL ELSE u.avatar END,
				avatar_fault = CASE WHEN $7 OR $8::jsonb IS NOT NULL THEN '' ELSE u.avatar_fault END
			FROM before WHERE u.id = before.id RETURNING u.*
		), tasks AS (
			SELECT burbn.enqueue($9),
				CASE WHEN before.private AND NOT changed.private THEN burbn.enqueue($10) END,
				CASE WHEN $8::jsonb IS NOT NULL THEN burbn.enqueue($8::jsonb) END,
				CASE WHEN $7 AND before.avatar IS NOT NULL THEN burbn.enqueue($11, jsonb_build_object('media',
					jsonb_build_array(before.key || '/320.jpg', before.key || '/150.jpg'))) END
			FROM before, changed
		)
		SELECT `+accountColumns+` FROM changed, tasks`,
		user, c.FullName, c.Bio, c.Website, c.Email, c.Private, none, avatar, index, approve, erase)
	return a, err
}

// AvatarKey is the prefix of the renditions of the avatar that is made of an upload.
// It is the upload's alone, so that a task done twice writes the same objects, and
// another than that of a photo that is made of the same upload.
func AvatarKey(uploadKey string) string {
	k := uuid.NewSHA1(uuid.NameSpaceOID, []byte("avatar/"+uploadKey))
	return hex.EncodeToString(k[:])
}

// SetAvatar makes key the prefix of the user's avatar and orders the removal of the one
// before. It may be repeated.
func (s *Store) SetAvatar(ctx context.Context, user id.ID, key string) error {
	p, err := s.at(user)
	if err == nil {
		var erase string
		if erase, err = p.task(queue.EraseObjects{}); err == nil {
			err = p.query(ctx, func(r pgx.Row) error { return r.Scan(nil) }, `
				WITH before AS (
					SELECT id, avatar, replace(avatar::text, '-', '') AS key FROM shard.users WHERE id = $1 FOR UPDATE
				), changed AS (
					UPDATE shard.users u SET avatar = $2::uuid, avatar_fault = '' FROM before WHERE u.id = before.id RETURNING u.id
				)
				SELECT CASE WHEN before.avatar <> $2::uuid THEN burbn.enqueue($3, jsonb_build_object('media',
					jsonb_build_array(key || '/320.jpg', key || '/150.jpg'))) END
				FROM before, changed`, user, key, erase)
		}
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("set avatar of user %s: %w", user, err)
	}
	return nil
}

// RefuseAvatar keeps the avatar that the user has, and the reason (at most 40
// characters) for the client.
func (s *Store) RefuseAvatar(ctx context.Context, user id.ID, reason string) error {
	return s.ofUser(ctx, "refuse avatar of", user, `UPDATE shard.users SET avatar_fault = $2 WHERE id = $1`, reason)
}

// SetPassword makes hash what the user's log-ins must match.
func (s *Store) SetPassword(ctx context.Context, user id.ID, hash string) error {
	return s.ofUser(ctx, "set password of", user, `UPDATE shard.users SET password_hash = $2 WHERE id = $1`, hash)
}

// ofUser runs a statement on the shard of a user; nobody is none.
func (s *Store) ofUser(ctx context.Context, what string, user id.ID, sql string, args ...any) error {
	p, err := s.at(user)
	if err != nil {
		return nil
	}
	if _, err := p.pool.Exec(ctx, p.in(sql), append([]any{user}, args...)...); err != nil {
		return fmt.Errorf("%s user %s: %w", what, user, err)
	}
	return nil
}

// SetState makes an account that is in one of the states from one of state to, and
// orders that searches know. It says whether it was in one of them.
func (s *Store) SetState(ctx context.Context, user id.ID, from []UserState, to UserState) (changed bool, err error) {
	p, err := s.at(user)
	if err == nil {
		var index string
		if index, err = p.task(queue.IndexUser{User: user}); err == nil {
			states := make([]string, len(from))
			for n, f := range from {
				states[n] = string(f)
			}
			err = p.query(ctx, scanned(&changed), `
				WITH changed AS (
					UPDATE shard.users SET state = $3 WHERE id = $1 AND state = ANY($2) RETURNING id
				)
				SELECT burbn.enqueue($4) IS NOT NULL FROM changed`, user, states, to, index)
		}
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("make user %s %s: %w", user, to, err)
	}
	return changed, nil
}
