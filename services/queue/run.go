package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
)

const (
	// taskTimeout bounds one attempt, the wait for a slot included.
	taskTimeout = time.Minute
	// rescueAfter is when another process takes up what a vanished one had begun.
	rescueAfter = 90 * time.Second
	// fetchCooldown bounds how fast one process fetches from one queue of one
	// database: throughput is at most slots/fetchCooldown.
	fetchCooldown = 15 * time.Millisecond
	// fetchPoll finds the tasks of which no notice came.
	fetchPoll = time.Second
)

// Config says what a process works on. Nothing but OnError may be left out.
type Config struct {
	// Name is the process's; see telemetry.Process. No two that run at the same time
	// have the same, because a process that starts takes up at once what the last one
	// of its name left undone. What a machine leaves whose name never comes back waits
	// for River's rescue, rescueAfter.
	Name     string
	Stores   settings.Stores // of which the databases and their pooler are used
	Password string          // of burbn_app, at the pooler
	// Queues says how many tasks of each the process runs at once, over all
	// databases. The others it leaves alone.
	Queues  map[string]int
	Workers *river.Workers
	// Stop is how long tasks may take to finish once Run is to end. Four fifths into
	// it they are cancelled; what is cut off is put back and costs no attempt.
	Stop time.Duration
	// OnError, if any, hears of every failed or panicked attempt.
	OnError river.ErrorHandler
	Metrics prometheus.Registerer
	Logger  *slog.Logger
}

