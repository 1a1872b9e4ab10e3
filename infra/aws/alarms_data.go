package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// burstable says whether a class of RDS or ElastiCache lives on credits: "db.t4g.medium".
func burstable(class string) bool {
	_, family, _ := strings.Cut(class, ".")
	return strings.HasPrefix(family, "t")
}

// postgresAlarms watch every database and its replica.
func (p Plan) postgresAlarms() []alarm {
	var alarms []alarm
	for _, m := range p.Placement.Of(images.Postgres) {
		alarms = append(alarms, p.databaseAlarms(m)...)
		alarms = append(alarms, alarm{
			name: m.Name + "-wraparound", minutes: 10, above: is(1e9), missing: quiet, of: p.database(m, "MaximumUsedTransactionIDs", "Maximum"),
			says: "Half of the transaction ids of " + m.Name + " are used up: autovacuum does not keep up. At two billion the database stops writing. " +
				"Look for transactions and replication slots that have been open for long, and for tables that vacuum has not seen.",
		})
	}
	for _, m := range p.Placement.Of(images.Replica) {
		alarms = append(alarms, p.databaseAlarms(m)...)
		alarms = append(alarms, alarm{
			// The lag is the age of the last transaction that was replayed. Of a database that
			// nobody writes to, RDS itself writes one every five minutes: longer than that.
			name: m.Name + "-lag", minutes: 10, above: is(60), missing: silent, of: p.database(m, "ReplicaLag", "Maximum"),
			says: m.Name + " has been over a minute behind its primary for 10 minutes, or says nothing. Nothing reads from it, but it is what a failover promotes: " +
				"do not fail over before it has caught up. See the primary's write load and the replica's cpu and disk-queue.",
		})
	}
	return alarms
}

// database is a metric of a database. Its identifier is an input.
func (p Plan) database(m images.Machine, name, stat string) metric {
	return metric{"AWS/RDS", name, pulumi.StringMap{"DBInstanceIdentifier": pulumi.String(p.resourceName(m.Name))}, stat}
}

// databaseAlarms watch what every database has.
func (p Plan) databaseAlarms(m images.Machine) []alarm {
	const megabyte = 1 << 20
	of := func(name, stat string) metric { return p.database(m, name, stat) }
	// RDS lets storage grow when less than a tenth is free: below that it has not.
	free, remedy := 15, "Raise aws.postgres.storageGB"
	if p.Topology.AWS.Postgres.MaxStorageGB > 0 {
		free, remedy = 8, "It should have grown by itself: has it reached aws.postgres.maxStorageGB, or grown within the last six hours? Raise that, or storageGB"
	}
	storage := float64(p.Topology.AWS.Postgres.StorageGB) * (1 << 30) * float64(free) / 100
	alarms := []alarm{
		{
			name: m.Name + "-cpu", minutes: 15, above: is(90), missing: silent, of: of("CPUUtilization", "Average"),
			says: m.Name + " has been over 90 % CPU for 15 minutes, or says nothing. Performance Insights shows the statements. " +
				"If memcached has just lost nodes, wait for it to fill; else move to a larger class (a restart).",
		},
		{
			name: m.Name + "-storage", minutes: 15, below: is(storage), missing: quiet, of: of("FreeStorageSpace", "Minimum"),
			says: fmt.Sprintf("%s has less than %d %% of %d GB free. %s. A full disk stops the database.", m.Name, free, p.Topology.AWS.Postgres.StorageGB, remedy),
		},
		{
			name: m.Name + "-connections", minutes: 5, above: is(float64(p.Topology.Postgres.Connections) * 8 / 10), missing: quiet, of: of("DatabaseConnections", "Maximum"),
			says: m.Name + " uses over 80 % of its max_connections. The poolers stay below it together, so who else is connected? pg_stat_activity says; " +
				"more machines than the stack's max would be another reason.",
		},
		{
			name: m.Name + "-latency", minutes: 10, above: is(0.02), missing: quiet,
			expression: "MAX([reads, writes])",
			metrics:    map[string]metric{"reads": of("ReadLatency", "Average"), "writes": of("WriteLatency", "Average")},
			says: "The disk of " + m.Name + " takes over 20 ms for a read or a write, for 10 minutes. Compare its IOPS and throughput with what is bought: " +
				"aws.postgres.iops and throughputMBps can be raised without a restart, once in six hours.",
		},
		{
			name: m.Name + "-disk-queue", minutes: 15, above: is(64), missing: quiet, of: of("DiskQueueDepth", "Average"),
			says: "Over 64 reads and writes wait for the disk of " + m.Name + ". See its latency alarm: the same remedy.",
		},
		{
			name: m.Name + "-memory", minutes: 15, below: is(256 * megabyte), missing: quiet, of: of("FreeableMemory", "Minimum"),
			says: m.Name + " has less than 256 MiB of memory left. Too many connections (see its alarm) or a statement that sorts much; " +
				"if it swaps, everything is slow: move to a larger class (a restart).",
		},
	}
	if burstable(p.Topology.AWS.Postgres.Class) {
		alarms = append(alarms, credits(m.Name, of,
			"RDS does not slow it down but bills what it uses beyond: move to a class that is not burstable."))
	}
	return alarms
}

// credits watches a burstable class that has none left. It is born with none, and
// earns a dozen or more an hour.
func credits(name string, of func(name, stat string) metric, so string) alarm {
	return alarm{
		// Credits are counted every five minutes.
		name: name + "-credits", minutes: 60, period: 5, below: is(5), missing: quiet, of: of("CPUCreditBalance", "Minimum"),
		says: name + " has had no CPU credits left for an hour. " + so,
	}
}

