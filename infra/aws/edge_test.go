package aws_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
)

func TestTheALBSpeaksModernTLSAlone(t *testing.T) {
	resources := recorded(t, sample())
	https, http := resources["edge-https"], resources["edge-http"]
	if !regexp.MustCompile(`^ELBSecurityPolicy-TLS13-1-2-`).MatchString(text(https, "sslPolicy")) {
		t.Errorf("policy %q", text(https, "sslPolicy"))
	}
	if !slices.Contains(https.DependsOn, "edge-certificate-issued") {
		t.Errorf("the listener does not wait for its certificate: %v", https.DependsOn)
	}
	action := http.Inputs["defaultActions"].ArrayValue()[0].ObjectValue()
	redirect := action["redirect"].ObjectValue()
	if action["type"].StringValue() != "redirect" || redirect["protocol"].StringValue() != "HTTPS" || redirect["statusCode"].StringValue() != "HTTP_301" {
		t.Errorf("plain HTTP is answered with %v", action)
	}
}

// TestTheALBWaitsForTheInternet: Elastic Load Balancing refuses a balancer that faces an
// internet to which the VPC has no gateway yet, or one that cannot write its log.
func TestTheALBWaitsForTheInternet(t *testing.T) {
	after := recorded(t, sample())["edge-alb"].DependsOn
	for _, needed := range []string{"network-public-out", "storage-logs-policy"} {
		if !slices.Contains(after, needed) {
			t.Errorf("it does not wait for %s: %v", needed, after)
		}
	}
}

func TestTheEdgeIsProtectedWhereTheStackSaysSo(t *testing.T) {
	for _, protect := range []bool{true, false} {
		top := sample()
		top.AWS.Protect = protect
		resources := recorded(t, top)
		for _, name := range []string{"edge-alb", "edge-nlb"} {
			if got := flag(resources[name], "enableDeletionProtection"); got != protect {
				t.Errorf("%s: protected %t in a stack that says %t", name, got, protect)
			}
		}
	}
}

func TestOnlyTheALBIsPublic(t *testing.T) {
	resources := recorded(t, sample())
	alb, nlb := resources["edge-alb"], resources["edge-nlb"]
	if flag(alb, "internal") || !flag(nlb, "internal") {
		t.Errorf("internal: ALB %t, NLB %t", flag(alb, "internal"), flag(nlb, "internal"))
	}
	for _, c := range []struct {
		r    record.Resource
		tier string
	}{{alb, "public"}, {nlb, "app"}} {
		for i, zone := range sample().AWS.Network.Zones {
			if got := texts(c.r, "subnets")[i]; got != fake.ID("network-"+c.tier+"-"+zone.Name) {
				t.Errorf("%s stands in %s", c.r.Name, got)
			}
		}
	}
	if !slices.Contains(alb.DependsOn, "storage-logs-policy") {
		t.Errorf("the ALB would try its logs before they are let in: %v", alb.DependsOn)
	}
}

func TestMachinesAreCheckedWhereTheyAnswer(t *testing.T) {
	resources := recorded(t, sample())
	for name, want := range map[string][3]string{
		"edge-nginx": {"HTTP", "8082", "/healthz"},
		"edge-api":   {"HTTP", "8081", "/readyz"},
	} {
		check := resources[name].Inputs["healthCheck"].ObjectValue()
		got := [3]string{check["protocol"].StringValue(), check["port"].StringValue(), check["path"].StringValue()}
		if got != want || resources[name].Inputs["port"].NumberValue() != 8080 {
			t.Errorf("%s: %v at %v", name, got, resources[name].Inputs["port"])
		}
	}
	if got := text(resources["edge-api"], "preserveClientIp"); got != "false" {
		t.Errorf("client addresses are preserved (%q): no group lets them in", got)
	}
}

func TestTheFirewallIsThereWhereTheStackHasOne(t *testing.T) {
	top := sample()
	acl := recorded(t, top)["edge-firewall"]
	rule := acl.Inputs["rules"].ArrayValue()[0].ObjectValue()
	limit := rule["statement"].ObjectValue()["rateBasedStatement"].ObjectValue()["limit"]
	if limit.NumberValue() != 3000 || !rule["action"].ObjectValue().HasValue("block") {
		t.Errorf("the rule: %v", rule)
	}
	if got := text(recorded(t, top)["edge-firewall-balancer"], "webAclArn"); got == "" {
		t.Error("the firewall is in front of nothing")
	}
	top.AWS.WAF.RequestsPer5Minutes = 0
	for name := range recorded(t, top) {
		if name == "edge-firewall" || name == "edge-firewall-balancer" {
			t.Errorf("%s in a stack without", name)
		}
	}
}

func TestNamesLeadToWhatServesThem(t *testing.T) {
	resources := recorded(t, sample())
	for name, want := range map[string][3]string{ // name, zone, to
		"edge-name-a":     {"api.example.com", "ZPUBLIC", "edge-alb"},
		"edge-api-name-a": {"api.production.burbn.internal", fake.ID("network-names"), "edge-nlb"},
		"cdn-name-a":      {"media.example.com", "ZPUBLIC", "cdn-distribution"},
		"cdn-name-aaaa":   {"media.example.com", "ZPUBLIC", "cdn-distribution"},
	} {
		r := resources[name]
		if text(r, "name") != want[0] || text(r, "zoneId") != want[1] || !slices.Contains(r.DependsOn, want[2]) {
			t.Errorf("%s: %q in %q, of %v", name, text(r, "name"), text(r, "zoneId"), r.DependsOn)
		}
	}
}

func TestNamesOfBalancersKeepWithinAmazonsLimits(t *testing.T) {
	valid := regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$`)
	seen := map[string]string{}
	for _, stack := range []string{"production", "a", "production_2", "production.2", "staging-europe-west", "production-of-the-year-2011", "production-of-the-year-2012"} {
		p, err := aws.NewPlan(sample(), stack, release.Unknown())
		if err != nil {
			t.Fatal(err)
		}
		rs, err := record.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		var named int
		for _, r := range rs {
			if r.Type != "aws:lb/loadBalancer:LoadBalancer" && r.Type != "aws:lb/targetGroup:TargetGroup" {
				continue
			}
			named++
			name := text(r, "name")
			if !valid.MatchString(name) {
				t.Errorf("stack %s: %q", stack, name)
			}
			if other, taken := seen[name]; taken {
				t.Errorf("stacks %s and %s both call something %q", other, stack, name)
			}
			seen[name] = stack
		}
		if named != 4 {
			t.Errorf("stack %s: %d balancers and groups", stack, named)
		}
	}
}
