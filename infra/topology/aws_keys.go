package topology

import (
	"fmt"
	"net/mail"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/burbn/burbn/infra/catalog"
)

// What texts of the section aws are accepted.
const (
	debianName  = `^debian-12-(amd64|arm64)-20[0-9]{6}-[0-9]{3,5}$`
	releaseID   = `^(build|[0-9a-f]{12})$`
	domainName  = `^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`
	zoneName    = `^[a-z]{2}(-[a-z]+)+-[1-9][a-f]$`
	bucketName  = `^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`
	httpsOrNone = `^(https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/-]*)?)?$`
	// sentryDSN has the key of a project between // and @, which is a secret of its own.
	sentryDSN = `^(https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._-]+)*/[0-9]+)?$`
)

// What AWS bounds.
const (
	certificateName = 64       // characters of a certificate's first name
	largestDisk     = 16 << 10 // GB of one EBS volume
	largestStorage  = 64 << 10 // GB of one database
	leastRequests   = 100      // of a rule that counts them in five minutes
	mostRequests    = 2_000_000_000
)

// logDays are the retentions that CloudWatch knows.
var logDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// cloud is the table of every key of the section and what it accepts; agree holds
// their values against each other.
func (r *reader) cloud(s *section) Cloud {
	var c Cloud
	c.Region = s.oneOf("region", catalog.Regions()...)
	c.Architecture = s.oneOf("architecture", "amd64", "arm64")
	c.Debian = s.text("debian", debianName, "the name of Debian's machine image, such as debian-12-arm64-20251112-2294")
	c.Release = s.text("release", releaseID, "build, or the twelve hexadecimal digits of an earlier release")
	c.Protect = s.truth("protect")

	domains := s.section("domains")
	c.Domains.Zone = domains.domain("zone")
	c.Domains.API = domains.domain("api")
	c.Domains.Media = domains.domain("media")
	domains.close()

	network := s.section("network")
	c.Network.CIDR = network.cidr("cidr", 16, 28)
	c.Network.NAT = network.oneOf("nat", "zone", "one")
	for _, z := range network.list("zones") {
		c.Network.Zones = append(c.Network.Zones, Zone{
			Name: z.text("name", zoneName, "an availability zone such as eu-west-1a"),
			// An ALB demands a /27 at least.
			Public: z.cidr("public", 16, 27), App: z.cidr("app", 16, 28), Data: z.cidr("data", 16, 28),
		})
		z.close()
	}
	network.close()

	waf := s.section("waf")
	c.WAF.RequestsPer5Minutes = waf.count("requestsPer5Minutes", 0, mostRequests)
	if n := c.WAF.RequestsPer5Minutes; n > 0 && n < leastRequests {
		r.refuse(waf.values["requestsPer5Minutes"], waf.path("requestsPer5Minutes"), "%d is out of range: accepted is 0 for no firewall, or %d to %d",
			n, leastRequests, mostRequests)
	}
	waf.close()

	buckets := s.section("buckets")
	c.Buckets.Uploads = buckets.bucket("uploads")
	c.Buckets.Media = buckets.bucket("media")
	c.Buckets.Artifacts = buckets.bucket("artifacts")
	c.Buckets.Logs = buckets.bucket("logs")
	buckets.close()

	c.Nginx = s.fleet("nginx", nil)
	c.API = s.fleet("api", func(f *Fleet, s *section) { f.CPUPercent = s.count("cpuPercent", 10, 90) })
	c.Worker = s.fleet("worker", func(f *Fleet, s *section) { f.OldestSeconds = s.count("oldestSeconds", 1, 3600) })
	c.Push = s.fleet("push", nil)

	monitoring := s.section("monitoring")
	c.Monitoring.Instance = monitoring.class("instance", "EC2", catalog.EC2Names())
	c.Monitoring.DiskGB = monitoring.count("diskGB", 10, largestDisk)
	c.Monitoring.DataGB = monitoring.count("dataGB", 10, largestDisk)
	monitoring.close()

	postgres := s.section("postgres")
	c.Postgres.Class = postgres.class("class", "RDS", catalog.RDSNames())
	c.Postgres.Version = postgres.oneOf("version", catalog.PostgreSQL()...)
	c.Postgres.StorageGB = postgres.count("storageGB", 20, largestStorage)
	c.Postgres.MaxStorageGB = postgres.count("maxStorageGB", 0, largestStorage)
	c.Postgres.IOPS = postgres.count("iops", 0, 64000)
	c.Postgres.ThroughputMBps = postgres.count("throughputMBps", 0, 4000)
	c.Postgres.MultiAZ = postgres.truth("multiAZ")
	c.Postgres.BackupDays = postgres.count("backupDays", 0, 35)
	c.Postgres.RotationDays = postgres.count("rotationDays", 1, 365)
	postgres.close()

	redis := s.section("redis")
	c.Redis.Engine = redis.oneOf("engine", "redis", "valkey")
	versions := catalog.Redis()
	if c.Redis.Engine == "valkey" {
		versions = catalog.Valkey()
	}
	c.Redis.Version = redis.oneOf("version", versions...)
	c.Redis.Node = redis.class("node", "ElastiCache", catalog.ElastiCacheNames())
	c.Redis.Replicas = redis.count("replicas", 0, 5)
	c.Redis.SnapshotDays = redis.count("snapshotDays", 0, 35)
	redis.close()

	memcached := s.section("memcached")
	c.Memcached.Version = memcached.oneOf("version", catalog.Memcached()...)
	c.Memcached.Node = memcached.class("node", "ElastiCache", catalog.ElastiCacheNames())
	memcached.close()

	media := s.section("media")
	c.Media.UndeleteDays = media.count("undeleteDays", 1, 3650)
	c.Media.ColdAfterDays = media.count("coldAfterDays", 1, 3650)
	media.close()

	logs := s.section("logs")
	c.Logs.Days = logs.countOf("days", logDays)
	logs.close()

	alerts := s.section("alerts")
	c.Alerts.Email = alerts.email("email")
	c.Alerts.Pager = alerts.text("pager", httpsOrNone, `an https URL such as https://events.pagerduty.com/v2/enqueue, or "" for mail alone`)
	alerts.close()

	budget := s.section("budget")
	c.Budget.MonthlyUSD = budget.count("monthlyUSD", 1, 100_000_000)
	budget.close()

	s.close()
	return c
}

