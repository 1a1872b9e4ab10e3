// Package settings is the contract between what provisions a process and the
// process itself: one JSON document for each, rendered by images from the very
// struct that the process loads.
//
// Secrets never stand in it. They are files in $CREDENTIALS_DIRECTORY, which
// systemd's LoadCredential= sets up and which the local target sets up alike;
// see Credential.
package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/burbn/burbn/services/shard"
)

// Process is what every process is told about itself.
type Process struct {
	Stack   string `json:"stack"`   // "local"
	Machine string `json:"machine"` // "api-01"
	// Fleet says that Machine, "api", stands for many alike, which are told the same:
	// a process's own name is then that of its host too.
	Fleet   bool   `json:"fleet"`
	Release string `json:"release"` // content address of the code that runs
	// Admin is the address for those who operate: /healthz, /readyz, /metrics.
	// Nothing public reaches it.
	Admin string `json:"admin"` // "127.10.3.1:8081"
	// SentryDSN is where errors go, without its key; empty switches reporting off.
	SentryDSN string `json:"sentryDSN"`
	// Stop is how long a stopping process may finish what it has begun.
	Stop Duration `json:"stop"`
}

// Stores is where the data lives, for every process that touches it.
type Stores struct {
	// Shards says which database holds which logical shard.
	Shards shard.Map `json:"shards"`
	// Pooler is PgBouncer on the process's own machine; a database's name is the
	// name of the shard map.
	Pooler string `json:"pooler"` // "127.10.3.1:6432"
	// ConnectionsPerDatabase bounds one process's pool for one database.
	ConnectionsPerDatabase int32    `json:"connectionsPerDatabase"`
	Redis                  []string `json:"redis"` // seeds of the cluster
	// RedisTLSDomain is the domain below which the name in every node's certificate
	// must lie: "cache.amazonaws.com". Empty: no TLS.
	RedisTLSDomain string   `json:"redisTLSDomain"`
	Memcached      []string `json:"memcached"` // empty: no cache
	Storage        Storage  `json:"storage"`
}

// Storage is the object store: phones put originals into Uploads, workers put
// renditions into Media, and the CDN reads Media alone.
type Storage struct {
	Endpoint string `json:"endpoint"` // "http://127.10.10.1:9000"; empty: AWS's own for the region
	Region   string `json:"region"`
	Uploads  string `json:"uploads"` // bucket
	Media    string `json:"media"`   // bucket
	CDN      string `json:"cdn"`     // "http://127.10.11.1:8080": prefix of every photo's URL
}

// Upload bounds what a phone may send.
type Upload struct {
	MaxBytes int64    `json:"maxBytes"`
	Expires  Duration `json:"expires"` // life of a signature
}

// RateLimits are how many requests a minute are answered.
type RateLimits struct {
	Read      int `json:"read"`      // of an account: GET and HEAD
	Write     int `json:"write"`     // of an account: everything else
	Anonymous int `json:"anonymous"` // of an address, of those who are not logged in
}

// API is the document of services/api.
type API struct {
	Process
	Stores
	Listen     string     `json:"listen"` // "127.10.3.1:8080"
	Upload     Upload     `json:"upload"`
	Session    Duration   `json:"session"` // life of a log-in
	RateLimits RateLimits `json:"rateLimits"`
	// Origins are whose pages may call from a browser: "https://www.example.com"; empty:
	// nobody's.
	Origins []string `json:"origins"`
	// FeedLength is how many photos a feed keeps.
	FeedLength int `json:"feedLength"`
	// FanOutLimit is how many followers an author may have whose photos are put into
	// their feeds; those of an author with more are merged when a feed is read.
	FanOutLimit int `json:"fanOutLimit"`
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []string `json:"trustedProxies"`
}

// Worker is the document of services/worker.
type Worker struct {
	Process
	Stores
	// Slots are how many tasks of each queue this process runs at once.
	Slots     Slots `json:"slots"`
	MaxPixels int   `json:"maxPixels"` // a photo of more is refused before it is decoded
	// FeedLength and FanOutLimit are as the API's.
	FeedLength  int   `json:"feedLength"`
	FanOutLimit int   `json:"fanOutLimit"`
	Share       Share `json:"share"`
	Edge        Edge  `json:"edge"`
	// CloudWatch is told how long tasks wait.
	CloudWatch CloudWatch `json:"cloudWatch"`
}

