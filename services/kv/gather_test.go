package kv_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
)

// Everybody gets the answers to their own commands, from whichever node, also beside one
// who has given up and one whose command is an error.
func TestGather(t *testing.T) {
	servers := cachetest.NewRedis(t, 3)
	r := kv.Open(settings.Stores{Redis: servers.Addrs}, servers.Password)
	t.Cleanup(func() { r.Close() })
	g := kv.Gather(r)
	gone, giveUp := context.WithCancel(t.Context())
	giveUp()
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			ctx, key := t.Context(), fmt.Sprintf("key%d", n)
			if n%10 == 0 {
				ctx = gone
			}
			var set *redis.StatusCmd
			var got *redis.StringCmd
			var wrong *redis.IntCmd
			g.Ask(ctx, func(pipe redis.Pipeliner) {
				set, got, wrong = pipe.Set(ctx, key, n, 0), pipe.Get(ctx, key), pipe.LLen(ctx, key)
			})
			if v, err := got.Int(); v != n || err != nil || set.Err() != nil {
				t.Errorf("%s = %d, %v, %v", key, v, err, set.Err())
			}
			if !redis.HasErrorPrefix(wrong.Err(), "WRONGTYPE") {
				t.Errorf("error of a wrong command = %v", wrong.Err())
			}
		})
	}
	wg.Wait()
}
