package aws_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

func TestTheFunctionThatMigrates(t *testing.T) {
	rs := recorded(t, sample())
	has(t, rs, "migrate-function", map[string]any{
		"name": "burbn-production-migrate", "runtime": "provided.al2023", "handler": "bootstrap", "architectures": []any{"arm64"},
		"s3Bucket": "example-artifacts", "timeout": 900.0, "environment": nil,
		"vpcConfig": map[string]any{
			"securityGroupIds": []any{"network-group-migrate.id"},
			"subnetIds":        []any{"network-app-us-east-1a.id", "network-app-us-east-1b.id", "network-app-us-east-1c.id"},
		},
	})
	top := sample()
	top.AWS.Architecture = "amd64"
	has(t, recorded(t, top), "migrate-function", map[string]any{"architectures": []any{"x86_64"}})

	has(t, rs, "migrate-log", map[string]any{"name": "/aws/lambda/burbn-production-migrate", "retentionInDays": 90.0})
	for _, s := range allowed(t, decoded(t, rs, "migrate-policy", "policy")) {
		resources := fmt.Sprint(s["Resource"])
		switch s["Sid"] {
		case "Secrets":
			if arns := s["Resource"].([]any); len(arns) != 7 || strings.ContainsAny(resources, "*?") {
				t.Errorf("it may read %v, want the secrets of an owner and a role for each of 3 databases, and the monitor's", arns)
			}
		case "Interfaces", "NotTheCode": // EC2 knows none
		default:
			if resources == "*" {
				t.Errorf("%v is allowed on everything", s["Sid"])
			}
		}
	}
	for _, database := range []string{"postgres-01", "postgres-02", "postgres-03"} {
		if depends := rs["migrate-"+database].DependsOn; !slices.Contains(depends, "migrate-policy") || !slices.Contains(depends, database+"-app") || !slices.Contains(depends, database+"-owner") ||
			!slices.Contains(depends, "secrets-monitor-value") {
			t.Errorf("%s may be migrated before its secrets are there", database)
		}
		event := decoded(t, rs, "migrate-"+database, "input")
		if want := "secret:burbn/production/" + database + "/app"; !strings.Contains(event["app"].(string), want) {
			t.Errorf("%s: app is %v, want %s", database, event["app"], want)
		}
		if want := "secret:burbn/production/" + database + "/owner"; !strings.Contains(event["owner"].(string), want) {
			t.Errorf("%s: owner is %v, want %s", database, event["owner"], want)
		}
		if want := "secret:burbn/production/monitor"; !strings.Contains(event["monitor"].(string), want) {
			t.Errorf("%s: monitor is %v, want %s", database, event["monitor"], want)
		}
		direct := event["settings"].(map[string]any)["direct"].([]any)
		if want := "burbn-production-" + database + ".c0ffee.us-east-1.rds.amazonaws.com:5432"; len(direct) != 1 || direct[0].(map[string]any)["addr"] != want {
			t.Errorf("%s: direct is %v, want %s", database, direct, want)
		}
	}
}

func TestMigrationsRunAgainWhenTheProgramOrTheMapChanges(t *testing.T) {
	of := func(top topology.Topology, edit func(*release.Program)) map[string]any {
		r := release.Unknown()
		for i := range r {
			edit(&r[i])
		}
		p, err := aws.NewPlan(top, "production", r)
		if err != nil {
			t.Fatal(err)
		}
		recorded, err := record.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		rs := map[string]record.Resource{}
		for _, r := range recorded {
			rs[r.Name] = r
		}
		return map[string]any{"input": inputs(t, rs, "migrate-postgres-02")["input"], "triggers": inputs(t, rs, "migrate-postgres-02")["triggers"]}
	}
	changed := func(name string) func(*release.Program) {
		return func(p *release.Program) {
			if p.Name == name {
				p.SHA256 = strings.Repeat("1", 64)
			}
		}
	}
	moved := sample()
	moved.Shards.Databases = slices.Clone(moved.Shards.Databases)
	moved.Shards.Databases[0].Last--
	moved.Shards.Databases[1].First--
	slower := sample()
	slower.AWS.Postgres.Class, slower.API.Count, slower.Feed.Length = "db.r6g.large", 30, 700

	was := of(sample(), changed("nothing"))
	for name, c := range map[string]struct {
		top   topology.Topology
		edit  func(*release.Program)
		again bool
	}{
		"the program":       {sample(), changed("migrate"), true},
		"the map":           {moved, changed("nothing"), true},
		"another service":   {sample(), changed("api"), false},
		"other sizes":       {slower, changed("nothing"), false},
		"an empty database": {grown(), changed("nothing"), false},
	} {
		if again := !reflect.DeepEqual(was, of(c.top, c.edit)); again != c.again {
			t.Errorf("%s: runs again %t, want %t", name, again, c.again)
		}
	}
	if b, err := json.Marshal(was); err != nil || strings.Contains(string(b), "made-up-secrets") {
		t.Errorf("the event holds a secret: %s, %v", b, err)
	}
}
