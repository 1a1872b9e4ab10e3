package topology

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/burbn/burbn/infra/catalog"
)

// agree holds the values of a topology of the target aws against each other. Each
// check asks first whether what it compares was accepted by itself.
func (r *reader) agree(t Topology) {
	r.agreeNames(t.AWS)
	r.agreeNetwork(t)
	r.agreeFleets(t)
	r.agreeLimits(t)
	r.agreeStorage(t)
	r.agreeConnections(t)
	r.agreeCaches(t)
	r.agreeProtection(t)
}

// agreeNames checks the machine image, the domains and the buckets.
func (r *reader) agreeNames(c Cloud) {
	if r.usable("aws.debian", "aws.architecture") {
		r.check(strings.HasPrefix(c.Debian, "debian-12-"+c.Architecture+"-"), "aws.debian",
			"%q is of another architecture: accepted is one of %s, the architecture of the machines", c.Debian, c.Architecture)
	}
	for _, d := range []struct{ key, name string }{{"api", c.Domains.API}, {"media", c.Domains.Media}} {
		if r.usable("aws.domains.zone", "aws.domains."+d.key) {
			r.check(strings.HasSuffix(d.name, "."+c.Domains.Zone), "aws.domains."+d.key,
				"%q is not in the zone: accepted is a name that ends with .%s", d.name, c.Domains.Zone)
		}
	}
	if r.usable("aws.domains.api", "aws.domains.media") {
		r.check(c.Domains.API != c.Domains.Media, "aws.domains.media", "%q is the name of the API: accepted is another", c.Domains.Media)
	}
	holds := map[string]string{}
	for _, b := range []struct{ key, name, what string }{
		{"uploads", c.Buckets.Uploads, "the uploads"}, {"media", c.Buckets.Media, "the media, all of which the CDN reads"},
		{"artifacts", c.Buckets.Artifacts, "the releases"}, {"logs", c.Buckets.Logs, "the access logs"},
	} {
		if r.usable("aws.buckets." + b.key) {
			r.check(holds[b.name] == "", "aws.buckets."+b.key, "%q is the bucket of %s: accepted is another", b.name, holds[b.name])
			holds[b.name] = b.what
		}
	}
}

// agreeFleets checks the machines that we run ourselves.
func (r *reader) agreeFleets(t Topology) {
	for _, f := range []struct {
		key, instance string
		count, max    int // 0: it is no fleet
	}{
		{"nginx", t.AWS.Nginx.Instance, t.Nginx.Count, t.AWS.Nginx.Max},
		{"api", t.AWS.API.Instance, t.API.Count, t.AWS.API.Max},
		{"worker", t.AWS.Worker.Instance, t.Worker.Count, t.AWS.Worker.Max},
		{"push", t.AWS.Push.Instance, t.Push.Count, t.AWS.Push.Max},
		{"monitoring", t.AWS.Monitoring.Instance, 0, 0},
	} {
		if r.usable("aws.architecture", "aws."+f.key+".instance") {
			c, _ := catalog.EC2(f.instance)
			r.check(c.Architecture == t.AWS.Architecture, "aws."+f.key+".instance",
				"%q is %s: accepted is a class of %s, the architecture of the machines", f.instance, c.Architecture, t.AWS.Architecture)
		}
		if f.max > 0 && r.usable(f.key+".count", "aws."+f.key+".max") {
			r.check(f.max >= f.count, "aws."+f.key+".max", "%d is less than the %d that the fleet starts with (%s.count): accepted is %d to %d",
				f.max, f.count, f.key, f.count, MaxIndex)
		}
	}
}

// agreeLimits checks that the API's own limits, which it tells phones, are met before the
// firewall's, which says nothing.
func (r *reader) agreeLimits(t Topology) {
	if n := t.AWS.WAF.RequestsPer5Minutes; n > 0 && r.usable("aws.waf.requestsPer5Minutes", "rateLimits.read", "rateLimits.write") {
		least := 5 * (t.RateLimits.Read + t.RateLimits.Write)
		r.check(n >= least, "aws.waf.requestsPer5Minutes",
			"%d is less than one account may send in five minutes (rateLimits), %d: accepted is 0 for no firewall, or %d to %d", n, least, least, mostRequests)
	}
}

// What gp3 includes and allows for PostgreSQL on RDS:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage
const (
	stripedGB            = 400   // from here a database has four volumes
	stripedIOPS          = 12000 // and includes so much, and can be given more
	stripedMBps          = 500
	iopsPerMBps          = 4
	storageGrowthPercent = 10 // RDS refuses a ceiling that is nearer
)

