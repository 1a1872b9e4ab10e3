package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/elasticache"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// RedisArgs say what the cluster is made of.
type RedisArgs struct {
	Plan
	Keys    *Keys
	Network *Network
	Secrets *Secrets
}

// Redis is the cluster of feeds, sessions and the media map. CloudWatch alone tells of
// its troubles: ElastiCache cannot publish to a topic that is encrypted.
type Redis struct {
	pulumi.ResourceState

	// Nodes are the ids of all nodes, as CloudWatch names them in the dimension
	// CacheClusterId. They are chosen by ElastiCache, but predictable.
	Nodes []string
}

// NewRedis provisions the cluster and its name.
func NewRedis(ctx *pulumi.Context, name string, args *RedisArgs, opts ...pulumi.ResourceOption) (*Redis, error) {
	r := &Redis{}
	if err := ctx.RegisterComponentResource("burbn:aws:Redis", name, r, opts...); err != nil {
		return nil, err
	}
	c, masters := args.Topology.AWS.Redis, args.Topology.Redis.Masters
	id := args.resourceName("redis")
	for master := range masters {
		for node := range 1 + c.Replicas {
			r.Nodes = append(r.Nodes, fmt.Sprintf("%s-%04d-%03d", id, master+1, node+1))
		}
	}
	parameters, err := r.parameterGroup(ctx, name, args)
	if err != nil {
		return nil, err
	}
	subnets, err := elasticache.NewSubnetGroup(ctx, name+"-subnets", &elasticache.SubnetGroupArgs{
		Name: pulumi.String(id), Description: pulumi.String("burbn " + args.Stack + ": data subnets"), SubnetIds: ids(args.Network.Data),
	}, pulumi.Parent(r))
	if err != nil {
		return nil, err
	}
	a := &elasticache.ReplicationGroupArgs{
		ReplicationGroupId: pulumi.String(id),
		Description:        pulumi.String("burbn " + args.Stack + ": feeds, sessions, media map"),
		Engine:             pulumi.String(c.Engine),
		EngineVersion:      pulumi.String(c.Version),
		NodeType:           pulumi.String(c.Node),
		Port:               pulumi.Int(int(images.PortRedis)),
		ParameterGroupName: parameters.Name,

		ClusterMode:          pulumi.String("enabled"),
		NumNodeGroups:        pulumi.Int(masters),
		ReplicasPerNodeGroup: pulumi.Int(c.Replicas),
		// ElastiCache insists on it in cluster mode; without replicas it does nothing.
		AutomaticFailoverEnabled: pulumi.Bool(true),
		MultiAzEnabled:           pulumi.Bool(c.Replicas > 0),

		SubnetGroupName:          subnets.Name,
		SecurityGroupIds:         pulumi.StringArray{args.Network.Groups.Redis},
		AtRestEncryptionEnabled:  pulumi.Bool(true),
		KmsKeyId:                 args.Keys.Data,
		TransitEncryptionEnabled: pulumi.Bool(true),
		TransitEncryptionMode:    pulumi.String("required"),
		AuthToken:                args.Secrets.RedisToken,

		AutoMinorVersionUpgrade: pulumi.Bool(false),
		ApplyImmediately:        pulumi.Bool(false),
		SnapshotRetentionLimit:  pulumi.Int(c.SnapshotDays),
		SnapshotWindow:          pulumi.String("04:00-05:00"),
		MaintenanceWindow:       pulumi.String("wed:09:00-wed:10:00"),
	}
	if args.Topology.AWS.Protect {
		a.FinalSnapshotIdentifier = pulumi.String(id + "-final")
	}
	group, err := elasticache.NewReplicationGroup(ctx, name+"-cluster", a, append(args.keep(), pulumi.Parent(r))...)
	if err != nil {
		return nil, err
	}
	if err := args.Network.pointTo(ctx, args.machine(images.Redis), group.ConfigurationEndpointAddress, r); err != nil {
		return nil, err
	}
	if err := args.listNodes(ctx, name, group, r); err != nil {
		return nil, err
	}
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{})
}

// redisParameters say the same as images/redis/etc/redis/redis.conf, where the reasons
// stand, but for what ElastiCache does by itself (persistence is its snapshots and
// replicas).
func redisParameters() elasticache.ParameterGroupParameterArray {
	var parameters elasticache.ParameterGroupParameterArray
	for _, p := range [][2]string{
		{"cluster-enabled", "yes"},
		{"cluster-require-full-coverage", "no"},
		{"maxmemory-policy", "noeviction"},
		{"hash-max-listpack-entries", "2048"},
		{"hash-max-listpack-value", "64"},
		{"zset-max-listpack-entries", "1024"},
		{"zset-max-listpack-value", "64"},
		{"lazyfree-lazy-expire", "yes"},
		{"lazyfree-lazy-server-del", "yes"},
		{"timeout", "0"},
		{"tcp-keepalive", "60"},
	} {
		parameters = append(parameters, elasticache.ParameterGroupParameterArgs{Name: pulumi.String(p[0]), Value: pulumi.String(p[1])})
	}
	return parameters
}

// redisFamily is the family of parameter groups of an engine. Older ones lack listpacks.
func redisFamily(engine, version string) (string, error) {
	major, _, ok := strings.Cut(version, ".")
	family := engine + major
	switch family {
	case "redis7", "valkey7", "valkey8":
		if ok {
			return family, nil
		}
	}
	return "", fmt.Errorf("redis engine %q version %q: accepted is redis 7.x, valkey 7.x or 8.x", engine, version)
}

// parameterGroup is named for its family, so that another version gets another group.
// The old one cannot go before the cluster has left it, in its maintenance window: the
// deployment that asks for the version ends with ElastiCache's refusal to delete it, after
// all else is done, and the first one after the window deletes it.
func (r *Redis) parameterGroup(ctx *pulumi.Context, name string, args *RedisArgs) (*elasticache.ParameterGroup, error) {
	family, err := redisFamily(args.Topology.AWS.Redis.Engine, args.Topology.AWS.Redis.Version)
	if err != nil {
		return nil, err
	}
	return elasticache.NewParameterGroup(ctx, name+"-parameters", &elasticache.ParameterGroupArgs{
		Name:        pulumi.String(args.resourceName(family)),
		Family:      pulumi.String(family),
		Description: pulumi.String("burbn " + args.Stack),
		Parameters:  redisParameters(),
	}, pulumi.Parent(r))
}
