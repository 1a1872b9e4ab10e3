package plan

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/record"
)

// bought is what the resources are charged by where their number alone does not say it.
type bought struct {
	of         map[string]int // resources by type
	endpoints  int            // interface endpoints, in each of their zones; the gateway of S3 is free
	addresses  int            // public IPv4: an Elastic IP each, and one of a public ALB in each of its zones
	albs, nlbs int
	rules      int // of the firewall
	secrets    int // with those that RDS keeps its owners' passwords in
	watched    int // metrics of alarms: one on an expression costs as much as the metrics in it
}

func count(rs []record.Resource) bought {
	b := bought{of: map[string]int{}}
	for _, r := range rs {
		b.of[r.Type]++
		switch r.Type {
		case "aws:ec2/vpcEndpoint:VpcEndpoint":
			if text(r, "vpcEndpointType") == "Interface" {
				b.endpoints += length(r, "subnetIds")
			}
		case "aws:ec2/eip:Eip":
			b.addresses++
		case "aws:lb/loadBalancer:LoadBalancer":
			if text(r, "loadBalancerType") == "network" {
				b.nlbs++
			} else {
				b.albs++
			}
			if !yes(r, "internal") {
				b.addresses += length(r, "subnets")
			}
		case "aws:wafv2/webAcl:WebAcl":
			b.rules += length(r, "rules")
		case "aws:secretsmanager/secret:Secret":
			b.secrets++
		case "aws:rds/instance:Instance":
			if yes(r, "manageMasterUserPassword") {
				b.secrets++
			}
		case "aws:cloudwatch/metricAlarm:MetricAlarm":
			b.watched += metrics(r)
		}
	}
	return b
}

// metrics are those that an alarm looks at.
func metrics(r record.Resource) int {
	queries := r.Inputs["metricQueries"]
	if !queries.IsArray() {
		return 1
	}
	n := 0
	for _, q := range queries.ArrayValue() {
		if q.IsObject() && q.ObjectValue()["metric"].IsObject() {
			n++
		}
	}
	return max(n, 1) // an expression that searches for its metric
}

func text(r record.Resource, key resource.PropertyKey) string {
	if v := r.Inputs[key]; v.IsString() {
		return v.StringValue()
	}
	return ""
}

func yes(r record.Resource, key resource.PropertyKey) bool {
	v := r.Inputs[key]
	return v.IsBool() && v.BoolValue()
}

func length(r record.Resource, key resource.PropertyKey) int {
	if v := r.Inputs[key]; v.IsArray() {
		return len(v.ArrayValue())
	}
	return 0
}
