// Package limit counts requests, so that nobody has more of them answered than their
// share, by however many processes: in Redis, in windows of a minute that begin with
// the minute of the clock.
//
// It deliberately waits for nothing and refuses nothing by itself: the counts are asked
// for in a pipeline with whatever else a request needs from Redis, and without Redis
// there is no limit, but for those that are Guarded.
package limit

import (
	"context"
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Window is the time in which requests are counted together.
const Window = time.Minute

// A Policy is how many requests of one kind are answered in a Window.
type Policy struct {
	Name  string // "read"
	Quota int
	// Guarded policies hold without Redis too: each process then counts for itself.
	Guarded bool
}

// A Count is how far a policy is used up by one who sends requests.
type Count struct {
	Policy
	Used  int           // requests in this window, this one included
	Reset time.Duration // until the next window
}

// Exceeded says that this request is one too many.
func (c Count) Exceeded() bool { return c.Used > c.Quota }

// Limits counts requests. Its methods may be called by many goroutines.
type Limits struct {
	redis redis.UniversalClient
	now   func() time.Time
	guard guard
}

// New returns the limits that are counted in r, by the clock now.
func New(r redis.UniversalClient, now func() time.Time) *Limits {
	return &Limits{redis: r, now: now, guard: guard{seed: maphash.MakeSeed()}}
}

// A Question is a count that was asked for in a pipeline.
type Question struct {
	policy Policy
	key    string
	now    time.Time
	used   *redis.IntCmd
}

// Ask counts one request of who by the policy, in a pipeline of Redis. A user who is
// called as in the keys of sessions is counted in the slot of those, so that one
// transaction asks for both.
func (l *Limits) Ask(ctx context.Context, pipe redis.Pipeliner, p Policy, who string) Question {
	now := l.now()
	window := now.Unix() / int64(Window/time.Second)
	key := "l:{" + who + "}:" + p.Name + ":" + strconv.FormatInt(window, 36)
	q := Question{policy: p, key: key, now: now, used: pipe.Incr(ctx, key)}
	// Twice as long, because the clocks of processes differ.
	pipe.Expire(ctx, key, 2*Window)
	return q
}

// Answer is the count that q asked for; false: nobody knows it, so that it limits
// nothing.
func (l *Limits) Answer(q Question) (Count, bool) {
	used, err := q.used.Result()
	if err != nil {
		if !q.policy.Guarded {
			return Count{}, false
		}
		used = l.guard.count(q.key, q.now)
	}
	return Count{q.policy, int(used), q.now.Truncate(Window).Add(Window).Sub(q.now)}, true
}

// Count is Ask and Answer in one.
func (l *Limits) Count(ctx context.Context, p Policy, who string) (Count, bool) {
	pipe := l.redis.Pipeline()
	q := l.Ask(ctx, pipe, p, who)
	pipe.Exec(ctx) // each command carries its error
	return l.Answer(q)
}

// Seconds is d as Retry-After and the RateLimit header say it: rounded up.
func Seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// Headers are the values of RateLimit-Policy and RateLimit
// (draft-ietf-httpapi-ratelimit-headers-10): quota and window, what remains and until
// when, in seconds.
func Headers(counts []Count) (policy, state string) {
	var p, s strings.Builder
	for i, c := range counts {
		if i > 0 {
			p.WriteString(", ")
			s.WriteString(", ")
		}
		p.WriteString(`"` + c.Name + `";q=` + strconv.Itoa(c.Quota) + ";w=" + Seconds(Window))
		s.WriteString(`"` + c.Name + `";r=` + strconv.Itoa(max(0, c.Quota-c.Used)) + ";t=" + Seconds(c.Reset))
	}
	return p.String(), s.String()
}

// slots is how many counts a guard has. Two keys in one slot are counted together,
// which is rare while there are fewer and harms nobody but for a minute.
const slots = 1 << 16

// guard counts in the process, of a size that no flood of keys changes.
type guard struct {
	seed   maphash.Seed
	mu     sync.Mutex
	window time.Time
	counts []uint16
}

func (g *guard) count(key string, now time.Time) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w := now.Truncate(Window); !w.Equal(g.window) {
		g.window, g.counts = w, make([]uint16, slots)
	}
	n := &g.counts[maphash.String(g.seed, key)%slots]
	if *n < 1<<16-1 {
		*n++
	}
	return int64(*n)
}