// Provisioned is what RDS is told of IOPS and MB/s; 0: nothing, because it refuses to be
// told. What is included at a size is said too: when storage that the stack enlarges
// crosses that size, the provider would otherwise ask for what was included before.
func (p RDS) Provisioned() (iops, throughputMBps int) {
	if p.StorageGB < stripedGB {
		return 0, 0
	}
	return max(p.IOPS, stripedIOPS), max(p.ThroughputMBps, stripedMBps)
}

// agreeStorage checks what the databases are written to.
func (r *reader) agreeStorage(t Topology) {
	const key = "aws.postgres."
	p := t.AWS.Postgres
	if r.usable(key+"storageGB", key+"maxStorageGB") {
		least := (p.StorageGB*(100+storageGrowthPercent) + 99) / 100
		r.check(p.MaxStorageGB == 0 || p.MaxStorageGB >= least, key+"maxStorageGB",
			"%d is too near to storageGB %d: accepted is %d to %d, or 0 for storage that does not grow", p.MaxStorageGB, p.StorageGB, least, largestStorage)
	}
	for _, k := range []struct {
		key             string
		given, included int
		most            int
	}{{"iops", p.IOPS, stripedIOPS, 64000}, {"throughputMBps", p.ThroughputMBps, stripedMBps, 4000}} {
		if k.given == 0 || !r.usable(key+"storageGB", key+k.key) {
			continue
		}
		if p.StorageGB < stripedGB {
			r.check(false, key+k.key, "%d cannot be set for storage of less than %d GB: accepted is 0, what gp3 includes", k.given, stripedGB)
			continue
		}
		r.check(k.given >= k.included, key+k.key, "%d is less than what gp3 includes: accepted is 0, or %d to %d", k.given, k.included, k.most)
	}
	if r.usable(key+"iops", key+"throughputMBps") && p.StorageGB >= stripedGB {
		most := max(p.IOPS, stripedIOPS) / iopsPerMBps
		r.check(p.ThroughputMBps <= most, key+"throughputMBps", "%d is more than %d IOPS can carry: accepted is at most %d, a quarter of them",
			p.ThroughputMBps, max(p.IOPS, stripedIOPS), most)
	}
	if r.usable("postgres.replicas", key+"backupDays") {
		r.check(p.BackupDays > 0 || t.Postgres.Replicas == 0, key+"backupDays",
			"0 switches the backups off, without which RDS makes no replica: accepted is 1 to 35, or postgres.replicas 0")
	}
}

// agreeConnections checks that the databases bear the connections that they accept, and
// that these are enough for the poolers of all fleets at their largest.
func (r *reader) agreeConnections(t Topology) {
	if r.usable("postgres.connections", "aws.postgres.class") {
		c, _ := catalog.RDS(t.AWS.Postgres.Class)
		// RDS's own default: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html
		most := min(5000, int(c.MemoryGiB*(1<<30)/9531392))
		r.check(t.Postgres.Connections <= most, "postgres.connections",
			"%d is more than a %s bears: accepted is at most %d, its memory divided by 9531392 bytes", t.Postgres.Connections, t.AWS.Postgres.Class, most)
	}
	if r.usable("postgres.connections", "aws.api.max", "aws.worker.max", "aws.push.max") {
		poolers := t.AWS.API.Max + t.AWS.Worker.Max + t.AWS.Push.Max
		least := (poolers*4 + 2) / 3
		r.check(t.Postgres.Connections >= least, "postgres.connections",
			"%d is too few for the %d machines that api, worker and push may grow to: accepted is at least %d, of which the poolers share three quarters",
			t.Postgres.Connections, poolers, least)
	}
}

// What ElastiCache bounds and keeps for itself.
const (
	redisNodes     = 90 // of one cluster: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/quota-limits.html
	memcachedNodes = 60
	redisPercent   = 75  // reserved-memory-percent is 25: snapshots and replication need it
	memcachedOwnMB = 100 // memcached_connections_overhead
)

// agreeCaches checks that the nodes hold what the topology wants kept in memory.
func (r *reader) agreeCaches(t Topology) {
	if r.usable("redis.memoryMB", "aws.redis.node") {
		c, _ := catalog.ElastiCache(t.AWS.Redis.Node)
		most := int(c.MemoryGiB * 1024 * redisPercent / 100)
		r.check(t.Redis.MemoryMB <= most, "redis.memoryMB",
			"%d is more than a %s holds: accepted is at most %d, %d %% of its memory", t.Redis.MemoryMB, t.AWS.Redis.Node, most, redisPercent)
	}
	if r.usable("redis.masters", "aws.redis.replicas") {
		nodes := t.Redis.Masters * (1 + t.AWS.Redis.Replicas)
		r.check(nodes <= redisNodes, "redis.masters", "%d with %d replicas each are %d nodes: accepted are at most %d in one cluster",
			t.Redis.Masters, t.AWS.Redis.Replicas, nodes, redisNodes)
	}
	if r.usable("memcached.memoryMB", "aws.memcached.node") {
		c, _ := catalog.ElastiCache(t.AWS.Memcached.Node)
		most := int(c.MemoryGiB*1024) - memcachedOwnMB
		r.check(t.Memcached.MemoryMB <= most, "memcached.memoryMB",
			"%d is more than a %s holds: accepted is at most %d", t.Memcached.MemoryMB, t.AWS.Memcached.Node, most)
	}
	if r.usable("memcached.count") {
		r.check(t.Memcached.Count <= memcachedNodes, "memcached.count", "%d is more than one cluster has: accepted is 1 to %d", t.Memcached.Count, memcachedNodes)
	}
}

