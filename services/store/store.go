// Package store keeps what must not be lost: users, sessions, photos, likes,
// follows and devices, in PostgreSQL, on the logical shards.
//
// Every row lies on the shard that its id names, and every statement names its
// schema: connections go through PgBouncer in transaction mode and keep no
// state. An operation is one statement on one shard wherever that is possible, so
// it is one round trip and one transaction, together with the task that it makes
// necessary (see queue.Inserter.Row). What belongs to two users is written on the
// shard of the one who acts; a task brings the other side after it.
//
// The package caches nothing, checks no permission beyond ownership where the
// row says it, and sets no deadline: callers do.
package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
)

// What operations answer besides errors of the database. Test with errors.Is.
var (
	ErrNotFound      = errors.New("not found")
	ErrNameTaken     = errors.New("the name is taken")
	ErrNotYours      = errors.New("it belongs to someone else")
	ErrUploadExpired = errors.New("the upload has expired")
	// ErrTooManyFollows and ErrTooManyBarriers: somebody has as many as anybody may.
	ErrTooManyFollows  = errors.New("they follow as many as anybody may")
	ErrTooManyBarriers = errors.New("they block or mute as many as anybody may")
	// ErrAlreadyPublished comes as an *AlreadyPublishedError, which names the photo.
	ErrAlreadyPublished = errors.New("the upload is published already")
)

// Store is a pool of connections for each database. It is safe for concurrent
// use. Every operation's error names the operation.
type Store struct {
	shards    shard.Map
	databases []*database // in the order of shards.Databases
}

type database struct {
	name     string
	pool     *pgxpool.Pool
	inserter *queue.Inserter
}

