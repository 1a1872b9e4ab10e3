package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

// ShareState is how far the sharing of a photo has come.
type ShareState string

// A share is Waiting until it is asked of the other service. It is Posting until the
// answer is written, then Shared, Failed, or, if the other service cannot have posted
// it, Waiting again.
const (
	Waiting     ShareState = "waiting"
	Posting     ShareState = "posting"
	Shared      ShareState = "shared"
	ShareFailed ShareState = "failed"
)

// Share is what became of a photo at another service.
type Share struct {
	Service   Service
	State     ShareState
	Reason    string // why it failed; for the client; at most 40 characters
	URL       string // of the post there; at most 300 characters
	ChangedAt time.Time
}

// Shares are those that the author chose for a photo, by service.
func (s *Store) Shares(ctx context.Context, media id.ID) ([]Share, error) {
	p, err := s.at(media)
	if err != nil {
		return nil, nil
	}
	rows, err := p.pool.Query(ctx, p.in(`
		SELECT service, state, reason, url, changed_at FROM shard.shares WHERE media_id = $1 ORDER BY service`), media)
	var shares []Share
	if err == nil {
		shares, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (s Share, err error) {
			err = r.Scan(&s.Service, &s.State, &s.Reason, &s.URL, &s.ChangedAt)
			s.ChangedAt = s.ChangedAt.UTC()
			return s, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read shares of media %s: %w", media, err)
	}
	return shares, nil
}

// Sharing is what it takes to share a photo.
type Sharing struct {
	State ShareState
	Photo Media
	Token []byte // sealed; nil: the author has no account there any more
}

// Sharing is the share of a ready photo, or ErrNotFound.
func (s *Store) Sharing(ctx context.Context, media id.ID, service Service) (Sharing, error) {
	var sh Sharing
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, func(r pgx.Row) error {
			return sh.Photo.scan(also{r, []any{&sh.State, &sh.Token}})
		}, `
			SELECT `+mediaColumns+`, (SELECT state FROM shard.shares WHERE media_id = id AND service = $2),
				(SELECT token FROM shard.links l WHERE l.user_id = m.user_id AND service = $2)
			FROM shard.media m
			WHERE id = $1 AND state = 'ready' AND EXISTS (SELECT FROM shard.shares WHERE media_id = $1 AND service = $2)`, media, service)
	}
	if err != nil {
		return Sharing{}, fmt.Errorf("read share of media %s at %s: %w", media, service, err)
	}
	return sh, nil
}

// also is a row of which more is scanned than by whom it is given to.
type also struct {
	pgx.Row
	more []any
}

func (a also) Scan(to ...any) error { return a.Row.Scan(append(to, a.more...)...) }

// MarkShare brings a share from one state to the next, and says whether it was in the
// one. Of two that try at once one is told so.
func (s *Store) MarkShare(ctx context.Context, media id.ID, from ShareState, to Share) (changed bool, err error) {
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, scanned(&changed), `
			UPDATE shard.shares SET state = $4, reason = $5, url = $6, changed_at = now()
			WHERE media_id = $1 AND service = $2 AND state = $3 RETURNING true`,
			media, to.Service, from, to.State, to.Reason, to.URL)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("mark share of media %s at %s %s: %w", media, to.Service, to.State, err)
	}
	return changed, nil
}
