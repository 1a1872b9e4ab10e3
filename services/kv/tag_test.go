package kv_test

import (
	"strconv"
	"testing"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
)

// What is tagged goes, on whatever node it is, and nothing else does.
func TestDeleteTagged(t *testing.T) {
	cluster := cachetest.NewRedis(t, 3)
	r := kv.Open(settings.Stores{Redis: cluster.Addrs}, cluster.Password)
	t.Cleanup(func() { r.Close() })
	for i := range 30 {
		tag := strconv.Itoa(i)
		for _, key := range []string{"a:{" + tag + "}", "b:{" + tag + "}:x", tag} {
			if err := r.Set(t.Context(), key, "", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 15 {
		for range 2 { // it may be repeated
			if err := kv.DeleteTagged(t.Context(), r, strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 30 {
		tag, want := strconv.Itoa(i), int64(1)
		if i >= 15 {
			want = 3
		}
		left := int64(0)
		for _, key := range []string{"a:{" + tag + "}", "b:{" + tag + "}:x", tag} {
			left += r.Exists(t.Context(), key).Val()
		}
		if left != want {
			t.Errorf("%d keys of %d are left, want %d", left, i, want)
		}
	}
}
