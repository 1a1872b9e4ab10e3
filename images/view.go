package images

import (
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/burbn/burbn/services/settings"
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
		"dataDevice": func() string { return DataDevice },
		"dataDir":    func() string { return dataDir },
		"host": func(addr string) (string, error) {
			host, _, err := net.SplitHostPort(addr)
			return host, err
		},
	}
	for name, port := range map[string]Port{
		"http": PortHTTP, "admin": PortAdmin, "status": PortStatus, "purge": PortPurge, "balancerStatus": PortBalancerStatus,
		"storage": PortStorage, "postgres": PortPostgres, "pgbouncer": PortPgBouncer,
		"redis": PortRedis, "redisBus": PortRedisBus, "memcached": PortMemcached,
		"prometheus": PortPrometheus, "alertmanager": PortAlertmanager,
		"nodeExporter": PortNodeExporter, "nginxExporter": PortNginxExporter, "redisExporter": PortRedisExporter,
		"memcachedExporter": PortMemcachedExporter, "postgresExporter": PortPostgresExporter,
		"journal": PortJournal,
		"apns":    PortAPNs, "facebook": PortFacebook, "twitter": PortTwitter, "sentry": PortSentry,
	} {
		funcs[name] = func() Port { return port }
	}
	return funcs
}

func credentialsDir(unit string) string { return "/run/credentials/" + unit + ".service" }

// Rotates says that the databases' passwords change while the poolers run.
func (v view) Rotates() bool { return v.Target == "aws" }

// Live is where the unit reads a credential that may change while it runs.
func (v view) Live(credential string) string {
	if v.Rotates() {
		return v.Path("/run/" + v.Unit + "/" + credential)
	}
	return v.Path(credentialsDir(v.Unit)) + "/" + credential
}

// pool is a name under which PgBouncer knows a database.
type pool struct {
	Name     string
	Database Machine
	Options  string
}

// Pools are the databases by their names and, where queues are worked, by those for
// sessions.
func (v view) Pools() []pool {
	var pools []pool
	for _, db := range v.Of(Postgres) {
		pools = append(pools, pool{Name: db.Name, Database: db})
		if v.Machine.worksQueues() {
			pools = append(pools, pool{
				db.Name + settings.SessionSuffix, db, fmt.Sprintf(" pool_mode=session pool_size=%d", settings.SessionsPerDatabase),
			})
		}
	}
	return pools
}

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

// State is the StateDirectory= of a unit of the machine that watches: on AWS it is on
// the volume that outlives the machine.
func (v view) State(name string) string {
	if v.cloud() {
		return path.Base(dataDir) + "/" + name
	}
	return name
}

// SeriesGB is what Prometheus may keep: on AWS half of the volume.
func (v view) SeriesGB() int {
	if v.cloud() {
		return v.DataGB / 2
	}
	return 4
}

// JournalsGB is what the other machines' journals may take. What is left of the volume
// is for what has not been pruned yet.
func (v view) JournalsGB() int { return v.DataGB / 4 }

// Counted are the machines behind whose name several have to answer.
func (v view) Counted() []Machine {
	return slices.DeleteFunc(slices.Clone(v.Machines), func(m Machine) bool { return m.Least == 0 })
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

// PostgresScrapeInterval leaves the exporter half a second for each database.
func (v view) PostgresScrapeInterval() time.Duration {
	return max(v.ScrapeInterval, time.Duration(len(v.Databases()))*time.Second/2+3*time.Second).Round(time.Second)
}

// Databases are the primaries and the replicas, in the order of their roles.
func (v view) Databases() []Machine { return append(v.Of(Postgres), v.Of(Replica)...) }

// SlotName is the replication slot of a replica on its primary: PostgreSQL wants
// underscores.
func (v view) SlotName() string { return strings.ReplaceAll(v.Name, "-", "_") }
