package aws_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/record"
)

// opened are all connections that anything may open, and accept, beyond the open
// internet's to the ALB. They are written out here a second time, as they are wanted.
const opened = `
alb -> nginx 8080
alb -> nginx 8082
api -> endpoints 443
api -> memcached 11211
api -> monitoring 19532
api -> postgres 5432
api -> redis 6379
api -> s3 443
api -> world 443
bake -> endpoints 443
bake -> s3 443
bake -> world 443
bake -> world 80
migrate -> endpoints 443
migrate -> postgres 5432
monitoring -> api 8081
monitoring -> api 9100
monitoring -> endpoints 443
monitoring -> memcached 11211
monitoring -> nginx 9100
monitoring -> nginx 9113
monitoring -> postgres 5432
monitoring -> push 8081
monitoring -> push 9100
monitoring -> redis 6379
monitoring -> s3 443
monitoring -> worker 8081
monitoring -> worker 9100
monitoring -> world 443
nginx -> endpoints 443
nginx -> monitoring 19532
nginx -> nlb 8080
nginx -> s3 443
nlb -> api 8080
nlb -> api 8081
push -> endpoints 443
push -> monitoring 19532
push -> postgres 5432
push -> s3 443
push -> world 443
rotate -> endpoints 443
rotate -> postgres 5432
worker -> endpoints 443
worker -> memcached 11211
worker -> monitoring 19532
worker -> postgres 5432
worker -> redis 6379
worker -> s3 443
worker -> world 443
world -> alb 443
world -> alb 80
`

func TestOnlyTheFlowsAreOpen(t *testing.T) {
	resources := recorded(t, sample())
	group := func(id string) string {
		return strings.TrimSuffix(strings.TrimPrefix(id, "network-group-"), ".id")
	}
	// peer is the other side of a rule, which has one.
	peer := func(r record.Resource) string {
		switch id, list, cidr := text(r, "referencedSecurityGroupId"), text(r, "prefixListId"), text(r, "cidrIpv4"); {
		case id != "" && list == "" && cidr == "":
			return group(id)
		case id == "" && list != "" && cidr == "":
			return "s3"
		case id == "" && list == "" && cidr == "0.0.0.0/0":
			return "world"
		default:
			t.Errorf("%s: group %q, list %q and range %q", r.Name, id, list, cidr)
			return ""
		}
	}
	described := regexp.MustCompile(`^[a-zA-Z0-9. _:/()#,@\[\]+=&;{}!$*-]{1,255}$`) // what EC2 takes
	ways := map[string][]string{"Ingress": nil, "Egress": nil}
	for way := range ways {
		typ := fmt.Sprintf("aws:vpc/securityGroup%[1]sRule:SecurityGroup%[1]sRule", way)
		for name, r := range ofType(resources, typ) {
			from, to := r.Inputs["fromPort"], r.Inputs["toPort"]
			if text(r, "ipProtocol") != "tcp" || !from.IsNumber() || !from.DeepEquals(to) {
				t.Errorf("%s opens more than a port: %v", name, r.Inputs)
				continue
			}
			if !described.MatchString(text(r, "description")) {
				t.Errorf("%s: EC2 refuses the description %q", name, text(r, "description"))
			}
			a, b := peer(r), group(text(r, "securityGroupId"))
			if way == "Egress" {
				a, b = b, a
			}
			ways[way] = append(ways[way], fmt.Sprintf("%s -> %s %v", a, b, from.NumberValue()))
		}
	}
	want := strings.Split(strings.TrimSpace(opened), "\n")
	for way, skip := range map[string]*regexp.Regexp{
		"Ingress": regexp.MustCompile(`-> (world|s3) `), // not ours to open
		"Egress":  regexp.MustCompile(`^world `),
	} {
		var wanted []string
		for _, flow := range want {
			if !skip.MatchString(flow) {
				wanted = append(wanted, flow)
			}
		}
		slices.Sort(ways[way])
		for _, flow := range ways[way] {
			if !slices.Contains(wanted, flow) {
				t.Errorf("%s: %s is open", way, flow)
			}
		}
		for _, flow := range wanted {
			if !slices.Contains(ways[way], flow) {
				t.Errorf("%s: %s is not open", way, flow)
			}
		}
	}
}

func TestNoGroupIsOpenedElsewhere(t *testing.T) {
	resources := recorded(t, sample())
	groups := ofType(resources, "aws:ec2/securityGroup:SecurityGroup")
	if len(groups) != 14 {
		t.Errorf("%d groups", len(groups))
	}
	for name, r := range groups {
		if len(texts(r, "ingress")) > 0 || r.Inputs.HasValue("ingress") || r.Inputs.HasValue("egress") {
			t.Errorf("%s has rules of its own: %v", name, r.Inputs)
		}
	}
	if old := ofType(resources, "aws:ec2/securityGroupRule:SecurityGroupRule"); len(old) > 0 {
		t.Errorf("rules of the older kind, which no test counts: %v", old)
	}
}
