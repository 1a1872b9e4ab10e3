package aws_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/topology"
)

func TestEveryDatabaseIsEncryptedBackedUpAndPrivate(t *testing.T) {
	rs := recorded(t, sample())
	for i := range 3 {
		primary, replica := fmt.Sprintf("postgres-%02d", i+1), fmt.Sprintf("replica-%02d", i+1)
		for _, name := range []string{primary, replica} {
			has(t, rs, name, map[string]any{
				"identifier": "burbn-production-" + name, "instanceClass": "db.r6g.4xlarge",
				"storageEncrypted": true, "storageType": "gp3", "allocatedStorage": 500.0, "maxAllocatedStorage": 2000.0, "iops": 12000.0, "storageThroughput": 500.0,
				"publiclyAccessible": false, "vpcSecurityGroupIds": []any{"network-group-postgres.id"}, "caCertIdentifier": "rds-ca-rsa2048-g1",
				"deletionProtection": true, "deleteAutomatedBackups": false, "copyTagsToSnapshot": true,
				"applyImmediately": false, "autoMinorVersionUpgrade": false, "allowMajorVersionUpgrade": false,
				"performanceInsightsEnabled": true, "performanceInsightsKmsKeyId": arnOf(rs, "keys-data"), "monitoringInterval": 60.0,
				"enabledCloudwatchLogsExports": []any{"postgresql", "upgrade"}, "parameterGroupName": "burbn-production-postgres15",
			})
			for _, log := range []string{"postgresql", "upgrade"} {
				has(t, rs, name+"-log-"+log, map[string]any{
					"name": "/aws/rds/instance/burbn-production-" + name + "/" + log, "retentionInDays": 90.0, "kmsKeyId": arnOf(rs, "keys-logs"),
				})
				if !slices.Contains(rs[name].DependsOn, name+"-log-"+log) {
					t.Errorf("%s may write %s before its log group is encrypted", name, log)
				}
			}
		}
		has(t, rs, primary, map[string]any{
			"engine": "postgres", "engineVersion": "15.14", "dbName": "burbn", "username": "burbn_owner",
			"password": "made-up-secrets-" + primary + "-owner-password", "kmsKeyId": arnOf(rs, "keys-data"), "backupRetentionPeriod": 14.0, "multiAz": false,
			"skipFinalSnapshot": false, "finalSnapshotIdentifier": "burbn-production-" + primary + "-final", "dbSubnetGroupName": "burbn-production-postgres",
		})
		// RDS makes no replica of one whose password it manages.
		if _, ok := inputs(t, rs, primary)["manageMasterUserPassword"]; ok {
			t.Errorf("%s: RDS refuses its replica", primary)
		}
		if r := rs[primary]; !r.Inputs["password"].IsSecret() || !slices.Contains(r.IgnoreChanges, "password") {
			t.Errorf("%s: the owner's password is no secret, or goes back to the first", primary)
		}
		// What RDS takes from the primary and refuses to be told.
		has(t, rs, replica, map[string]any{
			"replicateSourceDb": "burbn-production-" + primary, "kmsKeyId": nil, "dbSubnetGroupName": nil, "engine": nil, "username": nil,
			"password": nil, "backupRetentionPeriod": 0.0, "skipFinalSnapshot": true, "finalSnapshotIdentifier": nil,
		})
		for _, name := range []string{primary, replica} {
			has(t, rs, name+"-name", map[string]any{
				"name": name + ".production.burbn.internal", "type": "CNAME", "ttl": 30.0,
				"records": []any{"burbn-production-" + name + ".c0ffee.us-east-1.rds.amazonaws.com"},
			})
		}
	}
}

func TestWhatTheTopologyLeavesToAmazonIsNotSaid(t *testing.T) {
	top := sample()
	top.AWS.Postgres.IOPS, top.AWS.Postgres.ThroughputMBps = 0, 0
	// From 400 GB on it is said, and below RDS refuses to be told.
	has(t, recorded(t, top), "postgres-01", map[string]any{"iops": 12000.0, "storageThroughput": 500.0})
	top.AWS.Postgres.StorageGB = 399
	top.AWS.Postgres.MultiAZ = true
	top.AWS.Protect = false
	rs := recorded(t, top)
	has(t, rs, "postgres-01", map[string]any{
		"iops": nil, "storageThroughput": nil, "multiAz": true, "availabilityZone": nil,
		"deletionProtection": false, "skipFinalSnapshot": true, "finalSnapshotIdentifier": nil, "deleteAutomatedBackups": true,
	})
}

