package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

var seeds = flag.Int("seeds", 12, "how many lives TestGraphConverges goes through")

// TestGraphConverges goes through lives of two people who follow, ask, approve, refuse,
// remove, block, unblock, and open and close their accounts, by chance, while the tasks
// that this orders run in any order, repeatedly, several at once, and are cut off:
// before a statement arrives, and before its answer does. In the end both shards say the
// same, and what the last who had a say wanted.
func TestGraphConverges(t *testing.T) {
	stores := databases.Stores(t)
	var cutting atomic.Bool
	stores.Pooler = storetest.Intercept(t, stores.Pooler, func() storetest.Fate {
		if n := rand.IntN(100); cutting.Load() && n < 15 {
			return []storetest.Fate{storetest.Lost, storetest.Unanswered}[n%2]
		}
		return storetest.Passed
	})
	frail, err := store.Open(t.Context(), stores, storetest.AppPassword)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(frail.Close)
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			l := life{
				T: t, Rand: rand.New(rand.NewPCG(seed, 0)),
				store: databases.Store(t), frail: frail, cutting: &cutting,
				actor: databases.User(t), target: databases.User(t), expect: "no",
			}
			for onDatabase(t, l.target.ID) == onDatabase(t, l.actor.ID) {
				l.target = databases.User(t)
			}
			for range 40 {
				l.act()
				if l.IntN(2) == 0 {
					l.work()
				}
			}
			l.finish()
			l.verify()
		})
	}
}

// life is a life of two people.
type life struct {
	*testing.T
	*rand.Rand
	store         *store.Store
	frail         *store.Store // whose statements are cut off while cutting
	cutting       *atomic.Bool
	actor, target store.User
	private       bool
	// expect is what is to become of the follow: "no", "yes", "alive" (yes or requested,
	// as the target has it) or "any", where it depends on which task comes first.
	expect string
	log    []string
}

// act does one thing that people do.
func (l *life) act() {
	ctx, a, b := l.Context(), l.actor.ID, l.target.ID
	var what string
	switch n := l.IntN(20); {
	case n < 6:
		what = "follow"
		do := l.store.Follow
		if l.IntN(2) == 0 { // as a stale cache has it
			what, do = "ask to follow", l.store.RequestFollow
		}
		changed, err := do(ctx, a, b)
		if l.barred() {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				l.Fatal(err)
			}
			if changed || l.expect == "any" {
				l.expect = "any" // the block may go before the task comes
			} else {
				l.expect = "no" // refused at once, or by the task
			}
			break
		}
		if errors.Is(err, store.ErrNotFound) { // the block is gone, and its trace not yet
			break
		}
		l.must(err)
		if changed {
			l.expect = "alive"
		}
	case n < 8:
		what = "unfollow"
		_, err := l.store.Unfollow(ctx, a, b)
		l.must(err)
		l.expect = "no"
	case n < 11:
		what = "approve"
		follows, err := l.store.ApproveFollow(ctx, b, a)
		l.must(err)
		if follows && l.current("followers") && l.expect != "any" {
			l.expect = "yes"
		}
	case n < 13:
		what = "refuse"
		l.dismiss("follow_requests", l.store.RefuseFollow)
	case n < 14:
		what = "remove"
		l.dismiss("followers", l.store.RemoveFollower)
	case n < 15:
		what = "block"
		if l.current("followers") || l.current("follow_requests") {
			l.expect = "no"
		} else if l.expect != "no" {
			l.expect = "any"
		}
		_, err := l.store.Block(ctx, b, a)
		l.must(err)
	case n < 17:
		what = "unblock"
		_, err := l.store.Unblock(ctx, b, a)
		l.must(err)
	case n < 18 && l.IntN(2) == 0:
		what = "block the target"
		_, err := l.store.Block(ctx, a, b)
		l.must(err)
		l.expect = "no"
	case n < 18:
		what = "unblock the target"
		_, err := l.store.Unblock(ctx, a, b)
		l.must(err)
	default:
		l.private = !l.private
		what = fmt.Sprintf("private = %v", l.private)
		l.order(b, `WITH u AS (UPDATE shard.users SET private = $2 WHERE id = $1 RETURNING id)
			SELECT CASE WHEN NOT $2 THEN burbn.enqueue($3) END FROM u`, b, l.private, l.row(queue.ApproveAll{User: b}))
	}
	l.log = append(l.log, fmt.Sprintf("%s -> %s", what, l.expect))
}

