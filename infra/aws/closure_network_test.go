package aws_test

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
)

const world = "0.0.0.0/0"

// reaches says whether both groups' rules let a connection through. Either end may be
// the world; what a machine opens to S3 goes by a prefix list.
func (a account) reaches(from, to []string, port int) bool {
	permits := func(typ, of, other string) bool {
		_, ok := a.find(typ, func(r record.Resource) bool {
			first, _ := strconv.Atoi(attr(r, "fromPort"))
			last, _ := strconv.Atoi(attr(r, "toPort"))
			return attr(r, "securityGroupId") == of && attr(r, "ipProtocol") == "tcp" && first <= port && port <= last &&
				slices.Contains([]string{attr(r, "referencedSecurityGroupId"), attr(r, "cidrIpv4"), attr(r, "prefixListId")}, other)
		})
		return ok
	}
	const egress, ingress = "vpc/securityGroupEgressRule:SecurityGroupEgressRule", "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	out := slices.ContainsFunc(from, func(f string) bool {
		return f == world || slices.ContainsFunc(to, func(t string) bool { return permits(egress, f, t) })
	})
	in := slices.ContainsFunc(to, func(t string) bool {
		return t == world || strings.HasPrefix(t, "pl-") || slices.ContainsFunc(from, func(f string) bool { return permits(ingress, t, f) })
	})
	return out && in
}

// end is what a name of Amazon's leads to.
type end struct {
	resource record.Resource
	groups   []string // ids of its security groups
}

// ends are what Amazon gives names or addresses to, by these.
func (a account) ends() map[string]end {
	ends := map[string]end{}
	put := func(name resource.PropertyValue, r record.Resource, groups resource.PropertyKey) {
		ends[str(name)] = end{r, strs(r.Inputs[groups])}
	}
	for _, r := range a.of("rds/instance:Instance") {
		put(outputs(r)["address"], r, "vpcSecurityGroupIds")
	}
	for _, r := range a.of("elasticache/replicationGroup:ReplicationGroup") {
		endpoint := outputs(r)["configurationEndpointAddress"]
		put(endpoint, r, "securityGroupIds")
		for _, node := range strs(outputs(r)["memberClusters"]) {
			put(resource.NewProperty(strings.Replace(str(endpoint), "clustercfg", node, 1)), r, "securityGroupIds")
		}
	}
	for _, r := range a.of("elasticache/cluster:Cluster") {
		for i := range outputs(r)["cacheNodes"].ArrayValue() {
			put(input(outputs(r), "cacheNodes", i, "address"), r, "securityGroupIds")
		}
	}
	for _, r := range a.of("lb/loadBalancer:LoadBalancer") {
		put(outputs(r)["dnsName"], r, "securityGroups")
	}
	for _, r := range a.of("ec2/instance:Instance") {
		put(outputs(r)["privateIp"], r, "vpcSecurityGroupIds")
	}
	for _, r := range a.of("cloudfront/distribution:Distribution") {
		ends[fake.ID(r.Name)] = end{r, nil} // a name that says its id
	}
	return ends
}

// resolve is what a name of the private zone leads to, and the port where the record
// says one.
func (a account) resolve(name string) ([]end, int, error) {
	r, ok := a.byInput("route53/record:Record", "name", name)
	if !ok {
		return nil, 0, fmt.Errorf("%s is in no zone", name)
	}
	zone, ok := a.byID("route53/zone:Zone", attr(r, "zoneId"))
	if !ok || attr(zone, "name") != a.zone() {
		return nil, 0, fmt.Errorf("%s is not in the private zone", name)
	}
	targets, port := strs(r.Inputs["records"]), 0
	if alias := str(input(r.Inputs, "aliases", 0, "name")); alias != "" {
		targets = append(targets, alias)
	}
	known := a.ends()
	var ends []end
	for _, target := range targets {
		if fields := strings.Fields(target); len(fields) == 4 && attr(r, "type") == "SRV" {
			target = fields[3]
			port, _ = strconv.Atoi(fields[2])
		}
		e, ok := known[target]
		if !ok {
			return nil, 0, fmt.Errorf("%s leads to %s, which there is not", name, target)
		}
		ends = append(ends, e)
	}
	if len(ends) == 0 {
		return nil, 0, fmt.Errorf("%s leads nowhere", name)
	}
	return ends, port, nil
}

