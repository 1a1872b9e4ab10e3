// Package topology says what runs in a stack, as plain data read from its one
// structured configuration value, burbn:topology.
//
// It is strict: every key is required and none has a default, an unknown key is
// refused, and everything that is wrong is reported together, so that nothing is
// touched before the whole document is right. It knows no Pulumi type and places
// nothing: which addresses, paths and resources a topology becomes is for
// infra/local and infra/aws.
package topology

import (
	"fmt"
	"os"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
)

// Key is the configuration value that holds a topology.
const Key = "burbn:topology"

// Target is where a stack runs.
type Target string

const (
	Local Target = "local" // processes on this machine
	AWS   Target = "aws"
)

// MaxIndex is the highest number that a machine of a role can have: names carry
// two digits.
const MaxIndex = 99

// Topology is what runs. One that comes from Parse is valid.
type Topology struct {
	Target Target
	// Loopback is the first half of every machine's address: "127.10". Two stacks
	// on one machine differ in it. Only the target local has it.
	Loopback string
	// Shards says which database holds which logical shard. A database's name is
	// the name of the machine that holds it, postgres-01 to postgres-99.
	Shards shard.Map
	// Databases are the names of all databases in the order of their numbers: those of
	// Shards, and those that exist already but hold no shard yet.
	Databases  []string
	Postgres   Postgres
	Nginx      Nginx
	API        API
	Worker     Worker
	Push       Push
	Redis      Redis
	Memcached  Memcached
	Upload     Upload
	Feed       Feed
	RateLimits RateLimits
	// Origins are whose pages may call the API, and upload, from a browser.
	Origins    []string
	Session    time.Duration // life of a log-in
	APNs       APNs
	Monitoring Monitoring
	// SentryDSN is where errors are reported, without its key; empty: nowhere. Only
	// the target aws has it and Share, the target local has stand-ins.
	SentryDSN string
	Share     Share
	// AWS is how all of this is bought of Amazon; only the target aws has it.
	AWS Cloud
}

// Postgres is the databases beside what Topology.Shards says of them.
type Postgres struct {
	Connections int // max_connections of each
	Replicas    int // streaming replicas of each primary
}

// Nginx is the fleet of reverse proxies.
type Nginx struct{ Count int }

// API is the fleet of app servers.
type API struct{ Count int }

// Worker is the fleet that runs the tasks.
type Worker struct {
	Count int
	Slots Slots // of each machine
}

// Slots counts tasks that run at once, by queue.
type Slots struct{ Photo, FanOut, Follow, Index, Share, Delete, Export int }

// All is how many tasks run at once.
func (s Slots) All() int {
	return s.Photo + s.FanOut + s.Follow + s.Index + s.Share + s.Delete + s.Export
}

// Push is the fleet that speaks to APNs.
type Push struct {
	Count int
	Slots int // pushes at once, of each machine
}

// Redis is a cluster of masters.
type Redis struct {
	Masters  int
	MemoryMB int // of each
}

// Memcached is the nodes of the cache.
type Memcached struct {
	Count    int
	MemoryMB int // of each
}

// Upload bounds what a phone may send.
type Upload struct {
	MaxBytes  int
	Expires   time.Duration // life of a signature
	MaxPixels int           // a photo of more is refused
}

// Feed bounds a follower's feed.
type Feed struct {
	Length int
	// FanOutLimit is how many followers an author may have whose photos are put into their
	// feeds; those of an author with more are merged when a feed is read.
	FanOutLimit int
}

// RateLimits are how many requests a minute are answered: of an account, to read and to
// write, and of an address where nobody is logged in.
type RateLimits struct{ Read, Write, Anonymous int }

// Share is where photos are shared to: the URLs of the APIs, without a version.
type Share struct{ Facebook, Twitter string }

// APNs is as whom pushes are sent.
type APNs struct{ TeamID, KeyID, Topic string }

// Monitoring is the graphs and alerts.
type Monitoring struct{ ScrapeInterval time.Duration }

// Parse reads a topology from the YAML or JSON text of the configuration value.
// Its error joins one error for every problem, each with the path of the key, the
// value and what is accepted.
func Parse(doc []byte) (Topology, error) {
	r := newReader("")
	n, err := document(doc)
	if err != nil {
		return Topology{}, fmt.Errorf("%s: %w", Key, err)
	}
	t := r.topology(r.section(Key, n))
	return t, r.err()
}

// ParseFile reads the topology of a stack file, stacks/Pulumi.<stack>.yaml. Its
// errors name the file and the line besides.
func ParseFile(path string) (Topology, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Topology{}, fmt.Errorf("read stack: %w", err)
	}
	return ParseText(path, b)
}

// ParseText reads the topology from the text of a stack file, which errors call name.
func ParseText(name string, text []byte) (Topology, error) {
	root, err := document(text)
	if err != nil {
		return Topology{}, fmt.Errorf("%s: %w", name, err)
	}
	n := find(find(root, "config"), Key)
	if n == nil {
		return Topology{}, fmt.Errorf("%s: config has no %s", name, Key)
	}
	r := newReader(name)
	t := r.topology(r.section(Key, n))
	return t, r.err()
}