func (l *life) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatalf("%v after %s", err, strings.Join(l.log, ", "))
	}
}

// row is a task as burbn.enqueue takes it.
func (l *life) row(args queue.Args) string {
	i, err := queue.NewInserter()
	l.must(err)
	row, err := i.Row(args)
	l.must(err)
	return row
}

func (l *life) order(i id.ID, sql string, args ...any) { value[*int64](l.T, i, sql, args...) }

// current says whether the target's table has the follow that the actor's shard has.
func (l *life) current(table string) bool {
	since := value[time.Time](l.T, l.actor.ID, `
		SELECT coalesce(max(created_at), 'epoch') FROM shard.following WHERE user_id = $1 AND target_id = $2`, l.actor.ID, l.target.ID)
	return value[bool](l.T, l.target.ID, `
		SELECT EXISTS (SELECT FROM shard.`+table+` WHERE user_id = $1 AND follower_id = $2 AND created_at = $3)`, l.target.ID, l.actor.ID, since)
}

func (l *life) dismiss(table string, end func(ctx context.Context, user, follower id.ID) (time.Time, error)) {
	current := l.current(table)
	ended, err := end(l.Context(), l.target.ID, l.actor.ID)
	l.must(err)
	if current && ended.IsZero() {
		l.Errorf("nothing of %s ended", table)
	}
	if current {
		l.expect = "no"
	}
}

// barred says whether either blocks the other.
func (l *life) barred() bool { return l.blocks(l.actor, l.target) || l.blocks(l.target, l.actor) }

func (l *life) blocks(u, other store.User) bool { return l.barrier(u, "block", other) }

func (l *life) barrier(u store.User, kind string, other store.User) bool {
	return value[bool](l.T, u.ID, `
		SELECT EXISTS (SELECT FROM shard.barriers WHERE user_id = $1 AND kind = $2 AND other_id = $3)`, u.ID, kind, other.ID)
}

// task is one that waits.
type task struct {
	database string
	id       int64
	kind     string
	args     []byte
}

// waiting are the tasks that these two have made necessary.
func (l *life) waiting() (tasks []task) {
	for _, u := range []store.User{l.actor, l.target} {
		m := l.store.Shards()
		name := m.Databases[m.Database(shard.Of(u.ID))].Name
		c := databases.Owner(l.T, name)
		rows, err := c.Query(l.Context(), `
			SELECT id, kind, args FROM river.river_job
			WHERE kind IN ('sync_follow', 'end_follow', 'sync_block', 'approve_all')
				AND (args->>'actor' IN ($1, $2) OR args->>'user' = $2) ORDER BY id`,
			l.actor.ID.String(), l.target.ID.String())
		l.must(err)
		for rows.Next() {
			t := task{database: name}
			l.must(rows.Scan(&t.id, &t.kind, &t.args))
			tasks = append(tasks, t)
		}
		l.must(rows.Err())
		c.Close(l.Context())
	}
	l.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
	return tasks
}

// work lets workers run some of the tasks, of which some are cut off.
func (l *life) work() {
	l.cutting.Store(true)
	tasks := l.waiting()
	var wg sync.WaitGroup
	for _, t := range tasks[:l.IntN(len(tasks)+1)] {
		keep := l.IntN(4) == 0 // it will be run again
		wg.Go(func() {
			if l.run(l.frail, t) == nil && !keep {
				l.done(t)
			}
		})
	}
	wg.Wait()
	l.cutting.Store(false)
}

