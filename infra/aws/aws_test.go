package aws_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
	"github.com/burbn/burbn/services/shard"
)

// sample is a topology in the shape of the stack production, with three databases.
func sample() topology.Topology {
	t := topology.Topology{
		Target:   topology.AWS,
		Shards:   shard.Map{Count: 4096},
		Postgres: topology.Postgres{Connections: 1000, Replicas: 1},
		Nginx:    topology.Nginx{Count: 3}, API: topology.API{Count: 25},
		Worker: topology.Worker{Count: 4, Slots: topology.Slots{Photo: 10, FanOut: 16, Follow: 8, Index: 6, Share: 4, Delete: 4, Export: 2}},
		Push:   topology.Push{Count: 2, Slots: 32},
		Redis:  topology.Redis{Masters: 3, MemoryMB: 13000}, Memcached: topology.Memcached{Count: 6, MemoryMB: 6000},
		Upload: topology.Upload{MaxBytes: 20 << 20, Expires: 15 * time.Minute, MaxPixels: 50_000_000},
		Feed:   topology.Feed{Length: 800, FanOutLimit: 100_000}, Session: 720 * time.Hour,
		RateLimits: topology.RateLimits{Read: 3000, Write: 600, Anonymous: 60},
		Origins:    []string{"https://www.example.com"},
		APNs:       topology.APNs{TeamID: "TEAM000001", KeyID: "KEY0000001", Topic: "com.burbn.app"},
		Monitoring: topology.Monitoring{ScrapeInterval: 15 * time.Second},
		SentryDSN:  "https://sentry.example.com/1",
		Share:      topology.Share{Facebook: "https://graph.facebook.com", Twitter: "https://api.x.com"},
		AWS: topology.Cloud{
			Region: "us-east-1", Architecture: "arm64", Debian: "debian-12-arm64-20251112-2294", Release: "build", Protect: true,
			Domains: topology.Domains{Zone: "example.com", API: "api.example.com", Media: "media.example.com"},
			Network: topology.Network{CIDR: "10.20.0.0/16", NAT: "zone", Zones: []topology.Zone{
				{Name: "us-east-1a", Public: "10.20.0.0/24", App: "10.20.16.0/20", Data: "10.20.8.0/24"},
				{Name: "us-east-1b", Public: "10.20.1.0/24", App: "10.20.32.0/20", Data: "10.20.9.0/24"},
				{Name: "us-east-1c", Public: "10.20.2.0/24", App: "10.20.48.0/20", Data: "10.20.10.0/24"},
			}},
			WAF: topology.WAF{RequestsPer5Minutes: 3000},
			Buckets: topology.Buckets{
				Uploads: "example-uploads", Media: "example-media", Artifacts: "example-artifacts", Logs: "example-logs",
			},
			Nginx:      topology.Fleet{Instance: "c7g.large", DiskGB: 20, Max: 6},
			API:        topology.Fleet{Instance: "c7g.xlarge", DiskGB: 20, Max: 50, CPUPercent: 55},
			Worker:     topology.Fleet{Instance: "c7g.2xlarge", DiskGB: 40, Max: 12, OldestSeconds: 30},
			Push:       topology.Fleet{Instance: "c7g.large", DiskGB: 20, Max: 4},
			Monitoring: topology.Singleton{Instance: "m7g.large", DiskGB: 20, DataGB: 100},
			Postgres: topology.RDS{
				Class: "db.r6g.4xlarge", Version: "15.14", StorageGB: 500, MaxStorageGB: 2000, IOPS: 12000, ThroughputMBps: 500,
				BackupDays: 14, RotationDays: 30,
			},
			Redis:     topology.ElastiCacheRedis{Engine: "redis", Version: "7.1", Node: "cache.r7g.xlarge", Replicas: 1, SnapshotDays: 7},
			Memcached: topology.ElastiCacheMemcached{Version: "1.6.22", Node: "cache.m7g.large"},
			Media:     topology.Media{UndeleteDays: 30, ColdAfterDays: 30},
			Logs:      topology.Logs{Days: 90},
			Alerts:    topology.Alerts{Email: "oncall@example.com", Pager: "https://events.pagerduty.com/v2/enqueue"},
			Budget:    topology.Budget{MonthlyUSD: 60000},
		},
	}
	for i := range 3 {
		t.Databases = append(t.Databases, fmt.Sprintf("postgres-%02d", i+1))
		first := i * 4096 / 3
		t.Shards.Databases = append(t.Shards.Databases, shard.Database{
			Name: fmt.Sprintf("postgres-%02d", i+1), First: shard.Number(first), Last: shard.Number((i+1)*4096/3 - 1),
		})
	}
	return t
}

