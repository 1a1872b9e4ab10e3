package images

import (
	"time"

	"github.com/burbn/burbn/services/shard"
)

// Role is what a machine does: the name of a folder beside this file.
type Role string

const (
	LoadBalancer Role = "loadbalancer" // HAProxy; on AWS the ALB
	Nginx        Role = "nginx"
	API          Role = "api"
	Worker       Role = "worker"
	Push         Role = "push"
	Postgres     Role = "postgres"   // on AWS: RDS
	Replica      Role = "replica"    // on AWS: RDS
	Redis        Role = "redis"      // on AWS: ElastiCache
	Memcached    Role = "memcached"  // on AWS: ElastiCache
	Storage      Role = "storage"    // on AWS: S3
	CDN          Role = "cdn"        // on AWS: CloudFront
	Monitoring   Role = "monitoring" // Prometheus, Alertmanager, exporters of what has no machine
	Standin      Role = "standin"    // APNs, Facebook, Twitter/X and Sentry, where they cannot be reached
)

// Roles lists every role in the order in which a request meets them.
var Roles = []Role{LoadBalancer, Nginx, API, Worker, Push, Postgres, Replica, Redis, Memcached, Storage, CDN, Monitoring, Standin}

// Machine is a role with a name, an address and a root directory.
type Machine struct {
	Name  string // "postgres-03"
	Role  Role
	Index int    // from 1, within the role
	Addr  string // AWS: a name in the private zone; local: "127.10.6.3"
	Root  string // AWS: "/"; local: "<state>/postgres-03"
}

// Placement is the whole topology with its machines placed: what each machine is
// told of the others. It holds no secret and nothing that only a running cloud
// can answer.
type Placement struct {
	Stack  string
	Target string // "local" or "aws"
	// Machines in the order of Roles, then of Index.
	Machines []Machine
	Shards   shard.Map // database names are names of Postgres machines
	Programs Programs
	// Release is the content address of the services together.
	Release string

	WorkerSlots    Slots // of one worker machine
	PushSlots      int   // of one push machine
	MaxUploadBytes int64
	UploadExpires  time.Duration
	Session        time.Duration
	MaxPixels      int
	FeedLength     int
	MemcachedMB    int // memory of one node
	RedisMB        int
	// PostgresConnections is max_connections of every database.
	PostgresConnections int
	ScrapeInterval      time.Duration

	Region    string
	Buckets   Buckets
	APNs      APNs
	SentryDSN string // without key
	// RunAs is the account of every unit; empty: the one who provisions.
	RunAs string
	// Network is where requests come from that proxies may speak for: "127.0.0.0/8".
	Network string
}

// Slots counts concurrent tasks by queue, on one machine.
type Slots struct{ Photo, FanOut, Follow int }

// Buckets are the names of the two buckets.
type Buckets struct{ Uploads, Media string }

// APNs says where pushes go and as whom.
type APNs struct{ URL, CAFile, TeamID, KeyID, Topic string }

// Programs are the absolute paths of what the project builds itself; everything
// else comes from Debian's packages at its usual path.
type Programs struct{ API, Worker, Push, Migrate, Standin, S3, MemcachedExporter string }

// Of are the machines of one role, in order.
func (p Placement) Of(role Role) []Machine {
	var ms []Machine
	for _, m := range p.Machines {
		if m.Role == role {
			ms = append(ms, m)
		}
	}
	return ms
}
