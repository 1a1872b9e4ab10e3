package images

import (
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"time"
)

// view is what a template sees: the fields and methods of the machine and of the
// placement side by side.
type view struct {
	Machine
	Placement
	Unit string // the name of the part's unit
}

func (v view) funcs() template.FuncMap {
	funcs := template.FuncMap{
		"path": v.Path,
		// credential is where the unit finds a credential, for what cannot read the
		// environment: systemd promises this path.
		"credential": func(name string) string { return v.Path(credentialsDir(v.Unit)) + "/" + name },
		"quoteMeta":  regexp.QuoteMeta,
	}
	for name, port := range map[string]Port{
		"http": PortHTTP, "admin": PortAdmin, "status": PortStatus, "balancerStatus": PortBalancerStatus,
		"storage": PortStorage, "postgres": PortPostgres, "pgbouncer": PortPgBouncer,
		"redis": PortRedis, "redisBus": PortRedisBus, "memcached": PortMemcached,
		"prometheus": PortPrometheus, "alertmanager": PortAlertmanager,
		"nodeExporter": PortNodeExporter, "nginxExporter": PortNginxExporter, "redisExporter": PortRedisExporter,
		"memcachedExporter": PortMemcachedExporter, "postgresExporter": PortPostgresExporter,
		"apns": PortAPNs, "facebook": PortFacebook, "twitter": PortTwitter, "sentry": PortSentry,
	} {
		funcs[name] = func() Port { return port }
	}
	return funcs
}

func credentialsDir(unit string) string { return "/run/credentials/" + unit + ".service" }

// Primary is the database that a replica follows: the one of the same index, or
// for the second replica of each, the one that index falls on again. Nil on a
// machine that follows none.
func (v view) Primary() (*Machine, error) {
	if v.Role != Replica {
		return nil, nil
	}
	primaries := v.Of(Postgres)
	if len(primaries) == 0 || v.Index < 1 {
		return nil, fmt.Errorf("replica %s has no primary", v.Name)
	}
	return &primaries[(v.Index-1)%len(primaries)], nil
}

// Monitor is the machine that watches, or nil where the cloud does.
func (v view) Monitor() *Machine {
	if ms := v.Of(Monitoring); len(ms) > 0 {
		return &ms[0]
	}
	return nil
}

// Slots are the hash slots of a Redis master, both ends included.
type slots struct {
	Machine
	First, Last int
}

// SlotRanges cuts the 16,384 hash slots into one range for each master.
func (v view) SlotRanges() []slots {
	const count = 16384
	masters := v.Of(Redis)
	var ranges []slots
	for i, m := range masters {
		ranges = append(ranges, slots{m, i * count / len(masters), (i+1)*count/len(masters) - 1})
	}
	return ranges
}

// job is a scrape job of Prometheus.
type job struct {
	Name    string
	Path    string
	Targets []target
	// Via is the exporter that is asked on behalf of the targets.
	Via string
}

type target struct{ Addr, Machine, Role string }

// Jobs are what Prometheus scrapes: every machine that we run ourselves, and
// through exporters on the monitoring machine what speaks another protocol.
func (v view) Jobs() []job {
	var jobs []job
	own := func(port Port, roles ...Role) {
		for _, role := range roles {
			j := job{Name: string(role), Path: "/metrics"}
			for _, m := range v.Of(role) {
				if !m.Managed() {
					j.Targets = append(j.Targets, target{m.At(port), m.Name, string(role)})
				}
			}
			if j.Targets != nil {
				jobs = append(jobs, j)
			}
		}
	}
	via := func(name string, port, exporter Port, scheme string, role Role) {
		j := job{Name: name, Path: "/scrape", Via: v.At(exporter)}
		for _, m := range v.Of(role) {
			j.Targets = append(j.Targets, target{scheme + m.At(port), m.Name, string(role)})
		}
		if j.Targets != nil {
			jobs = append(jobs, j)
		}
	}
	own(PortBalancerStatus, LoadBalancer)
	own(PortNginxExporter, Nginx, CDN)
	own(PortAdmin, API, Worker, Push, Standin)
	redis := "redis://"
	if v.TLS {
		redis = "rediss://"
	}
	via("redis", PortRedis, PortRedisExporter, redis, Redis)
	via("memcached", PortMemcached, PortMemcachedExporter, "", Memcached)
	self := func(name string, port Port) {
		jobs = append(jobs, job{Name: name, Path: "/metrics", Targets: []target{{v.At(port), v.Name, string(v.Role)}}})
	}
	self("postgres", PortPostgresExporter)
	self("alertmanager", PortAlertmanager)
	self("prometheus", PortPrometheus)
	node := job{Name: "node", Path: "/metrics"}
	for _, m := range v.Machines {
		if m.Root == "/" || m.Role == Monitoring {
			node.Targets = append(node.Targets, target{m.At(PortNodeExporter), m.Name, string(m.Role)})
		}
	}
	return append(jobs, node)
}

// PostgresScrapeInterval leaves the exporter half a second for each database.
func (v view) PostgresScrapeInterval() time.Duration {
	return max(v.ScrapeInterval, time.Duration(len(v.Databases()))*time.Second/2+3*time.Second).Round(time.Second)
}

// Databases are the primaries and the replicas, in the order of their roles.
func (v view) Databases() []Machine { return append(v.Of(Postgres), v.Of(Replica)...) }

// SlotName is the replication slot of a replica on its primary: PostgreSQL wants
// underscores.
func (v view) SlotName() string { return strings.ReplaceAll(v.Name, "-", "_") }