// agreeProtection checks what a stack that promises to keep its data must have besides.
func (r *reader) agreeProtection(t Topology) {
	if !r.usable("aws.protect") || !t.AWS.Protect {
		return
	}
	for _, k := range []struct {
		key          string
		given, least int
		because      string
	}{
		{"postgres.replicas", t.Postgres.Replicas, 1, "a database that is lost is replaced by its replica"},
		{"aws.postgres.backupDays", t.AWS.Postgres.BackupDays, 7, "a mistake is not always noticed on the same day"},
		{"aws.redis.replicas", t.AWS.Redis.Replicas, 1, "feeds and sessions must outlive a node"},
		{"aws.media.undeleteDays", t.AWS.Media.UndeleteDays, 7, "a mistake is not always noticed on the same day"},
	} {
		if r.usable(k.key) {
			r.check(k.given >= k.least, k.key, "%d is too few for a stack with aws.protect: accepted is at least %d, because %s", k.given, k.least, k.because)
		}
	}
}

// Subnets: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
const (
	leastZones    = 2 // of an ALB and of a subnet group of RDS
	mostZones     = 6
	reservedAddrs = 5  // of every subnet, by AWS
	spareAddrs    = 16 // of every subnet: load balancers, endpoints, functions, machines that replace others
)

// agreeNetwork checks the zones and the sizes and places of their subnets.
func (r *reader) agreeNetwork(t Topology) {
	n := t.AWS.Network
	if !r.usable("aws.network.zones") {
		return
	}
	r.check(len(n.Zones) >= leastZones && len(n.Zones) <= mostZones, "aws.network.zones",
		"%d are given: accepted are %d to %d; neither a load balancer nor a database is accepted in fewer", len(n.Zones), leastZones, mostZones)
	machines := t.AWS.Nginx.Max + t.AWS.API.Max + t.AWS.Worker.Max + t.AWS.Push.Max + 1
	instances := len(t.Databases) * (1 + t.Postgres.Replicas)
	if t.AWS.Postgres.MultiAZ {
		instances *= 2
	}
	nodes := instances + t.Redis.Masters*(1+t.AWS.Redis.Replicas) + t.Memcached.Count

	seen := map[string]bool{}
	type subnet struct {
		path   string
		prefix netip.Prefix
	}
	var before []subnet
	for i, z := range n.Zones {
		key := fmt.Sprintf("aws.network.zones[%d].", i)
		if r.usable(key+"name", "aws.region") {
			r.check(strings.TrimRight(z.Name, "abcdef") == t.AWS.Region, key+"name", "%q is not in the region: accepted is %sa to %sf", z.Name, t.AWS.Region, t.AWS.Region)
			r.check(!seen[z.Name], key+"name", "%q is given twice", z.Name)
			seen[z.Name] = true
		}
		for _, s := range []struct {
			key, cidr string
			needs     int
			of        string
		}{
			{"public", z.Public, 0, ""}, // an ALB needs eight, for which a /27 suffices
			{"app", z.App, share(machines, len(n.Zones)), "machines"},
			{"data", z.Data, share(nodes, len(n.Zones)), "databases and cache nodes"},
		} {
			path := key + s.key
			if !r.usable(path) {
				continue
			}
			p := netip.MustParsePrefix(s.cidr)
			if r.usable("aws.network.cidr") {
				vpc := netip.MustParsePrefix(n.CIDR)
				r.check(vpc.Bits() <= p.Bits() && vpc.Contains(p.Addr()), path, "%s is not a part of the network: accepted is one of %s", p, vpc)
			}
			for _, b := range before {
				r.check(!p.Overlaps(b.prefix), path, "%s overlaps %s, which is %s", p, b.prefix, b.path)
			}
			before = append(before, subnet{path, p})
			usable := 1<<(32-p.Bits()) - reservedAddrs
			r.check(s.needs == 0 || usable >= s.needs+spareAddrs, path, "%s has %d addresses for %d %s at most and %d to spare: accepted is a larger one",
				p, usable, s.needs, s.of, spareAddrs)
		}
	}
}

// share is the part of one zone, rounded up.
func share(n, zones int) int { return (n + zones - 1) / zones }
