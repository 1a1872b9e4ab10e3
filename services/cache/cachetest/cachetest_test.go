package cachetest_test

import (
	"testing"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
)

func TestClusterTakesWrites(t *testing.T) {
	r := cachetest.NewRedis(t, 3)
	c := kv.Open(settings.Stores{Redis: r.Addrs[:1]}, r.Password)
	defer c.Close()
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} { // on all three
		if err := c.Set(t.Context(), key, "1", 0).Err(); err != nil {
			t.Errorf("set %s: %v", key, err)
		}
	}
	if err := kv.Ping(t.Context(), c); err != nil {
		t.Error(err)
	}
	r.Masters[1].Kill()
	if err := kv.Ping(t.Context(), c); err == nil {
		t.Error("a dead master goes unnoticed")
	}
}
