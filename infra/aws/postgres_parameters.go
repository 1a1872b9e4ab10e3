package aws

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/rds"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/topology"
)

// parameter is a setting of PostgreSQL.
type parameter struct {
	name, value string
	// static: it waits for the next restart, which nobody but an engineer brings about.
	static bool
	// asRDS: it is the default of RDS too, and stands here lest that changes. Of such a one
	// RDS says for ever that it waits for a restart, whatever it was told: each refresh
	// would find a difference that no deployment removes.
	asRDS bool
}

// postgresParameters are what differs from the defaults of RDS. They say the same as
// images/postgres/etc/postgresql/postgresql.conf, but for what RDS decides by the size
// of the machine (memory) or by itself (WAL and its compression, archiving).
func postgresParameters(t topology.Topology) []parameter {
	number := strconv.Itoa
	return []parameter{
		// Whoever does not speak TLS is turned away before a password is asked for.
		{name: "rds.force_ssl", value: "1", asRDS: true},
		// No MD5 hash of a password, neither stored nor accepted.
		{name: "password_encryption", value: "scram-sha-256", asRDS: true},
		{name: "rds.accepted_password_auth_method", value: "scram"},

		// The poolers take three quarters of it; RDS would derive another number from
		// every class.
		{name: "max_connections", value: number(t.Postgres.Connections), static: true},

		// gp3 seeks as fast as it scans, and answers many requests at once.
		{name: "random_page_cost", value: "1.1"},
		{name: "effective_io_concurrency", value: "200"},
		// Our queries end before they are compiled.
		{name: "jit", value: "0"},

		// A database holds hundreds of schemas, so thousands of small tables, of which
		// each changes by single rows: vacuum and planner must look again sooner than at
		// a fifth of a table, and more workers must get around to all of them.
		{name: "autovacuum_naptime", value: "30"}, // s
		{name: "autovacuum_vacuum_scale_factor", value: "0.05"},
		{name: "autovacuum_analyze_scale_factor", value: "0.02"},
		{name: "autovacuum_max_workers", value: "6", static: true},
		// The budget is shared by all workers; the default of 200 is from the age of disks.
		{name: "autovacuum_vacuum_cost_limit", value: "2000"},

		// Vacuum leaves what a replica's query still reads.
		{name: "hot_standby_feedback", value: "1"},
		// A dead replica must not fill the primary's storage: at a tenth of it the replica
		// goes on from the archive.
		{name: "max_slot_wal_keep_size", value: number(t.AWS.Postgres.StorageGB * 1024 / 10)}, // MB

		// A stuck client must not hold locks for ever. There is no statement_timeout:
		// migrations and exports take long, and each request has a deadline of its own.
		{name: "idle_in_transaction_session_timeout", value: "30000"}, // ms
		{name: "tcp_keepalives_idle", value: "60"},                    // s

		// What Performance Insights and the exporter count. The same statement on another
		// shard is another one to it, and the default of 5,000 would forget most of them.
		{name: "shared_preload_libraries", value: "pg_stat_statements", static: true},
		{name: "pg_stat_statements.max", value: "50000", static: true},
		{name: "track_io_timing", value: "1", asRDS: true},
		{name: "log_min_duration_statement", value: "500"},                 // ms
		{name: "log_autovacuum_min_duration", value: "10000", asRDS: true}, // ms
		{name: "log_lock_waits", value: "1"},
		{name: "log_temp_files", value: "10240"}, // kB
		// A line for every connection of a pooler is no news.
		{name: "log_connections", value: "0"},
		{name: "log_disconnections", value: "0"},
	}
}

// postgresFamily is the family of parameter groups of a version: "15.14" has
// "postgres15".
func postgresFamily(version string) (string, error) {
	major, _, ok := strings.Cut(version, ".")
	if _, err := strconv.Atoi(major); err != nil || !ok {
		return "", fmt.Errorf("postgres version %q: accepted is one such as 15.14", version)
	}
	return "postgres" + major, nil
}

// parameterGroup is shared by the primaries and replicas, so that a promoted replica is
// the primary that it replaces. Its name holds the family: another version gets another
// group, and the databases move over before the old one goes.
func (p *Postgres) parameterGroup(ctx *pulumi.Context, name string, args *PostgresArgs) (*rds.ParameterGroup, error) {
	family, err := postgresFamily(args.Topology.AWS.Postgres.Version)
	if err != nil {
		return nil, err
	}
	var parameters rds.ParameterGroupParameterArray
	for _, q := range postgresParameters(args.Topology) {
		apply := "immediate"
		if q.static || q.asRDS {
			apply = "pending-reboot"
		}
		parameters = append(parameters, rds.ParameterGroupParameterArgs{
			Name: pulumi.String(q.name), Value: pulumi.String(q.value), ApplyMethod: pulumi.String(apply),
		})
	}
	return rds.NewParameterGroup(ctx, name+"-parameters", &rds.ParameterGroupArgs{
		Name:        pulumi.String(args.resourceName(family)),
		Family:      pulumi.String(family),
		Description: pulumi.String("burbn " + args.Stack),
		Parameters:  parameters,
	}, pulumi.Parent(p))
}
