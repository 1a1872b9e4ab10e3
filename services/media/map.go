package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/id"
)

// Map answers in Redis whose a photo is, without asking a database. It may be
// lost, and holds no photo that nobody put: who misses one asks the database that
// the id's shard bits name, and puts it.
//
// Photos of the same eight seconds share a hash, which Redis keeps as one packed
// list: the key is the id's high bits, the field its low 36 bits in 5 bytes, the
// value the owner's id without its shard bits, which are those of the photo. That
// is 18 bytes a photo; a key of its own for each would cost 88.
//
// Its methods may be called by many goroutines.
type Map struct {
	redis *redis.ClusterClient
}

// NewMap returns the map kept in r.
func NewMap(r *redis.ClusterClient) *Map { return &Map{r} }

// Put remembers that owner published media. They are of the same logical shard.
func (m *Map) Put(ctx context.Context, media, owner id.ID) error {
	if media.Shard() != owner.Shard() {
		return fmt.Errorf("put media %s of user %s into the media map: they are of different shards", media, owner)
	}
	key, field := mapKey(media)
	if err := m.redis.HSet(ctx, key, field, packOwner(owner)).Err(); err != nil {
		return fmt.Errorf("put media %s into the media map: %w", media, err)
	}
	return nil
}

// Forget makes the map not know photos. It may be repeated.
func (m *Map) Forget(ctx context.Context, media ...id.ID) error {
	pipe := m.redis.Pipeline()
	for _, photo := range media {
		key, field := mapKey(photo)
		pipe.HDel(ctx, key, field)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("forget %d media in the media map: %w", len(media), err)
	}
	return nil
}

// Get is the owner of media; ok is false if the map does not know them.
func (m *Map) Get(ctx context.Context, media id.ID) (owner id.ID, ok bool, err error) {
	pipe := m.redis.Pipeline()
	cmd := m.Ask(ctx, pipe, media)
	pipe.Exec(ctx) // the command carries its error
	return m.Answer(media, cmd)
}

// Ask adds to a pipeline what Answer needs to know of media's owner.
func (m *Map) Ask(ctx context.Context, pipe redis.Pipeliner, media id.ID) *redis.StringCmd {
	key, field := mapKey(media)
	return pipe.HGet(ctx, key, field)
}

// Answer is what Get returns, from the command that Ask added.
func (m *Map) Answer(media id.ID, cmd *redis.StringCmd) (owner id.ID, ok bool, err error) {
	packed, err := cmd.Result()
	switch {
	case errors.Is(err, redis.Nil):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("ask the media map for media %s: %w", media, err)
	}
	owner, err = unpackOwner(packed, media)
	return owner, err == nil, err
}

// GetMany are the owners of those of the photos that the map knows, in one round
// trip to each node.
func (m *Map) GetMany(ctx context.Context, media []id.ID) (map[id.ID]id.ID, error) {
	pipe := m.redis.Pipeline()
	cmds := make([]*redis.StringCmd, len(media))
	for i, photo := range media {
		cmds[i] = m.Ask(ctx, pipe, photo)
	}
	pipe.Exec(ctx) // each command carries its error
	owners := make(map[id.ID]id.ID, len(media))
	for i, photo := range media {
		switch owner, ok, err := m.Answer(photo, cmds[i]); {
		case err != nil:
			return nil, err
		case ok:
			owners[photo] = owner
		}
	}
	return owners, nil
}

// fieldBits are the bits of an id within its hash: 13 of milliseconds, all of the
// shard and of the sequence.
const fieldBits = 13 + id.ShardBits + id.SequenceBits

func mapKey(media id.ID) (key, field string) {
	low := binary.BigEndian.AppendUint64(nil, uint64(media)&(1<<fieldBits-1))
	return "m:" + strconv.FormatInt(int64(media)>>fieldBits, 36), string(low[3:])
}

const timeBits = id.ShardBits + id.SequenceBits // above them are the milliseconds

func packOwner(owner id.ID) string {
	ms, sequence := uint64(owner)>>timeBits, uint64(owner)&(1<<id.SequenceBits-1)
	b := binary.BigEndian.AppendUint64(nil, ms<<id.SequenceBits|sequence)
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return string(b)
}

func unpackOwner(packed string, media id.ID) (id.ID, error) {
	if len(packed) == 0 || len(packed) > 7 {
		return 0, fmt.Errorf("read media %s in the media map: an owner has 1 to 7 bytes, not %d", media, len(packed))
	}
	var b [8]byte
	copy(b[8-len(packed):], packed)
	n := binary.BigEndian.Uint64(b[:])
	shard := int64(media.Shard())
	return id.ID(int64(n>>id.SequenceBits)<<timeBits | shard<<id.SequenceBits | int64(n&(1<<id.SequenceBits-1))), nil
}