func TestAReplicaIsNeverInTheZoneOfItsPrimary(t *testing.T) {
	for zones := 2; zones <= 3; zones++ {
		top := sample()
		top.AWS.Network.Zones = top.AWS.Network.Zones[:zones]
		rs := recorded(t, top)
		used := map[any]bool{}
		for i := range 3 {
			primary := inputs(t, rs, fmt.Sprintf("postgres-%02d", i+1))["availabilityZone"]
			replica := inputs(t, rs, fmt.Sprintf("replica-%02d", i+1))["availabilityZone"]
			if primary == nil || replica == nil || primary == replica {
				t.Errorf("%d zones: database %d is in %v, its replica in %v", zones, i+1, primary, replica)
			}
			used[primary] = true
		}
		if len(used) != zones {
			t.Errorf("%d zones: the primaries use %d", zones, len(used))
		}
	}
}

func TestStorageGrowsWhenTheStackSaysSo(t *testing.T) {
	rs := recorded(t, sample())
	for _, name := range namesOf(t, rs, "aws:rds/instance:Instance") {
		for _, grown := range []string{"allocatedStorage", "maxAllocatedStorage", "iops", "storageThroughput"} {
			if slices.Contains(rs[name].IgnoreChanges, grown) {
				t.Errorf("%s: a change of %s would be ignored", name, grown)
			}
		}
	}
}

func TestNoReplicasWhereNoneAreAskedFor(t *testing.T) {
	top := sample()
	top.Postgres.Replicas = 0
	rs := recorded(t, top)
	if names := namesOf(t, rs, "aws:rds/instance:Instance"); len(names) != 3 {
		t.Errorf("instances: %v", names)
	}
}

func TestPostgresParameters(t *testing.T) {
	group := inputs(t, recorded(t, sample()), "postgres-parameters")
	if group["family"] != "postgres15" {
		t.Errorf("the family is %v", group["family"])
	}
	var b strings.Builder
	for _, p := range group["parameters"].([]any) {
		q := p.(map[string]any)
		fmt.Fprintf(&b, "%s = %s (%s)\n", q["name"], q["value"], q["applyMethod"])
	}
	aws.Golden(t, "testdata/postgres-parameters.golden", b.String())
}

func TestVersionsThatHaveNoParameterGroupAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*topology.Topology)
		want string
	}{
		"postgres without minor": {func(top *topology.Topology) { top.AWS.Postgres.Version = "15" }, `postgres version "15": accepted is one such as 15.14`},
		"postgres of no number":  {func(top *topology.Topology) { top.AWS.Postgres.Version = "new.1" }, `postgres version "new.1"`},
		"old redis":              {func(top *topology.Topology) { top.AWS.Redis.Version = "6.2" }, `redis engine "redis" version "6.2": accepted is redis 7.x, valkey 7.x or 8.x`},
		"redis without minor":    {func(top *topology.Topology) { top.AWS.Redis.Version = "7" }, `redis engine "redis" version "7"`},
		"other engine":           {func(top *topology.Topology) { top.AWS.Redis.Engine = "dragonfly" }, `redis engine "dragonfly"`},
		"old memcached":          {func(top *topology.Topology) { top.AWS.Memcached.Version = "1.5.16" }, `memcached version "1.5.16": accepted is one such as 1.6.22`},
	} {
		t.Run(name, func(t *testing.T) {
			top := sample()
			c.edit(&top)
			if err := refused(t, top); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestTheRolesAreWrittenOnceAndForTheRotation(t *testing.T) {
	rs := recorded(t, sample())
	for role, own := range map[string]map[string]any{
		"owner": {"username": "burbn_owner", "password": "made-up-secrets-postgres-02-owner-password"},
		"app": {
			"username": "burbn_app", "password": "made-up-secrets-postgres-02-app-password",
			"masterarn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:burbn/production/postgres-02/owner-AbCdEf",
		},
	} {
		version := rs["postgres-02-"+role]
		if !slices.Contains(version.IgnoreChanges, "secretString") {
			t.Errorf("%s: an up would undo a rotation", role)
		}
		if !version.Inputs["secretString"].IsSecret() {
			t.Errorf("%s: the password would stand in Pulumi's state in the clear", role)
		}
		want := map[string]any{
			"engine": "postgres", "host": "burbn-production-postgres-02.c0ffee.us-east-1.rds.amazonaws.com", "port": "5432", "dbname": "burbn", "ssl": "true",
		}
		maps.Copy(want, own)
		if got := decoded(t, rs, "postgres-02-"+role, "secretString"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", role, got, want)
		}
	}
}
