package guard

import (
	"fmt"
	"strings"
)

const (
	anywhere  = "0.0.0.0/0"
	anywhere6 = "::/0"
)

// edge is a connection that somebody may open. It says what a request, a photo and
// those who watch need, from the product's point of view: it is not made of the table
// that the groups are made of.
type edge struct {
	from, to string // the last words of the groups' names; "world"; "s3"
	ports    []int
}

// edges are all that is permitted.
func edges() []edge {
	var es []edge
	// A request: phones, the ALB, nginx, the NLB, the API.
	es = append(es,
		edge{"world", "alb", []int{80, 443}},
		edge{"alb", "nginx", []int{8080, 8082}}, // requests; health
		edge{"nginx", "nlb", []int{8080}},
		edge{"nlb", "api", []int{8080, 8081}}, // requests; health
	)
	// What the services keep, and where.
	for _, service := range []string{"api", "worker", "push"} {
		es = append(es, edge{service, "postgres", []int{5432}})
	}
	for _, service := range []string{"api", "worker"} {
		es = append(es, edge{service, "redis", []int{6379}}, edge{service, "memcached", []int{11211}})
	}
	// Whoever changes the databases themselves.
	for _, function := range []string{"migrate", "rotate"} {
		es = append(es, edge{function, "postgres", []int{5432}}, edge{function, "endpoints", []int{443}})
	}
	// Watching: metrics are fetched, journals are sent.
	es = append(es,
		edge{"monitoring", "postgres", []int{5432}}, edge{"monitoring", "redis", []int{6379}}, edge{"monitoring", "memcached", []int{11211}})
	for _, fleet := range []string{"nginx", "api", "worker", "push"} {
		es = append(es, edge{"monitoring", fleet, []int{8081, 8082, 9100, 9113}}, edge{fleet, "monitoring", []int{19532}})
	}
	// Amazon's services, and releases and photos in S3.
	for _, machine := range []string{"nginx", "api", "worker", "push", "monitoring", "bake"} {
		es = append(es, edge{machine, "endpoints", []int{443}}, edge{machine, "s3", []int{443}})
	}
	// Sentry; Facebook and X; Apple; the pager; Debian's packages, which are signed. nginx
	// has nobody to speak to outside.
	for _, machine := range []string{"api", "worker", "push", "monitoring"} {
		es = append(es, edge{machine, "world", []int{443}})
	}
	return append(es, edge{"bake", "world", []int{80, 443}})
}

// flowRules keep connections to the path of a request.
func flowRules() []Rule {
	return []Rule{
		{
			ID: "public-ingress", Says: "The world may open connections to the ALB alone, to ports 80 and 443",
			Why: "everything else is reached through it, or not at all", check: publicIngress,
		},
		{
			ID: "flows", Says: "Security groups open along the path of a request and for those who watch it, and not else",
			Why: "whoever takes over an nginx must not reach a database", check: flows,
		},
		{
			ID: "described", Says: "Every security group and every rule of one says what it is for",
			Why: "a rule that nobody can explain is never removed",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of("aws:ec2/securityGroup:SecurityGroup") {
					if d := r.text("description"); d == "" || d == "Managed by Pulumi" {
						refuse(r, "it has no description")
					}
				}
				for _, f := range s.flows() {
					if f.r.text("description") == "" {
						refuse(f.r, "it has no description")
					}
				}
			},
		},
		{
			ID: "groups-have-no-rules-inside", Says: "Rules stand beside their groups, never in them, and the VPC's own group has none",
			Why: "Amazon's provider removes the ones for the others' sake; whoever forgets a group gets the VPC's own",
			check: func(s *State, refuse refuse) {
				for _, typ := range []string{"aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"} {
					for _, r := range s.of(typ) {
						if len(r.list("ingress"))+len(r.list("egress")) > 0 {
							refuse(r, "it has rules of its own")
						}
					}
				}
			},
		},
		{
			ID: "group-quota", Says: "A security group has at most 60 rules in each direction",
			Why: "that is an account's quota: the 61st is refused in the middle of a deployment",
			check: func(s *State, refuse refuse) {
				many := map[string]int{}
				for _, f := range s.flows() {
					key := fmt.Sprintf("%s %t", f.group, f.in)
					if many[key]++; many[key] == 61 {
						refuse(f.r, "it is the 61st rule of %s in its direction: accepted are 60", f.group)
					}
				}
			},
		},
	}
}

