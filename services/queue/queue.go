// Package queue is the work that is done after an answer was given: processing
// a photo, fanning it out, the other side of a follow, a push.
//
// It is River (https://riverqueue.com) on the databases of the shards
// themselves, in the schema river of each. A task is inserted by the very
// transaction that makes it necessary, so a crash loses no task and invents
// none. Tasks of one kind run at least once and in no order: every worker is
// idempotent.
//
// This package knows no task's meaning; the workers do. It has no priorities, and one
// schedule: of Purge, once a day.
package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/burbn/burbn/services/id"
)

// Schema holds River's tables in every database.
const Schema = "river"

// The queues. Each has slots of its own, so that one class of work never waits
// for another.
const (
	QueuePhoto  = "photo"
	QueueFanOut = "fanout"
	QueueFollow = "follow"
	QueueIndex  = "index"
	QueueShare  = "share"
	QueueDelete = "delete"
	QueueExport = "export"
	QueuePush   = "push"
)

// Args is what a task is told. It carries ids, never copies of rows: a row may
// have changed by the time that the task runs.
type Args interface {
	river.JobArgs
	river.JobArgsWithInsertOpts
}

// ProcessPhoto makes the renditions of a photo that was just published.
//
// Its last attempt is for giving up: a photo whose decoding kills the process
// must end as failed too, and only an attempt that does not try can see to that.
type ProcessPhoto struct {
	Media id.ID `json:"media,omitzero"`
}

// FanOut puts a photo into the feeds of one chunk of its author's followers:
// those after After. If Forget, it makes those feeds be built anew instead: the author
// has come to have so many followers that their photos are merged from now on.
type FanOut struct {
	Media     id.ID     `json:"media,omitzero"`
	Author    id.ID     `json:"author,omitzero"`
	After     id.ID     `json:"after,omitzero"`
	Forget    bool      `json:"forget,omitzero"`
	Published time.Time `json:"published,omitzero"`
}

// SyncFollow brings the target's shard to what the actor's shard says.
type SyncFollow struct {
	Actor  id.ID `json:"actor,omitzero"`
	Target id.ID `json:"target,omitzero"`
}

func (ProcessPhoto) Kind() string { return "process_photo" }
func (FanOut) Kind() string       { return "fan_out" }
func (SyncFollow) Kind() string   { return "sync_follow" }

// InsertOpts: about an hour of attempts, after which the client is shown a failure.
func (ProcessPhoto) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueuePhoto, MaxAttempts: 15}
}

// InsertOpts: about five hours, because nobody would repeat a lost fan-out.
func (FanOut) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueFanOut, MaxAttempts: 40}
}

// InsertOpts: about five hours, because nobody would repeat a lost follow.
func (SyncFollow) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueFollow, MaxAttempts: 40}
}

// noticeEvery bounds how often one process wakes the workers of a queue of one
// database. PostgreSQL commits transactions that notify one after the other, so
// the two queues that see thousands of tasks a second must not notify for each;
// a task without a notice waits for the next one or for a worker's poll.
const noticeEvery = 100 * time.Millisecond

// Inserter inserts the tasks of one database. It is safe for concurrent use.
type Inserter struct {
	river *river.Client[pgx.Tx]

	mu      sync.Mutex
	noticed map[string]time.Time // by queue
}

// NewInserter makes an Inserter; it opens no connection.
func NewInserter() (*Inserter, error) {
	c, err := river.NewClient(riverpgxv5.New(nil), &river.Config{Schema: Schema})
	if err != nil {
		return nil, fmt.Errorf("make a River client: %w", err)
	}
	return &Inserter{river: c, noticed: map[string]time.Time{}}, nil
}

// Row is args as the database's function burbn.enqueue(jsonb, jsonb) takes them.
// With it a statement inserts the task that it makes necessary by itself, in the
// one round trip that it makes anyway, where River's own InsertTx would add two
// and those of an explicit transaction. The function's second argument adds
// what only the statement knows, such as the id of a row that it makes.
func (i *Inserter) Row(args Args) (string, error) {
	opts := args.InsertOpts()
	row, err := json.Marshal(struct {
		Kind        string `json:"kind"`
		Queue       string `json:"queue"`
		MaxAttempts int    `json:"max_attempts"`
		Notify      bool   `json:"notify"`
		Args        Args   `json:"args"`
	}{args.Kind(), opts.Queue, opts.MaxAttempts, i.notify(opts.Queue, time.Now()), args})
	if err != nil {
		return "", fmt.Errorf("encode task %s: %w", args.Kind(), err)
	}
	return string(row), nil
}

func (i *Inserter) notify(queue string, now time.Time) bool {
	if queue == QueuePhoto || queue == QueueFanOut {
		return true // few, and somebody waits for them
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.Sub(i.noticed[queue]) < noticeEvery {
		return false
	}
	i.noticed[queue] = now
	return true
}

// InsertOnce inserts a task in tx unless the same task was inserted within the
// last day, so that a task which inserts its successor may be repeated.
func (i *Inserter) InsertOnce(ctx context.Context, tx pgx.Tx, args Args) error {
	opts := args.InsertOpts()
	opts.UniqueOpts = river.UniqueOpts{ByArgs: true}
	if _, err := i.river.InsertTx(ctx, tx, args, &opts); err != nil {
		return fmt.Errorf("insert task %s: %w", args.Kind(), err)
	}
	return nil
}
