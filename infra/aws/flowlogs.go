package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// flowLogs keep who spoke with whom. Accepted connections are kept too: after a
// break-in it is they that are looked for.
//
// Records are paid for by the byte, and a busy stack makes many: machines of Amazon's
// newer kinds write one a minute for each connection, whatever interval is asked for.
// The class for what is seldom read takes them for half the price, and is asked in the
// same way.
func (b *networkBuilder) flowLogs() error {
	region, account := b.args.Topology.AWS.Region, b.args.Account
	group, err := cloudwatch.NewLogGroup(b.ctx, b.name+"-flows", &cloudwatch.LogGroupArgs{
		Name:            pulumi.String("/burbn/" + b.args.Stack + "/network/flows"),
		KmsKeyId:        b.args.Keys.Logs,
		RetentionInDays: pulumi.Int(b.args.Topology.AWS.Logs.Days),
		LogGroupClass:   pulumi.String("INFREQUENT_ACCESS"),
	}, b.within)
	if err != nil {
		return err
	}
	trust, err := servedBy("vpc-flow-logs.amazonaws.com", account, fmt.Sprintf("arn:aws:ec2:%s:%s:vpc-flow-log/*", region, account))
	if err != nil {
		return err
	}
	role, err := iam.NewRole(b.ctx, b.name+"-flows-role", &iam.RoleArgs{
		Description:      pulumi.String("Writes the flow logs of the stack " + b.args.Stack),
		AssumeRolePolicy: pulumi.String(trust),
	}, b.within)
	if err != nil {
		return err
	}
	may, err := iam.NewRolePolicy(b.ctx, b.name+"-flows-policy", &iam.RolePolicyArgs{
		Role: role.ID(),
		Policy: group.Arn.ApplyT(func(arn string) (string, error) {
			return policy(statement{
				"Sid":      "WriteFlows",
				"Effect":   "Allow",
				"Action":   []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"},
				"Resource": []string{arn, arn + ":*"},
			}, statement{
				"Sid":      "FindGroup",
				"Effect":   "Allow",
				"Action":   "logs:DescribeLogGroups",
				"Resource": fmt.Sprintf("arn:aws:logs:%s:%s:log-group:*", region, account),
			})
		}).(pulumi.StringOutput),
	}, b.within)
	if err != nil {
		return err
	}
	_, err = ec2.NewFlowLog(b.ctx, b.name+"-flow-log", &ec2.FlowLogArgs{
		VpcId:                  b.VPC,
		TrafficType:            pulumi.String("ALL"),
		LogDestinationType:     pulumi.String("cloud-watch-logs"),
		LogDestination:         group.Arn,
		IamRoleArn:             role.Arn,
		MaxAggregationInterval: pulumi.Int(600),
		Tags:                   b.tags("flows"),
	}, b.within, pulumi.DependsOn([]pulumi.Resource{may}))
	return err
}
