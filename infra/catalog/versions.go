package catalog

// Engine versions that can be created, oldest first. A version that Amazon has since
// withdrawn is refused by Amazon when it is created, and goes on running where it runs.

// PostgreSQL are the versions of RDS:
// https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html
// as of 2026-06, gathered from notices and from what others run. The major version is that of Debian 12, so that what is tested on one
// machine is what runs on RDS.
func PostgreSQL() []string { return []string{"15.13", "15.14", "15.15", "15.16", "15.17", "15.18"} }

// Redis are the versions of ElastiCache for Redis OSS:
// https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html, from memory of it.
func Redis() []string { return []string{"7.0", "7.1"} }

// Valkey are the versions of ElastiCache for Valkey, from the same page.
func Valkey() []string { return []string{"7.2", "8.0", "8.1", "8.2"} }

// Memcached are the versions of ElastiCache for Memcached that speak TLS and run on
// today's nodes, from the same page.
func Memcached() []string { return []string{"1.6.12", "1.6.17", "1.6.22"} }
