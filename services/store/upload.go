package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// Upload is the promise of a photo: a phone may put the bytes under Key, and its
// user may then publish them.
type Upload struct {
	ID          id.ID
	User        id.ID
	ContentType string
	Size        int64
	Key         string    // of the object; unguessable, and the Key of the photo that it becomes
	ExpiresAt   time.Time // when the permission to put ends
	Media       id.ID     // of the photo that it became; 0 until then
}

// publishGrace is how long after its expiry an upload can still be published:
// the bytes came in time, the phone may be in a tunnel.
const publishGrace = 24 * time.Hour

const uploadColumns = `id, user_id, content_type, size, key, expires_at, coalesce(media_id, 0)`

func (u *Upload) scan(row pgx.Row) error {
	var key [16]byte
	err := row.Scan(&u.ID, &u.User, &u.ContentType, &u.Size, &key, &u.ExpiresAt, &u.Media)
	u.Key, u.ExpiresAt = hex.EncodeToString(key[:]), u.ExpiresAt.UTC()
	return err
}

// CreateUpload promises a photo of user, of size bytes.
func (s *Store) CreateUpload(ctx context.Context, user id.ID, contentType string, size int64, expires time.Time) (Upload, error) {
	var u Upload
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, u.scan, `
			INSERT INTO shard.uploads (id, user_id, content_type, size, expires_at)
			VALUES (shard.next_id(), $1, $2, $3, $4) RETURNING `+uploadColumns, user, contentType, size, expires)
	}
	if err != nil {
		return Upload{}, fmt.Errorf("create upload of user %s: %w", user, err)
	}
	return u, nil
}

// Upload is one upload, or ErrNotFound.
func (s *Store) Upload(ctx context.Context, upload id.ID) (Upload, error) {
	var u Upload
	p, err := s.at(upload)
	if err == nil {
		err = p.query(ctx, u.scan, `SELECT `+uploadColumns+` FROM shard.uploads WHERE id = $1`, upload)
	}
	if err != nil {
		return Upload{}, fmt.Errorf("read upload %s: %w", upload, err)
	}
	return u, nil
}

// NewMedia is what a photo is published with.
type NewMedia struct {
	Caption            string
	Tags, Mentions     []string // of the caption, in the form in which they are compared
	Alt, Filter, Place string
	Location           *Location
	ShareTo            []Service
}

// Publish makes an upload of user a photo in state Processing and orders the task
// that makes its renditions. However many try at once, one succeeds.
// ErrNotFound, ErrNotYours, ErrAlreadyPublished, or, a day after the upload's
// expiry, ErrUploadExpired.
func (s *Store) Publish(ctx context.Context, user, upload id.ID, n NewMedia) (Media, error) {
	m, err := s.publish(ctx, user, upload, n)
	if errors.Is(err, ErrNotFound) {
		err = s.whyUnpublishable(ctx, user, upload)
	}
	if err != nil {
		return Media{}, fmt.Errorf("publish upload %s of user %s: %w", upload, user, err)
	}
	return m, nil
}

func (s *Store) publish(ctx context.Context, user, upload id.ID, n NewMedia) (m Media, err error) {
	p, err := s.at(upload)
	if err != nil {
		return m, err
	}
	task, err := p.task(queue.ProcessPhoto{})
	if err != nil {
		return m, err
	}
	latitude, longitude := n.Location.columns()
	names := make([]string, len(n.ShareTo))
	for i, service := range n.ShareTo {
		names[i] = string(service)
	}
	err = p.query(ctx, m.scan, `
		WITH published AS (
			UPDATE shard.uploads SET media_id = shard.next_id()
			WHERE id = $1 AND user_id = $2 AND media_id IS NULL AND expires_at > $3
			RETURNING media_id, user_id, key
		), photo AS (
			INSERT INTO shard.media (id, user_id, key, caption, tags, mentions, alt, filter, place, latitude, longitude)
			SELECT media_id, user_id, key, $4, $5, $6, $7, $8, $9, $10, $11 FROM published
			RETURNING *
		), shares AS (
			INSERT INTO shard.shares (media_id, service) SELECT media_id, unnest($12::text[]) FROM published
		), task AS (
			SELECT burbn.enqueue($13, jsonb_build_object('media', id::text)) FROM photo
		)
		SELECT `+mediaColumns+` FROM photo, task`,
		upload, user, time.Now().Add(-publishGrace), n.Caption, listOf(n.Tags), listOf(n.Mentions), n.Alt, n.Filter, n.Place,
		latitude, longitude, names, task)
	return m, err
}

// whyUnpublishable is asked only once publish has found nothing to publish.
func (s *Store) whyUnpublishable(ctx context.Context, user, upload id.ID) error {
	u, err := s.Upload(ctx, upload)
	switch {
	case err != nil:
		return err
	case u.User != user:
		return ErrNotYours
	case u.Media != 0:
		return &AlreadyPublishedError{u.Media}
	default:
		return ErrUploadExpired
	}
}

// AlreadyPublishedError is ErrAlreadyPublished with the photo that the upload became.
type AlreadyPublishedError struct{ Media id.ID }

func (e *AlreadyPublishedError) Error() string {
	return fmt.Sprintf("%v as media %s", ErrAlreadyPublished, e.Media)
}

// Unwrap makes it ErrAlreadyPublished.
func (e *AlreadyPublishedError) Unwrap() error { return ErrAlreadyPublished }