// CloudWatch is where metrics go that decide how many machines there are. Both
// empty: nowhere.
type CloudWatch struct {
	Region    string `json:"region"`    // "eu-west-1"
	Namespace string `json:"namespace"` // "burbn"
}

// Slots counts concurrent tasks by queue.
type Slots struct {
	Photo  int `json:"photo"`
	FanOut int `json:"fanOut"`
	Follow int `json:"follow"`
	Index  int `json:"index"`
	Share  int `json:"share"`
	Delete int `json:"delete"`
	Export int `json:"export"`
}

// Share is where photos are shared to: the APIs' URLs without a version, or those of
// what stands in for them.
type Share struct {
	Facebook string `json:"facebook"` // "https://graph.facebook.com"
	Twitter  string `json:"twitter"`  // "https://api.x.com"
}

// Edge is how the CDN is told to forget a photo: either the three of CloudFront or the
// two of an edge of our own, and the others empty.
type Edge struct {
	// Purge is the prefix of the URLs by which an edge of our own forgets, before the key
	// of an object: "http://127.10.11.1:8083/purge". From is the address from which it
	// obeys.
	Purge string `json:"purge"`
	From  string `json:"from"` // "127.10.4.1"
	// Distribution is the name of the TXT record that holds the id of the distribution in
	// CloudFront, which is known only once it is there.
	Distribution string `json:"distribution"` // "cdn.production.burbn.internal"
	Region       string `json:"region"`       // "us-east-1"
}

// Direct is a database reached without the pooler.
type Direct struct {
	// Name is as in the shard map; a database that it does not name holds no shard yet.
	Name string `json:"name"`
	Addr string `json:"addr"` // "127.10.6.1:5432"
	// CAFile holds the authorities of which one must have signed the database's
	// certificate, whose name must be Addr's. Empty: no TLS, on loopback alone.
	CAFile string `json:"caFile"`
}

// Push is the document of services/push.
type Push struct {
	Process
	Stores
	Slots int  `json:"slots"`
	APNs  APNs `json:"apns"`
}

// APNs is Apple's push service, or what stands in for it.
type APNs struct {
	URL    string `json:"url"`    // "https://api.push.apple.com"
	CAFile string `json:"caFile"` // trusted besides the system's; empty: the system's alone
	TeamID string `json:"teamID"`
	KeyID  string `json:"keyID"`
	Topic  string `json:"topic"` // bundle id of the app
}

// Migrate is the document of services/migrate, which brings the databases to
// what this release expects.
type Migrate struct {
	Shards shard.Map `json:"shards"`
	Direct []Direct  `json:"direct"`
}

// Standin is the document of services/standin, which stands in for the services
// of others where they cannot be reached.
type Standin struct {
	Admin    string `json:"admin"`    // the page of what was received, and /metrics
	APNs     string `json:"apns"`     // HTTPS, HTTP/2
	Facebook string `json:"facebook"` // HTTP
	Twitter  string `json:"twitter"`
	Sentry   string `json:"sentry"`
	TeamID   string `json:"teamID"` // the only provider whose token is accepted
	KeyID    string `json:"keyID"`
	Topic    string `json:"topic"`
	CertFile string `json:"certFile"` // for APNs; its key is the credential apns-tls-key
}

// Document is what Load can load.
type Document interface {
	API | Worker | Push | Migrate | Standin | Machine | Manifest
}

// Load reads one document strictly: an unknown or missing key, a value out of
// range or anything after the document is an error that names the file and the key.
func Load[D Document](path string) (D, error) {
	var d D
	b, err := os.ReadFile(path)
	if err != nil {
		return d, fmt.Errorf("read settings: %w", err)
	}
	if err := decode(b, &d); err != nil {
		return d, fmt.Errorf("read settings %s: %w", path, err)
	}
	return d, nil
}

// Parse reads one document as Load does, from memory.
func Parse[D Document](b []byte) (D, error) {
	var d D
	err := decode(b, &d)
	return d, err
}

func decode[D Document](b []byte, d *D) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("there is more after the document")
	}
	return any(d).(interface{ Validate() error }).Validate()
}

