package guard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/guard"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// TestEveryStackKeepsTheRules records every stack of the target aws as it stands in
// stacks/ and holds it against the rules.
func TestEveryStackKeepsTheRules(t *testing.T) {
	for name, top := range clouds(t) {
		t.Run(name, func(t *testing.T) {
			for _, v := range guard.Check(name, top, recorded(t, name, top)) {
				t.Error(v)
			}
		})
	}
}

// TestTheRulesHaveSomethingToLookAt asks that every stack has what the rules are about:
// a rule over a type that is not there, or is called otherwise, holds of nothing.
func TestTheRulesHaveSomethingToLookAt(t *testing.T) {
	for name, top := range clouds(t) {
		types := map[string]bool{}
		for _, r := range recorded(t, name, top) {
			types[r.Type] = true
		}
		for _, typ := range []string{
			"ec2/vpc:Vpc", "ec2/flowLog:FlowLog", "ec2/subnet:Subnet", "ec2/route:Route", "ec2/routeTableAssociation:RouteTableAssociation", "ec2/internetGateway:InternetGateway",
			"ec2/securityGroup:SecurityGroup", "vpc/securityGroupIngressRule:SecurityGroupIngressRule", "vpc/securityGroupEgressRule:SecurityGroupEgressRule",
			"ec2/launchTemplate:LaunchTemplate", "autoscaling/group:Group", "ec2/instance:Instance", "ebs/volume:Volume",
			"lb/loadBalancer:LoadBalancer", "lb/targetGroup:TargetGroup", "lb/listener:Listener",
			"rds/instance:Instance", "rds/parameterGroup:ParameterGroup", "rds/subnetGroup:SubnetGroup",
			"elasticache/replicationGroup:ReplicationGroup", "elasticache/cluster:Cluster", "elasticache/subnetGroup:SubnetGroup",
			"s3/bucketV2:BucketV2", "s3/bucketPolicy:BucketPolicy", "s3/bucketVersioningV2:BucketVersioningV2",
			"cloudfront/distribution:Distribution", "cloudfront/originAccessControl:OriginAccessControl",
			"iam/role:Role", "iam/rolePolicy:RolePolicy", "kms/key:Key", "kms/alias:Alias",
			"secretsmanager/secret:Secret", "secretsmanager/secretVersion:SecretVersion", "lambda/function:Function",
			"sns/topic:Topic", "sns/topicPolicy:TopicPolicy", "sns/topicSubscription:TopicSubscription",
			"cloudwatch/logGroup:LogGroup", "cloudwatch/metricAlarm:MetricAlarm", "cloudwatch/dashboard:Dashboard", "cloudwatch/eventRule:EventRule",
			"budgets/budget:Budget", "imagebuilder/infrastructureConfiguration:InfrastructureConfiguration", "imagebuilder/imageRecipe:ImageRecipe",
		} {
			if !types["aws:"+typ] {
				t.Errorf("%s has no aws:%s: the rules on it hold of nothing", name, typ)
			}
		}
	}
}

// TestALongStackNameKeepsTheRules holds names against Amazon's limits for the longest
// name that a stack can sensibly have.
func TestALongStackNameKeepsTheRules(t *testing.T) {
	for _, top := range clouds(t) {
		const name = "production-ap-southeast"
		for _, v := range guard.Check(name, top, recorded(t, name, top)) {
			t.Error(v)
		}
		return // any of them
	}
}

// clouds are the topologies of the stacks of the target aws by name.
func clouds(tb testing.TB) map[string]topology.Topology {
	tb.Helper()
	files, err := filepath.Glob("../../stacks/Pulumi.*.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	tops := map[string]topology.Topology{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		if !strings.Contains(string(text), "target: aws") {
			continue
		}
		top, err := topology.ParseFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		tops[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")] = top
	}
	if len(tops) == 0 {
		tb.Fatal("no stack of stacks/ has the target aws: nothing has been checked")
	}
	return tops
}

func recorded(tb testing.TB, name string, top topology.Topology) []record.Resource {
	tb.Helper()
	p, err := aws.NewPlan(top, name, release.Unknown())
	if err != nil {
		tb.Fatal(err)
	}
	rs, err := record.Run(p)
	if err != nil {
		tb.Fatal(err)
	}
	return rs
}

// BenchmarkCheck checks a stack of the size of production: the good one twelve times.
func BenchmarkCheck(b *testing.B) {
	all := stack{}
	for i := range 12 {
		for name, r := range good() {
			copied := *r
			copied.Name = fmt.Sprintf("n%d-%s", i, name)
			all[copied.Name] = &copied
		}
	}
	rs, top := all.list(), production()
	b.ReportMetric(float64(len(rs)), "resources")
	for b.Loop() {
		guard.Check("staging", top, rs)
	}
}
