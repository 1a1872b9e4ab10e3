package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/elasticache"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// MemcachedArgs say what the cache is made of.
type MemcachedArgs struct {
	Plan
	Network *Network
}

// Memcached is the nodes of the cache.
//
// It speaks in the clear, inside the VPC, to the security groups of the API and the
// workers alone: memcached's clients for Go know neither TLS nor passwords, and what it
// holds are copies of profiles and photos' descriptions, no secret and no session.
type Memcached struct {
	pulumi.ResourceState

	Cluster pulumi.StringOutput // as CloudWatch names it in the dimension CacheClusterId
}

// NewMemcached provisions the nodes and their names.
func NewMemcached(ctx *pulumi.Context, name string, args *MemcachedArgs, opts ...pulumi.ResourceOption) (*Memcached, error) {
	m := &Memcached{}
	if err := ctx.RegisterComponentResource("burbn:aws:Memcached", name, m, opts...); err != nil {
		return nil, err
	}
	family, err := memcachedFamily(args.Topology.AWS.Memcached.Version)
	if err != nil {
		return nil, err
	}
	id := args.resourceName("memcached")
	within := pulumi.Parent(m)
	parameters, err := elasticache.NewParameterGroup(ctx, name+"-parameters", &elasticache.ParameterGroupArgs{
		Name:        pulumi.String(args.resourceName(strings.ReplaceAll(family, ".", "-"))),
		Family:      pulumi.String(family),
		Description: pulumi.String("burbn " + args.Stack),
		Parameters: elasticache.ParameterGroupParameterArray{
			// Who finds no connection left is told so, and has a miss, rather than waits.
			elasticache.ParameterGroupParameterArgs{Name: pulumi.String("maxconns_fast"), Value: pulumi.String("1")},
		},
	}, within)
	if err != nil {
		return nil, err
	}
	subnets, err := elasticache.NewSubnetGroup(ctx, name+"-subnets", &elasticache.SubnetGroupArgs{
		Name: pulumi.String(id), Description: pulumi.String("burbn " + args.Stack + ": data subnets"), SubnetIds: ids(args.Network.Data),
	}, within)
	if err != nil {
		return nil, err
	}
	nodes := args.Placement.Of(images.Memcached)
	cluster, err := elasticache.NewCluster(ctx, name+"-cluster", &elasticache.ClusterArgs{
		ClusterId:                  pulumi.String(id),
		Engine:                     pulumi.String("memcached"),
		EngineVersion:              pulumi.String(args.Topology.AWS.Memcached.Version),
		NodeType:                   pulumi.String(args.Topology.AWS.Memcached.Node),
		NumCacheNodes:              pulumi.Int(len(nodes)),
		Port:                       pulumi.Int(int(images.PortMemcached)),
		ParameterGroupName:         parameters.Name,
		SubnetGroupName:            subnets.Name,
		SecurityGroupIds:           pulumi.StringArray{args.Network.Groups.Memcached},
		AzMode:                     pulumi.String(spread(len(nodes))),
		PreferredAvailabilityZones: pulumi.ToStringArray(args.zones(len(nodes))),
		ApplyImmediately:           pulumi.Bool(false),
		MaintenanceWindow:          pulumi.String("thu:09:00-thu:10:00"),
		// ElastiCache moves no node that exists, and would be asked to for ever.
	}, within, pulumi.IgnoreChanges([]string{"preferredAvailabilityZones"}))
	if err != nil {
		return nil, err
	}
	m.Cluster = cluster.ClusterId
	addresses := cluster.CacheNodes.ApplyT(inOrder).(pulumi.StringArrayOutput)
	for i, node := range nodes {
		if err := args.Network.pointTo(ctx, node, addresses.Index(pulumi.Int(i)), m); err != nil {
			return nil, err
		}
	}
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{"cluster": m.Cluster})
}

// memcachedFamily is the family of parameter groups of a version: "1.6.22" has
// "memcached1.6".
func memcachedFamily(version string) (string, error) {
	if !strings.HasPrefix(version, "1.6.") {
		return "", fmt.Errorf("memcached version %q: accepted is one such as 1.6.22", version)
	}
	return "memcached1.6", nil
}

// spread is the mode that ElastiCache wants to hear for a number of nodes.
func spread(nodes int) string {
	if nodes > 1 {
		return "cross-az"
	}
	return "single-az"
}

// zones are where the nodes lie, in turn: with a zone a share of the cache is lost.
func (args *MemcachedArgs) zones(nodes int) []string {
	var zones []string
	for i := range nodes {
		all := args.Topology.AWS.Network.Zones
		zones = append(zones, all[i%len(all)].Name)
	}
	return zones
}

// inOrder are the addresses of the nodes in the order of their ids, "0001" first:
// ElastiCache lists them in any.
func inOrder(nodes []elasticache.ClusterCacheNode) ([]string, error) {
	nodes = slices.Clone(nodes)
	for i, n := range nodes {
		if n.Id == nil || n.Address == nil {
			return nil, fmt.Errorf("memcached node %d of %d has no id or no address", i+1, len(nodes))
		}
	}
	slices.SortFunc(nodes, func(a, b elasticache.ClusterCacheNode) int { return strings.Compare(*a.Id, *b.Id) })
	var addresses []string
	for _, n := range nodes {
		addresses = append(addresses, *n.Address)
	}
	return addresses, nil
}
