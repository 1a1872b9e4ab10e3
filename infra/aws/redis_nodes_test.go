package aws

import (
	"slices"
	"strings"
	"testing"
)

func TestNodesOfRedisAreListedByTheirOwnNames(t *testing.T) {
	got, err := nodeRecords("clustercfg.burbn-dev-redis.c0ffee.use1.cache.amazonaws.com", []string{"burbn-dev-redis-0002-001", "burbn-dev-redis-0001-001"})
	want := []string{
		"0 0 6379 burbn-dev-redis-0001-001.burbn-dev-redis.c0ffee.use1.cache.amazonaws.com",
		"0 0 6379 burbn-dev-redis-0002-001.burbn-dev-redis.c0ffee.use1.cache.amazonaws.com",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for endpoint, says := range map[string]string{
		"burbn.c0ffee.clustercfg.use1.cache.amazonaws.com": "accepted is clustercfg.", // without TLS
		"clustercfg.burbn.c0ffee.use1.cache.amazonaws.com": "has no nodes",
	} {
		if _, err := nodeRecords(endpoint, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
