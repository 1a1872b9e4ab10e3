package aws

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
	"github.com/burbn/burbn/services/shard"
)

// watched is a plan of two databases, with one master and its replica in Redis.
func watched(t *testing.T, change func(*topology.Topology)) Plan {
	t.Helper()
	top := topology.Topology{
		Target: topology.AWS,
		Shards: shard.Map{Count: 2, Databases: []shard.Database{
			{Name: "postgres-01", First: 0, Last: 0}, {Name: "postgres-02", First: 1, Last: 1},
		}},
		Databases: []string{"postgres-01", "postgres-02"},
		Postgres:  topology.Postgres{Connections: 500, Replicas: 1},
		Nginx:     topology.Nginx{Count: 3}, API: topology.API{Count: 25}, Worker: topology.Worker{Count: 4}, Push: topology.Push{Count: 1},
		Redis: topology.Redis{Masters: 1}, Memcached: topology.Memcached{Count: 2},
		AWS: topology.Cloud{
			Region:   "eu-west-1",
			Worker:   topology.Fleet{OldestSeconds: 60},
			Postgres: topology.RDS{Class: "db.r6g.4xlarge", StorageGB: 400},
			Redis:    topology.ElastiCacheRedis{Replicas: 1},
			Alerts:   topology.Alerts{Email: "oncall@example.com"},
			Budget:   topology.Budget{MonthlyUSD: 1000},
		},
	}
	if change != nil {
		change(&top)
	}
	return Plan{Stack: "staging", Topology: top, Placement: Place(top, "staging", release.Unknown())}
}

// alarmsOf are all alarms of a plan by name.
func alarmsOf(t *testing.T, p Plan) map[string]alarm {
	t.Helper()
	some := pulumi.String("x").ToStringOutput()
	e := &Edge{ALB: some, NLB: some, NginxGroup: some, APIGroup: some}
	all := map[string]alarm{}
	for _, table := range [][]alarm{
		p.webAlarms(e), p.cdnAlarms(&CDN{Distribution: pulumi.ID("x").ToIDOutput()}), p.fleetAlarms(), p.machineAlarms(&Monitoring{}),
		p.postgresAlarms(), p.rotationAlarms(), p.redisAlarms(), p.memcachedAlarms(),
	} {
		for _, al := range table {
			if _, ok := all[al.name]; ok {
				t.Errorf("two alarms are named %s", al.name)
			}
			all[al.name] = al
		}
	}
	return all
}

func TestThresholdsFollowTheTopology(t *testing.T) {
	alarms := alarmsOf(t, watched(t, nil))
	for name, want := range map[string]struct {
		above, below float64
		missing      string
	}{
		"postgres-01-storage":     {below: 400 << 30 * 15 / 100, missing: quiet},
		"replica-02-storage":      {below: 400 << 30 * 15 / 100, missing: quiet},
		"postgres-02-connections": {above: 400, missing: quiet},
		"replica-01-lag":          {above: 60, missing: silent},
		"postgres-01-cpu":         {above: 90, missing: silent},
		"nginx-machines":          {below: 2, missing: silent},
		"api-machines":            {below: 22, missing: silent},
		"push-machines":           {below: 1, missing: silent},
		"tasks-late":              {above: 600, missing: silent},
		"redis-0001-001-memory":   {above: 80, missing: quiet},
		"redis-0001-002-cpu":      {above: 90, missing: silent},
		"memcached-02-cpu":        {above: 90, missing: silent},
		"alb-no-nginx":            {below: 1, missing: silent},
		"monitoring-down":         {above: 0, missing: silent},
		"postgres-02-rotation":    {above: 0, missing: quiet},
	} {
		al, ok := alarms[name]
		if !ok {
			t.Errorf("there is no alarm %s", name)
			continue
		}
		got := al.above
		limit := want.above
		if want.below != 0 {
			got, limit = al.below, want.below
		}
		if got == nil || *got != limit || al.missing != want.missing {
			t.Errorf("%s: %+v, want %+v", name, al, want)
		}
	}
	burstable := []string{"replica-02-credits", "redis-0001-002-credits", "memcached-01-credits"}
	for _, name := range burstable {
		if _, ok := alarms[name]; ok {
			t.Errorf("%s: a class that is not burstable has no credits to watch", name)
		}
	}
	small := alarmsOf(t, watched(t, func(top *topology.Topology) {
		top.AWS.Postgres.Class, top.AWS.Redis.Node, top.AWS.Memcached.Node = "db.t4g.medium", "cache.t4g.micro", "cache.t3.micro"
	}))
	for _, name := range burstable {
		if small[name].period != 5 {
			t.Errorf("%s looks every %d minutes: credits are counted every five", name, small[name].period)
		}
	}
	growing := alarmsOf(t, watched(t, func(top *topology.Topology) { top.AWS.Postgres.MaxStorageGB = 800 }))
	if got := *growing["postgres-01-storage"].below; got >= 400<<30/10 {
		t.Errorf("it sounds at %v bytes, before storage grows at a tenth", got)
	}
}

