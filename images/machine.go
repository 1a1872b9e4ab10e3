package images

import (
	"cmp"
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
	// Interface is the address that the machine's units bind; empty: Addr. A machine
	// of a fleet binds all ("0.0.0.0"): it learns its own address when it boots.
	Interface string
	// Fleet is how many machines alike this one stands for, at most; 0: it is itself.
	Fleet int
	// Least is how many of them have to answer for somebody not to be woken; 0: nobody
	// counts them. Of the cloud's Redis: how many nodes behind its one name.
	Least int
}

// Managed says that the cloud runs the machine, so that it has no image.
func (m Machine) Managed() bool { return m.Root == "" }

// worksQueues says that a process of the machine has sessions with every database.
func (m Machine) worksQueues() bool { return m.Role == Worker || m.Role == Push }

// Path is where an absolute path of the machine lies: below its Root.
func (m Machine) Path(p string) string { return path.Join(m.Root, p) }

// At is where others reach a port of the machine: "127.10.6.3:5432".
func (m Machine) At(p Port) string { return net.JoinHostPort(m.Addr, strconv.Itoa(int(p))) }

// Bind is where a unit of the machine listens for others: "0.0.0.0:8080".
func (m Machine) Bind(p Port) string {
	return net.JoinHostPort(cmp.Or(m.Interface, m.Addr), strconv.Itoa(int(p)))
}

// Self is where a unit of the machine reaches another one beside it, and where one
// listens that serves nobody else: "127.0.0.1:6432".
func (m Machine) Self(p Port) string {
	host := m.Addr
	if m.Interface != "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(int(p)))
}

// DataDevice is where the machine that watches finds the volume of DataGB: the name
// that it is attached by, to which Debian's amazon-ec2-utils links the real one.
const DataDevice = "/dev/sdf"

// dataDir is where that volume is mounted.
const dataDir = "/var/lib/burbn"

// Port is where a service listens, on every machine that has it.
type Port int

const (
	PortHTTP              Port = 8080 // load balancer, nginx, API, CDN
	PortAdmin             Port = 8081 // our services: /healthz, /readyz, /metrics
	PortStatus            Port = 8082 // nginx: /healthz, /stub_status
	PortPurge             Port = 8083 // CDN: what workers have it forget
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
	PortJournal           Port = 19532 // journals of the other machines, on the one that watches
	PortAPNs              Port = 8443  // the stand-ins
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

	WorkerSlots    Slots // of one worker machine
	PushSlots      int   // of one push machine
	MaxUploadBytes int64
	UploadExpires  time.Duration
	Session        time.Duration
	MaxPixels      int
	FeedLength     int
	FanOutLimit    int // followers of an author whose photos are put into their feeds
	RateLimits     RateLimits
	Origins        []string // whose pages may call the API from a browser
	MemcachedMB    int      // memory of one node
	RedisMB        int
	// PostgresConnections is max_connections of every database; see PoolSize.
	PostgresConnections int
	ScrapeInterval      time.Duration

	Region  string
	Buckets Buckets
	// CDN is the prefix of every photo's URL; empty: the machine of that role.
	CDN string
	// TLS says that PostgreSQL and Redis are reached over TLS.
	TLS bool
	// PostgresCA is the file of the authorities that sign the databases' certificates;
	// empty without TLS.
	PostgresCA string
	APNs       APNs
	Share      Share
	SentryDSN  string // without key
	// RunAs is the account of every unit; empty: the one who provisions.
	RunAs string
	// Pager is the URL that Alertmanager posts to, as PagerDuty's events API v2, with
	// the credential pager-key; empty: there is none.
	Pager string
	// DataGB is the size of the volume that outlives the machine that watches, and
	// LogDays how long that keeps the other machines' journals; on AWS alone.
	DataGB, LogDays int
	// Network is where requests come from that proxies may speak for: "127.0.0.0/8".
	Network string
}

// Slots counts concurrent tasks by queue, on one machine.
type Slots struct{ Photo, FanOut, Follow, Index, Share, Delete, Export int }

// RateLimits are how many requests a minute are answered: of an account, to read and to
// write, and of an address where nobody is logged in.
type RateLimits struct{ Read, Write, Anonymous int }

// Buckets are the names of the two buckets.
type Buckets struct{ Uploads, Media string }

// APNs says where pushes go and as whom. An empty CAFile trusts the stand-in's
// certificate where there is a stand-in, and else the system's authorities alone.
type APNs struct{ URL, CAFile, TeamID, KeyID, Topic string }

// Share is where photos are shared to: the URLs of the APIs, without a version.
type Share struct{ Facebook, Twitter string }

// Programs are the absolute paths of what the project builds itself; everything
// else comes from Debian's packages at its usual path.
type Programs struct{ API, Worker, Push, Migrate, Buckets, Standin, S3, MemcachedExporter string }

// cloud says that the placement is for AWS.
func (p Placement) cloud() bool { return p.Target == "aws" }

// RedisNodes is the name of the SRV record that lists the nodes of the cloud's Redis by
// their own names, those that their certificates bear; empty where there is none.
func (p Placement) RedisNodes() string {
	if ms := p.Of(Redis); p.cloud() && len(ms) > 0 {
		return "_redis._tcp." + ms[0].Addr
	}
	return ""
}

// Distribution is the name of the TXT record that holds the id of the cloud's CDN; empty
// where there is none.
func (p Placement) Distribution() string {
	if p.cloud() {
		return "cdn." + p.Stack + ".burbn.internal"
	}
	return ""
}

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
