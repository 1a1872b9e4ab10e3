package queue_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store/storetest"
)

var databases storetest.Databases

func TestMain(m *testing.M) { os.Exit(databases.Run(m)) }

var everyKind = []queue.Args{
	queue.ProcessPhoto{Media: 12},
	queue.FanOut{Media: 12, Author: 13, After: 14, Published: time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)},
	queue.SyncFollow{Actor: 12, Target: 13},
	queue.EndFollow{Actor: 12, Target: 13, Until: time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)},
	queue.ApproveAll{User: 12},
	queue.SyncBlock{Actor: 12, Target: 13},
	queue.IndexUser{User: 12},
	queue.IndexPhotos{User: 12, After: 13, Round: 14},
	queue.Notify{User: 12, About: "like", Media: 13, Told: 14},
	queue.Mention{Media: 12, Comment: 13},
	queue.DisownDevice{User: 12, Token: "aa"},
}

// TestRowIsRivers: a task that burbn.enqueue inserts is the very row that River's
// own client inserts, so that an upgrade of River cannot part them unnoticed.
func TestRowIsRivers(t *testing.T) {
	c := databases.Owner(t, "postgres-01")
	inserter, err := queue.NewInserter()
	if err != nil {
		t.Fatal(err)
	}
	client, err := river.NewClient(riverpgxv5.New(nil), &river.Config{Schema: queue.Schema})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range everyKind {
		t.Run(args.Kind(), func(t *testing.T) {
			tx, err := c.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(t.Context())
			row, err := inserter.Row(args)
			if err != nil {
				t.Fatal(err)
			}
			var ours int64
			if err := tx.QueryRow(t.Context(), `SELECT burbn.enqueue($1)`, row).Scan(&ours); err != nil {
				t.Fatal(err)
			}
			theirs, err := client.InsertTx(t.Context(), tx, args, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := jobColumns(t, tx, ours), jobColumns(t, tx, theirs.Job.ID); a != b {
				t.Errorf("burbn.enqueue inserted\n%s\nand River\n%s", a, b)
			}
		})
	}
}

// jobColumns is a task's row as JSON, without what differs between any two.
func jobColumns(t *testing.T, tx pgx.Tx, job int64) (row string) {
	t.Helper()
	err := tx.QueryRow(t.Context(), `
		SELECT (to_jsonb(j) - '{id,created_at,scheduled_at}'::text[])::text FROM river.river_job j
		WHERE id = $1 AND scheduled_at BETWEEN created_at - interval '1 minute' AND created_at + interval '1 minute'`, job).Scan(&row)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// TestArgsRoundTrip: the task is told what was ordered, also where an id is not given.
func TestArgsRoundTrip(t *testing.T) {
	for _, args := range []any{
		queue.FanOut{Media: 12, Author: 13},
		queue.FanOut{Media: 12, Author: 13, After: 1<<63 - 1, Published: time.Date(2026, 5, 1, 12, 0, 0, 1000, time.UTC)},
	} {
		b, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		var back queue.FanOut
		if err := json.Unmarshal(b, &back); err != nil || back != args {
			t.Errorf("%s became %+v, %v", b, back, err)
		}
	}
}

// empty forgets the tasks of the tests before.
func empty(t *testing.T) {
	t.Helper()
	for _, d := range databases.Direct(t) {
		if _, err := databases.Owner(t, d.Name).Exec(t.Context(), `DELETE FROM river.river_job`); err != nil {
			t.Fatal(err)
		}
	}
}

// work is a Config whose process_photo tasks are given to do, and whose metrics
// can be read.
func work(t *testing.T, name string, slots int, do func(context.Context, *river.Job[queue.ProcessPhoto]) error) queue.Config {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(do))
	return queue.Config{
		Name:     name,
		Stores:   databases.Stores(t),
		Password: storetest.AppPassword,
		Queues:   map[string]int{queue.QueuePhoto: slots},
		Workers:  workers,
		Stop:     10 * time.Second,
		Metrics:  prometheus.NewRegistry(),
		Logger:   slog.New(slog.DiscardHandler),
	}
}

// start runs a Config until the returned stop is called, which waits for it.
func start(t *testing.T, c queue.Config) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- queue.Run(ctx, c) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	return stop
}