func TestEveryAlarmCanBeProvisioned(t *testing.T) {
	id := regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)
	for name, al := range alarmsOf(t, watched(t, nil)) {
		if (al.above == nil) == (al.below == nil) {
			t.Errorf("%s is above and below something, or neither", name)
		}
		if (al.of.name == "") == (al.expression == "") {
			t.Errorf("%s has both a metric and an expression, or neither", name)
		}
		if al.missing != quiet && al.missing != silent {
			t.Errorf("%s does not say what a missing value means", name)
		}
		// CloudWatch looks back a day at most, and a description has 1,024 characters.
		if al.minutes < 1 || al.minutes+al.slack > 1440 || al.period > 0 && al.minutes%al.period+al.slack%al.period > 0 {
			t.Errorf("%s looks back %d minutes, and %d more, by %d", name, al.minutes, al.slack, al.period)
		}
		if len(al.says) < 80 || len(al.says) > 1024 {
			t.Errorf("%s: the description has %d characters: say what it means and what to do first, in 1,024 at most", name, len(al.says))
		}
		for k := range al.metrics {
			if !id.MatchString(k) || !strings.Contains(al.expression, k) {
				t.Errorf("%s: metric %s is not in the expression %s, or not an id", name, k, al.expression)
			}
		}
	}
}

// TestAShareHasAFloor evaluates the expression by hand as CloudWatch documents it.
func TestAShareHasAFloor(t *testing.T) {
	if got, want := share("bad", "all", 100), "IF((all) >= 100, 100 * (bad) / (all), 0)"; got != want {
		t.Errorf("share is %s, want %s", got, want)
	}
}

func TestEventsNameWhatIsOurs(t *testing.T) {
	p := watched(t, nil)
	for _, e := range p.tells() {
		pattern, err := json.Marshal(e.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(pattern) > 2048 {
			t.Errorf("%s: a pattern of %d characters; EventBridge accepts 2,048", e.name, len(pattern))
		}
		// A stack "staging" must not hear of a stack "staging-eu", and hears of all of AWS Health.
		if e.name != "amazon" && !strings.Contains(string(pattern), `"burbn-staging-`+map[string]string{"databases": "postgres-", "fleets": "nginx"}[e.name]) {
			t.Errorf("%s hears of other stacks: %s", e.name, pattern)
		}
		for name := range e.values {
			if !strings.Contains(e.text, "<"+name+">") {
				t.Errorf("%s: the mail does not say %s", e.name, name)
			}
		}
		for _, used := range regexp.MustCompile(`<([a-z]+)>`).FindAllStringSubmatch(e.text, -1) {
			if e.values[used[1]] == "" {
				t.Errorf("%s: the mail says <%s>, which is no value", e.name, used[1])
			}
		}
	}
}

// TestDashboardGolden shows what a change does to the dashboard. After one that is
// meant: go test ./infra/aws -run DashboardGolden -update.
func TestDashboardGolden(t *testing.T) {
	got, err := watched(t, nil).page(web{alb: "app/edge/1", nlb: "net/edge/2", nginx: "targetgroup/nginx/3", api: "targetgroup/api/4", cdn: "E1"})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "dashboard.json"), got)
}

// TestDashboardIsValid holds the body against the limits of CloudWatch's structure,
// for the largest topology that there can be.
func TestDashboardIsValid(t *testing.T) {
	for name, change := range map[string]func(*topology.Topology){
		"staging":     nil,
		"no replicas": func(top *topology.Topology) { top.Postgres.Replicas = 0 },
		"99 databases": func(top *topology.Topology) {
			top.Shards = shard.Map{Count: 99}
			for i := range 99 {
				top.Shards.Databases = append(top.Shards.Databases, shard.Database{Name: "postgres-" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))})
			}
			top.Redis.Masters, top.Memcached.Count = 40, 40
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := watched(t, change)
			doc, err := p.page(web{"a", "b", "c", "d", "e"})
			if err != nil {
				t.Fatal(err)
			}
			var body struct {
				Widgets []struct {
					Type                string
					X, Y, Width, Height int
					Properties          struct {
						Title, Region, Stat, View string
						Metrics                   [][]any
					}
				}
			}
			if err := json.Unmarshal([]byte(doc), &body); err != nil {
				t.Fatal(err)
			}
			if n := len(body.Widgets); n < 10 || n > 500 {
				t.Errorf("%d widgets", n)
			}
			taken := map[[2]int]bool{}
			for _, w := range body.Widgets {
				for x := w.X; x < w.X+w.Width; x++ {
					for y := w.Y; y < w.Y+w.Height; y++ {
						if taken[[2]int{x, y}] || x >= 24 {
							t.Fatalf("%s overlaps another or the edge", w.Properties.Title)
						}
						taken[[2]int{x, y}] = true
					}
				}
				if w.Type == "text" {
					continue
				}
				if w.Properties.Region == "" || w.Properties.Stat == "" || w.Properties.View != "timeSeries" || len(w.Properties.Metrics) == 0 || len(w.Properties.Metrics) > 500 {
					t.Errorf("%s: %+v", w.Properties.Title, w.Properties)
				}
				for _, m := range w.Properties.Metrics {
					if _, drawn := m[len(m)-1].(map[string]any); drawn {
						m = m[:len(m)-1]
					}
					if len(m) < 4 || len(m)%2 != 0 {
						t.Errorf("%s: %v is not a namespace, a name and pairs of dimensions", w.Properties.Title, m)
					}
				}
			}
		})
	}
	if len(watched(t, nil).Placement.Of(images.Postgres)) == 0 {
		t.Error("there are no databases to show")
	}
}