// run does what the worker of a task does.
func (l *life) run(s *store.Store, t task) error {
	ctx, cancel := context.WithTimeout(l.Context(), 10*time.Second)
	defer cancel()
	read := func(args any) {
		if err := json.Unmarshal(t.args, args); err != nil {
			l.Error(err)
		}
	}
	switch t.kind {
	case "sync_follow":
		var args queue.SyncFollow
		read(&args)
		return s.SyncFollow(ctx, args.Actor, args.Target)
	case "end_follow":
		var args queue.EndFollow
		read(&args)
		return s.EndFollow(ctx, args.Actor, args.Target, args.Until)
	case "sync_block":
		var args queue.SyncBlock
		read(&args)
		return s.SyncBlock(ctx, args.Actor, args.Target)
	case "approve_all":
		var args queue.ApproveAll
		read(&args)
		_, err := s.ApproveFollows(ctx, args.User, 10)
		return err
	}
	l.Errorf("nobody works tasks of kind %s", t.kind)
	return nil
}

func (l *life) done(t task) {
	c := databases.Owner(l.T, t.database)
	defer c.Close(l.Context())
	if _, err := c.Exec(l.Context(), `DELETE FROM river.river_job WHERE id = $1`, t.id); err != nil {
		l.Error(err)
	}
}

// finish runs what is left, and what that orders, once nothing that was cut off goes on.
func (l *life) finish() {
	for _, u := range []store.User{l.actor, l.target} {
		for value[int](l.T, u.ID, `
			SELECT count(*) FROM pg_stat_activity WHERE usename = 'burbn_app' AND state <> 'idle'`) > 0 {
			l.must(l.Context().Err())
		}
	}
	for tasks := l.waiting(); len(tasks) > 0; tasks = l.waiting() {
		for _, t := range tasks {
			l.must(l.run(l.store, t))
			l.done(t)
		}
	}
}

func (l *life) verify() {
	actor, target := l.actor, l.target
	states := value[string](l.T, actor.ID, `
		SELECT coalesce(max(CASE WHEN requested THEN 'requested' ELSE 'yes' END || ' ' || created_at), 'no')
		FROM shard.following WHERE user_id = $1 AND target_id = $2`, actor.ID, target.ID)
	theirs := value[string](l.T, target.ID, `
		SELECT coalesce(string_agg(state || ' ' || created_at, ', '), 'no') FROM (
			SELECT user_id, follower_id, 'yes' AS state, created_at FROM shard.followers
			UNION ALL SELECT user_id, follower_id, 'requested', created_at FROM shard.follow_requests
		) f WHERE user_id = $1 AND follower_id = $2`, target.ID, actor.ID)
	state, _, _ := strings.Cut(states, " ")
	as := func(ok bool, format string, args ...any) {
		l.Helper()
		if !ok {
			l.Errorf(format, args...)
		}
	}
	as(states == theirs, "the actor's shard says %s, the target's %s", states, theirs)
	switch l.expect {
	case "no", "yes":
		as(state == l.expect, "it is %s, want %s", state, l.expect)
	case "alive":
		as(state != "no", "it is %s, want yes or requested", state)
	}
	as(l.private || state != "requested", "a public account has requests")
	as(!l.barred() || state == "no", "in spite of a block it is %s", state)
	for _, u := range [][2]store.User{{actor, target}, {target, actor}} {
		as(l.blocks(u[0], u[1]) == l.barrier(u[1], "blocked", u[0]), "a block and its trace differ")
	}
	count := func(u store.User, yes string) int64 {
		if state == "yes" && yes == u.Name {
			return 1
		}
		return 0
	}
	for _, u := range []store.User{actor, target} {
		now, err := l.store.User(l.Context(), u.ID)
		l.must(err)
		as(now.FollowingCount == count(u, actor.Name) && now.FollowerCount == count(u, target.Name),
			"%s follows %d and is followed by %d, and it is %s", u.Name, now.FollowingCount, now.FollowerCount, state)
	}
	if l.Failed() {
		l.Log(strings.Join(l.log, "\n"))
	}
}
