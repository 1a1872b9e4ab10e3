package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/topology"
)

// NetworkArgs say what the network is made of.
type NetworkArgs struct {
	Plan
	Keys    *Keys
	Account string
}

// Network is the VPC and its subnets over the zones, the ways out of it, the private
// zone of names, and the security groups, which open along the path of a request alone.
type Network struct {
	pulumi.ResourceState

	VPC         pulumi.IDOutput
	PrivateZone pulumi.IDOutput // Route 53
	// Public, App and Data are subnets in the order of the topology's zones.
	Public, App, Data []pulumi.IDOutput
	Groups            Groups
	// Internet is the public subnets' way to it, without which Elastic Load Balancing makes
	// no balancer that faces it.
	Internet pulumi.Resource
	// Ready are what must be there before a machine can reach anything.
	Ready []pulumi.Resource
}

// anywhere is every address of IPv4. There is no IPv6 in the VPC: a phone in a network
// of IPv6 alone comes through its carrier's NAT64, or through CloudFront, which has it.
const anywhere = "0.0.0.0/0"

// NewNetwork provisions the network. What belongs to a zone has the zone in its logical
// name, so that a zone more changes nothing of the others'.
func NewNetwork(ctx *pulumi.Context, name string, args *NetworkArgs, opts ...pulumi.ResourceOption) (*Network, error) {
	n := &Network{}
	if err := ctx.RegisterComponentResource("burbn:aws:Network", name, n, opts...); err != nil {
		return nil, err
	}
	b := networkBuilder{Network: n, ctx: ctx, name: name, args: args, within: pulumi.Parent(n)}
	for _, step := range []func() error{b.vpc, b.tiers, b.zones, b.firewall, b.endpoints, b.flowLogs} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{"vpc": n.VPC, "privateZone": n.PrivateZone})
}

// networkBuilder is a network while it is being provisioned, a step after the other.
type networkBuilder struct {
	*Network
	ctx    *pulumi.Context
	name   string
	args   *NetworkArgs
	within pulumi.ResourceOption

	// Route tables: public and data are one each, app is one a zone.
	public, data *ec2.RouteTable
	app          []*ec2.RouteTable
	// Network ACLs: what is not data's is open, for it is the groups that decide.
	open, closed *ec2.NetworkAcl
}

// tags give what the console would else show by its id the name of the stack and part.
func (b *networkBuilder) tags(part string) pulumi.StringMap {
	return pulumi.StringMap{"Name": pulumi.String(b.args.resourceName(part))}
}

// vpc is the network itself, its names, and the defaults that come with it, emptied:
// what is attached to nothing else can reach nothing.
func (b *networkBuilder) vpc() error {
	vpc, err := ec2.NewVpc(b.ctx, b.name+"-vpc", &ec2.VpcArgs{
		CidrBlock: pulumi.String(b.args.Topology.AWS.Network.CIDR),
		// Both are needed for the private zone and the endpoints' own names.
		EnableDnsHostnames: pulumi.Bool(true),
		EnableDnsSupport:   pulumi.Bool(true),
		Tags:               b.tags("vpc"),
	}, b.within)
	if err != nil {
		return err
	}
	b.VPC = vpc.ID()
	if _, err := ec2.NewDefaultSecurityGroup(b.ctx, b.name+"-default-group", &ec2.DefaultSecurityGroupArgs{
		VpcId: vpc.ID(), Tags: b.tags("unused"),
	}, b.within); err != nil {
		return err
	}
	if _, err := ec2.NewDefaultRouteTable(b.ctx, b.name+"-default-routes", &ec2.DefaultRouteTableArgs{
		DefaultRouteTableId: vpc.DefaultRouteTableId, Routes: ec2.DefaultRouteTableRouteArray{}, Tags: b.tags("unused"),
	}, b.within); err != nil {
		return err
	}
	// A subnet is this ACL's until it has its own, which is nothing to be mended.
	if _, err := ec2.NewDefaultNetworkAcl(b.ctx, b.name+"-default-acl", &ec2.DefaultNetworkAclArgs{
		DefaultNetworkAclId: vpc.DefaultNetworkAclId, Tags: b.tags("unused"),
	}, b.within, pulumi.IgnoreChanges([]string{"subnetIds"})); err != nil {
		return err
	}
	names, err := route53.NewZone(b.ctx, b.name+"-names", &route53.ZoneArgs{
		Name:    pulumi.String(zone(b.args.Stack)),
		Comment: pulumi.String("Machines of the stack " + b.args.Stack + ", by the names that their settings use"),
		Vpcs:    route53.ZoneVpcArray{route53.ZoneVpcArgs{VpcId: vpc.ID()}},
	}, b.within)
	if err != nil {
		return err
	}
	b.PrivateZone = names.ID()
	return nil
}

// tiers are the route tables and ACLs that the zones share.
func (b *networkBuilder) tiers() error {
	gateway, err := ec2.NewInternetGateway(b.ctx, b.name+"-internet", &ec2.InternetGatewayArgs{
		VpcId: b.VPC, Tags: b.tags("internet"),
	}, b.within)
	if err != nil {
		return err
	}
	if b.public, err = b.routes("public"); err != nil {
		return err
	}
	// No route leads out of the data tier, whatever a group says.
	if b.data, err = b.routes("data"); err != nil {
		return err
	}
	out, err := ec2.NewRoute(b.ctx, b.name+"-public-out", &ec2.RouteArgs{
		RouteTableId: b.public.ID(), DestinationCidrBlock: pulumi.String(anywhere), GatewayId: gateway.ID(),
	}, b.within)
	if err != nil {
		return err
	}
	b.Internet, b.Ready = out, append(b.Ready, out)
	if b.open, err = b.acl("open", anywhere); err != nil {
		return err
	}
	b.closed, err = b.acl("data", b.args.Topology.AWS.Network.CIDR)
	return err
}

