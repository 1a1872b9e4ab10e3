package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// Groups are the security groups, one for each end of a connection.
type Groups struct {
	ALB, NLB                         pulumi.IDOutput
	Nginx, API, Worker, Push         pulumi.IDOutput
	Monitoring                       pulumi.IDOutput
	Postgres, Redis, Memcached       pulumi.IDOutput
	Migrate, Rotate, Bake, Endpoints pulumi.IDOutput
}

// Of is the group of a role's machines.
func (g Groups) Of(role images.Role) pulumi.IDOutput {
	return map[images.Role]pulumi.IDOutput{
		images.Nginx: g.Nginx, images.API: g.API, images.Worker: g.Worker, images.Push: g.Push, images.Monitoring: g.Monitoring,
	}[role]
}

// Ports that no machine of the target local has.
const (
	portPlain   images.Port = 80
	portTLS     images.Port = 443
	portJournal images.Port = 19532 // systemd-journal-remote
)

// Ends of a connection that are no security group.
const (
	theWorld  = "world"
	theBucket = "s3" // all of S3 in the region; the endpoint's policy says which buckets
)

// flow is who may open a connection to whom. What is in no flow is refused: by the
// group that it would come from, and again by the one that it would go to.
type flow struct {
	from []string
	to   string
	port images.Port
	why  string
}

// flows are all connections that there are. Names and the time need none: Amazon's
// resolver and clock are reached past every group. Operators need none either: they
// come through Systems Manager, whose agent calls out.
func flows() []flow {
	machines := []string{"nginx", "api", "worker", "push", "monitoring"}
	services := []string{"api", "worker", "push"}
	fleets := append([]string{"nginx"}, services...)
	functions := []string{"migrate", "rotate"}
	return []flow{
		// A request, from the phone to the stores.
		{[]string{theWorld}, "alb", portTLS, "requests of phones"},
		{[]string{theWorld}, "alb", portPlain, "is sent on to 443"},
		{[]string{"alb"}, "nginx", images.PortHTTP, "requests"},
		{[]string{"alb"}, "nginx", images.PortStatus, "health"},
		{[]string{"nginx"}, "nlb", images.PortHTTP, "requests"},
		{[]string{"nlb"}, "api", images.PortHTTP, "requests"},
		{[]string{"nlb"}, "api", images.PortAdmin, "health"},
		{services, "postgres", images.PortPostgres, "their poolers; tasks"},
		{[]string{"api", "worker"}, "redis", images.PortRedis, "feeds, sessions, media map"},
		{[]string{"api", "worker"}, "memcached", images.PortMemcached, "cache"},

		// What is done to the databases besides.
		{functions, "postgres", images.PortPostgres, "migrations, new passwords"},

		// Watching.
		{[]string{"monitoring"}, "postgres", images.PortPostgres, "exporter"},
		{[]string{"monitoring"}, "redis", images.PortRedis, "exporter"},
		{[]string{"monitoring"}, "memcached", images.PortMemcached, "exporter"},
		{[]string{"monitoring"}, "nginx", images.PortNginxExporter, "metrics of nginx"},
		{[]string{"monitoring"}, "nginx", images.PortNodeExporter, "metrics of the machine"},
		{[]string{"monitoring"}, "api", images.PortNodeExporter, "metrics of the machine"},
		{[]string{"monitoring"}, "api", images.PortAdmin, "metrics of the service"},
		{[]string{"monitoring"}, "worker", images.PortNodeExporter, "metrics of the machine"},
		{[]string{"monitoring"}, "worker", images.PortAdmin, "metrics of the service"},
		{[]string{"monitoring"}, "push", images.PortNodeExporter, "metrics of the machine"},
		{[]string{"monitoring"}, "push", images.PortAdmin, "metrics of the service"},
		{fleets, "monitoring", portJournal, "journal"},

		// Amazon's services. The bakery is a machine while it bakes.
		{append(machines, "bake"), "endpoints", portTLS, "secrets, Systems Manager, lifecycle hooks"},
		{functions, "endpoints", portTLS, "secrets"},
		{append(machines, "bake"), theBucket, portTLS, "releases, photos"},

		// The rest of the world, through the NAT gateways. nginx has nothing to say there.
		{[]string{"api"}, theWorld, portTLS, "Sentry"},
		{[]string{"worker"}, theWorld, portTLS, "Facebook, X, CloudFront, Sentry, CloudWatch"},
		{[]string{"push"}, theWorld, portTLS, "APNs, Sentry"},
		{[]string{"monitoring"}, theWorld, portTLS, "the pager; EC2, whose machines it watches"},
		{[]string{"bake"}, theWorld, portTLS, "packages, EC2 Image Builder"},
		{[]string{"bake"}, theWorld, portPlain, "packages of Debian, which are signed"},
	}
}

