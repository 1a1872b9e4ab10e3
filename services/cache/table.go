package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/burbn/burbn/services/id"
)

// absent marks an entry that says that there is nothing to load.
const absent = 1

// loading bounds a load. It is not bound to the request that began it, because
// others wait for it too.
const loading = 5 * time.Second

// Key is what tables are keyed by. A string must be printable ASCII without
// spaces, of at most 200 bytes.
type Key interface{ id.ID | string }

// Table reads values of one kind through the cache. All fields but Keep and
// Absent are needed; they are not to be changed after the first use.
type Table[K Key, V any] struct {
	Cache *Cache
	Name  string // also the label in the metrics
	TTL   time.Duration
	// Absent is how long it is remembered that a key has no value; zero: not at all.
	Absent time.Duration
	// Load reads from the database. A key missing from its result has no value.
	Load func(ctx context.Context, keys []K) (map[K]V, error)
	// Keep says whether a value may be cached; nil: all may.
	Keep func(V) bool

	mu    sync.Mutex
	loads map[K]*load[K, V] // under way
}

// load is one call of Load, for which any number of readers may wait.
type load[K Key, V any] struct {
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

// GetMany reads the values of keys: from memcached with one request to each node
// that holds some, in parallel, and what is missing there with one Load. Keys
// without a value are missing from the result. Readers that miss the same key at
// the same time share a load.
func (t *Table[K, V]) GetMany(ctx context.Context, keys []K) (map[K]V, error) {
	values := make(map[K]V, len(keys))
	if len(keys) == 0 {
		return values, nil
	}
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = key(t.Name, k)
	}
	items := t.Cache.getMany(t.Name, texts)
	var missing []K
	for i, k := range keys {
		item := items[texts[i]]
		if item != nil && item.Flags == absent {
			continue
		}
		var v V
		if item == nil || json.Unmarshal(item.Value, &v) != nil {
			missing = append(missing, k)
			continue
		}
		values[k] = v
	}
	if len(missing) == 0 {
		return values, nil
	}
	return values, t.load(ctx, missing, values)
}

// load adds the values of keys: what others are loading it waits for, the rest it
// loads itself.
func (t *Table[K, V]) load(ctx context.Context, keys []K, values map[K]V) error {
	mine := &load[K, V]{done: make(chan struct{})}
	var own []K
	theirs := map[*load[K, V]][]K{}
	t.mu.Lock()
	if t.loads == nil {
		t.loads = map[K]*load[K, V]{}
	}
	for _, k := range keys {
		switch l := t.loads[k]; l {
		case nil:
			t.loads[k] = mine
			own = append(own, k)
		case mine: // the key was given twice
		default:
			theirs[l] = append(theirs[l], k)
		}
	}
	t.mu.Unlock()

	if len(own) > 0 {
		go t.run(context.WithoutCancel(ctx), mine, own)
		theirs[mine] = own
	}
	for l, keys := range theirs {
		select {
		case <-l.done:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", t.Name, ctx.Err())
		}
		if l.err != nil {
			return l.err
		}
		for _, k := range keys {
			if v, ok := l.values[k]; ok {
				values[k] = v
			}
		}
	}
	return nil
}

// run loads keys and caches what may be cached of them.
func (t *Table[K, V]) run(ctx context.Context, l *load[K, V], keys []K) {
	ctx, cancel := context.WithTimeout(ctx, loading)
	defer cancel()
	func() {
		defer close(l.done)
		defer func() {
			if v := recover(); v != nil {
				l.err = fmt.Errorf("load %s: panic: %v\n%s", t.Name, v, debug.Stack())
			}
		}()
		l.values, l.err = t.Load(ctx, keys)
	}()
	for _, k := range keys {
		item, ok := t.item(k, l)
		if ok && t.current(k, l) {
			t.Cache.set(item)
		}
		if !t.finish(k, l) && ok {
			// Forgotten between the look and the write: what was written is old.
			t.Cache.forget(item.Key)
		}
	}
}

// item is what to cache of a finished load for a key, if anything.
func (t *Table[K, V]) item(k K, l *load[K, V]) (*memcache.Item, bool) {
	item := &memcache.Item{Key: key(t.Name, k)}
	v, ok := l.values[k]
	switch {
	case l.err != nil:
		return nil, false
	case !ok:
		item.Flags, item.Expiration = absent, ttl(t.Absent)
		return item, t.Absent > 0
	case t.Keep != nil && !t.Keep(v):
		return nil, false
	}
	b, err := json.Marshal(v)
	item.Value, item.Expiration = b, ttl(t.TTL)
	return item, err == nil
}

// current says whether nobody has forgotten k since l began.
func (t *Table[K, V]) current(k K, l *load[K, V]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loads[k] == l
}

// finish takes k off the loads under way and says what current says.
func (t *Table[K, V]) finish(k K, l *load[K, V]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.loads[k] != l {
		return false
	}
	delete(t.loads, k)
	return true
}

// Forget removes entries, so that reads that begin now load them. Loads under way
// in this process answer those who wait already and are not cached.
func (t *Table[K, V]) Forget(keys ...K) {
	t.mu.Lock()
	for _, k := range keys {
		delete(t.loads, k)
	}
	t.mu.Unlock()
	for _, k := range keys {
		t.Cache.forget(key(t.Name, k))
	}
}
