package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
)

// Subject is what a report or a moderator's act is about.
type Subject struct {
	Kind  string // "user", "media", "comment"
	ID    id.ID
	Media id.ID // of a comment
}

func (s Subject) String() string { return s.Kind + " " + s.ID.String() }

// Report is what somebody says is wrong with a subject of User's.
type Report struct {
	Subject
	User, Reporter id.ID
	Reason, Note   string // at most 20 and 1,000 characters
}

// Report keeps a report for the moderators, on the database of its subject. A reporter has
// one of each subject: it says whether this one is new.
func (s *Store) Report(ctx context.Context, r Report) (changed bool, err error) {
	p, err := s.at(r.ID)
	if err == nil {
		err = p.query(ctx, scanned(&changed), `
			WITH made AS (
				INSERT INTO burbn.reports (subject, subject_id, media_id, user_id, reporter_id, reason, note)
				VALUES ($1, $2, nullif($7::bigint, 0), $3, $4, $5, $6)
				ON CONFLICT DO NOTHING RETURNING id
			)
			SELECT EXISTS (SELECT FROM made)`, r.Kind, r.ID, r.User, r.Reporter, r.Reason, r.Note, r.Media)
	}
	if err != nil {
		return false, fmt.Errorf("report %s by user %s: %w", r.Subject, r.Reporter, err)
	}
	return changed, nil
}

// Case is all open reports of one subject.
type Case struct {
	Subject
	User    id.ID // whose it is
	Reports int64
	Reasons []string
	Notes   []string // the newest five
	Newest  time.Time
}

// Cases are at most limit of those with open reports, on all databases: those with the most
// reports first, or of subject alone.
func (s *Store) Cases(ctx context.Context, subject id.ID, limit int) ([]Case, error) {
	cases, err := everywhere(ctx, s, func(r pgx.CollectableRow) (c Case, err error) {
		return c, r.Scan(&c.Kind, &c.ID, &c.Media, &c.User, &c.Reports, &c.Reasons, &c.Notes, &c.Newest)
	}, `
		SELECT subject, subject_id, coalesce(media_id, 0), user_id, count(*), array_agg(DISTINCT reason),
			(array_agg(note ORDER BY id DESC) FILTER (WHERE note <> ''))[1:5], max(created_at)
		FROM burbn.reports WHERE closed_at IS NULL AND ($1::bigint = 0 OR subject_id = $1)
		GROUP BY subject, subject_id, media_id, user_id
		ORDER BY count(*) DESC, max(created_at) DESC LIMIT $2`, int64(subject), limit)
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	slices.SortFunc(cases, func(a, b Case) int {
		return cmp.Or(cmp.Compare(b.Reports, a.Reports), b.Newest.Compare(a.Newest))
	})
	return cases[:min(limit, len(cases))], nil
}

// Audit is one line of what moderators did.
type Audit struct {
	At       time.Time
	Operator string
	Act      string
	Subject
	Reason string
}

// Audits are at most limit of what moderators did, the latest first; to subject alone,
// unless it is 0.
func (s *Store) Audits(ctx context.Context, subject id.ID, limit int) ([]Audit, error) {
	audits, err := everywhere(ctx, s, func(r pgx.CollectableRow) (a Audit, err error) {
		return a, r.Scan(&a.At, &a.Operator, &a.Act, &a.Kind, &a.ID, &a.Reason)
	}, `
		SELECT at, operator, act, subject, subject_id, reason FROM burbn.audit
		WHERE $1::bigint = 0 OR subject_id = $1 ORDER BY id DESC LIMIT $2`, int64(subject), limit)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	slices.SortStableFunc(audits, func(a, b Audit) int { return b.At.Compare(a.At) })
	return audits[:min(limit, len(audits))], nil
}

