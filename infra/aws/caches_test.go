package aws_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestRedis(t *testing.T) {
	rs := recorded(t, sample())
	has(t, rs, "redis-cluster", map[string]any{
		"replicationGroupId": "burbn-production-redis", "engine": "redis", "engineVersion": "7.1", "nodeType": "cache.r7g.xlarge",
		"clusterMode": "enabled", "numNodeGroups": 3.0, "replicasPerNodeGroup": 1.0, "automaticFailoverEnabled": true, "multiAzEnabled": true,
		"atRestEncryptionEnabled": true, "kmsKeyId": arnOf(rs, "keys-data"), "transitEncryptionEnabled": true, "transitEncryptionMode": "required",
		"authToken": "made-up-secrets-redis-password", "securityGroupIds": []any{"network-group-redis.id"}, "parameterGroupName": "burbn-production-redis7",
		"snapshotRetentionLimit": 7.0, "finalSnapshotIdentifier": "burbn-production-redis-final", "autoMinorVersionUpgrade": false,
		// A topic that is encrypted gets nothing from ElastiCache.
		"notificationTopicArn": nil,
	})
	if !rs["redis-cluster"].Inputs["authToken"].IsSecret() {
		t.Error("the password would stand in Pulumi's state in the clear")
	}
	has(t, rs, "redis-name", map[string]any{
		"name": "redis.production.burbn.internal", "type": "CNAME", "records": []any{"clustercfg.burbn-production-redis.c0ffee.use1.cache.amazonaws.com"},
	})

	top := sample()
	top.AWS.Redis.Replicas, top.AWS.Redis.Engine, top.AWS.Redis.Version, top.AWS.Protect = 0, "valkey", "8.0", false
	has(t, recorded(t, top), "redis-cluster", map[string]any{
		"engine": "valkey", "automaticFailoverEnabled": true, "multiAzEnabled": false, "parameterGroupName": "burbn-production-valkey8", "finalSnapshotIdentifier": nil,
	})
}

// What a line of redis.conf says, ElastiCache is told too.
func TestRedisParametersSayWhatTheConfigurationFileDoes(t *testing.T) {
	conf, err := os.ReadFile("../../images/redis/etc/redis/redis.conf")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+) ([a-z0-9]+)$`).FindAllStringSubmatch(string(conf), -1) {
		said[m[1]] = m[2]
	}
	parameters := inputs(t, recorded(t, sample()), "redis-parameters")["parameters"].([]any)
	if len(parameters) < 10 {
		t.Fatalf("only %d parameters", len(parameters))
	}
	for _, p := range parameters {
		name, value := p.(map[string]any)["name"].(string), p.(map[string]any)["value"]
		if value != said[name] {
			t.Errorf("%s is %v here and %q in redis.conf", name, value, said[name])
		}
	}
}

func TestMemcached(t *testing.T) {
	rs := recorded(t, sample())
	has(t, rs, "memcached-cluster", map[string]any{
		"clusterId": "burbn-production-memcached", "engine": "memcached", "engineVersion": "1.6.22", "nodeType": "cache.m7g.large",
		"numCacheNodes": 6.0, "azMode": "cross-az", "securityGroupIds": []any{"network-group-memcached.id"}, "parameterGroupName": "burbn-production-memcached1-6",
		"preferredAvailabilityZones": []any{"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1a", "us-east-1b", "us-east-1c"},
	})
	if !slices.Contains(rs["memcached-cluster"].IgnoreChanges, "preferredAvailabilityZones") {
		t.Error("a zone more would ask ElastiCache for ever to move the nodes")
	}
	for i := range 6 {
		name := fmt.Sprintf("memcached-%02d", i+1)
		has(t, rs, name+"-name", map[string]any{
			"name": name + ".production.burbn.internal", "records": []any{fmt.Sprintf("burbn-production-memcached.c0ffee.%04d.use1.cache.amazonaws.com", i+1)},
		})
	}
	top := sample()
	top.Memcached.Count = 1
	has(t, recorded(t, top), "memcached-cluster", map[string]any{"azMode": "single-az", "preferredAvailabilityZones": []any{"us-east-1a"}})
}
