// Package explore keeps what is popular now: photos that many like for their age, the same
// for everybody, as a snapshot in Redis.
//
// A snapshot is computed from the shards when somebody asks and the last one is a few minutes
// old; they are answered with the last one meanwhile. A like costs nothing for it, and of what
// Redis has lost the next reader makes a new one. Snapshots are kept for an hour under their number, so
// that the pages of one are those of one list, however much is liked meanwhile.
//
// The package deliberately does not know who asks: which of the photos they may see, and want
// to, is for the caller to ask.
package explore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

const (
	// length is how many photos a snapshot has, and ofOne how many of them are by one author.
	length = 500
	ofOne  = 3

	fresh = 2 * time.Minute // how old a snapshot gets before another is made
	kept  = time.Hour       // how long there are more pages of it
	// attempt bounds the making of one. Other processes leave it to one that began for as long.
	attempt = 30 * time.Second
)

// The braces put the keys into one slot.
const (
	newest = "x:{explore}:newest"
	making = "x:{explore}:making"
)

func numbered(number int64) string { return "x:{explore}:" + strconv.FormatInt(number, 36) }

// A Snapshot is what was popular at one time, the most popular first.
type Snapshot struct {
	Number int64 // Unix time in milliseconds
	IDs    []id.ID
}

func (s Snapshot) fresh() bool { return time.Since(time.UnixMilli(s.Number)) < fresh }

// Explore answers for one process. Its methods may be called by many goroutines.
type Explore struct {
	redis *redis.ClusterClient
	store *store.Store

	flight singleflight.Group
	last   atomic.Pointer[Snapshot] // that this process made; for when Redis is away
	made   *prometheus.CounterVec
}

// New returns what is popular on the shards of s.
func New(r *redis.ClusterClient, s *store.Store, reg prometheus.Registerer) *Explore {
	e := &Explore{redis: r, store: s, made: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "burbn_explore_snapshots_total",
		Help: "Snapshots of what is popular; not stored are those that Redis did not take.",
	}, []string{"result"})}
	reg.MustRegister(e.made)
	return e
}

// Snapshot is the one of that number, or the newest, if the number is 0 or nobody has that one any more. It
// makes one round trip to Redis, and waits for the databases only if there is no snapshot
// at all.
func (e *Explore) Snapshot(ctx context.Context, number int64) (Snapshot, error) {
	pipe := e.redis.Pipeline()
	last := pipe.Get(ctx, newest)
	that := last
	if number != 0 {
		that = pipe.Get(ctx, numbered(number))
	}
	pipe.Exec(ctx) // each command carries its error
	if s, ok := decode(that); ok && number != 0 {
		return s, nil
	}
	s, ok := decode(last)
	if mine := e.last.Load(); !ok && !errors.Is(last.Err(), redis.Nil) && mine != nil {
		s, ok = *mine, true
	}
	switch {
	case ok && s.fresh():
		return s, nil
	case ok:
		e.renew(ctx, true)
		return s, nil
	}
	select {
	case r := <-e.renew(ctx, false):
		if r.Err != nil {
			return Snapshot{}, fmt.Errorf("look for what is popular: %w", r.Err)
		}
		return r.Val.(Snapshot), nil
	case <-ctx.Done():
		return Snapshot{}, fmt.Errorf("look for what is popular: %w", ctx.Err())
	}
}

// renew makes a snapshot, one at a time. While there is one to use, one process does.
func (e *Explore) renew(ctx context.Context, inUse bool) <-chan singleflight.Result {
	return e.flight.DoChan(strconv.FormatBool(inUse), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
		defer cancel()
		if inUse {
			err := e.redis.SetArgs(ctx, making, 1, redis.SetArgs{Mode: "NX", TTL: attempt}).Err()
			if errors.Is(err, redis.Nil) {
				return nil, nil // another process makes one; nobody waits for this
			}
			// Perhaps it just did.
			if s, ok := decode(e.redis.Get(ctx, newest)); ok && s.fresh() {
				return s, e.redis.Del(ctx, making).Err()
			}
		}
		now := time.Now()
		ids, err := e.store.Popular(ctx, length, ofOne)
		if err != nil {
			e.made.WithLabelValues("failed").Inc()
			return nil, err
		}
		s := Snapshot{now.UnixMilli(), ids}
		e.last.Store(&s)
		tx := e.redis.TxPipeline()
		text := encode(s)
		tx.Set(ctx, numbered(s.Number), text, kept)
		tx.Set(ctx, newest, text, kept)
		tx.Del(ctx, making)
		result := "stored"
		if _, err := tx.Exec(ctx); err != nil {
			result = "unstored" // true when it was made; this process has it
		}
		e.made.WithLabelValues(result).Inc()
		return s, nil
	})
}

// encode is a snapshot as Redis has it: its number and its ids, 8 bytes each, in big-endian order.
func encode(s Snapshot) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(s.Number))
	for _, i := range s.IDs {
		b = binary.BigEndian.AppendUint64(b, uint64(i))
	}
	return b
}

func decode(cmd *redis.StringCmd) (s Snapshot, ok bool) {
	b, err := cmd.Bytes()
	if err != nil || len(b) < 8 {
		return Snapshot{}, false
	}
	s.Number = int64(binary.BigEndian.Uint64(b))
	for b = b[8:]; len(b) >= 8; b = b[8:] {
		s.IDs = append(s.IDs, id.ID(binary.BigEndian.Uint64(b)))
	}
	return s, true
}