// connects asks of every name in a machine's files whether there is one, and of every
// port whether the machine reaches it and something answers there.
func (a account) connects(m machine, files map[string]string) []string {
	var problems []string
	refuse := func(format string, args ...any) {
		problems = append(problems, m.resource.Name+": "+fmt.Sprintf(format, args...))
	}
	zone := regexp.QuoteMeta(a.zone())
	named := regexp.MustCompile(`((?:[a-z0-9_-]+\.)+)` + zone + `(?::([0-9]+)| port=([0-9]+))?`)
	seen := map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		for _, found := range named.FindAllStringSubmatch(files[file], -1) {
			name, port := found[1]+a.zone(), found[2]+found[3]
			if seen[name+port] || a.unused(m.role, file, name) {
				continue
			}
			seen[name+port] = true
			ends, listed, err := a.resolve(name)
			if err != nil {
				refuse("%s: %v", file, err)
				continue
			}
			p, _ := strconv.Atoi(port)
			if p == 0 {
				p = listed
			}
			for _, e := range ends {
				if p != 0 && !a.reaches(m.groups, e.groups, p) {
					refuse("%s: no way to %s, which is %s, at %d", file, name, e.resource.Name, p)
				}
				if p != 0 && !a.answers(e.resource, p) {
					refuse("%s: %s, which is %s, does not answer at %d", file, name, e.resource.Name, p)
				}
			}
		}
		for _, address := range regexp.MustCompile(`"(https://[^"]+)"`).FindAllStringSubmatch(files[file], -1) {
			if u, err := url.Parse(address[1]); err != nil || strings.HasPrefix(file, "/etc/") && path.Ext(file) == ".json" && u.Port() == "" && !a.reaches(m.groups, []string{world}, 443) {
				refuse("%s: no way to %s (%v)", file, address[1], err)
			}
		}
	}
	if len(seen) == 0 {
		refuse("its files name nobody")
	}
	return problems
}

// unused are the names that a document holds and nobody connects to: a push process is
// told of the same stores as the others, and reads the databases alone.
func (a account) unused(role, file, name string) bool {
	return role == "push" && file == "/etc/burbn/push.json" && (strings.HasPrefix(name, "redis.") || strings.HasPrefix(name, "memcached-"))
}

// answers says whether what Amazon runs has the port. Of a machine of ours its units
// are asked; see listens.
func (a account) answers(r record.Resource, port int) bool {
	switch r.Type {
	case "aws:lb/loadBalancer:LoadBalancer":
		_, ok := a.find("lb/listener:Listener", func(l record.Resource) bool {
			return attr(l, "loadBalancerArn") == str(outputs(r)["arn"]) && attr(l, "port") == strconv.Itoa(port)
		})
		return ok
	case "aws:ec2/instance:Instance":
		return true
	default:
		return attr(r, "port") == strconv.Itoa(port)
	}
}

// listens are the ports at which a machine's units take connections from outside, by
// what their files say.
func listens(files map[string]string) []int {
	var ports []int
	for file, content := range files {
		if path.Dir(file) != "/etc/systemd/system" {
			continue
		}
		for _, line := range regexp.MustCompile(`(?m)^Listen=(.*)$`).FindAllStringSubmatch(content, -1) {
			for _, addr := range strings.Fields(line[1]) {
				if port, ok := strings.CutPrefix(addr, "0.0.0.0:"); ok {
					n, _ := strconv.Atoi(port)
					ports = append(ports, n)
				}
			}
		}
	}
	return ports
}

// asksAmazon says what of Amazon's services a machine needs to boot and cannot reach.
func (a account) asksAmazon(m machine) []string {
	var problems []string
	lists := false
	for _, e := range a.of("ec2/vpcEndpoint:VpcEndpoint") {
		if strings.HasSuffix(attr(e, "serviceName"), ".s3") {
			lists = a.reaches(m.groups, []string{str(outputs(e)["prefixListId"])}, 443)
		}
	}
	if !lists {
		problems = append(problems, m.resource.Name+": no way to S3")
	}
	problems = append(problems, a.asksS3(m)...)
	for _, service := range []string{"secretsmanager", "autoscaling", "ssm", "ssmmessages"} {
		e, ok := a.byInput("ec2/vpcEndpoint:VpcEndpoint", "serviceName", "com.amazonaws."+a.region+"."+service)
		if !ok || !a.reaches(m.groups, strs(e.Inputs["securityGroupIds"]), 443) {
			problems = append(problems, m.resource.Name+": no way to "+service)
		}
	}
	return problems
}

// asksS3 says what a machine's role may ask of S3 and the endpoint on the way there does
// not let through.
func (a account) asksS3(m machine) []string {
	e, ok := a.byInput("ec2/vpcEndpoint:VpcEndpoint", "serviceName", "com.amazonaws."+a.region+".s3")
	role, there := a.byInput("iam/rolePolicy:RolePolicy", "role", m.identity)
	if !ok || !there {
		return []string{m.resource.Name + ": no endpoint of S3, or no policy"}
	}
	through, err := grants(e)
	if err != nil {
		return []string{err.Error()}
	}
	asked, err := grants(role)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, g := range asked {
		for _, action := range g.actions {
			for _, on := range g.resources {
				if strings.HasPrefix(action, "s3:") && !slices.ContainsFunc(through, func(t grant) bool { return t.covers(action, on) }) {
					problems = append(problems, fmt.Sprintf("%s: %s lets no %s on %s through", m.resource.Name, e.Name, action, on))
				}
			}
		}
	}
	return problems
}
