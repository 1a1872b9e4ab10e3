package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/elasticache"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// listNodes provisions the record that lists every node of the cluster by the name in
// its certificate: Prometheus asks each of them, masters and replicas. It follows when
// there are more or fewer.
func (args *RedisArgs) listNodes(ctx *pulumi.Context, name string, group *elasticache.ReplicationGroup, parent pulumi.Resource) error {
	nodes := pulumi.All(group.ConfigurationEndpointAddress, group.MemberClusters).ApplyT(func(v []any) ([]string, error) {
		return nodeRecords(v[0].(string), v[1].([]string))
	}).(pulumi.StringArrayOutput)
	_, err := route53.NewRecord(ctx, name+"-nodes", &route53.RecordArgs{
		ZoneId:  args.Network.PrivateZone,
		Name:    pulumi.String(args.Placement.RedisNodes()),
		Type:    pulumi.String("SRV"),
		Ttl:     pulumi.Int(30),
		Records: nodes,
	}, pulumi.Parent(parent))
	return err
}

// nodeRecords are the values of the record: "0 0 6379 <host>". In cluster mode
// ElastiCache's API gives no node's address with the group, but all of them are made in
// one way where TLS is on: the node's id stands where the configuration endpoint has
// "clustercfg".
func nodeRecords(endpoint string, nodes []string) ([]string, error) {
	domain, ok := strings.CutPrefix(endpoint, "clustercfg.")
	if !ok {
		return nil, fmt.Errorf("configuration endpoint %q of Redis: accepted is clustercfg.<cluster>.<...>, as it is with TLS", endpoint)
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("the Redis cluster at %s has no nodes", endpoint)
	}
	var records []string
	for _, node := range slices.Sorted(slices.Values(nodes)) { // Amazon lists them in any order
		records = append(records, fmt.Sprintf("0 0 %d %s.%s", images.PortRedis, node, domain))
	}
	return records, nil
}