// fleet reads what every fleet has, and with more what it alone has.
func (s *section) fleet(key string, more func(*Fleet, *section)) Fleet {
	f := s.section(key)
	fleet := Fleet{
		Instance: f.class("instance", "EC2", catalog.EC2Names()),
		DiskGB:   f.count("diskGB", 10, largestDisk),
		Max:      f.count("max", 1, MaxIndex),
	}
	if more != nil {
		more(&fleet, f)
	}
	f.close()
	return fleet
}

// class accepts the name of a class that the catalog has.
func (s *section) class(key, service string, names []string) string {
	accepted := fmt.Sprintf("a class of %s that infra/catalog lists, such as %s", service, names[len(names)/2])
	name := s.text(key, `^[a-z0-9.]+$`, accepted)
	if name != "" && !slices.Contains(names, name) {
		s.r.refuse(s.values[key], s.path(key), "%q is not accepted: accepted is %s%s", name, accepted, hint(name, names))
		return ""
	}
	return name
}

func (s *section) domain(key string) string {
	name := s.text(key, domainName, "a domain name in small letters, such as api.example.com")
	if len(name) > certificateName {
		s.r.refuse(s.values[key], s.path(key), "%q has %d characters: accepted are %d, the most that a certificate takes", name, len(name), certificateName)
	}
	return name
}

// private are the networks that are nobody's on the internet.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

// cidr accepts a private IPv4 network of a length from shortest to longest.
func (s *section) cidr(key string, shortest, longest int) string {
	accepted := fmt.Sprintf("a private network from /%d to /%d, such as 10.20.0.0/%d", shortest, longest, (shortest+longest)/2)
	text := s.text(key, `^[0-9./]+$`, accepted)
	if text == "" {
		return ""
	}
	p, err := netip.ParsePrefix(text)
	within := func(q netip.Prefix) bool { return q.Overlaps(p) && q.Bits() <= p.Bits() }
	switch {
	case err != nil || !p.Addr().Is4() || p.Bits() < shortest || p.Bits() > longest || !slices.ContainsFunc(private, within):
		s.r.refuse(s.values[key], s.path(key), "%q is not accepted: accepted is %s", text, accepted)
	case p.Masked() != p:
		s.r.refuse(s.values[key], s.path(key), "%q has bits beyond its length: accepted is %s", text, p.Masked())
	default:
		return text
	}
	return ""
}

// bucket accepts a name by S3's rules, less the dot: the certificate of a bucket's
// address covers one label alone.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func (s *section) bucket(key string) string {
	name := s.text(key, bucketName, "3 to 63 of a-z, 0-9 and -, with a letter or digit at both ends")
	for _, reserved := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, reserved) {
			s.r.refuse(s.values[key], s.path(key), "%q is not accepted: S3 keeps names that begin with %s for itself", name, reserved)
		}
	}
	for _, reserved := range []string{"-s3alias", "--ol-s3", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, reserved) {
			s.r.refuse(s.values[key], s.path(key), "%q is not accepted: S3 keeps names that end with %s for itself", name, reserved)
		}
	}
	return name
}

func (s *section) email(key string) string {
	const accepted = "a mail address such as oncall@example.com"
	text := s.text(key, `^[^\s<>]+$`, accepted)
	if a, err := mail.ParseAddress(text); text != "" && (err != nil || a.Address != text) {
		s.r.refuse(s.values[key], s.path(key), "%q is not accepted: accepted is %s", text, accepted)
		return ""
	}
	return text
}

// countOf accepts some numbers alone.
func (s *section) countOf(key string, accepted []int) int {
	n := s.count(key, accepted[0], accepted[len(accepted)-1])
	if n != 0 && !slices.Contains(accepted, n) {
		var texts []string
		for _, a := range accepted {
			texts = append(texts, strconv.Itoa(a))
		}
		s.r.refuse(s.values[key], s.path(key), "%d is not accepted: accepted is %s", n, strings.Join(texts, ", "))
		return 0
	}
	return n
}
