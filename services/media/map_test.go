package media

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
)

func newMap(tb testing.TB, masters int) (*Map, *redis.ClusterClient, *cachetest.Redis) {
	tb.Helper()
	servers := cachetest.NewRedis(tb, masters)
	r := kv.Open(settings.Stores{Redis: servers.Addrs}, servers.Password)
	tb.Cleanup(func() { r.Close() })
	return NewMap(r), r, servers
}

func TestMap(t *testing.T) {
	m, _, servers := newMap(t, 3)
	born := id.Epoch.Add(300 * 24 * time.Hour)
	want := map[id.ID]id.ID{}
	var photos []id.ID
	for n := range 2000 {
		// Photos of two hours, so of hundreds of hashes on all three masters.
		shard := uint16(n * 31 % 8192)
		photo := id.Make(born.Add(time.Duration(n)*3600*time.Millisecond), shard, uint16(n%1024))
		want[photo] = id.Make(id.Epoch.Add(time.Duration(n)*time.Hour), shard, uint16(n%7))
		photos = append(photos, photo)
		if err := m.Put(t.Context(), photo, want[photo]); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Put(t.Context(), photos[0], want[photos[0]]); err != nil {
		t.Errorf("put again: %v", err)
	}
	unknown := id.Make(born, 1, 999)
	got, err := m.GetMany(t.Context(), append(photos, unknown))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d owners, want %d", len(got), len(want))
	}
	for photo, owner := range want {
		if got[photo] != owner {
			t.Fatalf("owner of %s = %s, want %s", photo, got[photo], owner)
		}
	}
	if owner, ok, err := m.Get(t.Context(), photos[5]); owner != want[photos[5]] || !ok || err != nil {
		t.Errorf("owner = %s, %t, %v", owner, ok, err)
	}
	if _, ok, err := m.Get(t.Context(), unknown); ok || err != nil {
		t.Errorf("unknown: %t, %v", ok, err)
	}
	if err := m.Put(t.Context(), id.Make(born, 1, 1), id.Make(born, 2, 1)); err == nil {
		t.Error("an owner on another shard is accepted")
	}
	for _, s := range servers.Masters {
		s.Kill()
	}
	if _, _, err := m.Get(t.Context(), photos[0]); err == nil {
		t.Error("no error with Redis away")
	}
}

func FuzzMapEncoding(f *testing.F) {
	f.Add(int64(1), int64(1))
	f.Add(int64(1)<<62|12345, int64(1)<<61|999)
	f.Fuzz(func(t *testing.T, photo, owner int64) {
		photo &= 1<<63 - 1
		owner &= 1<<63 - 1
		p := id.ID(photo)
		// The owner lives on the photo's shard.
		const shardMask = id.MaxShard << id.SequenceBits
		o := id.ID(owner&^shardMask | photo&shardMask)
		got, err := unpackOwner(packOwner(o), p)
		if err != nil || got != o {
			t.Errorf("owner %s of %s comes back as %s, %v", o, p, got, err)
		}
		key, field := mapKey(p)
		if len(field) != 5 {
			t.Errorf("field of %d bytes", len(field))
		}
		key2, field2 := mapKey(p ^ 1)
		if key+field == key2+field2 {
			t.Error("two photos share an entry")
		}
	})
}

// BenchmarkMapMemory measures what a million photos, posted at the rate of the
// original (25 a second) and at ten times that, take of Redis.
func BenchmarkMapMemory(b *testing.B) {
	const photos = 1_000_000
	for _, rate := range []int{25, 250} {
		b.Run(fmt.Sprintf("%dps", rate), func(b *testing.B) {
			_, r, servers := newMap(b, 1)
			node := redis.NewClient(&redis.Options{Addr: servers.Addrs[0], Password: servers.Password})
			defer node.Close()
			if err := node.ConfigSet(b.Context(), "hash-max-listpack-entries", "2048").Err(); err != nil { // as the image has it
				b.Fatal(err)
			}
			used := func() int64 {
				var n int64
				info, err := node.InfoMap(b.Context(), "memory").Result()
				if err != nil {
					b.Fatal(err)
				}
				fmt.Sscan(info["Memory"]["used_memory_dataset"], &n)
				return n
			}
			for b.Loop() {
				if err := node.FlushAll(b.Context()).Err(); err != nil {
					b.Fatal(err)
				}
				before := used()
				born := id.Epoch.Add(300 * 24 * time.Hour)
				for n := 0; n < photos; {
					pipe := r.Pipeline()
					for range 10_000 {
						shard := uint16(n * 7919 % 8192)
						photo := id.Make(born.Add(time.Duration(n)*time.Second/time.Duration(rate)), shard, uint16(n%1024))
						owner := id.Make(id.Epoch.Add(time.Duration(n)*25*time.Second), shard, uint16(n%1024))
						key, field := mapKey(photo)
						pipe.HSet(b.Context(), key, field, packOwner(owner))
						n++
					}
					if _, err := pipe.Exec(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(used()-before)/photos, "bytes/photo")
			}
		})
	}
}

func BenchmarkMapGet(b *testing.B) {
	m, _, _ := newMap(b, 1)
	photo := id.Make(time.Now(), 7, 1)
	if err := m.Put(b.Context(), photo, id.Make(id.Epoch, 7, 1)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := m.Get(b.Context(), photo); err != nil {
			b.Fatal(err)
		}
	}
}
