package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

// alone is a database that holds all of n logical shards, not migrated yet.
func alone(t testing.TB, n int) settings.Migrate {
	d := storetest.Blank(t, "postgres-01")
	return settings.Migrate{
		Shards: shard.Map{Count: n, Databases: []shard.Database{{Name: d.Name, Last: shard.Number(n - 1)}}},
		Direct: []settings.Direct{d},
	}
}

// migrate migrates and returns how many steps that took.
func migrate(ctx context.Context, m settings.Migrate, each func(store.Progress)) (steps int, err error) {
	var mu sync.Mutex
	err = store.Migrate(ctx, m, storetest.OwnerPassword, time.Minute, func(p store.Progress) {
		mu.Lock()
		defer mu.Unlock()
		steps = max(steps, p.Done)
		if each != nil {
			each(p)
		}
	})
	return steps, err
}

func TestMigrate(t *testing.T) {
	m := alone(t, 16)
	all := 0

	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := migrate(ctx, m, func(p store.Progress) {
			if all = p.Steps; p.Done == p.Steps/2 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "postgres-01") {
			t.Errorf("error = %v, want a cancelled migration of postgres-01", err)
		}
	})
	t.Run("several at once", func(t *testing.T) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		total := 0
		for range 4 {
			wg.Go(func() {
				steps, err := migrate(t.Context(), m, nil)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				total += steps
			})
		}
		wg.Wait()
		if total < all/2-1 || total > all/2+1 {
			t.Errorf("%d steps, want what was left of %d", total, all)
		}
	})
	t.Run("again", func(t *testing.T) {
		var heard []store.Progress
		steps, err := migrate(t.Context(), m, func(p store.Progress) { heard = append(heard, p) })
		if err != nil || steps != 0 || len(heard) != 1 || heard[0] != (store.Progress{Database: "postgres-01"}) {
			t.Errorf("%d steps, %v, heard %v, want nothing to do", steps, err, heard)
		}
	})
	t.Run("every shard alike", func(t *testing.T) {
		c := storetest.Connect(t, m.Direct[0], "burbn_owner", storetest.OwnerPassword)
		for n := range shard.Number(16) {
			var relations, made int64
			err := c.QueryRow(t.Context(), fmt.Sprintf(`
				SELECT count(*), %[1]s.next_id() FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
				WHERE s.nspname = '%[1]s'`, n.Schema())).Scan(&relations, &made)
			if err != nil || relations != 60 || shard.Of(id.ID(made)) != n {
				t.Errorf("shard %d: %d relations, id of shard %d, %v", n, relations, shard.Of(id.ID(made)), err)
			}
		}
	})
	t.Run("rights", func(t *testing.T) {
		app := storetest.Connect(t, m.Direct[0], "burbn_app", storetest.AppPassword)
		monitor := storetest.Connect(t, m.Direct[0], "monitor", storetest.MonitorPassword)
		for sql, c := range map[string]struct {
			app, monitor bool
		}{
			`INSERT INTO shard_0007.sessions VALUES (1, 1, now(), now())`: {app: true},
			`UPDATE shard_0007.sessions SET user_id = 2`:                  {app: true},
			`DELETE FROM shard_0007.sessions`:                             {app: true},
			`SELECT shard_0007.next_id()`:                                 {app: true},
			`SELECT count(*) FROM river.river_job`:                        {app: true, monitor: true},
			`DELETE FROM river.river_job`:                                 {app: true},
			`SELECT * FROM shard_0007.users`:                              {app: true},
			`TRUNCATE shard_0007.users`:                                   {},
			`DROP TABLE shard_0007.users`:                                 {},
			`CREATE TABLE shard_0007.mine ()`:                             {},
			`CREATE SCHEMA mine`:                                          {},
			`DELETE FROM burbn.migrations`:                                {},
		} {
			if _, err := app.Exec(t.Context(), sql); (err == nil) != c.app {
				t.Errorf("burbn_app: %s: %v", sql, err)
			}
			if _, err := monitor.Exec(t.Context(), sql); (err == nil) != c.monitor {
				t.Errorf("monitor: %s: %v", sql, err)
			}
		}
	})
}

// A database that waits for shards has the queue, for whoever listens on it, and no
// shard of another's.
func TestMigrateADatabaseThatHoldsNothing(t *testing.T) {
	m := alone(t, 1)
	m.Shards.Databases[0].Name = "postgres-02"
	if _, err := migrate(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	var shards, queues int
	err := storetest.Connect(t, m.Direct[0], "burbn_owner", storetest.OwnerPassword).QueryRow(t.Context(), `
		SELECT count(*) FILTER (WHERE nspname LIKE 'shard%'), count(*) FILTER (WHERE nspname = 'river') FROM pg_namespace`).Scan(&shards, &queues)
	if err != nil || shards != 0 || queues != 1 {
		t.Errorf("%d shards, %d queues, %v", shards, queues, err)
	}
	if steps, err := migrate(t.Context(), m, nil); err != nil || steps != 0 {
		t.Errorf("again: %d steps, %v", steps, err)
	}
}

func TestMigrateSaysWhy(t *testing.T) {
	m := alone(t, 1)
	err := store.Migrate(t.Context(), m, "wrong", time.Minute, func(store.Progress) {})
	if err == nil || !strings.Contains(err.Error(), "postgres-01") || !strings.Contains(err.Error(), "password") {
		t.Errorf("error = %v, want the wrong password of postgres-01", err)
	}
	m.Direct[0].Addr = "127.0.0.1:1"
	err = store.Migrate(t.Context(), m, storetest.OwnerPassword, 300*time.Millisecond, func(store.Progress) {})
	if err == nil || !strings.Contains(err.Error(), "wait for the database") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error = %v, want a database that refuses connections", err)
	}
}

// BenchmarkMigrate makes the logical shards of one database, and then finds that
// nothing is left to do.
func BenchmarkMigrate(b *testing.B) {
	for _, n := range []int{256, 1024} {
		b.Run(fmt.Sprintf("shards=%d", n), func(b *testing.B) {
			var first, again time.Duration
			for b.Loop() {
				b.StopTimer()
				m := alone(b, n)
				b.StartTimer()
				for _, d := range []*time.Duration{&first, &again} {
					begin := time.Now()
					if _, err := migrate(b.Context(), m, nil); err != nil {
						b.Fatal(err)
					}
					*d += time.Since(begin)
				}
			}
			b.ReportMetric(float64(first.Milliseconds())/float64(n*b.N), "ms/shard")
			b.ReportMetric(float64(again.Milliseconds())/float64(b.N), "ms/again")
		})
	}
}
