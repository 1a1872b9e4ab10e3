package topology_test

import (
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/topology"
)

func TestAWSIsRead(t *testing.T) {
	got, err := topology.Parse([]byte(value(t, "production")))
	if err != nil {
		t.Fatal(err)
	}
	c := got.AWS
	for what, ok := range map[string]bool{
		"region":    c.Region == "us-east-1" && c.Architecture == "arm64" && c.Protect && c.Release == "build",
		"domains":   c.Domains == topology.Domains{Zone: "example.com", API: "api.example.com", Media: "media.example.com"},
		"zones":     len(c.Network.Zones) == 3 && c.Network.Zones[2] == topology.Zone{Name: "us-east-1c", Public: "10.20.2.0/24", App: "10.20.48.0/20", Data: "10.20.10.0/24"},
		"api":       c.API == topology.Fleet{Instance: "c7g.xlarge", DiskGB: 20, Max: 50, CPUPercent: 55},
		"worker":    c.Worker == topology.Fleet{Instance: "c7g.4xlarge", DiskGB: 40, Max: 12, OldestSeconds: 30},
		"redis":     c.Redis == topology.ElastiCacheRedis{Engine: "redis", Version: "7.1", Node: "cache.r7g.xlarge", Replicas: 1, SnapshotDays: 7},
		"postgres":  c.Postgres.Class == "db.r6g.4xlarge" && c.Postgres.MaxStorageGB == 2000 && !c.Postgres.MultiAZ,
		"the shape": got.Nginx.Count == 3 && got.API.Count == 25 && len(got.Databases) == 12 && got.Postgres.Replicas == 1 && got.Memcached.Count == 6,
		"workers":   got.Worker.Count*got.Worker.Slots.All() == 200,
	} {
		if !ok {
			t.Errorf("%s: read %+v", what, got)
		}
	}
}