// Render is the inverse of Load, for images; it refuses what Load would refuse.
func Render[D Document](d D) ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render settings: %w", err)
	}
	b = append(b, '\n')
	var back D
	if err := decode(b, &back); err != nil {
		return nil, fmt.Errorf("render settings: %w", err)
	}
	return b, nil
}

// Credential reads one secret from $CREDENTIALS_DIRECTORY, without the newline
// that may end it.
func Credential(name string) (string, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("read credential %s: CREDENTIALS_DIRECTORY is not set", name)
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "", fmt.Errorf("read credential %s: %w", name, err)
	}
	return strings.TrimRight(string(b), "\n"), nil
}

// Duration is a time.Duration written as Go writes it: "15m", "720h".
type Duration time.Duration

// Std is the duration as the standard library counts it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// problems gathers what is wrong with a document, each with its key.
type problems []error

func (p *problems) check(ok bool, key, format string, args ...any) {
	if !ok {
		*p = append(*p, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
}

func (p *problems) addr(key, v string) {
	host, port, err := net.SplitHostPort(v)
	p.check(err == nil && host != "" && port != "", key, "%q is not host:port", v)
}

func (p *problems) url(key, v string) {
	u, err := url.Parse(v)
	p.check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", key, "%q is not an http or https URL", v)
}

func (p *problems) count(key string, v, min, max int) {
	p.check(v >= min && v <= max, key, "%d is out of range: accepted is %d to %d", v, min, max)
}

func (p *problems) process(d Process) {
	p.check(d.Stack != "", "stack", "is missing")
	p.check(d.Machine != "", "machine", "is missing")
	p.check(d.Release != "", "release", "is missing")
	p.addr("admin", d.Admin)
	if d.SentryDSN != "" {
		p.url("sentryDSN", d.SentryDSN)
	}
	p.check(d.Stop > 0, "stop", "must be positive, such as 25s")
}

func (p *problems) stores(d Stores) {
	if err := d.Shards.Validate(); err != nil {
		*p = append(*p, fmt.Errorf("shards: %w", err))
	}
	p.addr("pooler", d.Pooler)
	p.count("connectionsPerDatabase", int(d.ConnectionsPerDatabase), 1, 1000)
	p.check(len(d.Redis) > 0, "redis", "names no address")
	for _, a := range d.Redis {
		p.addr("redis", a)
	}
	p.check(!strings.HasPrefix(d.RedisTLSDomain, ".") && !strings.ContainsAny(d.RedisTLSDomain, "*/: "), "redisTLSDomain",
		"%q is not a domain such as cache.amazonaws.com", d.RedisTLSDomain)
	for _, a := range d.Memcached {
		p.addr("memcached", a)
	}
	if d.Storage.Endpoint != "" {
		p.url("storage.endpoint", d.Storage.Endpoint)
	}
	p.check(d.Storage.Region != "", "storage.region", "is missing")
	p.check(d.Storage.Uploads != "", "storage.uploads", "is missing")
	p.check(d.Storage.Media != "", "storage.media", "is missing")
	p.check(d.Storage.Uploads != d.Storage.Media, "storage.media", "is the bucket of the uploads too")
	p.url("storage.cdn", d.Storage.CDN)
}

// What rateLimits and fanOutLimit accept at most.
const (
	mostRequests  = 10_000_000
	mostFollowers = 10_000_000
)

// origin accepts what a browser sends as Origin.
func (p *problems) origin(key, v string) {
	u, err := url.Parse(v)
	p.check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && v == u.Scheme+"://"+strings.ToLower(u.Host), key,
		"%q is not an origin such as https://www.example.com, in lower case and without a path", v)
}

func (p *problems) edge(d Edge) {
	own, cloud := d.Purge != "" || d.From != "", d.Distribution != "" || d.Region != ""
	p.check(own != cloud, "edge", "needs either purge and from or distribution and region")
	if own {
		p.url("edge.purge", d.Purge)
		p.check(net.ParseIP(d.From) != nil, "edge.from", "%q is not an IP address", d.From)
	}
	if cloud {
		p.check(d.Distribution != "", "edge.distribution", "is missing")
		p.check(d.Region != "", "edge.region", "is missing")
	}
}

func (p *problems) direct(shards shard.Map, direct []Direct) {
	named := map[string]bool{}
	for _, d := range direct {
		p.addr("direct", d.Addr)
		p.check(!named[d.Name], "direct", "names database %s twice", d.Name)
		named[d.Name] = true
	}
	for _, db := range shards.Databases {
		p.check(named[db.Name], "direct", "lacks database %s of the shard map", db.Name)
	}
}

// Validate says what is wrong with the document, key by key.
func (d API) Validate() error {
	var p problems
	p.process(d.Process)
	p.stores(d.Stores)
	p.addr("listen", d.Listen)
	p.check(d.Upload.MaxBytes > 0, "upload.maxBytes", "must be positive")
	p.check(d.Upload.Expires > 0, "upload.expires", "must be positive")
	p.check(d.Session > 0, "session", "must be positive")
	p.count("rateLimits.read", d.RateLimits.Read, 1, mostRequests)
	p.count("rateLimits.write", d.RateLimits.Write, 1, mostRequests)
	p.count("rateLimits.anonymous", d.RateLimits.Anonymous, 1, mostRequests)
	for _, o := range d.Origins {
		p.origin("origins", o)
	}
	p.count("feedLength", d.FeedLength, 1, 10000)
	p.count("fanOutLimit", d.FanOutLimit, 1, mostFollowers)
	for _, n := range d.TrustedProxies {
		_, _, err := net.ParseCIDR(n)
		p.check(err == nil, "trustedProxies", "%q is not a network such as 10.0.0.0/8", n)
	}
	return errors.Join(p...)
}

// Validate says what is wrong with the document, key by key.
func (d Worker) Validate() error {
	var p problems
	p.process(d.Process)
	p.stores(d.Stores)
	p.count("slots.photo", d.Slots.Photo, 1, 1000)
	p.count("slots.fanOut", d.Slots.FanOut, 1, 1000)
	p.count("slots.follow", d.Slots.Follow, 1, 1000)
	p.count("slots.index", d.Slots.Index, 1, 1000)
	p.count("slots.share", d.Slots.Share, 1, 1000)
	p.count("slots.delete", d.Slots.Delete, 1, 1000)
	p.count("slots.export", d.Slots.Export, 1, 1000)
	p.count("maxPixels", d.MaxPixels, 1, 1<<30)
	p.count("feedLength", d.FeedLength, 1, 10000)
	p.count("fanOutLimit", d.FanOutLimit, 1, mostFollowers)
	p.url("share.facebook", d.Share.Facebook)
	p.url("share.twitter", d.Share.Twitter)
	p.edge(d.Edge)
	p.check((d.CloudWatch.Region == "") == (d.CloudWatch.Namespace == ""), "cloudWatch", "needs both region and namespace, or neither")
	return errors.Join(p...)
}

// Validate says what is wrong with the document, key by key.
func (d Push) Validate() error {
	var p problems
	p.process(d.Process)
	p.stores(d.Stores)
	p.count("slots", d.Slots, 1, 1000)
	p.url("apns.url", d.APNs.URL)
	p.check(d.APNs.TeamID != "", "apns.teamID", "is missing")
	p.check(d.APNs.KeyID != "", "apns.keyID", "is missing")
	p.check(d.APNs.Topic != "", "apns.topic", "is missing")
	return errors.Join(p...)
}

// Validate says what is wrong with the document, key by key.
func (d Migrate) Validate() error {
	var p problems
	if err := d.Shards.Validate(); err != nil {
		p = append(p, fmt.Errorf("shards: %w", err))
	}
	p.direct(d.Shards, d.Direct)
	return errors.Join(p...)
}

// Validate says what is wrong with the document, key by key.
func (d Standin) Validate() error {
	var p problems
	p.addr("admin", d.Admin)
	p.addr("apns", d.APNs)
	p.addr("facebook", d.Facebook)
	p.addr("twitter", d.Twitter)
	p.addr("sentry", d.Sentry)
	p.check(d.TeamID != "", "teamID", "is missing")
	p.check(d.KeyID != "", "keyID", "is missing")
	p.check(d.Topic != "", "topic", "is missing")
	p.check(d.CertFile != "", "certFile", "is missing")
	return errors.Join(p...)
}