// ends are the groups by the names that the flows use, and what each is of.
func (g *Groups) ends() []end {
	return []end{
		{"alb", "Load balancer that phones reach", &g.ALB},
		{"nlb", "Load balancer between nginx and the API", &g.NLB},
		{"nginx", "nginx machines", &g.Nginx},
		{"api", "API machines", &g.API},
		{"worker", "Worker machines", &g.Worker},
		{"push", "Push machines", &g.Push},
		{"monitoring", "The machine that watches", &g.Monitoring},
		{"postgres", "PostgreSQL primaries and replicas", &g.Postgres},
		{"redis", "Redis cluster", &g.Redis},
		{"memcached", "memcached nodes", &g.Memcached},
		{"migrate", "Function that migrates the databases", &g.Migrate},
		{"rotate", "Function that changes the passwords of the databases", &g.Rotate},
		{"bake", "Machines that bake machine images", &g.Bake},
		{"endpoints", "Endpoints of the services of Amazon", &g.Endpoints},
	}
}

type end struct {
	name, of string
	id       *pulumi.IDOutput
}

// firewall provisions the groups. Their rules need the endpoint of S3 and come after it.
func (b *networkBuilder) firewall() error {
	for _, e := range b.Groups.ends() {
		group, err := ec2.NewSecurityGroup(b.ctx, b.name+"-group-"+e.name, &ec2.SecurityGroupArgs{
			VpcId: b.VPC,
			// A change of it would replace the group and with it what is in it.
			Description: pulumi.String(e.of),
			Tags:        b.tags(e.name),
		}, b.within)
		if err != nil {
			return err
		}
		*e.id = group.ID()
	}
	return nil
}

// rules opens the groups for the flows, each on both of its sides.
func (b *networkBuilder) rules(s3List pulumi.StringInput) error {
	groups := map[string]pulumi.IDOutput{}
	for _, e := range b.Groups.ends() {
		groups[e.name] = *e.id
	}
	for _, f := range flows() {
		for _, from := range f.from {
			name := fmt.Sprintf("%s-%s-to-%s-%d", b.name, from, f.to, f.port)
			source, ours := groups[from]
			if !ours && from != theWorld {
				return fmt.Errorf("the flow to %s:%d comes from %q, which is no end", f.to, f.port, from)
			}
			target, theirs := groups[f.to]
			if !theirs && f.to != theWorld && f.to != theBucket {
				return fmt.Errorf("the flow from %s goes to %q, which is no end", from, f.to)
			}
			if ours {
				out := &vpc.SecurityGroupEgressRuleArgs{
					SecurityGroupId: source, IpProtocol: pulumi.String("tcp"), FromPort: pulumi.Int(int(f.port)), ToPort: pulumi.Int(int(f.port)),
					Description: pulumi.String(fmt.Sprintf("to %s: %s", f.to, f.why)),
				}
				switch {
				case theirs:
					out.ReferencedSecurityGroupId = target.ToStringOutput()
				case f.to == theBucket:
					out.PrefixListId = s3List.ToStringOutput()
				default:
					out.CidrIpv4 = pulumi.String(anywhere)
				}
				r, err := vpc.NewSecurityGroupEgressRule(b.ctx, name+"-out", out, b.within)
				if err != nil {
					return err
				}
				b.Ready = append(b.Ready, r)
			}
			if theirs {
				in := &vpc.SecurityGroupIngressRuleArgs{
					SecurityGroupId: target, IpProtocol: pulumi.String("tcp"), FromPort: pulumi.Int(int(f.port)), ToPort: pulumi.Int(int(f.port)),
					Description: pulumi.String(fmt.Sprintf("from %s: %s", from, f.why)),
				}
				if ours {
					in.ReferencedSecurityGroupId = source.ToStringOutput()
				} else {
					in.CidrIpv4 = pulumi.String(anywhere)
				}
				r, err := vpc.NewSecurityGroupIngressRule(b.ctx, name+"-in", in, b.within)
				if err != nil {
					return err
				}
				b.Ready = append(b.Ready, r)
			}
		}
	}
	return nil
}
