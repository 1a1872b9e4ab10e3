package enginetest

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/topology"
)

const (
	instance = "aws:rds/instance:Instance"
	template = "aws:ec2/launchTemplate:LaunchTemplate"
	group    = "aws:autoscaling/group:Group"
	migrated = "aws:lambda/invocation:Invocation"
	object   = "aws:s3/bucketObjectv2:BucketObjectv2"
)

// TestProduction lives through what becomes of the stack production, edit by edit.
func TestProduction(t *testing.T) {
	s := newStack(t, "production")
	stored := s.topology

	took := stopwatch(t)
	said := s.foreseen(t)
	took("preview of a new stack")
	if done := s.cloud.since(0); len(done) > 0 {
		t.Fatalf("a preview did something: %v", done)
	}

	took = stopwatch(t)
	born := s.up(t)
	took("up")
	t.Logf("up: %s", tally(born))
	foretold(t, said, born)
	t.Run("everything comes after what it needs", func(t *testing.T) {
		if n := count(born, "create", instance); n != 24 {
			t.Errorf("%d databases, not 12 and 12", n)
		}
		after(t, born, "create "+instance+" *", "create aws:rds/subnetGroup:SubnetGroup *")
		after(t, born, "create "+instance+" replica-07", "create "+instance+" postgres-07")
		for _, o := range born {
			if o.typ == migrated {
				after(t, born, o.String(), "create "+instance+" "+strings.TrimPrefix(o.name, "migrate-"))
			}
		}
		// What a machine needs when it boots is there before the first is born.
		for _, role := range []string{"nginx", "api", "worker", "push"} {
			fleet := "create " + group + " " + role + "-group"
			for _, early := range []string{
				template + " " + role + "*", migrated + " *", instance + " *",
				"aws:elasticache/replicationGroup:ReplicationGroup *", "aws:elasticache/cluster:Cluster *",
				object + " release-" + role + "-bundle-*", "aws:iam/rolePolicy:RolePolicy " + role + "*",
				"aws:secretsmanager/secretVersion:SecretVersion *", "aws:route53/record:Record postgres-*", "aws:route53/record:Record redis*",
				"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule *", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule *",
				"aws:ec2/route:Route *", "aws:ec2/vpcEndpoint:VpcEndpoint *",
			} {
				after(t, born, fleet, "create "+early)
			}
			for _, o := range born { // nginx has no program
				if rest, ok := strings.CutPrefix(o.name, "release-"+role+"-"); ok && o.typ == object && !strings.HasPrefix(rest, "bundle-") {
					after(t, born, fleet, o.String())
				}
			}
		}
		after(t, born, "create "+group+" api*", "create aws:lb/listener:Listener edge-api*")
		after(t, born, "create "+group+" nginx*", "create aws:lb/listener:Listener edge-https*")
	})
	took = stopwatch(t)
	if done := s.up(t); len(done) > 0 {
		t.Fatalf("a second up did something: %v", done)
	}
	took("up of no change")
	rolls := func(t *testing.T, groups ...string) {
		t.Helper()
		if got := s.rolled.take(); !slices.Equal(got, groups) {
			t.Errorf("it rolls %q, not %q", got, groups)
		}
	}
	rolls(t) // a fleet that is born is not rolled, too

	// Each edit is of the stack as it was born. What a preview says is done, as the ups
	// before and after show; none of these is.
	for _, e := range []struct {
		name string
		edit func(*topology.Topology, map[string]string)
		want []string // see only
	}{
		{"a larger class of API machines rolls the API fleet alone", func(top *topology.Topology, _ map[string]string) {
			top.AWS.API.Instance = "c7g.2xlarge"
		}, []string{"update " + template + " api-template", "update " + group + " api-group"}},
		// Each waits for its maintenance window: the replicas' are on Monday, the primaries'
		// after it, whatever the order of these calls.
		{"a larger class of databases changes them in place", func(top *topology.Topology, _ map[string]string) {
			top.AWS.Postgres.Class = "db.r6g.8xlarge"
		}, []string{"update " + instance + " postgres-*", "update " + instance + " replica-*"}},
		{"more masters of Redis change the cluster in place", func(top *topology.Topology, _ map[string]string) {
			top.Redis.Masters = 4
		}, append(monitoringReplaced(), "update aws:elasticache/replicationGroup:ReplicationGroup redis-cluster",
			"update aws:route53/record:Record redis-nodes", "create aws:cloudwatch/metricAlarm:MetricAlarm alarms-redis-*",
			"update aws:cloudwatch/dashboard:Dashboard *")},
		// The machine that watches knows how many there have to be, and is made anew: some
		// minutes without graphs.
		{"more nginx machines change the size of the fleet", func(top *topology.Topology, _ map[string]string) {
			top.Nginx.Count = 5
		}, append(monitoringReplaced(), "update "+group+" nginx-group", "update aws:cloudwatch/metricAlarm:MetricAlarm alarms-nginx-machines")},
	} {
		t.Run(e.name, func(t *testing.T) {
			s.topology = stored
			e.edit(&s.topology, s.programs)
			said := s.foreseen(t)
			t.Log(tally(said))
			unharmed(t, said)
			only(t, said, e.want...)
		})
	}
	s.topology = stored

	t.Run("a changed worker rolls the workers alone", func(t *testing.T) {
		s.programs["worker"] = "2"
		said := s.foreseen(t)
		done := s.up(t)
		foretold(t, said, done)
		only(t, done, "create "+object+" release-worker-*", "create "+object+" release-manifest-*", "update "+template+" worker-template", "update "+group+" worker-group")
		// The objects of the release before leave the state and stay in the bucket.
		for _, o := range said {
			if strings.HasPrefix(o.verb, "delete") {
				t.Errorf("unexpected: %s", o)
			}
		}
		rolls(t, "burbn-production-worker")
	})

	t.Run("the release before comes back", func(t *testing.T) {
		delete(s.programs, "worker")
		// The state has forgotten its objects, so that they are put again: the same bytes
		// under the same keys, because the content is the key.
		was := len(s.cloud.keys())
		only(t, s.up(t), "create "+object+" release-worker-*", "create "+object+" release-manifest-*", "update "+template+" worker-template", "update "+group+" worker-group")
		if now := len(s.cloud.keys()); now != was {
			t.Errorf("the bucket has %d objects, and had %d", now, was)
		}
		rolls(t, "burbn-production-worker")
	})

	t.Run("a rollout that is refused is begun by the next deployment", func(t *testing.T) {
		s.programs["push"] = "2"
		s.rolled.refuse("ValidationError")
		if _, err := s.tryUp(t); err == nil || !strings.Contains(err.Error(), "roll burbn-production-push to ") {
			t.Errorf("the refused one says %v", err)
		}
		s.rolled.take()
		only(t, s.up(t), "update "+group+" push-group")
		rolls(t, "burbn-production-push")
	})

	t.Run("a database more is added beside the others", func(t *testing.T) {
		s.topology.Databases = append(s.topology.Databases[:len(s.topology.Databases):len(s.topology.Databases)], "postgres-13")
		said := s.foreseen(t)
		unharmed(t, said)
		done := s.up(t)
		t.Log(tally(done))
		unharmed(t, done)
		foretold(t, said, done)
		for what, want := range map[string]int{"create " + instance: 2, "update " + instance: 0, "create " + migrated: 1} {
			verb, typ, _ := strings.Cut(what, " ")
			if n := count(done, verb, typ); n != want {
				t.Errorf("%s: %d times, not %d", what, n, want)
			}
		}
		after(t, done, "create "+instance+" replica-13", "create "+instance+" postgres-13")
		for _, role := range []string{"api", "worker", "push"} { // whose poolers learn of it
			after(t, done, "update "+group+" "+role+"-group", "create "+migrated+" migrate-postgres-13")
		}
		for _, o := range done {
			if o.verb == "update" && strings.HasPrefix(o.typ, "aws:rds/") {
				t.Errorf("unexpected: %s", o)
			}
			if o.verb == "delete" && o.name != "monitoring-machine" && o.name != "monitoring-attachment" {
				t.Errorf("unexpected: %s", o)
			}
		}
	})

	t.Run("a zone more replaces nothing", func(t *testing.T) {
		s.topology.AWS.Network.Zones = append(stored.AWS.Network.Zones[:len(stored.AWS.Network.Zones):len(stored.AWS.Network.Zones)],
			topology.Zone{Name: "us-east-1d", Public: "10.20.3.0/24", App: "10.20.64.0/20", Data: "10.20.11.0/24"})
		done := s.up(t)
		t.Log(tally(done))
		if n := count(done, "create", "aws:ec2/subnet:Subnet"); n != 3 {
			t.Errorf("%d subnets are made, not 3", n)
		}
		for _, o := range done {
			if o.verb == "delete" {
				t.Errorf("unexpected: %s", o)
			}
			if o.verb == "update" && (o.typ == instance || o.typ == "aws:ec2/subnet:Subnet" || o.typ == "aws:ec2/natGateway:NatGateway") {
				t.Errorf("unexpected: %s", o)
			}
		}
	})

	t.Run("what somebody changed by hand is seen and mended", func(t *testing.T) {
		s.cloud.drift["edge-alb"] = resource.PropertyMap{"idleTimeout": resource.NewProperty(4000.0)}
		if _, err := s.Refresh(t.Context(), optrefresh.SuppressOutputs()); err != nil {
			t.Fatal(err)
		}
		delete(s.cloud.drift, "edge-alb")
		only(t, s.up(t), "update aws:lb/loadBalancer:LoadBalancer edge-alb")
	})

	t.Run("a destroy is refused before anything goes", func(t *testing.T) {
		before := len(s.cloud.since(0))
		if _, err := s.PreviewDestroy(t.Context()); err == nil {
			t.Error("the preview of a destroy says nothing of what is protected")
		} else if !strings.Contains(err.Error(), "protected") {
			t.Errorf("%v", err)
		}
		if done := s.cloud.since(before); len(done) > 0 {
			t.Errorf("it did something: %v", done)
		}
		// Who skips the preview is refused late, and has lost the fleets by then, but no data.
		if _, err := s.Destroy(t.Context(), optdestroy.SuppressOutputs(), optdestroy.ProgressStreams(io.Discard)); err == nil {
			t.Error("a destroy without a preview is not refused")
		}
		done := s.cloud.since(before)
		t.Logf("a destroy without a preview: %s", tally(done))
		unharmed(t, done)
	})
}

// monitoringReplaced is what a change of what the machine that watches knows does to
// it; its volume stays.
func monitoringReplaced() []string {
	return []string{
		"create " + object + " release-monitoring-bundle-*", "forget " + object + " release-monitoring-bundle-*",
		"delete-replaced aws:ec2/volumeAttachment:VolumeAttachment monitoring-attachment", "delete-replaced aws:ec2/instance:Instance monitoring-machine",
		"create-replacement aws:ec2/instance:Instance monitoring-machine", "create-replacement aws:ec2/volumeAttachment:VolumeAttachment monitoring-attachment",
		"update aws:route53/record:Record monitoring-name",
		"update aws:cloudwatch/metricAlarm:MetricAlarm monitoring-*", "update aws:cloudwatch/metricAlarm:MetricAlarm alarms-monitoring-down",
	}
}

// stopwatch says in the log how long something took.
func stopwatch(t *testing.T) func(what string) {
	began := time.Now()
	return func(what string) { t.Logf("%s: %s", what, time.Since(began).Round(100*time.Millisecond)) }
}