// Every check is broken once; what the stack production says is replaced.
func TestAWSRefusals(t *testing.T) {
	const zone = "{name: us-east-1c, public: 10.20.2.0/24, app: 10.20.48.0/20, data: 10.20.10.0/24}"
	tests := []struct {
		name     string
		old, new string
		want     string
	}{
		{"unknown region", "region: us-east-1", "region: moon-1", `region: "moon-1" is not accepted: accepted is af-south-1, ap-east-1`},
		{"unknown architecture", "architecture: arm64", "architecture: arm", `architecture: "arm" is not accepted: accepted is amd64, arm64`},
		{"image of another system", "debian: debian-12-arm64-20251112-2294", "debian: ubuntu", `debian: "ubuntu" is not accepted: accepted is the name of Debian's machine image`},
		{"image of another architecture", "debian-12-arm64-", "debian-12-amd64-", `debian: "debian-12-amd64-20251112-2294" is of another architecture: accepted is one of arm64`},
		{"release that is none", "release: build", "release: v1", `release: "v1" is not accepted: accepted is build, or the twelve hexadecimal digits`},
		{"protect in words", "protect: true", "protect: yes", `protect: "yes" is not accepted: accepted is true, false`},
		{"domain in capitals", "api: api.example.com", "api: API.example.com", `domains.api: "API.example.com" is not accepted: accepted is a domain name in small letters`},
		{"domain outside the zone", "api: api.example.com", "api: api.example.org", `domains.api: "api.example.org" is not in the zone: accepted is a name that ends with .example.com`},
		{"domain too long for a certificate", "media: media.example.com", "media: " + strings.Repeat("a", 60) + ".example.com", "domains.media: \"" + strings.Repeat("a", 60) + ".example.com\" has 72 characters: accepted are 64"},
		{"one domain for both", "media: media.example.com", "media: api.example.com", `domains.media: "api.example.com" is the name of the API: accepted is another`},
		{"nat", "nat: zone", "nat: none", `network.nat: "none" is not accepted: accepted is zone, one`},
		{"public network", "cidr: 10.20.0.0/16", "cidr: 8.8.0.0/16", `network.cidr: "8.8.0.0/16" is not accepted: accepted is a private network from /16 to /28`},
		{"network too large", "cidr: 10.20.0.0/16", "cidr: 10.0.0.0/8", `network.cidr: "10.0.0.0/8" is not accepted`},
		{"network not canonical", "cidr: 10.20.0.0/16", "cidr: 10.20.1.0/16", `network.cidr: "10.20.1.0/16" has bits beyond its length: accepted is 10.20.0.0/16`},
		{"zone that is none", "us-east-1c", "us-east-c", `network.zones[2].name: "us-east-c" is not accepted: accepted is an availability zone such as eu-west-1a`},
		{"zone of another region", "us-east-1c", "us-west-2c", `network.zones[2].name: "us-west-2c" is not in the region: accepted is us-east-1a to us-east-1f`},
		{"zone given twice", "us-east-1c", "us-east-1b", `network.zones[2].name: "us-east-1b" is given twice`},
		{"subnet outside the network", "data: 10.20.10.0/24", "data: 10.99.10.0/24", "network.zones[2].data: 10.99.10.0/24 is not a part of the network: accepted is one of 10.20.0.0/16"},
		{"subnets that overlap", "data: 10.20.10.0/24", "data: 10.20.1.0/26", "network.zones[2].data: 10.20.1.0/26 overlaps 10.20.1.0/24, which is aws.network.zones[1].public"},
		{"subnet too small for an ALB", "public: 10.20.2.0/24", "public: 10.20.2.0/28", `network.zones[2].public: "10.20.2.0/28" is not accepted: accepted is a private network from /16 to /27`},
		{"subnet too small for the machines", "app: 10.20.48.0/20", "app: 10.20.48.0/27", "network.zones[2].app: 10.20.48.0/27 has 27 addresses for 25 machines at most and 16 to spare: accepted is a larger one"},
		{"subnet too small for the data", "data: 10.20.10.0/24", "data: 10.20.10.0/28", "network.zones[2].data: 10.20.10.0/28 has 11 addresses for 12 databases and cache nodes at most and 16 to spare"},
		{"seven zones", "- " + zone, strings.Repeat("- "+zone+"\n            ", 5), "topology.aws.network.zones: 7 are given: accepted are 2 to 6"},
		{"one zone", "- {name: us-east-1b, public: 10.20.1.0/24, app: 10.20.32.0/20, data: 10.20.9.0/24}\n            - " + zone, "", "topology.aws.network.zones: 1 are given: accepted are 2 to 6; neither a load balancer nor a database is accepted in fewer"},
		{"bucket with a dot", "uploads: example-burbn-production-uploads", "uploads: example.uploads", `buckets.uploads: "example.uploads" is not accepted: accepted is 3 to 63 of a-z, 0-9 and -`},
		{"bucket with a prefix that is taken", "uploads: example-burbn-production-uploads", "uploads: xn--uploads", `buckets.uploads: "xn--uploads" is not accepted: S3 keeps names that begin with xn-- for itself`},
		{"bucket with a suffix that is taken", "uploads: example-burbn-production-uploads", "uploads: uploads-s3alias", `buckets.uploads: "uploads-s3alias" is not accepted: S3 keeps names that end with -s3alias for itself`},
		{"one bucket for two", "logs: example-burbn-production-logs", "logs: example-burbn-production-media", `buckets.logs: "example-burbn-production-media" is the bucket of the media, all of which the CDN reads: accepted is another`},
		{"firewall before the limits", "requestsPer5Minutes: 20000", "requestsPer5Minutes: 3000", "waf.requestsPer5Minutes: 3000 is less than one account may send in five minutes (rateLimits), 18000: accepted is 0 for no firewall, or 18000 to 2000000000"},
		{"sharing in the clear", "https://api.x.com", "http://api.x.com", `share.twitter: "http://api.x.com" is not accepted: accepted is the https URL of X's API`},
		{"firewall below zero", "requestsPer5Minutes: 20000", "requestsPer5Minutes: -1", "waf.requestsPer5Minutes: -1 is out of range: accepted is 0 to 2000000000"},
		{"firewall that shuts everybody out", "requestsPer5Minutes: 20000", "requestsPer5Minutes: 5", "waf.requestsPer5Minutes: 5 is out of range: accepted is 0 for no firewall, or 100 to 2000000000"},
		{"class that is none", "instance: c7g.xlarge", "instance: c7g.xxlarge", `api.instance: "c7g.xxlarge" is not accepted: accepted is a class of EC2 that infra/catalog lists, such as m7g.8xlarge (meant is perhaps c7g.2xlarge)`},
		{"class of another architecture", "instance: c7g.xlarge", "instance: c7i.xlarge", `api.instance: "c7i.xlarge" is amd64: accepted is a class of arm64, the architecture of the machines`},
		{"fleet smaller than its count", "max: 50", "max: 24", "api.max: 24 is less than the 25 that the fleet starts with (api.count): accepted is 25 to 99"},
		{"scaling of what does not scale", "nginx: {instance: c7g.large, diskGB: 20, max: 6}", "nginx: {instance: c7g.large, diskGB: 20, max: 6, cpuPercent: 5}", "nginx.cpuPercent: is unknown: accepted is diskGB, instance, max"},
		{"class of a database that is none", "class: db.r6g.4xlarge", "class: r6g.4xlarge", `postgres.class: "r6g.4xlarge" is not accepted: accepted is a class of RDS`},
		{"version without quotes", `version: "15.17"`, "version: 15.17", "postgres.version: 15.17 is not a text: accepted is 15.13"},
		{"version that is none", `version: "15.17"`, `version: "16.1"`, `postgres.version: "16.1" is not accepted: accepted is 15.13`},
		{"storage that hardly grows", "maxStorageGB: 2000", "maxStorageGB: 549", "postgres.maxStorageGB: 549 is too near to storageGB 500: accepted is 550 to 65536, or 0 for storage that does not grow"},
		{"IOPS of little storage", "storageGB: 500\n        maxStorageGB: 2000\n        iops: 0", "storageGB: 399\n        maxStorageGB: 2000\n        iops: 12000", "postgres.iops: 12000 cannot be set for storage of less than 400 GB: accepted is 0, what gp3 includes"},
		{"IOPS below what is included", "iops: 0", "iops: 11999", "postgres.iops: 11999 is less than what gp3 includes: accepted is 0, or 12000 to 64000"},
		{"throughput below what is included", "throughputMBps: 0", "throughputMBps: 499", "postgres.throughputMBps: 499 is less than what gp3 includes: accepted is 0, or 500 to 4000"},
		{"throughput that the IOPS cannot carry", "throughputMBps: 0", "throughputMBps: 3001", "postgres.throughputMBps: 3001 is more than 12000 IOPS can carry: accepted is at most 3000, a quarter of them"},
		{"replica without backups", "backupDays: 14", "backupDays: 0", "postgres.backupDays: 0 switches the backups off, without which RDS makes no replica: accepted is 1 to 35, or postgres.replicas 0"},
		{"backups for too long", "backupDays: 14", "backupDays: 36", "postgres.backupDays: 36 is out of range: accepted is 0 to 35"},
		{"password that never changes", "rotationDays: 30", "rotationDays: 0", "postgres.rotationDays: 0 is out of range: accepted is 1 to 365"},
		{"Redis version of Valkey", "engine: redis", "engine: valkey", `redis.version: "7.1" is not accepted: accepted is 7.2, 8.0, 8.1, 8.2`},
		{"cache node that is none", "node: cache.r7g.xlarge", "node: cache.r9g.xlarge", `redis.node: "cache.r9g.xlarge" is not accepted: accepted is a class of ElastiCache that infra/catalog lists`},
		{"too many replicas", "replicas: 1\n        snapshotDays", "replicas: 6\n        snapshotDays", "redis.replicas: 6 is out of range: accepted is 0 to 5"},
		{"photos forgotten at once", "undeleteDays: 30", "undeleteDays: 0", "media.undeleteDays: 0 is out of range: accepted is 1 to 3650"},
		{"logs for a time that CloudWatch does not know", "days: 90", "days: 91", "logs.days: 91 is not accepted: accepted is 1, 3, 5, 7, 14, 30, 60, 90"},
		{"mail address that is none", "email: oncall@example.com", "email: oncall", `alerts.email: "oncall" is not accepted: accepted is a mail address`},
		{"pager in the clear", `pager: ""`, "pager: http://events.example.com", `alerts.pager: "http://events.example.com" is not accepted: accepted is an https URL`},
		{"budget of nothing", "monthlyUSD: 60000", "monthlyUSD: 0", "budget.monthlyUSD: 0 is out of range"},
		{"Sentry's key in the clear", `sentryDSN: ""`, "sentryDSN: https://0123456789abcdef@sentry.example.com/1", `topology.sentryDSN: "https://0123456789abcdef@sentry.example.com/1" is not accepted: accepted is the https URL of a project at Sentry without its key`},
		{"more connections than a smaller class bears", "class: db.r6g.4xlarge", "class: db.t4g.medium", "topology.postgres.connections: 1200 is more than a db.t4g.medium bears: accepted is at most 450, its memory divided by 9531392 bytes"},
		{"fewer connections than poolers", "connections: 1200", "connections: 80", "topology.postgres.connections: 80 is too few for the 66 machines that api, worker and push may grow to: accepted is at least 88"},
		{"more in Redis than a node holds", "memoryMB: 13000", "memoryMB: 20214", "topology.redis.memoryMB: 20214 is more than a cache.r7g.xlarge holds: accepted is at most 20213, 75 % of its memory"},
		{"more Redis nodes than a cluster has", "masters: 3", "masters: 46", "topology.redis.masters: 46 with 1 replicas each are 92 nodes: accepted are at most 90 in one cluster"},
		{"more in memcached than a node holds", "memoryMB: 6000", "memoryMB: 6434", "topology.memcached.memoryMB: 6434 is more than a cache.m7g.large holds: accepted is at most 6433"},
		{"more memcached nodes than a cluster has", "memcached: {count: 6", "memcached: {count: 61", "topology.memcached.count: 61 is more than one cluster has: accepted is 1 to 60"},
		{"protected without replicas", "replicas: 1\n    databases", "replicas: 0\n    databases", "topology.postgres.replicas: 0 is too few for a stack with aws.protect: accepted is at least 1, because a database that is lost is replaced by its replica"},
		{"protected with hardly a backup", "backupDays: 14", "backupDays: 6", "postgres.backupDays: 6 is too few for a stack with aws.protect: accepted is at least 7"},
		{"protected without Redis replicas", "replicas: 1\n        snapshotDays", "replicas: 0\n        snapshotDays", "redis.replicas: 0 is too few for a stack with aws.protect: accepted is at least 1"},
		{"protected and soon forgotten", "undeleteDays: 30", "undeleteDays: 6", "media.undeleteDays: 6 is too few for a stack with aws.protect: accepted is at least 7"},
		{"loopback on AWS", "target: aws", "target: aws\nloopback: \"127.1\"", "topology.loopback: is unknown: accepted is api, apns, aws, feed"},
	}
	doc := flow(value(t, "production"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(doc, tt.old) {
				t.Fatalf("the stack production does not say %q:\n%s", tt.old, doc)
			}
			_, err := topology.Parse([]byte(strings.Replace(doc, tt.old, tt.new, 1)))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error lacks\n%s\nit says\n%v", tt.want, err)
			}
		})
	}
}

