package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
)

// ExportState is how far an export has come.
type ExportState string

// An export is ExportWaiting until its task begins, then ExportRunning until it is
// ExportReady or has failed.
const (
	ExportWaiting ExportState = "waiting"
	ExportRunning ExportState = "running"
	ExportReady   ExportState = "ready"
	ExportFailed  ExportState = "failed"
)

// Export is a file of everything that is a user's, as of when it was made.
type Export struct {
	ID         id.ID
	User       id.ID
	State      ExportState
	Size       int64 // in bytes; 0 until ready
	CreatedAt  time.Time
	FinishedAt time.Time // zero until ready or failed
	Progress   ExportProgress
}

// Key is that of the object, among the uploads.
func (e Export) Key() string { return "exports/" + e.ID.String() + ".zip" }

// ExpiresAt is when an export that is ready ends.
func (e Export) ExpiresAt() time.Time { return e.FinishedAt.Add(keepExports) }

// ExportProgress is where the making of an export goes on when it was cut off.
type ExportProgress struct {
	Upload string `json:"upload,omitzero"` // of the parts; empty: not begun
	Parts  int    `json:"parts,omitzero"`  // that are in storage
	Size   int64  `json:"size,omitzero"`   // of these
	Total  int    `json:"total,omitzero"`  // photos
	Done   int    `json:"done,omitzero"`   // of these
	// Where the next file begins: in which list, on which shard, after which row; and
	// how many files there are of that list.
	List  int          `json:"list,omitzero"`
	Shard shard.Number `json:"shard,omitzero"`
	After id.ID        `json:"after,omitzero"`
	Files int          `json:"files,omitzero"`
}

// Value makes it JSON of a column.
func (p ExportProgress) Value() (driver.Value, error) { return jsonText(p) }

// Files are those of a part.
type Files []ExportFile

// Value makes them JSON of a column.
func (f Files) Value() (driver.Value, error) { return jsonText(append([]ExportFile{}, f...)) }

func jsonText(v any) (driver.Value, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// ExportPart is what of an export is in storage by one request.
type ExportPart struct {
	Number int
	Tag    string // by which storage knows it
	Files  Files
}

// ExportFile is one in an export.
type ExportFile struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Size int64     `json:"size"`
	CRC  uint32    `json:"crc"` // CRC-32 (IEEE)
}

const exportColumns = `id, user_id, state, size, created_at, finished_at, progress`

func (e *Export) scan(row pgx.Row) error {
	var finished *time.Time
	err := row.Scan(&e.ID, &e.User, &e.State, &e.Size, &e.CreatedAt, &finished, &e.Progress)
	e.CreatedAt = e.CreatedAt.UTC()
	if finished != nil {
		e.FinishedAt = finished.UTC()
	}
	return err
}

// BeginExport orders an export, unless one is waiting or running: then it is that.
// ErrNotFound when there is no such user.
func (s *Store) BeginExport(ctx context.Context, user id.ID) (Export, error) {
	var e Export
	p, err := s.at(user)
	if err == nil {
		var task string
		if task, err = p.task(queue.Export{User: user}); err == nil {
			// One that another request began at the same moment is seen by the second look.
			for range 2 {
				err = p.query(ctx, e.scan, `
					WITH made AS (
						INSERT INTO shard.exports (user_id, id) SELECT id, shard.next_id() FROM shard.users WHERE id = $1
						ON CONFLICT (user_id) WHERE state IN ('waiting', 'running') DO NOTHING RETURNING *
					), task AS (
						SELECT burbn.enqueue($2, jsonb_build_object('export', id::text)) FROM made
					)
					SELECT `+exportColumns+` FROM made, task
					UNION ALL
					SELECT `+exportColumns+` FROM shard.exports WHERE user_id = $1 AND state IN ('waiting', 'running')`, user, task)
				if !errors.Is(err, ErrNotFound) {
					break
				}
			}
		}
	}
	if err != nil {
		return Export{}, fmt.Errorf("begin export of user %s: %w", user, err)
	}
	return e, nil
}

// Export is one of a user, or ErrNotFound.
func (s *Store) Export(ctx context.Context, user, export id.ID) (Export, error) {
	var e Export
	p, err := s.at(user)
	if err == nil {
		err = p.query(ctx, e.scan, `SELECT `+exportColumns+` FROM shard.exports WHERE user_id = $1 AND id = $2`, user, export)
	}
	if err != nil {
		return Export{}, fmt.Errorf("read export %s of user %s: %w", export, user, err)
	}
	return e, nil
}

