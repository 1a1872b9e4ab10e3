package images

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// psql asks a database as a service would, with a password.
func psql(ctx context.Context, addr, user, password, database, query string) (string, error) {
	host, port, _ := strings.Cut(addr, ":")
	c := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet",
		fmt.Sprintf("host=%s port=%s user=%s dbname=%s connect_timeout=5", host, port, user, database), "--command="+query)
	c.Env = []string{"PATH=/usr/bin:/bin", "PGPASSWORD=" + password}
	out, err := c.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

func ask(t *testing.T, addr, user, password, database, query string) string {
	t.Helper()
	out, err := psql(t.Context(), addr, user, password, database, query)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPostgresReplicatesAndPoolerReachesIt(t *testing.T) {
	t.Parallel()
	p := running(t)
	primary, replica := p.Of(Postgres)[0], p.Of(Replica)[0]
	s := secrets()

	began := time.Now()
	server := startAll(t, primary, p, "postgres")["postgres"]
	t.Logf("primary ready after %s", time.Since(began))
	began = time.Now()
	standby := startAll(t, replica, p, "postgres")["postgres"]
	t.Logf("replica ready after %s", time.Since(began))

	owner := s["postgres-owner-password"]
	ask(t, primary.At(PortPostgres), "burbn_owner", owner, "burbn", "CREATE SCHEMA s; CREATE TABLE s.t (n int); INSERT INTO s.t VALUES (42); GRANT USAGE ON SCHEMA s TO burbn_app; GRANT SELECT ON s.t TO burbn_app")
	standby.await(t, "replicating", func(ctx context.Context) error {
		n, err := psql(ctx, replica.At(PortPostgres), "burbn_owner", owner, "burbn", "SELECT n FROM s.t")
		if err == nil && n != "42" {
			err = fmt.Errorf("read %q", n)
		}
		return err
	})
	if got := ask(t, primary.At(PortPostgres), "monitor", s["postgres-monitor-password"], "burbn",
		"SELECT application_name || ' ' || slot_name || ' ' || active FROM pg_stat_replication, pg_replication_slots"); got != "replica-01 replica_01 true" {
		t.Errorf("replication: got %q", got)
	}
	if got := ask(t, primary.At(PortPostgres), "burbn_app", s["postgres-app-password"], "burbn",
		"SELECT string_agg(current_setting(s), ' ') FROM unnest('{fsync,synchronous_commit,full_page_writes,data_checksums,max_connections}'::text[]) s"); got != "on on on on 200" {
		t.Errorf("fsync, synchronous_commit, full_page_writes, data_checksums, max_connections: got %s", got)
	}

	for name, as := range map[string][2]string{
		"the superuser":        {"postgres", owner},
		"a wrong password":     {"burbn_app", "wrong"},
		"the replication role": {"replicator", s["postgres-replication-password"]},
	} {
		if out, err := psql(t.Context(), primary.At(PortPostgres), as[0], as[1], "burbn", "SELECT 1"); err == nil {
			t.Errorf("%s came in and read %q", name, out)
		}
	}

	api := p.Of(API)[0]
	pooler := startAll(t, api, p, "pgbouncer")["pgbouncer"]
	if got := ask(t, api.At(PortPgBouncer), "burbn_app", s["postgres-app-password"], "postgres-01", "SELECT n FROM s.t"); got != "42" {
		t.Errorf("through the pooler: got %q", got)
	}
	if got := ask(t, api.At(PortPgBouncer), "monitor", s["postgres-monitor-password"], "pgbouncer", "SHOW POOLS"); !strings.Contains(got, "postgres-01|burbn_app|") {
		t.Errorf("SHOW POOLS: got %q", got)
	}

	// One machine more is a reload that drops no pool.
	before := pooler.cmd.Process.Pid
	install(t, api, p)
	pooler.reload(t)
	if got := ask(t, api.At(PortPgBouncer), "burbn_app", s["postgres-app-password"], "postgres-01", "SELECT n FROM s.t"); got != "42" || pooler.cmd.Process.Pid != before {
		t.Errorf("after a reload: got %q", got)
	}

	// A restart finds its data; the primary is away meanwhile.
	server.stop(t)
	start(t, server.unit)
	if got := ask(t, primary.At(PortPostgres), "burbn_owner", owner, "burbn", "SELECT n FROM s.t"); got != "42" {
		t.Errorf("after a restart: got %q", got)
	}
}

// redisCLI asks one Redis node.
func redisCLI(ctx context.Context, m Machine, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "redis-cli", append([]string{"-e", "-c", "-h", m.Addr, "-p", fmt.Sprint(int(PortRedis))}, args...)...)
	c.Env = []string{"REDISCLI_AUTH=" + secrets()["redis-password"]}
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("redis-cli %q: %w: %s", args, err, out)
	}
	return strings.TrimSpace(string(out)), err
}

func TestRedisClusterFormsHealsAndGrows(t *testing.T) {
	t.Parallel()
	p := running(t)
	masters := p.Of(Redis)
	extra := Machine{Name: "redis-04", Role: Redis, Index: 4, Addr: strings.TrimSuffix(masters[0].Addr, ".1") + ".4",
		Root: strings.TrimSuffix(masters[0].Root, "01") + "04"}
	node := map[string]*process{}
	for _, m := range masters {
		node[m.Name] = startAll(t, m, p, "redis")["redis"]
	}
	join := install(t, masters[0], p)["redis-cluster"]

	// As if the first run had been killed half-way.
	if _, err := redisCLI(t.Context(), masters[0], "CLUSTER", "ADDSLOTSRANGE", "0", "5460"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	run(t, join)
	t.Logf("joined after %s", time.Since(began))
	began = time.Now()
	run(t, join)
	t.Logf("again: %s", time.Since(began))

	for i := range 100 {
		if out, err := redisCLI(t.Context(), masters[i%3], "SET", fmt.Sprint("key", i), "value"); err != nil || out != "OK" {
			t.Fatalf("SET: %s, %v", out, err)
		}
	}
	c := exec.CommandContext(t.Context(), "redis-cli", "-h", masters[0].Addr, "-e", "PING")
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "NOAUTH") {
		t.Errorf("without a password: %s", out)
	}

	// Everything written has at least reached the kernel: a killed node loses none.
	victim := node["redis-02"]
	victim.cmd.Process.Kill()
	<-victim.exited
	start(t, victim.unit)

	p.Machines = append(p.Machines, extra)
	startAll(t, extra, p, "redis")
	run(t, install(t, masters[0], p)["redis-cluster"])
	nodes, err := redisCLI(t.Context(), extra, "CLUSTER", "NODES")
	if err != nil || len(regexp.MustCompile(`connected \d`).FindAllString(nodes, -1)) != 4 {
		t.Errorf("four masters with slots: got %v\n%s", err, nodes)
	}
	for i := range 100 {
		out, err := redisCLI(t.Context(), extra, "GET", fmt.Sprint("key", i))
		if err != nil || out != "value" {
			t.Fatalf("GET key%d: %q, %v", i, out, err)
		}
	}
}
