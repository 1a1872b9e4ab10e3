package cache

import (
	"context"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/burbn/burbn/services/id"
)

// loading bounds a load. It is not bound to the request that began it, because
// others wait for it too.
const loading = 5 * time.Second

// Key is what tables are keyed by. A string must be printable ASCII without
// spaces, of at most 200 bytes.
type Key interface{ id.ID | string }

// Table reads values of one kind through the cache. All fields but Keep, Face
// and Absent are needed; they are not to be changed after the first use.
type Table[K Key, V any] struct {
	Cache *Cache
	Name  string // also the label in the metrics
	TTL   time.Duration
	// Absent is how long it is remembered that a key has no value; zero: not at all.
	Absent time.Duration
	// Load reads from the database. A key missing from its result has no value.
	Load func(ctx context.Context, keys []K) (map[K]V, error)
	// Face is how a value shows itself to who asks for no more; it is made once and kept
	// beside the value. Nil: values have none. It must always be the same for the same value.
	Face func(V) []byte
	// Keep says whether a value may be cached; nil: all may.
	Keep func(V) bool

	mu    sync.Mutex
	loads map[K]*load[K, V] // under way
}

// load is one call of Load, for which any number of readers may wait.
type load[K Key, V any] struct {
	saw    map[K]uint64  // the version of each key's entry that was to be replaced
	done   chan struct{} // closed when values and err are set
	values map[K]V
	err    error
}

// Get reads one value; ok is false if there is none.
func (t *Table[K, V]) Get(ctx context.Context, k K) (v V, ok bool, err error) {
	values, err := t.GetMany(ctx, []K{k})
	v, ok = values[k]
	return v, ok, err
}

// GetMany reads the values of keys: a Batch of its own.
func (t *Table[K, V]) GetMany(ctx context.Context, keys []K) (map[K]V, error) {
	b := t.Cache.Batch()
	q := t.Ask(b, keys...)
	b.Send()
	return q.Answer(ctx)
}

// load adds the values of the keys at indexes: what others are loading it waits for,
// the rest it loads itself.
func (q *Question[K, V]) load(ctx context.Context, indexes []int, values map[K]V) error {
	t := q.table
	mine := &load[K, V]{saw: map[K]uint64{}, done: make(chan struct{})}
	var own []int
	theirs := map[*load[K, V]][]int{}
	t.mu.Lock()
	if t.loads == nil {
		t.loads = map[K]*load[K, V]{}
	}
	for _, i := range indexes {
		k, version := q.keys[i], q.entry(i).version
		switch l := t.loads[k]; {
		case l == mine: // the key was given twice
		case l != nil && l.saw[k] == version:
			theirs[l] = append(theirs[l], i)
		default: // nobody loads it, or who does began before it was forgotten
			t.loads[k], mine.saw[k] = mine, version
			own = append(own, i)
		}
	}
	t.mu.Unlock()

	if len(own) > 0 {
		go q.run(context.WithoutCancel(ctx), mine, own)
		theirs[mine] = own
	}
	for l, indexes := range theirs {
		select {
		case <-l.done:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", t.Name, ctx.Err())
		}
		if l.err != nil {
			return l.err
		}
		for _, i := range indexes {
			if v, ok := l.values[q.keys[i]]; ok {
				values[q.keys[i]] = v
			}
		}
	}
	return nil
}

// run loads the keys at indexes and caches what may be cached of them.
func (q *Question[K, V]) run(ctx context.Context, l *load[K, V], indexes []int) {
	ctx, cancel := context.WithTimeout(ctx, loading)
	defer cancel()
	t := q.table
	keys := make([]K, len(indexes))
	for n, i := range indexes {
		keys[n] = q.keys[i]
	}
	func() {
		defer close(l.done)
		defer func() {
			if v := recover(); v != nil {
				l.err = fmt.Errorf("load %s: panic: %v\n%s", t.Name, v, debug.Stack())
			}
		}()
		l.values, l.err = t.Load(ctx, keys)
	}()
	var kept sync.WaitGroup
	for _, i := range indexes {
		v, ok := l.values[q.keys[i]]
		switch {
		case l.err != nil:
		case !ok && t.Absent > 0:
			q.put(&kept, i, absent, t.Absent, nil)
		case ok && (t.Keep == nil || t.Keep(v)):
			if value, err := t.encode(v); err == nil {
				q.put(&kept, i, 0, t.TTL, value)
			}
		}
	}
	kept.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		if t.loads[k] == l {
			delete(t.loads, k)
		}
	}
}

// encode is v as memcached keeps it: its face, if the table shows one, and itself.
func (t *Table[K, V]) encode(v V) (b []byte, err error) {
	if t.Face != nil {
		face := t.Face(v)
		b = append(binary.AppendUvarint(b, uint64(len(face))), face...)
	}
	if binary, ok := any(v).(encoding.BinaryAppender); ok {
		return binary.AppendBinary(b)
	}
	j, err := json.Marshal(v)
	return append(b, j...), err
}

func (t *Table[K, V]) decode(b []byte) (v V, err error) {
	if t.Face != nil {
		_, rest, ok := split(b)
		if !ok {
			return v, errors.New("no face")
		}
		b = rest
	}
	if binary, ok := any(&v).(encoding.BinaryUnmarshaler); ok {
		err = binary.UnmarshalBinary(b)
	} else {
		err = json.Unmarshal(b, &v)
	}
	return v, err
}

// Forget makes reads that begin now load the keys. Loads under way, in whatever
// process, answer those who wait already and are not cached.
func (t *Table[K, V]) Forget(keys ...K) {
	t.mu.Lock()
	for _, k := range keys {
		delete(t.loads, k)
	}
	t.mu.Unlock()
	forget(t.Cache, t.Name, keys)
}