// Run works the queues of every database until ctx is done, then stops within
// c.Stop. A database that is down, at the start or later, does not keep the
// others waiting. The error says what c lacks, or that tasks would not stop.
func Run(ctx context.Context, c Config) error {
	w, err := newWatch(c)
	if err != nil {
		return fmt.Errorf("run queues: %w", err)
	}
	complete(c.Workers)
	databases := c.Stores.Shards.Databases
	errs := make([]error, len(databases))
	var wg sync.WaitGroup
	for i, d := range databases {
		wg.Go(func() {
			if err := c.run(ctx, d, w); err != nil {
				errs[i] = fmt.Errorf("run queues of %s: %w", d.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// complete registers the kinds that the process does not work. River elects any
// process of a database to look after stuck tasks, and that one discards those
// whose kind it does not know.
func complete(ws *river.Workers) {
	// The error says that the process works the kind itself.
	_ = river.AddWorkerSafely(ws, elsewhere[ProcessPhoto]{})
	_ = river.AddWorkerSafely(ws, elsewhere[FanOut]{})
	_ = river.AddWorkerSafely(ws, elsewhere[SyncFollow]{})
	_ = river.AddWorkerSafely(ws, elsewhere[EndFollow]{})
	_ = river.AddWorkerSafely(ws, elsewhere[ApproveAll]{})
	_ = river.AddWorkerSafely(ws, elsewhere[SyncBlock]{})
	_ = river.AddWorkerSafely(ws, elsewhere[Notify]{})
	_ = river.AddWorkerSafely(ws, elsewhere[EraseMedia]{})
	_ = river.AddWorkerSafely(ws, elsewhere[Share]{})
	_ = river.AddWorkerSafely(ws, elsewhere[Index]{})
	_ = river.AddWorkerSafely(ws, elsewhere[IndexPhotos]{})
	_ = river.AddWorkerSafely(ws, elsewhere[Mention]{})
	_ = river.AddWorkerSafely(ws, elsewhere[DisownDevice]{})
	_ = river.AddWorkerSafely(ws, elsewhere[ProcessAvatar]{})
	_ = river.AddWorkerSafely(ws, elsewhere[EraseObjects]{})
	_ = river.AddWorkerSafely(ws, elsewhere[IndexUser]{})
	_ = river.AddWorkerSafely(ws, elsewhere[EraseUser]{})
	_ = river.AddWorkerSafely(ws, elsewhere[Export]{})
	_ = river.AddWorkerSafely(ws, elsewhere[Purge]{})
}

type elsewhere[T Args] struct{ river.WorkerDefaults[T] }

func (elsewhere[T]) Work(_ context.Context, job *river.Job[T]) error {
	return fmt.Errorf("task %s in queue %s: this process does not work that kind", job.Kind, job.Queue)
}

// run works the queues of one database. It does so in sessions: LISTEN does not
// outlive a transaction for which the pooler lends a connection.
func (c Config) run(ctx context.Context, database shard.Database, w *watch) error {
	pc, err := pgxpool.ParseConfig(c.Stores.SessionDSN(database.Name))
	if err != nil {
		return err
	}
	pc.ConnConfig.Password = c.Password
	pc.MaxConns = settings.SessionsPerDatabase
	// River asks by ctx to begin and Stop to end; in between it must not be cut off.
	life := context.WithoutCancel(ctx)
	pool, err := pgxpool.NewWithConfig(life, pc)
	if err != nil {
		return err
	}
	defer pool.Close()
	queues := map[string]river.QueueConfig{}
	for name, slots := range c.Queues {
		if slots > 0 {
			queues[name] = river.QueueConfig{MaxWorkers: share(slots, len(c.Stores.Shards.Databases))}
		}
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		ID:                   c.Name,
		Schema:               Schema,
		Queues:               queues,
		Workers:              c.Workers,
		PeriodicJobs:         housekeeping(database.First, database.Last),
		Middleware:           []rivertype.Middleware{&watched{watch: w, stopping: ctx}},
		ErrorHandler:         c.OnError,
		RetryPolicy:          backOff{},
		JobTimeout:           taskTimeout,
		RescueStuckJobsAfter: rescueAfter,
		FetchCooldown:        fetchCooldown,
		FetchPollInterval:    fetchPoll,
		SoftStopTimeout:      c.Stop * 4 / 5,
		// burbn_app owns no index.
		ReindexerIndexNames: []string{},
		Logger:              c.Logger.With("database", database.Name),
	})
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		if err = c.takeUp(ctx, pool); err == nil {
			if err = client.Start(life); err == nil {
				break
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		c.Logger.WarnContext(ctx, "database does not answer", "database", database.Name, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay(attempt, 5*time.Second)):
		}
	}
	<-ctx.Done()
	stop, cancel := context.WithTimeout(life, c.Stop)
	defer cancel()
	if err := client.Stop(stop); err != nil {
		return fmt.Errorf("stop within %s: %w", c.Stop, err)
	}
	return nil
}

// takeUp makes available what the last process of this name left when it was
// killed. Only first attempts: a task that was cut off before may be what kills
// the process, so it waits for River's rescue and its back-off.
func (c Config) takeUp(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tag, err := pool.Exec(ctx, `
		UPDATE river.river_job SET state = 'available', scheduled_at = now()
		WHERE state = 'running' AND attempt = 1 AND attempted_by[array_upper(attempted_by, 1)] = $1`, c.Name)
	if err != nil {
		return fmt.Errorf("take up what was left: %w", err)
	}
	if n := tag.RowsAffected(); n > 0 {
		c.Logger.InfoContext(ctx, "took up tasks that were cut off", "tasks", n)
	}
	return nil
}

// share is how many of a queue's slots one of n databases may fill: twice its
// part, so that a busy database finds slots while others are idle. The slots
// themselves bound what runs.
func share(slots, n int) int { return min(slots, (2*slots+n-1)/n) }

// backOff retries after 1, 2, 4 ... seconds, at most ten minutes, give or take a
// fifth, so that what failed together is not retried together.
type backOff struct{}

func (backOff) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(delay(len(job.Errors)+1, 10*time.Minute))
}

func delay(attempt int, most time.Duration) time.Duration {
	d := min(time.Second<<min(attempt-1, 20), most)
	return d - d/5 + rand.N(d/5*2)
}

var _ river.ClientRetryPolicy = backOff{}
var _ rivertype.WorkerMiddleware = (*watched)(nil)
