package topology

// Cloud is what a topology says on AWS alone: the section aws of its document.
type Cloud struct {
	Region       string // "us-east-1"
	Architecture string // of every machine that we run ourselves: "amd64" or "arm64"
	// Debian is the name of the machine image that ours are baked from, as Debian
	// publishes it: "debian-12-arm64-20251112-2294".
	Debian string
	// Release is what the fleets run: "build" builds this checkout; the id of an
	// earlier release rolls back to it.
	Release string
	// Protect keeps everything that holds data from being destroyed.
	Protect    bool
	Domains    Domains
	Network    Network
	WAF        WAF
	Buckets    Buckets
	Nginx      Fleet
	API        Fleet
	Worker     Fleet
	Push       Fleet
	Monitoring Singleton
	Postgres   RDS
	Redis      ElastiCacheRedis
	Memcached  ElastiCacheMemcached
	Media      Media
	Logs       Logs
	Alerts     Alerts
	Budget     Budget
}

// Domains are the public names. Zone is a Route 53 zone that the account has.
type Domains struct {
	Zone  string // "example.com"
	API   string // "api.example.com"
	Media string // "media.example.com"
}

// Network is the VPC. Every CIDR is explicit and belongs to its zone, so that a zone
// more changes nothing that exists. There are two zones at least, even where one would
// do: neither an ALB nor a subnet group of RDS is accepted in fewer.
type Network struct {
	CIDR  string // "10.20.0.0/16"
	NAT   string // "zone": one gateway in each; "one": one for all, in the first zone, cheaper
	Zones []Zone
}

// Zone is an availability zone and its three subnets.
type Zone struct {
	Name   string // "us-east-1a"
	Public string // CIDR of the ALB and the NAT gateway
	App    string // CIDR of the machines
	Data   string // CIDR of the databases and caches; no way out
}

// WAF is the web application firewall in front of the ALB.
type WAF struct {
	// RequestsPer5Minutes is what one address may send; 0: there is no firewall.
	RequestsPer5Minutes int
}

// Buckets are named here because their names are taken in the whole world, so that
// they cannot be derived.
type Buckets struct {
	Uploads   string // phones put originals here
	Media     string // renditions, which the CDN reads
	Artifacts string // releases
	Logs      string // access logs of the ALB and the CDN
}

// Fleet is an Auto Scaling group; it starts with the count of its role.
type Fleet struct {
	Instance string // "c7g.xlarge"
	DiskGB   int    // root volume
	// Max is how many machines the fleet may grow to; at least the role's count. A fleet
	// that nothing scales (nginx, push) stays at its count; Max is then what it may be
	// set to without a change of anything else.
	Max int
	// CPUPercent is what target tracking holds an API machine at. Only api has it.
	CPUPercent int
	// OldestSeconds is the age of the oldest waiting task that target tracking holds
	// the workers at. Only worker has it.
	OldestSeconds int
}

// Singleton is the one machine of its role, with a volume that outlives it.
type Singleton struct {
	Instance string
	DiskGB   int // root volume
	DataGB   int // volume of /var/lib, kept when the machine is replaced
}

// RDS is how each database is bought.
type RDS struct {
	Class          string // "db.r6g.4xlarge"
	Version        string // "15.17"
	StorageGB      int    // gp3
	MaxStorageGB   int    // storage grows by itself up to here; 0: it does not
	IOPS           int    // 0: what gp3 includes at this size
	ThroughputMBps int    // 0: what gp3 includes at this size
	MultiAZ        bool   // a standby besides the replica
	BackupDays     int    // how far back a point-in-time recovery reaches
	RotationDays   int    // how often the services' passwords change
}

// ElastiCacheRedis is how the cluster is bought.
type ElastiCacheRedis struct {
	Engine       string // "redis" or "valkey"
	Version      string // "7.1"
	Node         string // "cache.r7g.large"
	Replicas     int    // of each master
	SnapshotDays int
}

// ElastiCacheMemcached is how the cache is bought.
type ElastiCacheMemcached struct {
	Version string // "1.6.22"
	Node    string // "cache.m7g.large"
}

// Media is how long objects are kept, and where.
type Media struct {
	UndeleteDays  int // how long a deleted object can be brought back
	ColdAfterDays int // when an original moves to the colder class
}

// Logs is how long they are kept.
type Logs struct{ Days int }

// Alerts is who is told.
type Alerts struct {
	Email string // of the SNS topic's subscription
	// Pager is the URL that Alertmanager posts to, as PagerDuty's events API v2; its
	// key is the secret burbn:pagerKey. Empty: mail alone.
	Pager string
}

// Budget is what the account may cost.
type Budget struct{ MonthlyUSD int }
