package images

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// The exporter asks any node that Prometheus names, with the one password of all.
func TestRedisExporterAsksNodesItHasNotHeardOf(t *testing.T) {
	t.Parallel()
	p := runningAWS(t)
	redis, watcher := first(t, p, Redis), first(t, p, Monitoring)
	startAll(t, redis, p, "redis")
	startAll(t, watcher, p, "redis-exporter")
	_, body, err := get(t.Context(), "http://"+watcher.Self(PortRedisExporter)+"/scrape?target=redis://"+redis.At(PortRedis))
	if err != nil || !strings.Contains(body, "\nredis_up 1") || !strings.Contains(body, "redis_memory_max_bytes") {
		t.Errorf("got %v\n%s", err, body)
	}
}

// Nobody's password is told to a node that cannot say who it is.
func TestRedisExporterVerifiesNodes(t *testing.T) {
	t.Parallel()
	p := runningAWS(t)
	watcher := first(t, p, Monitoring)
	startAll(t, watcher, p, "redis-exporter")
	refused := make(chan error, 10)
	l, err := net.Listen("tcp", first(t, p, Redis).At(PortRedis))
	if err != nil {
		t.Fatal(err)
	}
	impostor := httptest.NewUnstartedServer(nil)
	impostor.StartTLS() // for its certificate, which no authority has signed
	t.Cleanup(impostor.Close)
	listener := tls.NewListener(l, impostor.TLS)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			refused <- c.(*tls.Conn).HandshakeContext(t.Context())
			c.Close()
		}
	}()
	_, body, err := get(t.Context(), "http://"+watcher.Self(PortRedisExporter)+"/scrape?target=rediss://"+l.Addr().String())
	if err != nil || !strings.Contains(body, "\nredis_up 0") {
		t.Errorf("got %v\n%s", err, body)
	}
	select {
	case err := <-refused:
		if err == nil || !strings.Contains(err.Error(), "bad certificate") {
			t.Errorf("the impostor is answered: %v", err)
		}
	case <-time.After(10 * time.Second): // the exporter answers before the node has heard of it
		t.Error("the node was not asked")
	}
}

// Prometheus finds a fleet's machines by their tags, and calls them by what EC2 says.
func TestPrometheusFindsTheMachinesOfAFleet(t *testing.T) {
	t.Parallel()
	p := runningAWS(t)
	for i, m := range p.Machines {
		if m.Role == API {
			p.Machines[i].Fleet = 6
		}
	}
	asked := make(chan url.Values, 100)
	ec2 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("Action") != "DescribeInstances" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		asked <- r.Form
		role := r.Form.Get("Filter.2.Value.1")
		fmt.Fprintf(w, `<DescribeInstancesResponse><reservationSet><item><ownerId>1</ownerId><instancesSet><item>
			<instanceId>i-0123456789</instanceId><imageId>ami-1</imageId><instanceType>c7g.large</instanceType><architecture>arm64</architecture>
			<privateDnsName>ip-10-0-0-1.ec2.internal</privateDnsName><privateIpAddress>%s</privateIpAddress><instanceState><name>running</name></instanceState>
			<placement><availabilityZone>us-east-1b</availabilityZone></placement><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>
			<tagSet><item><key>stack</key><value>sample</value></item><item><key>role</key><value>%s</value></item></tagSet>
			</item></instancesSet></item></reservationSet></DescribeInstancesResponse>`, p.Of(API)[0].Addr, role)
	}))
	t.Cleanup(ec2.Close)
	m := first(t, p, Monitoring)
	units := install(t, m, p)
	conf := m.Path("/etc/prometheus/prometheus.yml")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, m, conf, strings.ReplaceAll(string(text), "- region: us-east-1\n", "- region: us-east-1\n        endpoint: "+ec2.URL+"\n"), 0o644)
	u := units["prometheus"]
	u.Env = map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
	server := start(t, u)
	server.await(t, "aware of the fleet", func(ctx context.Context) error {
		got, err := query(ctx, "http://"+m.Self(PortPrometheus), `up{role="api"}`, "job", "machine", "fleet", "zone", "instance")
		if want := "api i-0123456789 api us-east-1b " + p.Of(API)[0].At(PortAdmin) + " 0"; err == nil && strings.Join(got, "\n") != want {
			err = fmt.Errorf("got %q, want %q", got, want)
		}
		return err
	})
	form := <-asked
	for key, want := range map[string]string{
		"Filter.1.Name": "tag:stack", "Filter.1.Value.1": "sample", "Filter.2.Name": "tag:role", "Filter.2.Value.1": "api",
		"Filter.3.Name": "instance-state-name", "Filter.3.Value.1": "running",
	} {
		if got := form.Get(key); got != want {
			t.Errorf("EC2 is asked for %s %q, want %q", key, got, want)
		}
	}
}

// The pager hears of what cannot wait, with the key, and of nothing else.
func TestPagerIsToldWhatCannotWait(t *testing.T) {
	t.Parallel()
	p := runningAWS(t)
	told := make(chan string, 10)
	pager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"status":"success"}`)
	}))
	t.Cleanup(pager.Close)
	p.Pager = pager.URL + "/v2/enqueue"
	m := first(t, p, Monitoring)
	startAll(t, m, p, "alertmanager")
	alerts := `[{"labels":{"alertname":"A","severity":"page","queue":"photo"}},{"labels":{"alertname":"A","severity":"warning","queue":"follow"}}]`
	resp, err := http.Post("http://"+m.Self(PortAlertmanager)+"/api/v2/alerts", "application/json", strings.NewReader(alerts))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("alerts are refused: %s", resp.Status)
	}
	select {
	case body := <-told:
		var event struct {
			RoutingKey  string `json:"routing_key"`
			EventAction string `json:"event_action"`
		}
		if err := json.Unmarshal([]byte(body), &event); err != nil || event.RoutingKey != secrets()["pager-key"] || event.EventAction != "trigger" || !strings.Contains(body, "photo") || strings.Contains(body, "follow") {
			t.Errorf("the pager was told %s, %v", body, err)
		}
	case <-time.After(time.Minute):
		t.Error("the pager was told nothing within a minute")
	}
	if len(told) > 0 {
		t.Errorf("the pager was also told %s", <-told)
	}
}