// order inserts process_photo tasks with the store's own means.
func order(t *testing.T, database string, media ...id.ID) {
	t.Helper()
	c := databases.Owner(t, database)
	inserter, err := queue.NewInserter()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range media {
		row, err := inserter.Row(queue.ProcessPhoto{Media: m})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), `SELECT burbn.enqueue($1)`, row); err != nil {
			t.Fatal(err)
		}
	}
}

// state is how far the task for media has come.
func state(t *testing.T, database string, media id.ID) (state string, attempt int) {
	t.Helper()
	c := databases.Owner(t, database)
	err := c.QueryRow(t.Context(), `SELECT state, attempt FROM river.river_job WHERE args->>'media' = $1`, media.String()).Scan(&state, &attempt)
	if err != nil {
		t.Fatal(err)
	}
	return state, attempt
}

// receive waits for a value, at most as long as no test should take.
func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("waited in vain")
	}
	return v
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); !ok(); <-tick.C {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestRun(t *testing.T) {
	empty(t)
	worked := make(chan id.ID, 10)
	c := work(t, "worker-01", 2, func(_ context.Context, job *river.Job[queue.ProcessPhoto]) error {
		if job.Args.Media == 102 && job.Attempt == 1 {
			return context.DeadlineExceeded // some failure
		}
		if job.Args.Media == 103 {
			worked <- job.Args.Media
			return river.JobCancel(context.DeadlineExceeded)
		}
		worked <- job.Args.Media
		return nil
	})
	stop := start(t, c)
	order(t, "postgres-01", 101, 103)
	order(t, "postgres-02", 102)
	got := []id.ID{receive(t, worked), receive(t, worked), receive(t, worked)}
	slices.Sort(got)
	if !slices.Equal(got, []id.ID{101, 102, 103}) {
		t.Errorf("worked on %v", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	want := `
		# HELP burbn_tasks_total Attempts at tasks, by kind and by result: done, retry, discarded.
		# TYPE burbn_tasks_total counter
		burbn_tasks_total{result="discarded",task="process_photo"} 1
		burbn_tasks_total{result="done",task="process_photo"} 2
		burbn_tasks_total{result="retry",task="process_photo"} 1
	`
	if err := testutil.GatherAndCompare(c.Metrics.(*prometheus.Registry), strings.NewReader(want), "burbn_tasks_total"); err != nil {
		t.Error(err)
	}
	if s, attempt := state(t, "postgres-02", 102); s != "completed" || attempt != 2 {
		t.Errorf("task is %s after attempt %d, want completed after 2", s, attempt)
	}
}

// TestSlots: the slots of a queue are those of the process, however many databases
// there are.
func TestSlots(t *testing.T) {
	empty(t)
	begun, finish := make(chan id.ID, 10), make(chan struct{})
	stop := start(t, work(t, "worker-02", 2, func(_ context.Context, job *river.Job[queue.ProcessPhoto]) error {
		begun <- job.Args.Media
		<-finish
		return nil
	}))
	order(t, "postgres-01", 201, 202)
	order(t, "postgres-02", 203, 204)
	receive(t, begun)
	receive(t, begun)
	eventually(t, "all to be fetched", func() bool {
		for database, media := range map[string][]id.ID{"postgres-01": {201, 202}, "postgres-02": {203, 204}} {
			for _, m := range media {
				if s, _ := state(t, database, m); s != "running" {
					return false
				}
			}
		}
		return true
	})
	if n := len(begun); n != 0 {
		t.Errorf("%d more tasks run than there are slots", n)
	}
	close(finish)
	receive(t, begun)
	receive(t, begun)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestStop: tasks may finish; what does not is cut off, put back and not blamed.
func TestStop(t *testing.T) {
	empty(t)
	begun, finish := make(chan id.ID, 10), make(chan struct{})
	c := work(t, "worker-03", 4, func(ctx context.Context, job *river.Job[queue.ProcessPhoto]) error {
		begun <- job.Args.Media
		if job.Args.Media == 301 {
			<-finish
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	c.Stop = 2 * time.Second
	stop := start(t, c)
	order(t, "postgres-01", 301, 302)
	receive(t, begun)
	receive(t, begun)
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(finish)
	if err := receive(t, stopped); err != nil {
		t.Error(err)
	}
	if s, attempt := state(t, "postgres-01", 301); s != "completed" || attempt != 1 {
		t.Errorf("the task that finished is %s after attempt %d", s, attempt)
	}
	if s, attempt := state(t, "postgres-01", 302); s != "available" || attempt != 0 {
		t.Errorf("the task that was cut off is %s after attempt %d, want it available and unattempted", s, attempt)
	}

	again := start(t, work(t, "worker-03", 4, func(_ context.Context, job *river.Job[queue.ProcessPhoto]) error {
		begun <- job.Args.Media
		return nil
	}))
	if m := receive(t, begun); m != 302 {
		t.Errorf("the next process works on %s, want what was put back", m)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

// TestStopsInTime: a task that does not heed its context does not keep the
// process.
func TestStopsInTime(t *testing.T) {
	empty(t)
	begun, finish := make(chan id.ID, 1), make(chan struct{})
	defer close(finish)
	c := work(t, "worker-04", 1, func(context.Context, *river.Job[queue.ProcessPhoto]) error {
		begun <- 401
		<-finish
		return nil
	})
	c.Stop = 500 * time.Millisecond
	stop := start(t, c)
	order(t, "postgres-01", 401)
	receive(t, begun)
	if err := stop(); err == nil || !strings.Contains(err.Error(), "postgres-01") || !strings.Contains(err.Error(), "500ms") {
		t.Errorf("Run = %v, want that postgres-01 did not stop within 500ms", err)
	}
}

// TestTakesUpWhatWasKilled: a process killed in mid-task leaves it running for
// nobody; the next of its name begins with it, and leaves those of others alone.
func TestTakesUpWhatWasKilled(t *testing.T) {
	empty(t)
	order(t, "postgres-01", 501, 502, 503)
	db := databases.Owner(t, "postgres-01")
	for media, left := range map[id.ID]struct {
		by      string
		attempt int
	}{501: {"worker-05", 1}, 502: {"worker-99", 1}, 503: {"worker-05", 2}} {
		_, err := db.Exec(t.Context(), `
			UPDATE river.river_job SET state = 'running', attempt = $2, attempted_at = now(), attempted_by = ARRAY['x', $3]
			WHERE args->>'media' = $1`, media.String(), left.attempt, left.by)
		if err != nil {
			t.Fatal(err)
		}
	}
	worked := make(chan id.ID, 10)
	stop := start(t, work(t, "worker-05", 4, func(_ context.Context, job *river.Job[queue.ProcessPhoto]) error {
		worked <- job.Args.Media
		return nil
	}))
	if m := receive(t, worked); m != 501 {
		t.Errorf("worked on %s, want 501", m)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s, attempt := state(t, "postgres-01", 501); s != "completed" || attempt != 2 {
		t.Errorf("task 501 is %s after attempt %d", s, attempt)
	}
	for _, m := range []id.ID{502, 503} {
		if s, _ := state(t, "postgres-01", m); s != "running" {
			t.Errorf("task %s is %s, want it left to River's rescue", m, s)
		}
	}
}

// TestDatabaseDown: while a database is down the others are worked, and it is once
// it is up.
func TestDatabaseDown(t *testing.T) {
	empty(t)
	order(t, "postgres-01", 601)
	order(t, "postgres-02", 602)
	worked := make(chan id.ID, 10)
	c := work(t, "worker-06", 2, func(_ context.Context, job *river.Job[queue.ProcessPhoto]) error {
		worked <- job.Args.Media
		return nil
	})
	t.Run("down", func(sub *testing.T) {
		databases.Down(sub, "postgres-02") // up again when sub ends, while Run goes on
		start(t, c)
		if m := receive(sub, worked); m != 601 {
			sub.Errorf("worked on %s, want 601", m)
		}
	})
	if m := receive(t, worked); m != 602 {
		t.Errorf("worked on %s, want 602", m)
	}
}

// TestPoolerGone: who works queues listens in a session of PgBouncer's, and comes back
// when that is gone.
func TestPoolerGone(t *testing.T) {
	empty(t)
	worked := make(chan id.ID, 10)
	c := work(t, "worker-09", 2, func(_ context.Context, job *river.Job[queue.ProcessPhoto]) error {
		worked <- job.Args.Media
		return nil
	})
	start(t, c)
	order(t, "postgres-01", 901)
	if m := receive(t, worked); m != 901 {
		t.Errorf("worked on %s, want 901", m)
	}
	databases.RestartPooler(t)
	order(t, "postgres-01", 902)
	if m := receive(t, worked); m != 902 {
		t.Errorf("worked on %s, want 902", m)
	}
}

// TestSessionHears: a notice reaches whoever listens in a session through the pooler,
// and what a session has set is gone with it.
func TestSessionHears(t *testing.T) {
	stores := databases.Stores(t)
	open := func() *pgx.Conn {
		t.Helper()
		pc, err := pgx.ParseConfig(stores.SessionDSN("postgres-01"))
		if err != nil {
			t.Fatal(err)
		}
		pc.Password = storetest.AppPassword
		c, err := pgx.ConnectConfig(t.Context(), pc)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	if _, err := c.Exec(t.Context(), `LISTEN news; SET application_name = 'left behind'`); err != nil {
		t.Fatal(err)
	}
	if _, err := databases.Owner(t, "postgres-01").Exec(t.Context(), `NOTIFY news, 'x'`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if n, err := c.WaitForNotification(ctx); err != nil || n.Channel != "news" || n.Payload != "x" {
		t.Errorf("heard %+v, %v", n, err)
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for range 50 { // the next of them has the connection that was left
		c := open()
		var name string
		if err := c.QueryRow(ctx, `SHOW application_name`).Scan(&name); err != nil || name == "left behind" {
			t.Fatalf("a new session is named %q, %v", name, err)
		}
		c.Close(ctx)
	}
}

// TestKnowsEveryKind: River elects any process to look after stuck tasks, and
// that one discards what it has no worker for.
func TestKnowsEveryKind(t *testing.T) {
	c := work(t, "worker-07", 1, func(context.Context, *river.Job[queue.ProcessPhoto]) error { return nil })
	if err := start(t, c)(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.ProcessPhoto]) error { return nil })),
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.FanOut]) error { return nil })),
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.SyncFollow]) error { return nil })),
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.EndFollow]) error { return nil })),
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.ApproveAll]) error { return nil })),
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.SyncBlock]) error { return nil })),
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.Notify]) error { return nil })),
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.Mention]) error { return nil })),
		river.AddWorkerSafely(c.Workers, river.WorkFunc(func(context.Context, *river.Job[queue.DisownDevice]) error { return nil })),
	} {
		if err == nil {
			t.Error("a kind was unknown to Run")
		}
	}
}

func TestRunRefuses(t *testing.T) {
	good := work(t, "worker-08", 1, func(context.Context, *river.Job[queue.ProcessPhoto]) error { return nil })
	for want, spoil := range map[string]func(*queue.Config){
		"Name":        func(c *queue.Config) { c.Name = "" },
		"Stop":        func(c *queue.Config) { c.Stop = 0 },
		"postgres-01": func(c *queue.Config) { c.Queues = map[string]int{"no such queue!": 1} },
	} {
		t.Run(want, func(t *testing.T) {
			c := good
			c.Metrics = prometheus.NewRegistry()
			spoil(&c)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := queue.Run(ctx, c); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run = %v, want an error about %s", err, want)
			}
		})
	}
}
