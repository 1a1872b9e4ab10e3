package aws_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
)

// ofType are the resources of a type, by logical name.
func ofType(resources map[string]record.Resource, typ string) map[string]record.Resource {
	found := map[string]record.Resource{}
	for name, r := range resources {
		if r.Type == typ {
			found[name] = r
		}
	}
	return found
}

// text is an input that is a string, and empty where there is none.
func text(r record.Resource, key resource.PropertyKey) string {
	if v := r.Inputs[key]; v.IsString() {
		return v.StringValue()
	}
	return ""
}

// texts is an input that is a list of strings.
func texts(r record.Resource, key resource.PropertyKey) []string {
	var s []string
	if v := r.Inputs[key]; v.IsArray() {
		for _, e := range v.ArrayValue() {
			s = append(s, e.StringValue())
		}
	}
	return s
}

// flag is an input that is a boolean, and false where there is none.
func flag(r record.Resource, key resource.PropertyKey) bool {
	v := r.Inputs[key]
	return v.IsBool() && v.BoolValue()
}

func TestAZoneMoreChangesNothingThatExists(t *testing.T) {
	smaller := sample()
	smaller.AWS.Network.Zones = smaller.AWS.Network.Zones[:2]
	before, after := recorded(t, smaller), recorded(t, sample())
	// What stands in all zones at once is told of the new one, in place.
	spread := map[string]resource.PropertyKey{"edge-alb": "subnets", "edge-nlb": "subnets"}
	for name := range ofType(before, "aws:ec2/vpcEndpoint:VpcEndpoint") {
		if name != "network-s3" {
			spread[name] = "subnetIds"
		}
	}
	if len(spread) != 7 {
		t.Fatalf("spread over the zones: %v", spread)
	}
	for name, old := range before {
		if component, _, _ := strings.Cut(name, "-"); !slices.Contains([]string{"network", "edge", "storage", "cdn"}, component) {
			continue // has tests of its own
		}
		r, ok := after[name]
		if !ok {
			t.Errorf("%s is gone", name)
			continue
		}
		if key, ok := spread[name]; ok {
			was, is := texts(old, key), texts(r, key)
			if len(was) != 2 || len(is) != 3 || !slices.Equal(was, is[:2]) {
				t.Errorf("%s: %s is %v and was %v: a subnet may be added alone", name, key, is, was)
			}
			old.Inputs, r.Inputs = maps.Clone(old.Inputs), maps.Clone(r.Inputs)
			delete(old.Inputs, key)
			delete(r.Inputs, key)
		}
		if !reflect.DeepEqual(old.Inputs, r.Inputs) {
			t.Errorf("%s changes:\n%v\n%v", name, old.Inputs, r.Inputs)
		}
	}
}

func TestEachZoneHasItsOwnWayOut(t *testing.T) {
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c"}
	for _, c := range []struct {
		nat      string
		gateways []string // by zone
	}{
		{"zone", zones},
		{"one", []string{zones[0], zones[0], zones[0]}},
	} {
		t.Run(c.nat, func(t *testing.T) {
			top := sample()
			top.AWS.Network.NAT = c.nat
			resources := recorded(t, top)
			if n, want := len(ofType(resources, "aws:ec2/natGateway:NatGateway")), len(slices.Compact(slices.Clone(c.gateways))); n != want {
				t.Errorf("%d gateways, not %d", n, want)
			}
			for i, zone := range zones {
				if got, want := text(resources["network-app-"+zone+"-out"], "natGatewayId"), fake.ID("network-nat-"+c.gateways[i]); got != want {
					t.Errorf("machines in %s go through %q, not %q", zone, got, want)
				}
				if got := text(resources["network-app-"+zone+"-routes"], "routeTableId"); got != fake.ID("network-app-"+zone) {
					t.Errorf("machines in %s are routed by %q", zone, got)
				}
			}
			for _, gateway := range slices.Compact(slices.Clone(c.gateways)) {
				if got := text(resources["network-nat-"+gateway], "subnetId"); got != fake.ID("network-public-"+gateway) {
					t.Errorf("the gateway of %s stands in %q", gateway, got)
				}
			}
			subnets := texts(resources["network-secretsmanager"], "subnetIds")
			if want := len(slices.Compact(slices.Clone(c.gateways))); len(subnets) != want || subnets[0] != fake.ID("network-app-us-east-1a") {
				t.Errorf("the endpoint of Secrets Manager stands in %v", subnets)
			}
		})
	}
}

