package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
)

// The numbered files of migrations/database are applied once to every database,
// then those of migrations/shard once to every logical shard, each in a
// transaction of its own. A file that was released is never edited; the next one
// changes what it made, in a way that the release before can live with.
//
//go:embed migrations
var migrations embed.FS

// A database is migrated under the advisory lock of this key, for which others
// wait so long.
const (
	migrateLock = 0x6275_7262_6e // "burbn"
	lockWait    = 10 * time.Minute
)

// wholeDatabase stands in place of a shard for the files of migrations/database.
const wholeDatabase = -1

// Progress is what Migrate has done to one database so far.
type Progress struct {
	Database string
	Done     int // steps: one for River, for each file of the database, for each file of each shard
	Steps    int // 0: the database was up to date
}

// Migrate brings every database, all at once, to what this release expects:
// River's tables, the schemas of the logical shards, and what burbn_app and
// monitor may do. A database that does not accept connections yet is waited for
// as long as wait. It may be interrupted, run again, and run by several at
// once. report is called from several goroutines.
func Migrate(ctx context.Context, m settings.Migrate, ownerPassword string, wait time.Duration, report func(Progress)) error {
	files, err := readMigrations()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	errs := make([]error, len(m.Direct))
	var wg sync.WaitGroup
	for i, d := range m.Direct {
		wg.Go(func() {
			if err := migrate(ctx, m, d, ownerPassword, wait, files, report); err != nil {
				errs[i] = fmt.Errorf("migrate %s: %w", d.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// migration is one file.
type migration struct {
	version  int
	name     string // "shard/0001_birth.sql"
	sql      string
	perShard bool
}

func readMigrations() (ms []migration, err error) {
	for _, dir := range []string{"database", "shard"} {
		names, err := fs.Glob(migrations, "migrations/"+dir+"/*.sql")
		if err != nil {
			return nil, err
		}
		for i, name := range names { // sorted
			if want := fmt.Sprintf("%04d_", i+1); !strings.HasPrefix(path.Base(name), want) {
				return nil, fmt.Errorf("read %s: its name must begin with %s", name, want)
			}
			sql, err := migrations.ReadFile(name)
			if err != nil {
				return nil, err
			}
			ms = append(ms, migration{i + 1, dir + "/" + path.Base(name), string(sql), dir == "shard"})
		}
	}
	return ms, nil
}

// step is a file that is to be applied to a shard, or to the whole database.
type step struct {
	migration
	shard int
}

// sql is the step as one message to the database and one transaction.
func (st step) sql(last bool) string {
	var b strings.Builder
	b.WriteString("BEGIN;\n")
	// Who waits for a table keeps everybody who comes later waiting, too.
	b.WriteString("SET LOCAL lock_timeout = '10s';\n")
	if !last {
		// The last commit waits for the disk, and with it for all before it.
		b.WriteString("SET LOCAL synchronous_commit = off;\n")
	}
	file := st.migration.sql
	if st.perShard {
		schema := shard.Number(st.shard).Schema()
		fmt.Fprintf(&b, "SET LOCAL search_path = %s;\n", schema)
		file = strings.NewReplacer("{{schema}}", schema, "{{shard}}", strconv.Itoa(st.shard)).Replace(file)
	}
	b.WriteString(file)
	fmt.Fprintf(&b, "\nINSERT INTO burbn.migrations (shard, version) VALUES (%d, %d);\nCOMMIT;", st.shard, st.version)
	return b.String()
}

// migrator migrates one database.
type migrator struct {
	conn  *pgx.Conn
	river *rivermigrate.Migrator[pgx.Tx]
	held  *shard.Database // nil: none yet
	files []migration
}

func migrate(ctx context.Context, m settings.Migrate, d settings.Direct, password string, wait time.Duration, files []migration, report func(Progress)) error {
	c, err := pgxpool.ParseConfig(d.DSN("burbn_owner"))
	if err != nil {
		return err
	}
	c.ConnConfig.Password = password
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return err
	}
	defer pool.Close()
	conn, err := connect(ctx, pool, wait)
	if err != nil {
		return err
	}
	defer conn.Release()
	river, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Schema: queue.Schema,
		Logger: slog.New(slog.DiscardHandler), // report tells what it would
	})
	if err != nil {
		return err
	}
	// A database that the map does not name holds no shard.
	mg := migrator{conn: conn.Conn(), river: river, files: files}
	for _, held := range m.Shards.Databases {
		if held.Name == d.Name {
			mg.held = &held
		}
	}

	riverDue, steps, err := mg.pending(ctx)
	if err != nil {
		return err
	}
	if !riverDue && len(steps) == 0 {
		report(Progress{Database: d.Name})
		return nil
	}
	// The lock ends with the connection, however this ends.
	defer mg.conn.Close(context.WithoutCancel(ctx))
	turn, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := mg.conn.Exec(turn, `SELECT pg_advisory_lock($1)`, migrateLock); err != nil {
		return fmt.Errorf("wait for another migration to end: %w", err)
	}
	return mg.apply(ctx, func(done, steps int) { report(Progress{d.Name, done, steps}) })
}

// connect waits until the database accepts connections.
func connect(ctx context.Context, pool *pgxpool.Pool, wait time.Duration) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var last error // what the database said, which is more than that time is up
	for {
		conn, err := pool.Acquire(ctx)
		if err == nil {
			return conn, nil
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code != codeStarting {
			return nil, err // a wrong password does not become right by waiting
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the database: %w", last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

const (
	codeStarting       = "57P03" // cannot_connect_now
	codeUndefinedTable = "42P01"
)

// pending is what is not applied yet, by one round trip.
func (mg *migrator) pending(ctx context.Context) (riverDue bool, steps []step, err error) {
	type key struct{ shard, version int }
	applied := map[key]bool{}
	var river int
	var b pgx.Batch
	b.Queue(`SELECT shard, version FROM burbn.migrations`).Query(func(rows pgx.Rows) error {
		var k key
		_, err := pgx.ForEachRow(rows, []any{&k.shard, &k.version}, func() error {
			applied[k] = true
			return nil
		})
		return err
	})
	b.Queue(`SELECT coalesce(max(version), 0) FROM river.river_migration WHERE line = 'main'`).QueryRow(func(row pgx.Row) error {
		return row.Scan(&river)
	})
	err = mg.conn.SendBatch(ctx, &b).Close()
	var undefined *pgconn.PgError
	if err != nil && !(errors.As(err, &undefined) && undefined.Code == codeUndefinedTable) {
		return false, nil, fmt.Errorf("read what is applied: %w", err)
	}
	all := mg.river.AllVersions()
	riverDue = river < all[len(all)-1].Version
	for _, f := range mg.files {
		first, last := wholeDatabase, wholeDatabase
		if f.perShard {
			if mg.held == nil {
				continue
			}
			first, last = int(mg.held.First), int(mg.held.Last)
		}
		for n := first; n <= last; n++ {
			if !applied[key{n, f.version}] {
				steps = append(steps, step{f, n})
			}
		}
	}
	return riverDue, steps, nil
}

// apply does what is pending now that the lock is held.
func (mg *migrator) apply(ctx context.Context, report func(done, steps int)) error {
	if _, err := mg.conn.Exec(ctx, `
		CREATE SCHEMA IF NOT EXISTS burbn;
		CREATE SCHEMA IF NOT EXISTS river;
		CREATE TABLE IF NOT EXISTS burbn.migrations (
			shard integer, -- -1: the whole database
			version integer,
			applied_at timestamptz NOT NULL DEFAULT now(),
			PRIMARY KEY (shard, version)
		)`); err != nil {
		return fmt.Errorf("make the table of what is applied: %w", err)
	}
	riverDue, steps, err := mg.pending(ctx)
	if err != nil {
		return err
	}
	done, all := 0, len(steps)
	if riverDue {
		all++
	}
	report(done, all)
	if riverDue {
		if _, err := mg.river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate River: %w", err)
		}
		done++
		report(done, all)
	}
	for i, st := range steps {
		if err := mg.conn.PgConn().Exec(ctx, st.sql(i == len(steps)-1)).Close(); err != nil {
			if st.perShard {
				return fmt.Errorf("apply %s to shard %d: %w", st.name, st.shard, err)
			}
			return fmt.Errorf("apply %s: %w", st.name, err)
		}
		done++
		report(done, all)
	}
	return nil
}