// topology is the table of every key and what it accepts.
func (r *reader) topology(s *section) Topology {
	var t Topology
	t.Target = Target(s.oneOf("target", string(Local), string(AWS)))
	if t.Target != AWS {
		t.Loopback = s.text("loopback", loopback, `the first half of a loopback address in quotes, "127.1" to "127.254"`)
	}
	if t.Target == AWS {
		share := s.section("share")
		t.Share.Facebook = share.text("facebook", httpsBase, "the https URL of Facebook's API, https://graph.facebook.com")
		t.Share.Twitter = share.text("twitter", httpsBase, "the https URL of X's API, https://api.x.com")
		share.close()
		t.SentryDSN = s.text("sentryDSN", sentryDSN, `the https URL of a project at Sentry without its key, or "" for none`)
		t.AWS = r.cloud(s.section("aws"))
	}
	count := s.count("shards", 1, id.MaxShard+1)

	postgres := s.section("postgres")
	t.Postgres.Connections = postgres.count("connections", 20, 5000)
	t.Postgres.Replicas = postgres.count("replicas", 0, 1)
	t.Shards, t.Databases = r.shards(s, count, postgres)
	postgres.close()

	nginx := s.section("nginx")
	t.Nginx.Count = nginx.count("count", 1, MaxIndex)
	nginx.close()

	api := s.section("api")
	t.API.Count = api.count("count", 1, MaxIndex)
	api.close()

	worker := s.section("worker")
	t.Worker.Count = worker.count("count", 1, MaxIndex)
	slots := worker.section("slots")
	t.Worker.Slots.Photo = slots.count("photo", 1, 1000)
	t.Worker.Slots.FanOut = slots.count("fanOut", 1, 1000)
	t.Worker.Slots.Follow = slots.count("follow", 1, 1000)
	t.Worker.Slots.Index = slots.count("index", 1, 1000)
	t.Worker.Slots.Share = slots.count("share", 1, 1000)
	t.Worker.Slots.Delete = slots.count("delete", 1, 1000)
	t.Worker.Slots.Export = slots.count("export", 1, 1000)
	slots.close()
	worker.close()

	push := s.section("push")
	t.Push.Count = push.count("count", 1, MaxIndex)
	t.Push.Slots = push.count("slots", 1, 1000)
	push.close()

	redis := s.section("redis")
	t.Redis.Masters = redis.count("masters", 3, MaxIndex) // a cluster of fewer refuses to form
	t.Redis.MemoryMB = redis.count("memoryMB", 16, 1<<20)
	redis.close()

	memcached := s.section("memcached")
	t.Memcached.Count = memcached.count("count", 1, MaxIndex)
	t.Memcached.MemoryMB = memcached.count("memoryMB", 16, 1<<20)
	memcached.close()

	upload := s.section("upload")
	t.Upload.MaxBytes = upload.count("maxBytes", 1<<10, 1<<30)
	t.Upload.Expires = upload.duration("expires", time.Minute, 12*time.Hour)
	t.Upload.MaxPixels = upload.count("maxPixels", 1<<10, 1<<30)
	upload.close()

	feed := s.section("feed")
	t.Feed.Length = feed.count("length", 1, 10000)
	t.Feed.FanOutLimit = feed.count("fanOutLimit", 1, 10_000_000)
	feed.close()

	limits := s.section("rateLimits")
	t.RateLimits.Read = limits.count("read", 1, 10_000_000)
	t.RateLimits.Write = limits.count("write", 1, 10_000_000)
	t.RateLimits.Anonymous = limits.count("anonymous", 1, 10_000_000)
	limits.close()

	t.Origins = s.texts("origins", origin, "an origin such as https://www.example.com, in lower case and without a path")

	t.Session = s.duration("session", time.Hour, 10*365*24*time.Hour)

	apns := s.section("apns")
	t.APNs.TeamID = apns.text("teamID", appleID, "the ten letters and digits of a team at Apple")
	t.APNs.KeyID = apns.text("keyID", appleID, "the ten letters and digits of a key at Apple")
	t.APNs.Topic = apns.text("topic", bundleID, "the bundle id of the app, such as com.example.app")
	apns.close()

	monitoring := s.section("monitoring")
	t.Monitoring.ScrapeInterval = monitoring.duration("scrapeInterval", time.Second, 5*time.Minute)
	monitoring.close()

	s.close()
	if t.Target == AWS {
		r.agree(t)
	}
	return t
}

// What texts are accepted. A database's name carries its number, which is not its
// place in the list, so that one put between two others moves the address and the
// data of neither.
const (
	loopback     = `^127\.([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-4])$`
	databaseName = `^postgres-(0[1-9]|[1-9][0-9])$`
	httpsBase    = `^https://[a-z0-9.-]+(:[0-9]+)?$`
	origin       = `^https?://[a-z0-9.-]+(:[0-9]+)?$`
	shardRange   = `^(none|(0|[1-9][0-9]{0,3})-(0|[1-9][0-9]{0,3}))$`
	appleID      = `^[A-Z0-9]{10}$`
	bundleID     = `^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`
)