func (b *networkBuilder) routes(part string) (*ec2.RouteTable, error) {
	return ec2.NewRouteTable(b.ctx, b.name+"-"+part, &ec2.RouteTableArgs{VpcId: b.VPC, Tags: b.tags(part)}, b.within)
}

// acl lets a subnet speak with a range of addresses. It knows no connections, so that
// the ports of the answers had to be open too: ports are the groups' matter.
func (b *networkBuilder) acl(part, cidr string) (*ec2.NetworkAcl, error) {
	return ec2.NewNetworkAcl(b.ctx, b.name+"-acl-"+part, &ec2.NetworkAclArgs{
		VpcId: b.VPC,
		Ingress: ec2.NetworkAclIngressArray{ec2.NetworkAclIngressArgs{
			RuleNo: pulumi.Int(100), Action: pulumi.String("allow"), Protocol: pulumi.String("-1"),
			CidrBlock: pulumi.String(cidr), FromPort: pulumi.Int(0), ToPort: pulumi.Int(0),
		}},
		Egress: ec2.NetworkAclEgressArray{ec2.NetworkAclEgressArgs{
			RuleNo: pulumi.Int(100), Action: pulumi.String("allow"), Protocol: pulumi.String("-1"),
			CidrBlock: pulumi.String(cidr), FromPort: pulumi.Int(0), ToPort: pulumi.Int(0),
		}},
		Tags: b.tags(part),
	}, b.within)
}

// zones are the subnets, and the ways out of those of the machines.
func (b *networkBuilder) zones() error {
	var nat *ec2.NatGateway
	for _, z := range b.args.Topology.AWS.Network.Zones {
		public, err := b.subnet("public", z.Name, z.Public, b.public, b.open)
		if err != nil {
			return err
		}
		app, err := b.routes("app-" + z.Name)
		if err != nil {
			return err
		}
		b.app = append(b.app, app)
		machines, err := b.subnet("app", z.Name, z.App, app, b.open)
		if err != nil {
			return err
		}
		data, err := b.subnet("data", z.Name, z.Data, b.data, b.closed)
		if err != nil {
			return err
		}
		b.Public, b.App, b.Data = append(b.Public, public.ID()), append(b.App, machines.ID()), append(b.Data, data.ID())
		// One gateway for all is in the first zone, where a small stack has its machines.
		if nat == nil || !b.oneNAT() {
			if nat, err = b.nat(z, public); err != nil {
				return err
			}
		}
		out, err := ec2.NewRoute(b.ctx, b.name+"-app-"+z.Name+"-out", &ec2.RouteArgs{
			RouteTableId: app.ID(), DestinationCidrBlock: pulumi.String(anywhere), NatGatewayId: nat.ID(),
		}, b.within)
		if err != nil {
			return err
		}
		b.Ready = append(b.Ready, out)
	}
	return nil
}

// oneNAT says whether the stack saves on what is bought by the zone.
func (b *networkBuilder) oneNAT() bool { return b.args.Topology.AWS.Network.NAT == "one" }

// subnet gives nothing in it a public address: what has one asks for it.
func (b *networkBuilder) subnet(tier, zone, cidr string, routes *ec2.RouteTable, acl *ec2.NetworkAcl) (*ec2.Subnet, error) {
	name := fmt.Sprintf("%s-%s-%s", b.name, tier, zone)
	s, err := ec2.NewSubnet(b.ctx, name, &ec2.SubnetArgs{
		VpcId:               b.VPC,
		AvailabilityZone:    pulumi.String(zone),
		CidrBlock:           pulumi.String(cidr),
		MapPublicIpOnLaunch: pulumi.Bool(false),
		Tags:                b.tags(tier + "-" + zone),
	}, b.within)
	if err != nil {
		return nil, err
	}
	routed, err := ec2.NewRouteTableAssociation(b.ctx, name+"-routes", &ec2.RouteTableAssociationArgs{
		SubnetId: s.ID(), RouteTableId: routes.ID(),
	}, b.within)
	if err != nil {
		return nil, err
	}
	filtered, err := ec2.NewNetworkAclAssociation(b.ctx, name+"-acl", &ec2.NetworkAclAssociationArgs{
		SubnetId: s.ID(), NetworkAclId: acl.ID(),
	}, b.within)
	b.Ready = append(b.Ready, routed, filtered)
	return s, err
}

func (b *networkBuilder) nat(z topology.Zone, public *ec2.Subnet) (*ec2.NatGateway, error) {
	address, err := ec2.NewEip(b.ctx, b.name+"-nat-"+z.Name+"-address", &ec2.EipArgs{
		Domain: pulumi.String("vpc"), Tags: b.tags("nat-" + z.Name),
	}, b.within)
	if err != nil {
		return nil, err
	}
	return ec2.NewNatGateway(b.ctx, b.name+"-nat-"+z.Name, &ec2.NatGatewayArgs{
		AllocationId: address.ID(), SubnetId: public.ID(), Tags: b.tags("nat-" + z.Name),
	}, b.within, pulumi.DependsOn([]pulumi.Resource{b.Internet})) // it is refused without
}
