package topology

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/burbn/burbn/services/shard"
)

// Facts are what a deployment has made true and the next one may not undo, or only in
// some directions. The program keeps them as an output of the stack, in JSON, and reads
// them back before it touches anything.
type Facts struct {
	Target       Target    `json:"target"`
	Shards       shard.Map `json:"shards"`
	RedisMasters int       `json:"redisMasters"`
	// What follows is of the target aws alone.
	Region          string  `json:"region,omitempty"`
	CIDR            string  `json:"cidr,omitempty"`
	Zones           []Zone  `json:"zones,omitempty"`
	Buckets         Buckets `json:"buckets,omitzero"`
	PostgresVersion string  `json:"postgresVersion,omitempty"`
	StorageGB       int     `json:"storageGB,omitempty"` // of each database
	RedisEngine     string  `json:"redisEngine,omitempty"`
	RedisVersion    string  `json:"redisVersion,omitempty"`
	MonitoringGB    int     `json:"monitoringGB,omitempty"` // of the volume of what was seen
}

// Facts are what the topology makes true once it is deployed.
func (t Topology) Facts() Facts {
	return Facts{
		Target: t.Target, Shards: t.Shards, RedisMasters: t.Redis.Masters,
		Region: t.AWS.Region, CIDR: t.AWS.Network.CIDR, Zones: t.AWS.Network.Zones, Buckets: t.AWS.Buckets,
		PostgresVersion: t.AWS.Postgres.Version, StorageGB: t.AWS.Postgres.StorageGB,
		RedisEngine: t.AWS.Redis.Engine, RedisVersion: t.AWS.Redis.Version, MonitoringGB: t.AWS.Monitoring.DataGB,
	}
}

// Refuse says why a stack of which old is true cannot become t: what would lose data, or
// replace what must stay. Its error joins one for every such change, each with the path
// of the key. Databases and zones may come, what grows may grow, and what holds no data
// may go.
func Refuse(old Facts, t Topology) error {
	c := &change{}
	now := t.Facts()
	if old.Target != now.Target {
		c.refuse("target", "%s becomes %s: what stands there would be forgotten, not moved; give the other target a stack of its own", old.Target, now.Target)
		return c.err()
	}
	c.shards(old, t)
	c.atLeast("redis.masters", old.RedisMasters, now.RedisMasters, "masters", "taking one away is not built")
	if now.Target == AWS {
		c.same("aws.region", old.Region, now.Region, "everything would be made anew there, empty; give the other region a stack of its own")
		c.zones(old, now)
		for _, b := range []struct{ key, old, now string }{
			{"uploads", old.Buckets.Uploads, now.Buckets.Uploads}, {"media", old.Buckets.Media, now.Buckets.Media},
			{"artifacts", old.Buckets.Artifacts, now.Buckets.Artifacts}, {"logs", old.Buckets.Logs, now.Buckets.Logs},
		} {
			c.same("aws.buckets."+b.key, b.old, b.now, "a bucket has its name for ever, and what it holds would stay behind")
		}
		c.atLeast("aws.postgres.storageGB", old.StorageGB, now.StorageGB, "GB", "RDS cannot shrink a database's storage")
		c.version("aws.postgres.version", old.PostgresVersion, now.PostgresVersion)
		if old.RedisEngine == "valkey" && now.RedisEngine == "redis" {
			c.refuse("aws.redis.engine", "valkey becomes redis: ElastiCache knows no way back, and what the cluster holds would be lost")
		} else if old.RedisEngine == now.RedisEngine {
			c.version("aws.redis.version", old.RedisVersion, now.RedisVersion)
		}
		c.atLeast("aws.monitoring.dataGB", old.MonitoringGB, now.MonitoringGB, "GB", "a volume cannot shrink")
	}
	return c.err()
}

// change gathers what is refused.
type change struct{ problems []error }

func (c *change) err() error { return errors.Join(c.problems...) }

func (c *change) refuse(path, format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf("%s.%s: %w", Key, path, fmt.Errorf(format, args...)))
}

func (c *change) same(path, old, now, because string) {
	if old != now {
		c.refuse(path, "%s becomes %s: %s", old, now, because)
	}
}

func (c *change) atLeast(path string, old, now int, unit, because string) {
	if now < old {
		c.refuse(path, "%d becomes %d: %s; accepted is %d %s or more", old, now, because, old, unit)
	}
}

// version refuses an older one.
func (c *change) version(path, old, now string) {
	if slices.CompareFunc(strings.Split(now, "."), strings.Split(old, "."), func(a, b string) int {
		x, _ := strconv.Atoi(a) // as the catalog has them
		y, _ := strconv.Atoi(b)
		return cmp.Compare(x, y)
	}) < 0 {
		c.refuse(path, "%s becomes %s: an engine never goes back; accepted is %s or newer", old, now, old)
	}
}

// shards refuses what would part rows from their shard.
func (c *change) shards(old Facts, now Topology) {
	// One that held no shard never had a row, and may go again.
	for _, d := range old.Shards.Databases {
		if !slices.Contains(now.Databases, d.Name) {
			c.refuse("postgres.databases", "%s is removed: its rows would be lost; keep it", d.Name)
		}
	}
	if old.Shards.Count != now.Shards.Count {
		c.refuse("shards", "%d becomes %d: every id carries the number of its shard, so that the count is fixed for ever", old.Shards.Count, now.Shards.Count)
		return // every shard would seem to have moved
	}
	for first := 0; first < old.Shards.Count; {
		from, to := holder(old.Shards, first), holder(now.Shards, first)
		last := first
		for last+1 < old.Shards.Count && holder(old.Shards, last+1) == from && holder(now.Shards, last+1) == to {
			last++
		}
		if from != to {
			c.refuse("postgres.databases", "shards %d-%d move from %s to %s: their rows would stay behind; moving rows is not built, keep them where they are",
				first, last, from, to)
		}
		first = last + 1
	}
}

// holder is the name of the database that holds a shard.
func holder(m shard.Map, n int) string {
	i := m.Database(shard.Number(n))
	if i < 0 {
		return "no database"
	}
	return m.Databases[i].Name
}

// zones refuses what would replace subnets that are in use.
func (c *change) zones(old, now Facts) {
	c.same("aws.network.cidr", old.CIDR, now.CIDR, "everything stands in this network and would be made anew")
	for i, was := range old.Zones {
		at := slices.IndexFunc(now.Zones, func(z Zone) bool { return z.Name == was.Name })
		if at < 0 {
			c.refuse("aws.network.zones", "%s is removed: the databases, caches and machines in it would be lost", was.Name)
			continue
		}
		path := fmt.Sprintf("aws.network.zones[%d]", at)
		if is := now.Zones[at]; is != was {
			for _, s := range []struct{ key, old, now string }{
				{"public", was.Public, is.Public}, {"app", was.App, is.App}, {"data", was.Data, is.Data},
			} {
				c.same(path+"."+s.key, s.old, s.now, "a subnet with something in it cannot be replaced; new addresses come with a new zone")
			}
		}
		if at != i {
			c.refuse(path, "%s was zone %d and is zone %d: databases are dealt out in the order of the zones; new ones come last", was.Name, i+1, at+1)
		}
	}
}