// What one wrong value makes of others is not reported beside it.
func TestARefusedValueIsNotHeldAgainstOthers(t *testing.T) {
	doc := flow(value(t, "production"))
	for old, wrong := range map[string]string{
		"class: db.r6g.4xlarge": "class: db.none", "architecture: arm64": "architecture: x", "cidr: 10.20.0.0/16": "cidr: x",
		"region: us-east-1": "region: x", "zone: example.com": "zone: x", "storageGB: 500": "storageGB: 1", "max: 50": "max: 0",
		"protect: true": "protect: 1", "node: cache.r7g.xlarge": "node: x", "connections: 1200": "connections: 1",
	} {
		_, err := topology.Parse([]byte(strings.Replace(doc, old, wrong, 1)))
		if err == nil || strings.Count(err.Error(), "\n") != 0 {
			t.Errorf("%s: want one problem:\n%v", wrong, err)
		}
	}
}

func TestATargetWithoutItsSectionSaysOnlyThat(t *testing.T) {
	_, err := topology.Parse([]byte(strings.NewReplacer("target: local", "target: aws", `loopback: "127.10"`, `sentryDSN: ""`+"\nshare: {facebook: \"https://graph.facebook.com\", twitter: \"https://api.x.com\"}").Replace(flow(value(t, "local")))))
	if err == nil || err.Error() != "burbn:topology.aws: is missing: accepted is a mapping of keys to values" {
		t.Errorf("error: %v", err)
	}
}

func TestWhatRDSIsToldOfStorage(t *testing.T) {
	for _, tt := range []struct {
		told, want topology.RDS
	}{
		{topology.RDS{StorageGB: 399}, topology.RDS{}},
		{topology.RDS{StorageGB: 400}, topology.RDS{IOPS: 12000, ThroughputMBps: 500}},
		{topology.RDS{StorageGB: 400, IOPS: 16000}, topology.RDS{IOPS: 16000, ThroughputMBps: 500}},
		{topology.RDS{StorageGB: 400, ThroughputMBps: 1000}, topology.RDS{IOPS: 12000, ThroughputMBps: 1000}},
	} {
		if iops, throughput := tt.told.Provisioned(); iops != tt.want.IOPS || throughput != tt.want.ThroughputMBps {
			t.Errorf("%+v: %d IOPS, %d MB/s", tt.told, iops, throughput)
		}
	}
}
