package aws

import (
	"slices"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/elasticache"
)

func TestNodesAreTakenInOrder(t *testing.T) {
	node := func(id, address string) elasticache.ClusterCacheNode {
		return elasticache.ClusterCacheNode{Id: &id, Address: &address}
	}
	got, err := inOrder([]elasticache.ClusterCacheNode{node("0003", "c"), node("0001", "a"), node("0002", "b")})
	if want := []string{"a", "b", "c"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := inOrder([]elasticache.ClusterCacheNode{node("0001", "a"), {}}); err == nil || err.Error() != "memcached node 2 of 2 has no id or no address" {
		t.Errorf("got %v", err)
	}
}