// flow is what a rule of a group opens.
type flow struct {
	r          Resource
	in         bool
	group      string // whose rule it is
	peer       string
	cidr       string
	protocol   string
	first, end int
}

// flows are the recorded rules of all groups.
func (s *State) flows() []flow {
	var fs []flow
	for typ, in := range map[string]bool{
		"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": true,
		"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":   false,
	} {
		for _, r := range s.of(typ) {
			f := flow{
				r: r, in: in, group: s.end(r.text("securityGroupId")), peer: s.end(r.text("referencedSecurityGroupId")),
				protocol: r.text("ipProtocol"), first: int(r.number("fromPort")), end: int(r.number("toPort")),
			}
			fs = append(fs, f.to(r.text("cidrIpv4"), r.text("cidrIpv6"), r.text("prefixListId")))
		}
	}
	for _, r := range s.of("aws:ec2/securityGroupRule:SecurityGroupRule") {
		f := flow{
			r: r, in: r.text("type") == "ingress", group: s.end(r.text("securityGroupId")), peer: s.end(r.text("sourceSecurityGroupId")),
			protocol: r.text("protocol"), first: int(r.number("fromPort")), end: int(r.number("toPort")),
		}
		if r.on("self") {
			f.peer = f.group
		}
		cidrs := append(append(r.texts("cidrBlocks"), r.texts("ipv6CidrBlocks")...), "")
		lists := append(r.texts("prefixListIds"), "")
		fs = append(fs, f.to(cidrs[0], "", lists[0]))
		for _, more := range cidrs[1:] {
			if more != "" {
				fs = append(fs, f.to(more, "", ""))
			}
		}
	}
	return fs
}

// to fills in a peer that is no group.
func (f flow) to(cidr, cidr6, prefixes string) flow {
	switch {
	case cidr == anywhere || cidr6 == anywhere6 || cidr == anywhere6:
		f.peer, f.cidr = "world", anywhere
	case cidr+cidr6 != "":
		f.peer, f.cidr = cidr+cidr6, cidr+cidr6
	case prefixes != "":
		f.peer = "s3" // the one list that this network uses
	}
	return f
}

// end is what stands behind a group: the last word of its logical name.
func (s *State) end(group string) string {
	r, ok := s.ref("aws:ec2/securityGroup:SecurityGroup", group)
	if !ok {
		return group
	}
	return r.Name[strings.LastIndex(r.Name, "-")+1:]
}

func (f flow) String() string {
	from, to := f.group, f.peer
	if f.in {
		from, to = to, from
	}
	return fmt.Sprintf("%s to %s, %s %d-%d", from, to, f.protocol, f.first, f.end)
}

func publicIngress(s *State, refuse refuse) {
	for _, f := range s.flows() {
		if f.in && f.peer == "world" && !(f.group == "alb" && f.protocol == "tcp" && f.first == f.end && (f.first == 80 || f.first == 443)) {
			refuse(f.r, "it opens %s: accepted is the ALB's 80 and 443", f)
		}
	}
}

func flows(s *State, refuse refuse) {
	permitted := map[string]bool{}
	for _, e := range edges() {
		for _, port := range e.ports {
			permitted[fmt.Sprintf("%s to %s, tcp %d-%d", e.from, e.to, port, port)] = true
		}
	}
	for _, f := range s.flows() {
		if !permitted[f.String()] && !(f.in && f.peer == "world") { // which is another rule's
			refuse(f.r, "it opens %s, which is not on the path of a request", f)
		}
	}
}