// everywhere collects the rows of a statement on every database, one after the other.
func everywhere[T any](ctx context.Context, s *Store, scan pgx.RowToFunc[T], sql string, args ...any) (all []T, err error) {
	for _, d := range s.databases {
		rows, err := d.pool.Query(ctx, sql, args...)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", d.name, err)
		}
		some, err := pgx.CollectRows(rows, scan)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", d.name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// act is what a moderator can do to a subject: a statement that returns a row if that
// changes anything, and one that returns a row if there is such a subject.
type act struct {
	kind           string // "": any
	change, exists string
}

const (
	anyMedia = `SELECT FROM shard.media WHERE id = $1 AND state <> 'deleted'`
	anyUser  = `SELECT FROM shard.users WHERE id = $1 AND state <> 'deleting'`
)

var acts = map[string]act{
	"takedown": {"media", `UPDATE shard.media SET hidden = true WHERE id = $1 AND NOT hidden AND state <> 'deleted' RETURNING id`, anyMedia},
	"restore":  {"media", `UPDATE shard.media SET hidden = false WHERE id = $1 AND hidden AND state <> 'deleted' RETURNING id`, anyMedia},
	"suspend": {"user", `UPDATE shard.users SET state = 'suspended'
		WHERE id = $1 AND state IN ('active', 'deactivated') RETURNING id`, anyUser},
	"reinstate": {"user", `UPDATE shard.users SET state = 'active' WHERE id = $1 AND state = 'suspended' RETURNING id`, anyUser},
	"dismiss":   {"", `SELECT $1::bigint AS id WHERE false`, `SELECT FROM burbn.reports WHERE subject_id = $1 AND subject = $2`},
}

// Acts are the names of what Moderate can do, and to which kind of subject ("": any).
func Acts() map[string]string {
	kinds := make(map[string]string, len(acts))
	for name, a := range acts {
		kinds[name] = a.kind
	}
	return kinds
}

// Moderated is what an act has changed: nothing, if it was done before.
type Moderated struct {
	Changed bool
	Closed  int64 // reports
}

// Moderate does what a moderator decided, closes the reports of the subject, writes both
// into the audit log and orders what follows, in one transaction. It may be repeated, which
// is not written again. ErrNotFound when there is no such subject, or no report to
// dismiss.
func (s *Store) Moderate(ctx context.Context, a Audit) (done Moderated, err error) {
	what, ok := acts[a.Act]
	switch {
	case !ok:
		return done, fmt.Errorf("the act %q is unknown: accepted is %s", a.Act, strings.Join(slices.Sorted(maps.Keys(acts)), ", "))
	case what.kind != "" && what.kind != a.Kind:
		return done, fmt.Errorf("the act %s is for a %s, not for a %s", a.Act, what.kind, a.Kind)
	}
	p, err := s.at(a.ID)
	if err == nil {
		var task string
		var follows queue.Args = queue.Index{Media: a.ID}
		if a.Kind == "user" {
			follows = queue.IndexUser{User: a.ID}
		}
		if task, err = p.task(follows); err == nil {
			err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&done.Changed, &done.Closed, nil, nil) }, `
				WITH changed AS (`+what.change+`), closed AS (
					UPDATE burbn.reports SET closed_at = now()
					WHERE subject = $2 AND subject_id = $1 AND closed_at IS NULL AND $3 NOT IN ('restore', 'reinstate') RETURNING id
				), noted AS (
					INSERT INTO burbn.audit (operator, act, subject, subject_id, reason)
					SELECT $4, $3, $2, $1, $5 WHERE EXISTS (SELECT FROM changed) OR EXISTS (SELECT FROM closed) RETURNING id
				)
				SELECT EXISTS (SELECT FROM changed), (SELECT count(*) FROM closed), (SELECT id FROM noted),
					(SELECT burbn.enqueue($6) FROM changed)
				WHERE EXISTS (`+what.exists+`)`, a.ID, a.Kind, a.Act, a.Operator, a.Reason, task)
		}
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return Moderated{}, fmt.Errorf("%s %s: %w", a.Act, a.Subject, ErrNotFound)
	case err != nil:
		return Moderated{}, fmt.Errorf("%s %s: %w", a.Act, a.Subject, err)
	}
	return done, nil
}
