package images

import (
	"path"
	"time"

	"github.com/burbn/burbn/services/settings"
)

const (
	// stopTime is how long a service may finish what it has begun. The units'
	// TimeoutStopSec is longer, so that it is the service that gives up first.
	stopTime = 25 * time.Second
	// clientConnections bounds a process's connections to its own pooler, for each
	// database. They are cheap: what PostgreSQL sees is the pooler's PoolSize.
	clientConnections = 16
	// poolerStep is the number of poolers by which capacity is planned.
	poolerStep = 8
)

// PoolSize is how many connections each pooler may hold to each database, so that
// all poolers together take three quarters of what the database accepts; the rest
// is for sessions, replication, monitoring and people; see connectionsFit.
//
// It is cut for the number of poolers rounded up to the next multiple of eight: a
// machine more or less seldom changes the files of all the others. A fleet counts as
// the most that it may grow to, because its machines are told once.
func (p Placement) PoolSize() int {
	poolers, _ := p.poolers()
	poolers = (poolers + poolerStep - 1) / poolerStep * poolerStep
	return max(1, p.PostgresConnections*3/4/max(poolers, poolerStep))
}

// document is the settings document of a part, nil if it has none.
func (p Placement) document(part string, m Machine) ([]byte, error) {
	switch part {
	case "api", "buckets":
		return settings.Render(settings.API{
			Process:        p.process(m, p.Programs.API),
			Stores:         p.stores(m),
			Listen:         m.Bind(PortHTTP),
			Upload:         settings.Upload{MaxBytes: p.MaxUploadBytes, Expires: settings.Duration(p.UploadExpires)},
			Session:        settings.Duration(p.Session),
			RateLimits:     settings.RateLimits(p.RateLimits),
			Origins:        p.Origins,
			FeedLength:     p.FeedLength,
			FanOutLimit:    p.FanOutLimit,
			TrustedProxies: []string{p.Network},
		})
	case "worker":
		return settings.Render(settings.Worker{
			Process:     p.process(m, p.Programs.Worker),
			Stores:      p.stores(m),
			Slots:       settings.Slots(p.WorkerSlots),
			MaxPixels:   p.MaxPixels,
			FeedLength:  p.FeedLength,
			FanOutLimit: p.FanOutLimit,
			Share:       settings.Share(p.Share),
			Edge:        p.edge(m),
			CloudWatch:  p.cloudWatch(),
		})
	case "push":
		apns := settings.APNs(p.APNs)
		if apns.CAFile == "" && len(p.Of(Standin)) > 0 {
			apns.CAFile = m.Path(credentialsDir("push") + "/apns-tls-cert")
		}
		return settings.Render(settings.Push{
			Process: p.process(m, p.Programs.Push),
			Stores:  p.stores(m),
			Slots:   p.PushSlots,
			APNs:    apns,
		})
	case "migrate":
		return settings.Render(settings.Migrate{Shards: p.Shards, Direct: p.direct()})
	case "standin":
		return settings.Render(settings.Standin{
			Admin:    m.Bind(PortAdmin),
			APNs:     m.Bind(PortAPNs),
			Facebook: m.Bind(PortFacebook),
			Twitter:  m.Bind(PortTwitter),
			Sentry:   m.Bind(PortSentry),
			TeamID:   p.APNs.TeamID,
			KeyID:    p.APNs.KeyID,
			Topic:    p.APNs.Topic,
			CertFile: m.Path(credentialsDir("standin") + "/apns-tls-cert"),
		})
	}
	return nil, nil
}

// process names the release after the program, so that a change of one service
// restarts no other.
func (p Placement) process(m Machine, program string) settings.Process {
	return settings.Process{
		Stack:     p.Stack,
		Machine:   m.Name,
		Fleet:     m.Fleet > 0,
		Release:   path.Base(program),
		Admin:     m.Bind(PortAdmin),
		SentryDSN: p.SentryDSN,
		Stop:      settings.Duration(stopTime),
	}
}

func (p Placement) stores(m Machine) settings.Stores {
	s := settings.Stores{
		Shards:                 p.Shards,
		Pooler:                 m.Self(PortPgBouncer),
		ConnectionsPerDatabase: clientConnections,
		Storage: settings.Storage{
			Region:  p.Region,
			Uploads: p.Buckets.Uploads,
			Media:   p.Buckets.Media,
			CDN:     p.CDN,
		},
	}
	if p.TLS {
		s.RedisTLSDomain = "cache.amazonaws.com"
	}
	for _, r := range p.Of(Redis) {
		s.Redis = append(s.Redis, r.At(PortRedis))
	}
	for _, c := range p.Of(Memcached) {
		s.Memcached = append(s.Memcached, c.At(PortMemcached))
	}
	if own := p.Of(Storage); len(own) > 0 {
		s.Storage.Endpoint = "http://" + own[0].At(PortStorage)
	}
	if cdn := p.Of(CDN); s.Storage.CDN == "" && len(cdn) > 0 {
		s.Storage.CDN = "http://" + cdn[0].At(PortHTTP)
	}
	return s
}

// cloudWatch is where AWS's scaling looks for how long tasks wait.
func (p Placement) cloudWatch() settings.CloudWatch {
	if p.Target != "aws" {
		return settings.CloudWatch{}
	}
	return settings.CloudWatch{Region: p.Region, Namespace: "burbn"}
}

// edge is how a worker has a photo forgotten.
func (p Placement) edge(m Machine) settings.Edge {
	if cdn := p.Of(CDN); len(cdn) > 0 {
		return settings.Edge{Purge: "http://" + cdn[0].At(PortPurge) + "/purge", From: m.Addr}
	}
	return settings.Edge{Distribution: p.Distribution(), Region: p.Region}
}

func (p Placement) direct() []settings.Direct {
	var direct []settings.Direct
	for _, m := range p.Of(Postgres) {
		direct = append(direct, settings.Direct{Name: m.Name, Addr: m.At(PortPostgres), CAFile: p.PostgresCA})
	}
	return direct
}
