// Package feed keeps for everybody who reads it which are the newest photos of
// those they follow and of their own, in Redis.
//
// A feed is a sorted set whose members, all of score 0, are the ids of a photo and of
// its author as 16 bytes in big-endian order, so that they sort by time. The member
// that begins with 0xff says that it is complete. A feed that is not there, or not
// complete, is built from the authors' shards when it is read; and each one is built
// anew after a week, so that no drift lasts and those who do not read keep no feed:
// pushing to a feed that is not there does nothing.
//
// Photos of authors with very many followers are pushed to nobody. Which of those a
// reader follows stands in the member that says that the feed is complete, and their
// newest photos, which each process keeps for seconds, are merged into the page.
//
// The package deliberately knows no photo: which of them may be shown is for the
// reader to ask.
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
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

const (
	// complete begins the member that says that a feed is, and sorts after every photo.
	// Behind it are the build's number, in 8 bytes, and whose photos are merged, in 8 each.
	complete = "\xff"
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
// forgotten since it began: adds the members from ARGV[4] on, the first of which says
// that it is complete, cuts to ARGV[2] members and lets the feed live ARGV[3] seconds.
var finish = redis.NewScript(`
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREMRANGEBYLEX', KEYS[1], '[\255', '+')
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
	limit  int
	stars  stars

	flights singleflight.Group
	slots   chan struct{}
	rebuilt *prometheus.CounterVec
}

// New returns the feeds, of length photos each. Photos of authors with more than limit
// followers are merged into them.
func New(r *redis.ClusterClient, s *store.Store, length, limit int, reg prometheus.Registerer) *Feeds {
	f := &Feeds{
		redis: r, store: s, length: length, limit: limit,
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
	// Of a page that is not the first, before and after it was read: what is complete.
	begin, end *redis.StringSliceCmd
}

// A Page is a part of a feed, newest first.
type Page struct {
	Posts []store.Post
	// Build is a number that changes whenever whom the reader follows may have changed:
	// who remembers something of the authors remembers it for this build. 0: for none.
	Build uint64
}

// builders is how many rebuilds under way a reader passes over: their marks stand
// between the one that says that the feed is complete and the photos.
const builders = 3

// Ask adds to a pipeline of Redis what Answer needs to know: the at most limit photos
// of user's feed older than before (0: the newest). The keys of a feed and of its
// reader's sessions lie in the same slot, so that one round trip asks for both.
func (f *Feeds) Ask(ctx context.Context, pipe redis.Pipeliner, user, before id.ID, limit int) *Question {
	q := &Question{user: user, before: before, limit: limit}
	k := key(user)
	if before == 0 {
		// One command, so that what it says of the feed is said of this page.
		q.page = pipe.ZRevRangeByLex(ctx, k, &redis.ZRangeBy{Max: "+", Min: "-", Count: int64(limit + 1 + builders)})
		return q
	}
	mark := &redis.ZRangeBy{Max: "+", Min: "[" + complete, Count: 1}
	q.begin = pipe.ZRevRangeByLex(ctx, k, mark)
	q.page = pipe.ZRevRangeByLex(ctx, k, &redis.ZRangeBy{Max: "(" + string(floor(before)), Min: "-", Count: int64(limit)})
	q.end = pipe.ZRevRangeByLex(ctx, k, mark)
	return q
}

// Answer is the page that q asked for. A feed that Redis has not, or cannot give, is
// built.
func (f *Feeds) Answer(ctx context.Context, q *Question) (Page, error) {
	page, merged, ok := q.kept()
	if !ok {
		built, err := f.rebuild(ctx, q.user)
		if err != nil {
			return Page{}, err
		}
		page.Build, merged = built.number, built.merged
		posts := built.posts[older(built.posts, q.before):]
		page.Posts = slices.Clone(posts[:min(q.limit, len(posts))])
	}
	if len(merged) == 0 {
		return page, nil
	}
	others, err := f.stars.posts(ctx, f.store, merged)
	if err != nil {
		return Page{}, err
	}
	for _, posts := range others {
		posts = posts[older(posts, q.before):]
		page.Posts = append(page.Posts, posts[:min(q.limit, len(posts))]...)
	}
	slices.SortFunc(page.Posts, newestFirst)
	page.Posts = slices.Compact(page.Posts) // of an author who had fewer followers once
	page.Posts = page.Posts[:min(q.limit, len(page.Posts))]
	return page, nil
}

// kept is what Redis answered, if that is a page of a complete feed.
func (q *Question) kept() (p Page, merged []id.ID, ok bool) {
	members := q.page.Val()
	if q.page.Err() != nil {
		return p, nil, false
	}
	var mark string
	if q.before == 0 {
		if len(members) == 0 {
			return p, nil, false
		}
		mark, members = members[0], members[1:]
		passed := 0
		for len(members) > 0 && members[0] >= building {
			members = members[1:]
			if passed++; passed == builders {
				return p, nil, false // there may be more
			}
		}
		members = members[:min(q.limit, len(members))]
	} else {
		begin, end := q.begin.Val(), q.end.Val()
		if len(begin) == 0 || !slices.Equal(begin, end) {
			return p, nil, false // it was built or forgotten meanwhile
		}
		mark = begin[0]
	}
	if p.Build, merged, ok = readMark(mark); !ok {
		return p, nil, false
	}
	p.Posts = make([]store.Post, len(members))
	for i, m := range members {
		if len(m) != 16 {
			return p, nil, false
		}
		b := []byte(m)
		p.Posts[i] = store.Post{Media: id.ID(binary.BigEndian.Uint64(b)), Author: id.ID(binary.BigEndian.Uint64(b[8:]))}
	}
	return p, merged, true
}

// completeMark is the member that says that a feed is complete.
func completeMark(build uint64, merged []id.ID) string {
	b := binary.BigEndian.AppendUint64([]byte(complete), build)
	for _, author := range merged {
		b = binary.BigEndian.AppendUint64(b, uint64(author))
	}
	return string(b)
}

func readMark(mark string) (build uint64, merged []id.ID, ok bool) {
	if !strings.HasPrefix(mark, complete) || len(mark)%8 != 1 || len(mark) == 1 {
		return 0, nil, false
	}
	b := []byte(mark[1:])
	build = binary.BigEndian.Uint64(b)
	for b = b[8:]; len(b) > 0; b = b[8:] {
		merged = append(merged, id.ID(binary.BigEndian.Uint64(b)))
	}
	return build, merged, true
}

// older is the index of the first of posts, newest first, that is older than before.
func older(posts []store.Post, before id.ID) int {
	if before == 0 {
		return 0
	}
	i, _ := slices.BinarySearchFunc(posts, before, func(p store.Post, before id.ID) int {
		if p.Media >= before {
			return -1
		}
		return 1
	})
	return i
}

func newestFirst(a, b store.Post) int { return cmp.Compare(b.Media, a.Media) }

// Page is Ask and Answer in one.
func (f *Feeds) Page(ctx context.Context, user, before id.ID, limit int) ([]store.Post, error) {
	pipe := f.redis.Pipeline()
	q := f.Ask(ctx, pipe, user, before, limit)
	pipe.Exec(ctx) // each command carries its error
	page, err := f.Answer(ctx, q)
	return page.Posts, err
}

// Push adds a photo to those of the users' feeds that are kept. It may be repeated.
func (f *Feeds) Push(ctx context.Context, users []id.ID, post store.Post) error {
	m, members := member(post), f.length+1 // and the mark
	err := f.each(ctx, users, func(pipe redis.Pipeliner, key string) redis.Cmder {
		return push.EvalSha(ctx, pipe, []string{key}, m, members)
	})
	if err != nil {
		return fmt.Errorf("push media %s to %d feeds: %w", post.Media, len(users), err)
	}
	return nil
}

// Remove takes a photo from the users' feeds. It may be repeated.
func (f *Feeds) Remove(ctx context.Context, users []id.ID, post store.Post) error {
	m := member(post)
	err := f.each(ctx, users, func(pipe redis.Pipeliner, key string) redis.Cmder {
		return pipe.ZRem(ctx, key, m)
	})
	if err != nil {
		return fmt.Errorf("remove media %s from %d feeds: %w", post.Media, len(users), err)
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

// built is a feed as the databases have it.
type built struct {
	posts  []store.Post // newest first
	merged []id.ID      // whose photos are not among them
	number uint64       // 0: Redis did not take it
}

// rebuild builds user's feed. Those who ask for the same one at the same time share
// the work.
func (f *Feeds) rebuild(ctx context.Context, user id.ID) (built, error) {
	done := f.flights.DoChan(strconv.FormatInt(int64(user), 36), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
		defer cancel()
		return f.build(ctx, user)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return built{}, fmt.Errorf("rebuild feed of user %s: %w", user, r.Err)
		}
		return r.Val.(built), nil
	case <-ctx.Done():
		return built{}, fmt.Errorf("rebuild feed of user %s: %w", user, ctx.Err())
	}
}

// tries is how often a rebuild begins again because the feed was forgotten meanwhile.
const tries = 3

func (f *Feeds) build(ctx context.Context, user id.ID) (b built, err error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return b, ctx.Err()
	}
	for range tries {
		// Mark first, read then: what is published while we read is pushed.
		number := rand.Uint64() | 1
		mark := building + strconv.FormatUint(number, 36)
		unmarked := f.begin(ctx, user, mark)
		if b, err = f.read(ctx, user); err != nil {
			return b, err
		}
		if unmarked != nil {
			break
		}
		stored, err := f.finish(ctx, user, mark, number, b)
		if err != nil {
			break
		}
		if stored {
			f.rebuilt.WithLabelValues("stored").Inc()
			b.number = number
			return b, nil
		}
	}
	// True when it was read; the next reader tries again.
	f.rebuilt.WithLabelValues("unstored").Inc()
	return b, nil
}

func (f *Feeds) begin(ctx context.Context, user id.ID, mark string) error {
	tx := f.redis.TxPipeline()
	tx.ZAdd(ctx, key(user), redis.Z{Member: mark})
	tx.ExpireNX(ctx, key(user), patient)
	_, err := tx.Exec(ctx)
	return err
}

func (f *Feeds) finish(ctx context.Context, user id.ID, mark string, number uint64, b built) (stored bool, err error) {
	// Spread, so that feeds built on one day do not all end on one.
	seconds := int64(life/time.Second) + rand.Int64N(int64(life/time.Second)/10)
	args := []any{mark, f.length + 1, seconds, completeMark(number, b.merged)}
	for _, p := range b.posts {
		args = append(args, member(p))
	}
	return finish.Run(ctx, f.redis, []string{key(user)}, args...).Bool()
}

// read is the feed as the databases have it. Of someone who follows few it has
// all that a feed can hold; of someone who follows many it has at least twenty
// photos of each, so that one who posts a burst is cut short and nobody is left out.
func (f *Feeds) read(ctx context.Context, user id.ID) (b built, err error) {
	authors, err := f.store.Following(ctx, user)
	if err != nil {
		return b, err
	}
	// Somewhat before their photos are pushed no more, so that a feed that does not merge
	// them is older than that.
	if b.merged, err = f.store.FollowedByMoreThan(ctx, authors, f.limit-f.limit/10); err != nil {
		return b, err
	}
	authors = slices.DeleteFunc(authors, func(a id.ID) bool { return slices.Contains(b.merged, a) })
	if !slices.Contains(authors, user) {
		authors = append(authors, user)
	}
	each := min(f.length, max(20, 4*f.length/len(authors)))
	b.posts, err = f.store.RecentMedia(ctx, authors, each)
	b.posts = b.posts[:min(f.length, len(b.posts))]
	return b, err
}

// key is the name of user's feed. The braces put it into one slot with their
// sessions.
func key(user id.ID) string { return "f2:{" + strconv.FormatInt(int64(user), 36) + "}" }

func member(p store.Post) string {
	return string(binary.BigEndian.AppendUint64(floor(p.Media), uint64(p.Author)))
}

// floor sorts before the members of media and after those of every older photo.
func floor(media id.ID) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(media))
}
