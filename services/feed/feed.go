// Package feed keeps for everybody who reads it the ids of the newest photos of
// those they follow and of their own, in Redis.
//
// A feed is a sorted set whose members, all of score 0, are ids as 8 bytes in
// big-endian order, so that they sort by time. The member 0xff says that it is
// complete. A feed that is not there, or not complete, is built from the authors'
// shards when it is read; and each one is built anew after a week, so that no
// drift lasts and those who do not read keep no feed: pushing to a feed that is
// not there does nothing.
//
// The package deliberately knows no photo: which of the ids may be shown is for
// the reader to ask.
package feed

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

const (
	complete = "\xff" // sorts after every id
	// building begins a member that stands for one rebuild under way. It keeps the
	// feed in being, so that what is pushed meanwhile is not lost.
	building = "\xfe"

	life    = 7 * 24 * time.Hour
	patient = time.Minute // how long a rebuild may take before its traces vanish
	attempt = 10 * time.Second
	// rebuilds is how many run at once in one process: with Redis gone every read is
	// one, and the databases must live.
	rebuilds = 32
)

// push adds ARGV[1] to a feed that is there and cuts it to ARGV[2] members.
var push = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[2])
if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1) end
return 1`)

// finish completes the rebuild whose mark is ARGV[1], unless the feed was
// forgotten since it began: adds the ids from ARGV[4] on, cuts to ARGV[2] members
// and lets the feed live ARGV[3] seconds.
var finish = redis.NewScript(`
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], 0, '\255')
for i = 4, #ARGV do redis.call('ZADD', KEYS[1], 0, ARGV[i]) end
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[2])
if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1`)

// Feeds is everybody's feeds. Its methods may be called by many goroutines.
type Feeds struct {
	redis  *redis.ClusterClient
	store  *store.Store
	length int

	flights singleflight.Group
	slots   chan struct{}
	rebuilt *prometheus.CounterVec
}

// New returns the feeds, of length photos each.
func New(r *redis.ClusterClient, s *store.Store, length int, reg prometheus.Registerer) *Feeds {
	f := &Feeds{
		redis: r, store: s, length: length,
		slots: make(chan struct{}, rebuilds),
		rebuilt: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "burbn_feed_rebuilds_total",
			Help: "Feeds built from the databases; not stored are those that Redis did not take.",
		}, []string{"result"}),
	}
	reg.MustRegister(f.rebuilt)
	return f
}

// A Question is a page of a feed that was asked for in a pipeline.
type Question struct {
	user, before id.ID
	limit        int
	page         *redis.StringSliceCmd
	complete     *redis.FloatCmd
}

// Ask adds to a transaction of Redis what Answer needs to know: the at most limit
// photos of user's feed older than before (0: the newest). The keys of a feed
// and of its reader's sessions lie in the same slot, so that one round trip asks for
// both.
func (f *Feeds) Ask(ctx context.Context, tx redis.Pipeliner, user, before id.ID, limit int) *Question {
	// Above the highest id, below the marks.
	top := "(" + building
	if before != 0 {
		top = "(" + member(before)
	}
	return &Question{
		user: user, before: before, limit: limit,
		page:     tx.ZRevRangeByLex(ctx, key(user), &redis.ZRangeBy{Max: top, Min: "-", Count: int64(limit)}),
		complete: tx.ZScore(ctx, key(user), complete),
	}
}

// Answer is the page that q asked for, newest first. A feed that Redis has not, or
// cannot give, is built.
func (f *Feeds) Answer(ctx context.Context, q *Question) ([]id.ID, error) {
	if q.complete.Err() == nil && q.page.Err() == nil {
		ids := make([]id.ID, len(q.page.Val()))
		for i, m := range q.page.Val() {
			ids[i] = id.ID(binary.BigEndian.Uint64([]byte(m)))
		}
		return ids, nil
	}
	ids, err := f.rebuild(ctx, q.user)
	if err != nil {
		return nil, err
	}
	if q.before != 0 {
		ids = ids[sortedAfter(ids, q.before):]
	}
	return ids[:min(q.limit, len(ids))], nil
}

// sortedAfter is the index of the first of ids, newest first, that is older than before.
func sortedAfter(ids []id.ID, before id.ID) int {
	i, found := slices.BinarySearchFunc(ids, before, func(a, b id.ID) int { return cmp.Compare(b, a) })
	if found {
		i++
	}
	return i
}

// Page is Ask and Answer in one.
func (f *Feeds) Page(ctx context.Context, user, before id.ID, limit int) ([]id.ID, error) {
	tx := f.redis.TxPipeline()
	q := f.Ask(ctx, tx, user, before, limit)
	tx.Exec(ctx) // each command carries its error
	return f.Answer(ctx, q)
}

// Push adds a photo to those of the users' feeds that are kept. It may be repeated.
func (f *Feeds) Push(ctx context.Context, users []id.ID, media id.ID) error {
	m, members := member(media), f.length+1 // and the mark
	err := f.each(ctx, users, func(pipe redis.Pipeliner, key string) redis.Cmder {
		return push.EvalSha(ctx, pipe, []string{key}, m, members)
	})
	if err != nil {
		return fmt.Errorf("push media %s to %d feeds: %w", media, len(users), err)
	}
	return nil
}

// Remove takes a photo from the users' feeds. It may be repeated.
func (f *Feeds) Remove(ctx context.Context, users []id.ID, media id.ID) error {
	m := member(media)
	err := f.each(ctx, users, func(pipe redis.Pipeliner, key string) redis.Cmder {
		return pipe.ZRem(ctx, key, m)
	})
	if err != nil {
		return fmt.Errorf("remove media %s from %d feeds: %w", media, len(users), err)
	}
	return nil
}

// Forget drops the users' feeds, so that the next read builds them: to be called
// when whom they follow has changed. A rebuild under way does not survive it.
func (f *Feeds) Forget(ctx context.Context, users ...id.ID) error {
	err := f.each(ctx, users, func(pipe redis.Pipeliner, key string) redis.Cmder {
		return pipe.Del(ctx, key)
	})
	if err != nil {
		return fmt.Errorf("forget %d feeds: %w", len(users), err)
	}
	return nil
}

// chunk is how many commands one pipeline carries.
const chunk = 1000

// each sends one command for each user, pipelined. A node that does not know the
// scripts yet, because it is new or was restarted, is taught and asked again.
func (f *Feeds) each(ctx context.Context, users []id.ID, command func(redis.Pipeliner, string) redis.Cmder) error {
	for part := range slices.Chunk(users, chunk) {
		unknown, err := f.send(ctx, part, command)
		if err == nil && len(unknown) > 0 {
			if err = f.teach(ctx); err == nil {
				unknown, err = f.send(ctx, unknown, command)
			}
			if err == nil && len(unknown) > 0 {
				err = errors.New("redis forgets its scripts")
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send returns those users whose node does not know the script.
func (f *Feeds) send(ctx context.Context, users []id.ID, command func(redis.Pipeliner, string) redis.Cmder) (unknown []id.ID, err error) {
	pipe := f.redis.Pipeline()
	cmds := make([]redis.Cmder, len(users))
	for i, u := range users {
		cmds[i] = command(pipe, key(u))
	}
	pipe.Exec(ctx) // each command carries its error
	for i, cmd := range cmds {
		switch err := cmd.Err(); {
		case err == nil:
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			unknown = append(unknown, users[i])
		default:
			return nil, err
		}
	}
	return unknown, nil
}

func (f *Feeds) teach(ctx context.Context) error {
	return f.redis.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		return errors.Join(push.Load(ctx, node).Err(), finish.Load(ctx, node).Err())
	})
}

// rebuild builds user's feed and returns all of it, newest first. Those who ask
// for the same one at the same time share the work.
func (f *Feeds) rebuild(ctx context.Context, user id.ID) ([]id.ID, error) {
	done := f.flights.DoChan(strconv.FormatInt(int64(user), 36), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
		defer cancel()
		return f.build(ctx, user)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, fmt.Errorf("rebuild feed of user %s: %w", user, r.Err)
		}
		return r.Val.([]id.ID), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("rebuild feed of user %s: %w", user, ctx.Err())
	}
}

// tries is how often a rebuild begins again because the feed was forgotten meanwhile.
const tries = 3

func (f *Feeds) build(ctx context.Context, user id.ID) (ids []id.ID, err error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for range tries {
		// Mark first, read then: what is published while we read is pushed.
		mark := building + strconv.FormatUint(rand.Uint64(), 36)
		unmarked := f.begin(ctx, user, mark)
		if ids, err = f.read(ctx, user); err != nil {
			return nil, err
		}
		if unmarked != nil {
			break
		}
		stored, err := f.finish(ctx, user, mark, ids)
		if err != nil {
			break
		}
		if stored {
			f.rebuilt.WithLabelValues("stored").Inc()
			return ids, nil
		}
	}
	// True when it was read; the next reader tries again.
	f.rebuilt.WithLabelValues("unstored").Inc()
	return ids, nil
}

func (f *Feeds) begin(ctx context.Context, user id.ID, mark string) error {
	tx := f.redis.TxPipeline()
	tx.ZAdd(ctx, key(user), redis.Z{Member: mark})
	tx.ExpireNX(ctx, key(user), patient)
	_, err := tx.Exec(ctx)
	return err
}

func (f *Feeds) finish(ctx context.Context, user id.ID, mark string, ids []id.ID) (stored bool, err error) {
	// Spread, so that feeds built on one day do not all end on one.
	seconds := int64(life/time.Second) + rand.Int64N(int64(life/time.Second)/10)
	args := []any{mark, f.length + 1, seconds}
	for _, i := range ids {
		args = append(args, member(i))
	}
	return finish.Run(ctx, f.redis, []string{key(user)}, args...).Bool()
}

// read is the feed as the databases have it. Of someone who follows few it has
// all that a feed can hold; of someone who follows many it has at least twenty
// photos of each, so that one who posts a burst is cut short and nobody is left out.
func (f *Feeds) read(ctx context.Context, user id.ID) ([]id.ID, error) {
	authors, err := f.store.Following(ctx, user)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(authors, user) {
		authors = append(authors, user)
	}
	each := min(f.length, max(20, 4*f.length/len(authors)))
	ids, err := f.store.RecentMedia(ctx, authors, each)
	if err != nil {
		return nil, err
	}
	return ids[:min(f.length, len(ids))], nil
}

// key is the name of user's feed. The braces put it into one slot with their
// sessions.
func key(user id.ID) string { return "f:{" + strconv.FormatInt(int64(user), 36) + "}" }

func member(i id.ID) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(i)))
}
