package images

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// query asks Prometheus and returns the labels named of every series, sorted, with
// its value: "api-01 1".
func query(ctx context.Context, prometheus, expr string, labels ...string) ([]string, error) {
	_, body, err := get(ctx, prometheus+"/api/v1/query?query="+url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("%w: %s", err, body)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	var rows []string
	for _, r := range answer.Data.Result {
		var row []string
		for _, l := range labels {
			row = append(row, r.Metric[l])
		}
		rows = append(rows, strings.Join(append(row, fmt.Sprint(r.Value[1])), " "))
	}
	slices.Sort(rows)
	return rows, nil
}

func TestMonitoringSeesEveryMachineAndTellsWhenOneIsGone(t *testing.T) {
	t.Parallel()
	p := running(t)
	// Of the other pair neither runs: it must not hide this one.
	primary, replica := first(t, p, Postgres), first(t, p, Replica)
	startAll(t, primary, p, "postgres")
	startAll(t, replica, p, "postgres")
	owner := secrets()["postgres-owner-password"]
	// The part of River's schema that monitoring may read.
	ask(t, primary.At(PortPostgres), "burbn_owner", owner, "burbn", `
		CREATE SCHEMA river;
		CREATE TYPE river.river_job_state AS ENUM ('available','cancelled','completed','discarded','pending','retryable','running','scheduled');
		CREATE TABLE river.river_job (queue text, state river.river_job_state, scheduled_at timestamptz);
		INSERT INTO river.river_job VALUES ('photo', 'available', now() - interval '100 s'), ('photo', 'running', now()), ('push', 'completed', now());
		GRANT USAGE ON SCHEMA river TO monitor;
		GRANT SELECT ON river.river_job TO monitor`)
	for _, m := range p.Of(Redis) {
		startAll(t, m, p, "redis")
	}
	run(t, install(t, p.Of(Redis)[0], p)["redis-cluster"])
	for _, m := range p.Of(Memcached) {
		startAll(t, m, p, "memcached")
	}
	nginx := map[string]*process{}
	for _, m := range p.Of(Nginx) {
		nginx[m.Name] = startAll(t, m, p, "nginx", "nginx-exporter")["nginx"]
	}
	startAll(t, first(t, p, LoadBalancer), p, "haproxy")
	m := first(t, p, Monitoring)
	monitor := startAll(t, m, p, "node-exporter", "postgres-exporter", "redis-exporter", "memcached-exporter", "alertmanager", "prometheus")
	base, server := "http://"+m.At(PortPrometheus), monitor["prometheus"]

	for _, tt := range []struct {
		name, expr string
		labels     []string
		want       []string
	}{
		{"nginx", "nginx_up", []string{"machine", "role"}, []string{"nginx-01 nginx 1", "nginx-02 nginx 1"}},
		{"load balancer", `up{role="loadbalancer"}`, []string{"machine"}, []string{"loadbalancer-01 1"}},
		{"Redis", "redis_up", []string{"machine"}, []string{"redis-01 1", "redis-02 1", "redis-03 1"}},
		{"Redis cluster", "min(redis_cluster_slots_ok)", nil, []string{"16384"}},
		{"Redis memory", `redis_memory_max_bytes{machine="redis-01"}`, nil, []string{fmt.Sprint(64 << 20)}},
		{"memcached", "memcached_up", []string{"machine"}, []string{"memcached-01 1", "memcached-02 1"}},
		{"databases", "burbn_database_in_recovery", []string{"machine", "role"}, []string{"postgres-01 postgres 0", "replica-01 replica 1"}},
		{"connections", `burbn_database_max_connections`, []string{"machine"}, []string{"postgres-01 200", "replica-01 200"}},
		{"replica", "burbn_slot_active", []string{"machine", "slot"}, []string{"postgres-01 replica_01 1"}},
		{"replica lag", "burbn_replica_lag_seconds < bool 10", []string{"machine", "replica"}, []string{"postgres-01 replica-01 1"}},
		{"queues", "burbn_queue_jobs", []string{"machine", "queue", "state"}, []string{"postgres-01 photo available 1", "postgres-01 photo running 1"}},
		{"oldest task", "burbn_queue_oldest_seconds > bool 99", []string{"queue"}, []string{"photo 1"}},
		{"node", "up{job='node'}", []string{"machine"}, []string{"monitoring-01 1"}},
		{"machines", "burbn_machine_up{role=~'nginx|redis|postgres|replica|loadbalancer|api'}", []string{"machine"}, []string{
			"api-01 0", "api-02 0", "loadbalancer-01 1", "nginx-01 1", "nginx-02 1", "postgres-01 1", "redis-01 1", "redis-02 1", "redis-03 1", "replica-01 1",
		}},
	} {
		server.await(t, "aware of: "+tt.name, func(ctx context.Context) error {
			got, err := query(ctx, base, tt.expr, tt.labels...)
			if err == nil && !slices.Equal(got, tt.want) {
				err = fmt.Errorf("%s: got %q, want %q", tt.expr, got, tt.want)
			}
			return err
		})
	}

	status, page, err := get(t.Context(), base+"/user/index.html")
	if err != nil || status != 200 || !strings.Contains(page, "<html") {
		t.Errorf("page of graphs: %d, %v", status, err)
	}
	// What the page loads is there, and nothing of it is elsewhere.
	for _, asset := range regexp.MustCompile(`(?:src|href)="([^":#]+)"`).FindAllStringSubmatch(page, -1) {
		if status, _, err := get(t.Context(), base+"/user/"+asset[1]); err != nil || status != 200 {
			t.Errorf("asset %s: %d, %v", asset[1], status, err)
		}
	}

	nginx["nginx-01"].stop(t)
	server.await(t, "telling Alertmanager of the nginx that is gone", func(ctx context.Context) error {
		_, body, err := get(ctx, "http://"+m.At(PortAlertmanager)+"/api/v2/alerts")
		if err == nil && !strings.Contains(body, "nginx-01 (nginx) does not answer") {
			err = fmt.Errorf("alerts: %s", body)
		}
		return err
	})
}

func TestEveryAlertIsTested(t *testing.T) {
	rules, err := tree.ReadFile("prometheus/usr/share/burbn/rules/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var tests []byte
	for _, file := range []string{"testdata/rules/alerts_test.yml", "testdata/rules/signups_test.yml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, b...)
	}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllSubmatch(rules, -1) {
		if !regexp.MustCompile(`alertname: ` + string(m[1]) + `\s+exp_alerts:\s+-`).Match(tests) {
			t.Errorf("alert %s: no test sees it fire", m[1])
		}
	}
}