// cacheCredits is what to do about a node of ElastiCache without credits.
const cacheCredits = "ElastiCache holds it down to a fraction of its CPU: move to a node that is not burstable."

// rotationAlarms watch the functions that change the passwords of the services' roles.
func (p Plan) rotationAlarms() []alarm {
	var alarms []alarm
	for _, m := range p.Placement.Of(images.Postgres) {
		function := p.resourceName("rotate-" + m.Name)
		alarms = append(alarms, alarm{
			name: m.Name + "-rotation", minutes: 5, period: 5, above: is(0), missing: quiet,
			of: metric{"AWS/Lambda", "Errors", pulumi.StringMap{"FunctionName": pulumi.String(function)}, "Sum"},
			says: "The password of the services' role of " + m.Name + " could not be changed. The services keep the one they have, and Secrets Manager tries again. " +
				"If it goes on failing, the log group /aws/lambda/" + function + " says at which step; then rotate the secret by hand.",
		})
	}
	return alarms
}

// redisNodes are the ids of the nodes, which ElastiCache makes of the cluster's.
func (p Plan) redisNodes() []string {
	var nodes []string
	for master := range p.Topology.Redis.Masters {
		for node := range p.Topology.AWS.Redis.Replicas + 1 {
			nodes = append(nodes, fmt.Sprintf("%s-%04d-%03d", p.resourceName(string(images.Redis)), master+1, node+1))
		}
	}
	return nodes
}

// redisAlarms watch every node of the cluster. Which of them are masters changes with
// every failover, so all are watched alike.
func (p Plan) redisAlarms() []alarm {
	var alarms []alarm
	for _, node := range p.redisNodes() {
		short := strings.TrimPrefix(node, p.resourceName(""))
		of := func(name, stat string) metric {
			return metric{"AWS/ElastiCache", name, pulumi.StringMap{"CacheClusterId": pulumi.String(node), "CacheNodeId": pulumi.String("0001")}, stat}
		}
		alarms = append(alarms, []alarm{
			{
				name: short + "-cpu", minutes: 10, above: is(90), missing: silent, of: of("EngineCPUUtilization", "Average"),
				says: short + " has been over 90 % of its one thread for 10 minutes, or says nothing. A node that is dead fails over by itself, within a minute. " +
					"One that is busy: SLOWLOG says with what; more masters share the load.",
			},
			{
				name: short + "-memory", minutes: 5, above: is(80), missing: quiet, of: of("DatabaseMemoryUsagePercentage", "Maximum"),
				says: short + " uses over 80 % of its memory. A full node refuses writes (noeviction): feeds stop growing, log-ins fail. Raise aws.redis.node (online) or redis.masters.",
			},
			{
				name: short + "-evictions", minutes: 1, above: is(0), missing: quiet, of: of("Evictions", "Sum"),
				says: short + " forgets keys, which it never should: its policy is noeviction. Who has changed the parameter group? Feeds and sessions that are lost are rebuilt, slowly.",
			},
			{
				name: short + "-connections", minutes: 5, above: is(50000), missing: quiet, of: of("CurrConnections", "Maximum"),
				says: short + " has over 50,000 of 65,000 connections. Something opens them and does not close them: compare the machines' connections in Prometheus.",
			},
			{
				name: short + "-lag", minutes: 5, above: is(10), missing: quiet, of: of("ReplicationLag", "Maximum"),
				says: short + " is over 10 s behind its master. A failover now would lose what it has not seen; all of it can be rebuilt. See the master's CPU and network.",
			},
		}...)
		if burstable(p.Topology.AWS.Redis.Node) {
			alarms = append(alarms, credits(short, of, cacheCredits))
		}
	}
	return alarms
}

// memcachedAlarms watch every node of the cache. A dead one is a miss, so only what
// would make all of them useless is urgent.
func (p Plan) memcachedAlarms() []alarm {
	var alarms []alarm
	for i, m := range p.Placement.Of(images.Memcached) {
		of := func(name, stat string) metric {
			return metric{"AWS/ElastiCache", name, pulumi.StringMap{
				"CacheClusterId": pulumi.String(p.resourceName(string(images.Memcached))), "CacheNodeId": pulumi.String(fmt.Sprintf("%04d", i+1)),
			}, stat}
		}
		alarms = append(alarms, []alarm{
			{
				name: m.Name + "-cpu", minutes: 10, above: is(90), missing: silent, of: of("CPUUtilization", "Average"),
				says: m.Name + " has been over 90 % CPU for 10 minutes, or says nothing. What it held is asked of the databases: watch their CPU. ElastiCache replaces a dead node by itself.",
			},
			{
				name: m.Name + "-evictions", minutes: 30, above: is(60000), missing: quiet, of: of("Evictions", "Sum"),
				says: m.Name + " has forgotten over 1,000 entries a second for half an hour: the cache is too small. Raise aws.memcached.node or memcached.count; until then the databases answer more.",
			},
			{
				name: m.Name + "-swap", minutes: 15, above: is(50 << 20), missing: quiet, of: of("SwapUsage", "Maximum"),
				says: m.Name + " swaps over 50 MiB and is slow: its memory is set too high for its class. Reboot the node (it comes back empty) and move to a larger class.",
			},
		}...)
		if burstable(p.Topology.AWS.Memcached.Node) {
			alarms = append(alarms, credits(m.Name, of, cacheCredits))
		}
	}
	return alarms
}