// Exports are at most limit of user, newest first, from the one before before (0: the newest).
func (s *Store) Exports(ctx context.Context, user, before id.ID, limit int) ([]Export, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT `+exportColumns+` FROM shard.exports WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`), user, before, limit)
	var es []Export
	if err == nil {
		es, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (e Export, err error) {
			err = e.scan(r)
			return e, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read exports of user %s: %w", user, err)
	}
	return es, nil
}

// StartExport begins an export, or begins it anew, with the upload that its progress
// names. ErrNotFound when there is no such export any more, or its user is deleting.
func (s *Store) StartExport(ctx context.Context, e Export) (ExportProgress, error) {
	p, err := s.at(e.User)
	if err == nil {
		err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&e.Progress.Total) }, `
			WITH parts AS (
				DELETE FROM shard.export_parts WHERE user_id = $1 AND export_id = $2
			), photos AS (
				SELECT count(*) AS n FROM shard.media WHERE user_id = $1 AND state <> 'deleted'
			)
			UPDATE shard.exports SET state = 'running', progress = $3::jsonb || jsonb_build_object('total', n)
			FROM photos
			WHERE user_id = $1 AND id = $2 AND EXISTS (SELECT FROM shard.users u WHERE u.id = $1 AND u.state <> 'deleting')
			RETURNING n`, e.User, e.ID, e.Progress)
	}
	if err != nil {
		return ExportProgress{}, fmt.Errorf("start export %s of user %s: %w", e.ID, e.User, err)
	}
	return e.Progress, nil
}

// AddExportPart records a part that is in storage, and how far the export has come with it.
// ErrNotFound when there is no such export any more.
func (s *Store) AddExportPart(ctx context.Context, e Export, part ExportPart) error {
	p, err := s.at(e.User)
	if err == nil {
		err = p.query(ctx, func(r pgx.Row) error { return r.Scan(nil) }, `
			WITH export AS (
				UPDATE shard.exports SET progress = $3 WHERE user_id = $1 AND id = $2 RETURNING user_id, id
			)
			INSERT INTO shard.export_parts (user_id, export_id, number, tag, files)
			SELECT user_id, id, $4, $5, $6 FROM export
			ON CONFLICT (user_id, export_id, number) DO UPDATE SET tag = $5, files = $6
			RETURNING number`, e.User, e.ID, e.Progress, part.Number, part.Tag, part.Files)
	}
	if err != nil {
		return fmt.Errorf("add part %d to export %s of user %s: %w", part.Number, e.ID, e.User, err)
	}
	return nil
}

// ExportParts are those of an export, in their order.
func (s *Store) ExportParts(ctx context.Context, e Export) ([]ExportPart, error) {
	p, err := s.at(e.User)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT number, tag, files FROM shard.export_parts WHERE user_id = $1 AND export_id = $2 ORDER BY number`), e.User, e.ID)
	var parts []ExportPart
	if err == nil {
		parts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ExportPart])
	}
	if err != nil {
		return nil, fmt.Errorf("read parts of export %s of user %s: %w", e.ID, e.User, err)
	}
	return parts, nil
}

// FinishExport ends an export: it is ready, of that size, or has failed. What its parts
// were is forgotten.
func (s *Store) FinishExport(ctx context.Context, e Export, to ExportState, size int64) error {
	p, err := s.at(e.User)
	if err == nil {
		_, err = p.pool.Exec(ctx, p.in(`
			WITH parts AS (
				DELETE FROM shard.export_parts WHERE user_id = $1 AND export_id = $2
			)
			UPDATE shard.exports SET state = $3::text, size = $4, finished_at = now(), progress = progress - 'upload' ||
				CASE WHEN $3::text = 'ready' THEN jsonb_build_object('done', progress->'total') ELSE '{}' END
			WHERE user_id = $1 AND id = $2 AND state IN ('waiting', 'running')`), e.User, e.ID, to, size)
	}
	if err != nil {
		return fmt.Errorf("finish export %s of user %s: %w", e.ID, e.User, err)
	}
	return nil
}

// EraseExport removes the rows of an export whose object is gone.
func (s *Store) EraseExport(ctx context.Context, e Export) error {
	p, err := s.at(e.User)
	if err == nil {
		_, err = p.pool.Exec(ctx, p.in(`
			WITH parts AS (
				DELETE FROM shard.export_parts WHERE user_id = $1 AND export_id = $2
			)
			DELETE FROM shard.exports WHERE user_id = $1 AND id = $2`), e.User, e.ID)
	}
	if err != nil {
		return fmt.Errorf("erase export %s of user %s: %w", e.ID, e.User, err)
	}
	return nil
}

// ExportList is a list that an export has. Its rows lie on the user's shard, or on all.
type ExportList struct {
	Name   string
	Spread bool
	sql    string // of rows of user $1 after $2, at most $3: place in the list, and what is told
}

