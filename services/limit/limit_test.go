package limit

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
)

// noon is a quarter of a minute into a window.
var noon = time.Date(2026, 5, 4, 12, 0, 15, 0, time.UTC)

func TestCount(t *testing.T) {
	servers := cachetest.NewRedis(t, 1)
	at := noon
	clock := func() time.Time { return at }
	var processes [2]*Limits
	for i := range processes {
		r := kv.Open(settings.Stores{Redis: servers.Addrs}, servers.Password)
		t.Cleanup(func() { r.Close() })
		processes[i] = New(r, clock)
	}
	read := Policy{Name: "read", Quota: 100}

	t.Run("many at once", func(t *testing.T) {
		var answered atomic.Int64
		var wg sync.WaitGroup
		for i := range 130 {
			wg.Go(func() {
				if c, ok := processes[i%2].Count(t.Context(), read, "many"); ok && !c.Exceeded() {
					answered.Add(1)
				}
			})
		}
		wg.Wait()
		if n := answered.Load(); n != 100 {
			t.Errorf("%d requests are answered, want 100", n)
		}
	})
	t.Run("what is told", func(t *testing.T) {
		for used := 1; used <= 101; used++ {
			c, ok := processes[0].Count(t.Context(), read, "told")
			if !ok || c.Used != used || c.Reset != 45*time.Second || c.Exceeded() != (used == 101) {
				t.Fatalf("request %d = %+v, %v", used, c, ok)
			}
		}
		at = noon.Add(time.Minute)
		if c, ok := processes[1].Count(t.Context(), read, "told"); !ok || c.Used != 1 {
			t.Errorf("in the next window = %+v, %v", c, ok)
		}
		if c, _ := processes[0].Count(t.Context(), Policy{Name: "write", Quota: 1}, "told"); c.Used != 1 {
			t.Errorf("of another policy = %+v", c)
		}
	})
	t.Run("keys end", func(t *testing.T) {
		keys, err := processes[0].redis.Keys(t.Context(), "l:*").Result()
		if err != nil || len(keys) == 0 {
			t.Fatal(keys, err)
		}
		for _, k := range keys {
			if life := processes[0].redis.TTL(t.Context(), k).Val(); life <= Window || life > 2*Window {
				t.Errorf("%s lasts %s", k, life)
			}
		}
	})
	t.Run("without Redis", func(t *testing.T) {
		servers.Masters[0].Kill()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if c, ok := processes[0].Count(ctx, read, "away"); ok {
			t.Errorf("count = %+v", c)
		}
		guess := Policy{Name: "guess", Quota: 3, Guarded: true}
		for used := 1; used <= 4; used++ {
			if c, ok := processes[0].Count(ctx, guess, "away"); !ok || c.Used != used || c.Exceeded() != (used == 4) {
				t.Errorf("guess %d = %+v, %v", used, c, ok)
			}
		}
		at = at.Add(time.Minute)
		if c, ok := processes[0].Count(ctx, guess, "away"); !ok || c.Used != 1 {
			t.Errorf("in the next window = %+v, %v", c, ok)
		}
	})
}

func TestHeaders(t *testing.T) {
	for _, tt := range []struct {
		name          string
		counts        []Count
		policy, state string
	}{
		{"first", []Count{{Policy{Name: "read", Quota: 3000}, 1, 45 * time.Second}}, `"read";q=3000;w=60`, `"read";r=2999;t=45`},
		{"last, and a part of a second", []Count{{Policy{Name: "read", Quota: 3}, 3, 1100 * time.Millisecond}}, `"read";q=3;w=60`, `"read";r=0;t=2`},
		{"over", []Count{{Policy{Name: "read", Quota: 3}, 9, time.Minute}}, `"read";q=3;w=60`, `"read";r=0;t=60`},
		{"two", []Count{{Policy{Name: "a", Quota: 3}, 1, time.Minute}, {Policy{Name: "b", Quota: 2}, 1, time.Minute}},
			`"a";q=3;w=60, "b";q=2;w=60`, `"a";r=2;t=60, "b";r=1;t=60`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if policy, state := Headers(tt.counts); policy != tt.policy || state != tt.state {
				t.Errorf("headers = %s / %s", policy, state)
			}
		})
	}
}

// A flood of made-up names neither grows the guard nor lets more guesses at one name.
func TestGuardIsBounded(t *testing.T) {
	g := &New(nil, time.Now).guard
	for n := range slots * 2 {
		g.count(strconv.Itoa(n), noon)
	}
	if len(g.counts) != slots {
		t.Errorf("%d counts", len(g.counts))
	}
	for range 1 << 17 {
		g.count("kevin", noon)
	}
	if n := g.count("kevin", noon); n < 1<<15 {
		t.Errorf("after 131072 guesses %d are counted", n)
	}
}