// recorded is every resource of a topology, by logical name.
func recorded(t *testing.T, top topology.Topology) map[string]record.Resource {
	t.Helper()
	return recordedAs(t, top, "production")
}

// recordedAs is the same for another stack's name.
func recordedAs(t *testing.T, top topology.Topology, stack string) map[string]record.Resource {
	t.Helper()
	p, err := aws.NewPlan(top, stack, release.Unknown())
	if err != nil {
		t.Fatal(err)
	}
	rs, err := record.Run(p)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]record.Resource{}
	for _, r := range rs {
		if old, ok := byName[r.Name]; ok && old.Type == r.Type {
			t.Errorf("two resources are named %s", r.Name)
		}
		byName[r.Name] = r
	}
	return byName
}

// refused is what is said of a topology that cannot be provisioned.
func refused(t *testing.T, top topology.Topology) error {
	t.Helper()
	p, err := aws.NewPlan(top, "production", release.Unknown())
	if err != nil {
		t.Fatal(err)
	}
	_, err = record.Run(p)
	return err
}

func TestEveryBucketIsPrivateEncryptedAndVersioned(t *testing.T) {
	resources := recorded(t, sample())
	for _, bucket := range []string{"storage-uploads", "storage-media"} {
		b, ok := resources[bucket]
		if !ok {
			t.Fatalf("no bucket %s", bucket)
		}
		if !b.Protect {
			t.Errorf("%s is not protected: a destroy would take the photos", bucket)
		}
		private := resources[bucket+"-private"].Inputs
		for _, k := range []resource.PropertyKey{"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"} {
			if !private[k].IsBool() || !private[k].BoolValue() {
				t.Errorf("%s: %s is not set", bucket, k)
			}
		}
		for _, part := range []string{"-encryption", "-versioning", "-ownership", "-lifecycle"} {
			if _, ok := resources[bucket+part]; !ok {
				t.Errorf("%s has no %s", bucket, part[1:])
			}
		}
	}
}

func TestOnlyTheDistributionReadsMediaAndNobodyWithoutTLS(t *testing.T) {
	resources := recorded(t, sample())
	for name, allows := range map[string]int{"cdn-bucket-policy": 1, "storage-uploads-policy": 0} {
		var policy struct {
			Statement []struct {
				Sid, Effect string
				Action      string
				Principal   any
				Condition   map[string]map[string]string
			}
		}
		if err := json.Unmarshal([]byte(resources[name].Inputs["policy"].StringValue()), &policy); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var refusesHTTP bool
		for _, s := range policy.Statement {
			if s.Effect == "Allow" {
				allows--
				if want := "arn:aws:cloudfront::123456789012:distribution/cdn-distribution"; s.Condition["StringEquals"]["AWS:SourceArn"] != want || s.Action != "s3:GetObject" {
					t.Errorf("%s allows %s to %q", name, s.Action, s.Condition["StringEquals"]["AWS:SourceArn"])
				}
			}
			refusesHTTP = refusesHTTP || s.Effect == "Deny" && s.Condition["Bool"]["aws:SecureTransport"] == "false"
		}
		if allows != 0 || !refusesHTTP {
			t.Errorf("%s: %d allowing statements too few, refuses plain HTTP: %t", name, allows, refusesHTTP)
		}
	}
}

func TestEveryResourceComesFromAnExplicitProvider(t *testing.T) {
	for name, r := range recorded(t, sample()) {
		if r.Custom && r.Provider == "" && !strings.HasPrefix(r.Type, "pulumi:providers:") {
			t.Errorf("%s (%s) would use the default provider", name, r.Type)
		}
	}
}
