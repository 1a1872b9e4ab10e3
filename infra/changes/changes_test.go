package changes_test

import (
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/changes"
)

func TestOf(t *testing.T) {
	tests := []struct {
		name, typ, path string
		want            changes.Effect
	}{
		{"a subnet's addresses", "aws:ec2/subnet:Subnet", "cidrBlock", changes.Effect{Replace: true}},
		{"tags", "aws:ec2/subnet:Subnet", "tags.Name", changes.Effect{}},
		{"one of several that all replace", "random:index/randomPassword:RandomPassword", "length", changes.Effect{Replace: true}},
		{"a nested property", "aws:ec2/instance:Instance", "rootBlockDevice.encrypted", changes.Effect{Replace: true}},
		{"its neighbour", "aws:ec2/instance:Instance", "rootBlockDevice.volumeSize", changes.Effect{}},
		{"a type that nobody looked up", "aws:moon/base:Base", "name", changes.Effect{Unknown: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := changes.Of(tt.typ, tt.path); got != tt.want {
				t.Errorf("%s of %s: %+v, want %+v", tt.path, tt.typ, got, tt.want)
			}
		})
	}
}

func TestAStoreIsNotReplacedForWhatChangesInPlace(t *testing.T) {
	for _, path := range []string{"instanceClass", "allocatedStorage", "iops", "engineVersion", "multiAz", "parameterGroupName"} {
		e := changes.Of("aws:rds/instance:Instance", path)
		if e.Replace || e.Interrupts == "" {
			t.Errorf("%s: %+v", path, e)
		}
	}
	for _, path := range []string{"identifier", "identifierPrefix", "replicateSourceDb"} {
		if e := changes.Of("aws:rds/instance:Instance", path); e.Replace || e.Interrupts == "" {
			t.Errorf("%s: %+v", path, e)
		}
	}
	for _, path := range []string{"engine", "nodeType", "engineVersion", "numNodeGroups"} {
		if e := changes.Of("aws:elasticache/replicationGroup:ReplicationGroup", path); e.Replace || e.Interrupts == "" {
			t.Errorf("%s: %+v", path, e)
		}
	}
	if !strings.Contains(changes.Of("aws:autoscaling/group:Group", "launchTemplate.version").Interrupts, "machines") {
		t.Error("nothing is said of a fleet that rolls")
	}
}

func TestTypesThatHoldData(t *testing.T) {
	for _, typ := range []string{"aws:rds/instance:Instance", "aws:s3/bucketV2:BucketV2", "aws:ebs/volume:Volume", "aws:elasticache/replicationGroup:ReplicationGroup"} {
		if !changes.HoldsData(typ) {
			t.Errorf("%s holds data", typ)
		}
	}
	if changes.HoldsData("aws:lb/loadBalancer:LoadBalancer") {
		t.Error("a load balancer holds nothing")
	}
	for _, typ := range changes.Types() {
		if strings.Count(typ, ":") != 2 {
			t.Errorf("%q is no type", typ)
		}
	}
}
