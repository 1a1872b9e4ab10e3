package images

import (
	"net"
	"path"
	"strconv"
	"time"

	"github.com/burbn/burbn/services/shard"
)

// Role is what a machine does; it decides of which parts the machine is made.
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
	Root  string // AWS: "/"; local: "<state>/postgres-03"; empty: run by the cloud, only an address to others
}

// Managed says that the cloud runs the machine, so that it has no image.
func (m Machine) Managed() bool { return m.Root == "" }

// Path is where an absolute path of the machine lies: below its Root.
func (m Machine) Path(p string) string { return path.Join(m.Root, p) }

// At is the address of a port of the machine: "127.10.6.3:5432".
func (m Machine) At(p Port) string { return net.JoinHostPort(m.Addr, strconv.Itoa(int(p))) }

// Port is where a service listens, on every machine that has it.
type Port int

const (
	PortHTTP              Port = 8080 // load balancer, nginx, API, CDN
	PortAdmin             Port = 8081 // our services: /healthz, /readyz, /metrics
	PortStatus            Port = 8082 // nginx: /healthz, /stub_status
	PortBalancerStatus    Port = 8404 // HAProxy: /healthz, /metrics
	PortStorage           Port = 9000
	PortPostgres          Port = 5432
	PortPgBouncer         Port = 6432
	PortRedis             Port = 6379
	PortRedisBus          Port = 16379
	PortMemcached         Port = 11211
	PortPrometheus        Port = 9090
	PortAlertmanager      Port = 9093
	PortNodeExporter      Port = 9100
	PortNginxExporter     Port = 9113
	PortRedisExporter     Port = 9121
	PortMemcachedExporter Port = 9150
	PortPostgresExporter  Port = 9187
	PortAPNs              Port = 8443 // the stand-ins
	PortFacebook          Port = 8090
	PortTwitter           Port = 8091
	PortSentry            Port = 8092
)

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
	// PostgresConnections is max_connections of every database; see PoolSize.
	PostgresConnections int
	ScrapeInterval      time.Duration

	Region  string
	Buckets Buckets
	// CDN is the prefix of every photo's URL; empty: the machine of that role.
	CDN string
	// TLS says that PostgreSQL and Redis are reached over TLS.
	TLS       bool
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

// APNs says where pushes go and as whom. An empty CAFile trusts the stand-in's
// certificate where there is a stand-in, and else the system's authorities alone.
type APNs struct{ URL, CAFile, TeamID, KeyID, Topic string }

// Programs are the absolute paths of what the project builds itself; everything
// else comes from Debian's packages at its usual path.
type Programs struct{ API, Worker, Push, Migrate, Buckets, Standin, S3, MemcachedExporter string }

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
