package cache

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// Batch is questions to any number of tables, which are sent as one request to each
// node that holds some of the keys, in parallel.
type Batch struct {
	cache   *Cache
	keys    [][]byte
	entries []entry
	calls   []*call
	borrows bool
}

// entry is what a node has of a key.
type entry struct {
	state   state
	flags   uint32
	version uint64 // changes with each write
	value   []byte
}

type state uint8

const (
	missing state = iota
	found
	failed // the node did not answer
)

// Batch begins one: Ask it, Send it, and then each Question has its answer.
func (c *Cache) Batch() *Batch { return &Batch{cache: c} }

// Borrow is Batch for who calls Release as soon as they have copied what they want of the
// answers.
func (c *Cache) Borrow() *Batch { return &Batch{cache: c, borrows: true} }

// together is how many keys one command asks for.
const together = 100

// Send asks the nodes, and returns when each has answered or failed.
func (b *Batch) Send() {
	b.entries = make([]entry, len(b.keys))
	open := make(map[*node]*call, len(b.cache.nodes)) // with room for another key
	var calls []*call
	for i, key := range b.keys {
		n := b.cache.node(key)
		if n == nil {
			continue
		}
		c := open[n]
		if c == nil || len(c.keys) == together {
			c = &call{node: n, gets: true, borrows: b.borrows, entries: b.entries, command: append(make([]byte, 0, 512), "gets"...)}
			open[n], calls = c, append(calls, c)
		}
		c.keys, c.at = append(c.keys, key), append(c.at, i)
		c.command = append(append(c.command, ' '), key...)
	}
	if len(calls) == 0 {
		return
	}
	var pending atomic.Int64
	pending.Store(int64(len(calls)))
	done := make(chan struct{})
	for _, c := range calls {
		c.command = append(c.command, "\r\n"...)
		c.done = func(err error) {
			if err != nil {
				for _, i := range c.at {
					b.entries[i] = entry{state: failed}
				}
			}
			if pending.Add(-1) == 0 {
				close(done)
			}
		}
		c.node.begin(c)
	}
	<-done
	b.calls = calls
}

// Release gives back what the answers of a batch that Borrow began lie in.
func (b *Batch) Release() {
	for _, c := range b.calls {
		for _, r := range c.rooms {
			rooms.Put(r)
		}
	}
	b.calls = nil // loads under way still look at the entries, but not at their values
}

// A Question is what a Batch asks of one table.
type Question[K Key, V any] struct {
	table *Table[K, V]
	keys  []K
	batch *Batch
	from  int // of the batch's keys
}

// Ask adds keys to a batch that is not sent yet.
func (t *Table[K, V]) Ask(b *Batch, keys ...K) *Question[K, V] {
	q := &Question[K, V]{t, keys, b, len(b.keys)}
	text := make([]byte, 0, len(keys)*(len(t.Name)+16))
	for _, k := range keys {
		begin := len(text)
		text = appendKey(text, t.Name, k)
		b.keys = append(b.keys, text[begin:len(text):len(text)])
	}
	return q
}

// Answer is the values of the keys, of which it loads those that memcached has not, with
// one Load. Keys without a value are missing from the result. Readers that miss the same
// key at the same time share a load.
func (q *Question[K, V]) Answer(ctx context.Context) (map[K]V, error) {
	values := make(map[K]V, len(q.keys))
	var missing []int
	for i, k := range q.keys {
		switch e := q.entry(i); {
		case e.state == found && e.flags == absent:
		case e.state == found && e.flags != forgotten:
			if v, err := q.table.decode(e.value); err == nil {
				values[k] = v
				continue
			}
			fallthrough
		default:
			missing = append(missing, i)
		}
	}
	q.count(len(missing))
	if len(missing) == 0 {
		return values, nil
	}
	return values, q.load(ctx, missing, values)
}

// Faces is what Answer is, as the table's Face shows it, in the order of the keys; nil
// stands for a key that has no value. What memcached has is not decoded.
func (q *Question[K, V]) Faces(ctx context.Context) ([][]byte, error) {
	faces := make([][]byte, len(q.keys))
	var missing []int
	for i := range q.keys {
		switch e := q.entry(i); {
		case e.state == found && e.flags == absent:
		case e.state == found && e.flags != forgotten:
			if face, _, ok := split(e.value); ok {
				faces[i] = face
				continue
			}
			fallthrough
		default:
			missing = append(missing, i)
		}
	}
	q.count(len(missing))
	if len(missing) == 0 {
		return faces, nil
	}
	values := make(map[K]V, len(missing))
	if err := q.load(ctx, missing, values); err != nil {
		return nil, err
	}
	for _, i := range missing {
		if v, ok := values[q.keys[i]]; ok {
			faces[i] = q.table.Face(v)
		}
	}
	return faces, nil
}

// Known is the value of the key at i, if memcached has it.
func (q *Question[K, V]) Known(i int) (v V, ok bool) {
	e := q.entry(i)
	if e.state != found || e.flags != 0 {
		return v, false
	}
	v, err := q.table.decode(e.value)
	return v, err == nil
}

// Keep caches a value of the key at i, unless somebody has changed or forgotten it since
// the batch was sent.
func (q *Question[K, V]) Keep(i int, v V) {
	var kept sync.WaitGroup
	if value, err := q.table.encode(v); err == nil {
		q.put(&kept, i, 0, q.table.TTL, value)
	}
	kept.Wait()
}

// put begins to store what was loaded after the entry of the key at i was read.
func (q *Question[K, V]) put(wg *sync.WaitGroup, i int, flags uint32, ttl time.Duration, value []byte) {
	key, verb, e := q.batch.keys[q.from+i], "add", q.entry(i)
	if e.state == found {
		verb = "cas"
	}
	if e.state != failed {
		q.batch.cache.begin(wg, key, store(nil, verb, key, flags, ttl, value, e.version))
	}
}

func (q *Question[K, V]) entry(i int) entry { return q.batch.entries[q.from+i] }

func (q *Question[K, V]) count(missed int) {
	failures := 0
	for i := range q.keys {
		if q.entry(i).state == failed {
			failures++
		}
	}
	n := q.batch.cache.count(q.table.Name)
	n.hit.Add(float64(len(q.keys) - missed))
	n.failed.Add(float64(failures))
	n.miss.Add(float64(missed - failures))
}

// split takes the value of a table with faces apart: the length of the face, the face,
// the rest.
func split(value []byte) (face, rest []byte, ok bool) {
	n, size := binary.Uvarint(value)
	if size <= 0 || n > uint64(len(value)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return value[size:end:end], value[end:], true
}