func TestNothingLeadsOutOfTheDataTier(t *testing.T) {
	resources := recorded(t, sample())
	routes := ofType(resources, "aws:ec2/route:Route")
	if len(routes) != 4 { // public, and the machines' of three zones
		t.Errorf("%d routes", len(routes))
	}
	for name, r := range routes {
		if text(r, "routeTableId") == fake.ID("network-data") {
			t.Errorf("%s leads out of the data tier", name)
		}
	}
	for name, r := range ofType(resources, "aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation") {
		if text(r, "routeTableId") == fake.ID("network-data") {
			t.Errorf("%s leads out of the data tier", name)
		}
	}
	for _, zone := range sample().AWS.Network.Zones {
		if got := text(resources["network-data-"+zone.Name+"-routes"], "routeTableId"); got != fake.ID("network-data") {
			t.Errorf("data in %s is routed by %q", zone.Name, got)
		}
		if got := text(resources["network-data-"+zone.Name+"-acl"], "networkAclId"); got != fake.ID("network-acl-data") {
			t.Errorf("data in %s is behind the ACL %q", zone.Name, got)
		}
	}
	for _, way := range []resource.PropertyKey{"ingress", "egress"} {
		rules := resources["network-acl-data"].Inputs[way].ArrayValue()
		if len(rules) != 1 || rules[0].ObjectValue()["cidrBlock"].StringValue() != "10.20.0.0/16" {
			t.Errorf("data may speak with %v", rules)
		}
	}
}

func TestSubnetsAreTheTopologys(t *testing.T) {
	resources := recorded(t, sample())
	subnets := ofType(resources, "aws:ec2/subnet:Subnet")
	if len(subnets) != 9 {
		t.Errorf("%d subnets", len(subnets))
	}
	for _, z := range sample().AWS.Network.Zones {
		for tier, cidr := range map[string]string{"public": z.Public, "app": z.App, "data": z.Data} {
			s := subnets["network-"+tier+"-"+z.Name]
			if text(s, "cidrBlock") != cidr || text(s, "availabilityZone") != z.Name || flag(s, "mapPublicIpOnLaunch") {
				t.Errorf("%s of %s: %v", tier, z.Name, s.Inputs)
			}
		}
	}
}

func TestWhatComesWithAVPCIsEmptied(t *testing.T) {
	resources := recorded(t, sample())
	for name, keys := range map[string][]resource.PropertyKey{
		"network-default-group":  {"ingress", "egress"},
		"network-default-acl":    {"ingress", "egress"},
		"network-default-routes": {"routes"},
	} {
		r, ok := resources[name]
		if !ok {
			t.Errorf("no %s", name)
		}
		for _, key := range keys {
			if v, ok := r.Inputs[key]; ok && (!v.IsArray() || len(v.ArrayValue()) > 0) {
				t.Errorf("%s: %s is %v", name, key, v)
			}
		}
	}
}

// document is a policy; what may be one or many is many.
type document struct {
	Statement []struct {
		Sid, Effect      string
		Principal        any
		Action, Resource any
		Condition        map[string]map[string]string
	}
}

func policyOf(t *testing.T, r record.Resource) document {
	t.Helper()
	var d document
	if err := json.Unmarshal([]byte(text(r, "policy")), &d); err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	return d
}

func TestEndpointsServeThisAccountAlone(t *testing.T) {
	resources := recorded(t, sample())
	// The agent's calls are bounded by the role of its machine.
	open := []string{"network-ssm", "network-ssmmessages"}
	for name := range ofType(resources, "aws:ec2/vpcEndpoint:VpcEndpoint") {
		if slices.Contains(open, name) {
			continue
		}
		statements := policyOf(t, resources[name]).Statement
		if len(statements) == 0 {
			t.Errorf("%s: no statement", name)
		}
		for _, s := range statements {
			if s.Sid == "ToolsOfAmazon" && s.Action == "s3:GetObject" {
				continue // fetched without signing
			}
			if s.Condition["StringEquals"]["aws:PrincipalAccount"] != fake.Account {
				t.Errorf("%s: %s serves %v", name, s.Sid, s.Condition)
			}
		}
	}
	objects := policyOf(t, resources["network-s3"]).Statement[0].Resource
	want := []any{"arn:aws:s3:::example-uploads/*", "arn:aws:s3:::example-media/*", "arn:aws:s3:::example-artifacts/*", "arn:aws:s3:::example-logs/*"}
	if !reflect.DeepEqual(objects, want) {
		t.Errorf("objects of %v", objects)
	}
	for name, e := range ofType(resources, "aws:ec2/vpcEndpoint:VpcEndpoint") {
		if text(e, "vpcEndpointType") == "Interface" && !flag(e, "privateDnsEnabled") {
			t.Errorf("%s is not found by its service's name", name)
		}
	}
}

func TestFlowLogsAreKeptAndEncrypted(t *testing.T) {
	resources := recorded(t, sample())
	group, log := resources["network-flows"], resources["network-flow-log"]
	if text(group, "logGroupClass") != "INFREQUENT_ACCESS" {
		t.Errorf("records of a busy stack are kept in the class %q", text(group, "logGroupClass"))
	}
	if text(group, "kmsKeyId") == "" || group.Inputs["retentionInDays"].NumberValue() != 90 {
		t.Errorf("the log group: %v", group.Inputs)
	}
	if text(log, "trafficType") != "ALL" || text(log, "vpcId") != fake.ID("network-vpc") {
		t.Errorf("the flow log: %v", log.Inputs)
	}
}