// Open makes the pools of burbn_app through the pooler. It waits for no database:
// a process starts while one is down, and Ping says so.
func Open(ctx context.Context, s settings.Stores, password string) (*Store, error) {
	if err := s.Shards.Validate(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if _, _, err := net.SplitHostPort(s.Pooler); err != nil {
		return nil, fmt.Errorf("open store: pooler: %w", err)
	}
	st := &Store{shards: s.Shards}
	for _, d := range s.Shards.Databases {
		c, err := pgxpool.ParseConfig(s.DSN(d.Name))
		if err != nil {
			st.Close()
			return nil, fmt.Errorf("open store: database %s: %w", d.Name, err)
		}
		c.ConnConfig.Password = password
		// Prepared statements would outlive the transaction for which PgBouncer
		// lends a connection.
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		c.MaxConns = s.ConnectionsPerDatabase
		// A restarted or replaced PgBouncer is forgotten soon, not all at once.
		c.MaxConnLifetime = 10 * time.Minute
		c.MaxConnLifetimeJitter = time.Minute
		c.MaxConnIdleTime = time.Minute
		pool, err := pgxpool.NewWithConfig(ctx, c)
		if err != nil {
			st.Close()
			return nil, fmt.Errorf("open store: database %s: %w", d.Name, err)
		}
		inserter, err := queue.NewInserter()
		if err != nil {
			st.Close()
			return nil, fmt.Errorf("open store: database %s: %w", d.Name, err)
		}
		st.databases = append(st.databases, &database{d.Name, pool, inserter})
	}
	return st, nil
}

// Close ends the connections, after the operations that are under way.
func (s *Store) Close() {
	for _, d := range s.databases {
		d.pool.Close()
	}
}

// Shards is the map by which the store finds its way.
func (s *Store) Shards() shard.Map { return s.shards }

// Ping asks every database, at once; the error names those that do not answer.
func (s *Store) Ping(ctx context.Context) error {
	errs := make([]error, len(s.databases))
	var wg sync.WaitGroup
	for i, d := range s.databases {
		wg.Go(func() {
			if err := d.pool.Ping(ctx); err != nil {
				errs[i] = fmt.Errorf("database %s: %w", d.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// place is where a logical shard's rows are.
type place struct {
	*database
	schema string
}

// at is the place of the rows of i. An id of a shard that the map does not know,
// which anybody can make up, has no rows anywhere.
func (s *Store) at(i id.ID) (place, error) { return s.atShard(shard.Of(i)) }

func (s *Store) atShard(n shard.Number) (place, error) {
	d := s.shards.Database(n)
	if d < 0 {
		return place{}, ErrNotFound
	}
	return place{s.databases[d], n.Schema()}, nil
}

// in makes a statement one of this shard. Statements say "shard." for its schema.
func (p place) in(sql string) string { return strings.ReplaceAll(sql, "shard.", p.schema+".") }

// query runs a statement of one round trip and gives its only row to scan; no row
// is ErrNotFound.
func (p place) query(ctx context.Context, scan func(pgx.Row) error, sql string, args ...any) error {
	return found(scan(p.pool.QueryRow(ctx, p.in(sql), args...)))
}

func found(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// byShard runs sql on every shard that holds one of the ids, which are its first
// argument, and gives every row to scan, one at a time. It makes one round trip
// to each database, all at once.
func (s *Store) byShard(ctx context.Context, ids []id.ID, scan func(pgx.Row) error, sql string, args ...any) error {
	onShard := map[shard.Number][]int64{}
	for _, i := range ids {
		onShard[shard.Of(i)] = append(onShard[shard.Of(i)], int64(i))
	}
	return askShards(ctx, s, onShard, scan, sql, args...)
}

// askShards runs sql on shards as byShard does, with what is asked of each as its first
// argument.
func askShards[T any](ctx context.Context, s *Store, onShard map[shard.Number][]T, scan func(pgx.Row) error, sql string, args ...any) error {
	asked := make(map[shard.Number][]any, len(onShard))
	for n, ids := range onShard {
		asked[n] = append([]any{ids}, args...)
	}
	return s.onShards(ctx, asked, scan, sql)
}

// onShards runs sql on each of the shards, with the arguments of each, in the order of
// their numbers on each database, and gives every row to scan, one at a time. It makes
// one round trip to each database, which is one transaction, all at once.
func (s *Store) onShards(ctx context.Context, asked map[shard.Number][]any, scan func(pgx.Row) error, sql string) error {
	type question struct {
		place
		batch pgx.Batch
	}
	questions := map[*database]*question{}
	var mu sync.Mutex // scan is called by one goroutine at a time
	for _, n := range slices.Sorted(maps.Keys(asked)) {
		p, err := s.atShard(n)
		if err != nil {
			continue // made up
		}
		q := questions[p.database]
		if q == nil {
			q = &question{place: p}
			questions[p.database] = q
		}
		q.batch.Queue(p.in(sql), asked[n]...).Query(func(rows pgx.Rows) error {
			mu.Lock()
			defer mu.Unlock()
			for rows.Next() {
				if err := scan(rows); err != nil {
					return err
				}
			}
			return rows.Err()
		})
	}
	errs := make(chan error, len(questions))
	for _, q := range questions {
		go func() {
			err := q.pool.SendBatch(ctx, &q.batch).Close()
			if err != nil {
				err = fmt.Errorf("database %s: %w", q.name, err)
			}
			errs <- err
		}()
	}
	var err error
	for range questions {
		err = errors.Join(err, <-errs)
	}
	return err
}

// bigints are ids as a statement takes them for bigint[].
func bigints(ids []id.ID) []int64 {
	out := make([]int64, len(ids))
	for i, n := range ids {
		out[i] = int64(n)
	}
	return out
}

// task is args as a statement passes them to burbn.enqueue.
func (p place) task(args queue.Args) (string, error) { return p.inserter.Row(args) }

// tasks are several, in their order.
func (p place) tasks(args ...queue.Args) ([]string, error) {
	rows := make([]string, len(args))
	for i, a := range args {
		var err error
		if rows[i], err = p.task(a); err != nil {
			return nil, err
		}
	}
	return rows, nil
}
