package aws_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/topology"
)

// inputs are a resource's inputs as Go has them, its secrets too.
func inputs(t *testing.T, rs map[string]record.Resource, name string) map[string]any {
	t.Helper()
	r, ok := rs[name]
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	var bare func(v resource.PropertyValue) any
	bare = func(v resource.PropertyValue) any {
		switch {
		case v.IsSecret():
			return bare(v.SecretValue().Element)
		case v.IsObject():
			m := map[string]any{}
			for k, e := range v.ObjectValue() {
				m[string(k)] = bare(e)
			}
			return m
		case v.IsArray():
			a := []any{}
			for _, e := range v.ArrayValue() {
				a = append(a, bare(e))
			}
			return a
		default:
			return v.Mappable()
		}
	}
	return bare(resource.NewProperty(r.Inputs)).(map[string]any)
}

// has complains of every input that is not as wanted; nil: it must not be given.
func has(t *testing.T, rs map[string]record.Resource, name string, want map[string]any) {
	t.Helper()
	got := inputs(t, rs, name)
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(got[k], want[k]) {
			t.Errorf("%s: %s is %#v, want %#v", name, k, got[k], want[k])
		}
	}
}

// namesOf are the names of the resources of a type, sorted; there must be some.
func namesOf(t *testing.T, rs map[string]record.Resource, typ string) []string {
	t.Helper()
	var names []string
	for name, r := range rs {
		if r.Type == typ {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("there is no %s", typ)
	}
	slices.Sort(names)
	return names
}

// decoded is a JSON text among the inputs.
func decoded(t *testing.T, rs map[string]record.Resource, name, key string) map[string]any {
	t.Helper()
	text, _ := inputs(t, rs, name)[key].(string)
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %s %q: %v", name, key, text, err)
	}
	return v
}

// grown is the sample with a fourth database that holds no shard yet.
func grown() topology.Topology {
	top := sample()
	top.Databases = append(top.Databases, "postgres-04")
	return top
}

// widened is the sample with a fourth zone.
func widened() topology.Topology {
	top := sample()
	top.AWS.Network.Zones = append(slices.Clone(top.AWS.Network.Zones),
		topology.Zone{Name: "us-east-1d", Public: "10.20.3.0/24", App: "10.20.64.0/20", Data: "10.20.11.0/24"})
	return top
}

// dataTypes are those of which each one holds data, or speaks for one that does.
func dataTypes() []string {
	return []string{
		"aws:rds/instance:Instance", "aws:elasticache/replicationGroup:ReplicationGroup", "aws:elasticache/cluster:Cluster",
		"aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion", "aws:secretsmanager/secretRotation:SecretRotation",
		"aws:kms/key:Key", "aws:lambda/invocation:Invocation", "random:index/randomPassword:RandomPassword", "random:index/randomBytes:RandomBytes",
		"aws:rds/parameterGroup:ParameterGroup", "aws:elasticache/parameterGroup:ParameterGroup",
	}
}

func TestADatabaseOrAZoneMoreChangesNoDataThatThereIs(t *testing.T) {
	before := recorded(t, sample())
	for name, top := range map[string]topology.Topology{"database": grown(), "zone": widened()} {
		t.Run(name, func(t *testing.T) {
			after := recorded(t, top)
			for _, typ := range dataTypes() {
				for _, name := range namesOf(t, before, typ) {
					was, is := inputs(t, before, name), inputs(t, after, name)
					for _, ignored := range before[name].IgnoreChanges {
						delete(was, ignored)
						delete(is, ignored)
					}
					if !reflect.DeepEqual(was, is) {
						t.Errorf("%s (%s) changes:\n%v\n%v", name, typ, was, is)
					}
				}
			}
			if name == "database" {
				for _, born := range []string{"postgres-04", "replica-04", "postgres-04-name", "migrate-postgres-04", "rotation-postgres-04-schedule"} {
					if _, ok := after[born]; !ok {
						t.Errorf("there is no %s", born)
					}
				}
			}
		})
	}
}

func TestTwoStacksShareNoName(t *testing.T) {
	names := func(stack string) map[string]bool {
		physical := map[string]bool{}
		rs := recordedAs(t, sample(), stack)
		for name, r := range rs {
			for _, k := range []string{"name", "identifier", "replicationGroupId", "clusterId", "finalSnapshotIdentifier"} {
				if v, ok := inputs(t, rs, name)[k].(string); ok && slices.Contains(append(dataTypes(), "aws:cloudwatch/logGroup:LogGroup", "aws:kms/alias:Alias",
					"aws:lambda/function:Function", "aws:serverlessrepository/cloudFormationStack:CloudFormationStack"), r.Type) {
					physical[v] = true
				}
			}
		}
		return physical
	}
	production, staging := names("production"), names("staging")
	if len(production) < 20 {
		t.Fatalf("only %d names", len(production))
	}
	for name := range production {
		if staging[name] {
			t.Errorf("both stacks have %s", name)
		}
	}
}

func TestEveryStoreIsProtectedWhereTheStackSays(t *testing.T) {
	for _, protect := range []bool{true, false} {
		top := sample()
		top.AWS.Protect = protect
		rs := recorded(t, top)
		for _, typ := range []string{
			"aws:rds/instance:Instance", "aws:elasticache/replicationGroup:ReplicationGroup", "aws:secretsmanager/secret:Secret", "aws:kms/key:Key",
		} {
			for _, name := range namesOf(t, rs, typ) {
				if r := rs[name]; r.Protect != protect || r.RetainOnDelete != protect {
					t.Errorf("protect %t: %s: protected %t, retained %t", protect, name, r.Protect, r.RetainOnDelete)
				}
			}
		}
		recovery := 0.0
		if protect {
			recovery = 30
		}
		for _, name := range namesOf(t, rs, "aws:secretsmanager/secret:Secret") {
			has(t, rs, name, map[string]any{"recoveryWindowInDays": recovery, "kmsKeyId": arnOf(rs, "keys-data")})
		}
	}
}

// arnOf is the ARN that the fake gives a key.
func arnOf(rs map[string]record.Resource, name string) string {
	return fmt.Sprintf("arn:aws:kms:us-east-1:123456789012:key/%s", name)
}