// ExportLists are all lists that an export has, beside the account itself. They tell no
// secrets, and nothing that others keep from the user, such as who blocks them.
func ExportLists() []ExportList {
	return []ExportList{
		{"photos", false, `
			SELECT id, jsonb_build_object('id', id::text, 'caption', caption, 'alt', alt, 'filter', filter, 'place', place,
				'latitude', latitude, 'longitude', longitude, 'tags', tags, 'mentions', mentions, 'state', state,
				'reason', reason, 'hidden', hidden, 'width', width, 'height', height, 'createdAt', created_at, 'editedAt', edited_at,
				'likeCount', like_count + coalesce((SELECT sum(likes) FROM shard.count_changes WHERE media_id = id), 0),
				'commentCount', comment_count + coalesce((SELECT sum(comments) FROM shard.count_changes WHERE media_id = id), 0),
				'shares', (SELECT coalesce(jsonb_agg(jsonb_build_object('service', service, 'state', s.state, 'url', url)), '[]') FROM shard.shares s WHERE media_id = id))
			FROM shard.media WHERE user_id = $1 AND id > $2 AND state <> 'deleted' ORDER BY id LIMIT $3`},
		{"following", false, `
			SELECT target_id, jsonb_build_object('user', target_id::text, 'since', created_at, 'requested', requested)
			FROM shard.following WHERE user_id = $1 AND target_id > $2 ORDER BY target_id LIMIT $3`},
		{"followers", false, `
			SELECT follower_id, jsonb_build_object('user', follower_id::text)
			FROM shard.followers WHERE user_id = $1 AND follower_id > $2 ORDER BY follower_id LIMIT $3`},
		{"follow-requests", false, `
			SELECT follower_id, jsonb_build_object('user', follower_id::text, 'since', created_at)
			FROM shard.follow_requests WHERE user_id = $1 AND follower_id > $2 ORDER BY follower_id LIMIT $3`},
		{"blocked", false, `
			SELECT other_id, jsonb_build_object('user', other_id::text, 'since', created_at)
			FROM shard.barriers WHERE user_id = $1 AND kind = 'block' AND other_id > $2 ORDER BY other_id LIMIT $3`},
		{"muted", false, `
			SELECT other_id, jsonb_build_object('user', other_id::text, 'since', created_at)
			FROM shard.barriers WHERE user_id = $1 AND kind = 'mute' AND other_id > $2 ORDER BY other_id LIMIT $3`},
		{"saved", false, `
			SELECT id, jsonb_build_object('photo', media_id::text)
			FROM shard.saved WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3`},
		{"activity", false, `
			SELECT id, jsonb_build_object('kind', kind, 'user', actor_id::text, 'photo', media_id::text, 'comment', comment_id::text, 'at', created_at)
			FROM shard.activity WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3`},
		{"sessions", false, `
			SELECT id, jsonb_build_object('id', id::text, 'client', client, 'address', host(address), 'createdAt', created_at, 'expiresAt', expires_at)
			FROM shard.sessions WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3`},
		{"devices", false, `
			SELECT n, jsonb_build_object('registeredAt', registered_at)
			FROM (SELECT row_number() OVER (ORDER BY registered_at, token) AS n, registered_at FROM shard.devices WHERE user_id = $1) d
			WHERE n > $2 ORDER BY n LIMIT $3`},
		{"linked-accounts", false, `
			SELECT n, jsonb_build_object('service', service, 'account', account, 'since', created_at)
			FROM (SELECT row_number() OVER (ORDER BY service) AS n, * FROM shard.links WHERE user_id = $1) l
			WHERE n > $2 ORDER BY n LIMIT $3`},
		{"likes", true, `
			SELECT media_id, jsonb_build_object('photo', media_id::text, 'at', created_at)
			FROM shard.likes WHERE user_id = $1 AND media_id > $2 ORDER BY media_id LIMIT $3`},
		{"comments", true, `
			SELECT id, jsonb_build_object('id', id::text, 'photo', media_id::text, 'text', text, 'at', created_at)
			FROM shard.comments WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3`},
	}
}

// ExportRow is one of a list: its place in that, and what is told of it.
type ExportRow struct {
	At   id.ID
	Told json.RawMessage
}

// ExportRows are at most limit rows of user's list on a shard, in their order, after the
// one at after (0: from the first).
func (s *Store) ExportRows(ctx context.Context, list ExportList, user id.ID, on shard.Number, after id.ID, limit int) ([]ExportRow, error) {
	p, err := s.atShard(on)
	var rows pgx.Rows
	if err == nil {
		rows, err = p.pool.Query(ctx, p.in(list.sql), user, after, limit)
	}
	var found []ExportRow
	if err == nil {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ExportRow])
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of user %s on shard %d: %w", list.Name, user, on, err)
	}
	return found, nil
}

// Original is the object of a photo as its author sent it.
type Original struct {
	Media id.ID
	Key   string
}

// Originals are at most limit of user's photos, oldest first, after the one named.
func (s *Store) Originals(ctx context.Context, user, after id.ID, limit int) ([]Original, error) {
	p, err := s.at(user)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT id, replace(key::text, '-', '') FROM shard.media
		WHERE user_id = $1 AND id > $2 AND state <> 'deleted' ORDER BY id LIMIT $3`), user, after, limit)
	var found []Original
	if err == nil {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Original])
	}
	if err != nil {
		return nil, fmt.Errorf("read originals of user %s: %w", user, err)
	}
	return found, nil
}
