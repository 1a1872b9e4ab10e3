package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/topology"
)

// interfaces are the endpoints that are bought by the hour and the zone: for what
// every machine needs to come up and be operated, so that it does so without a NAT
// gateway, and for the functions and nginx, who have no other way out.
//
// None is there for what one machine or another uses: the workers' CloudWatch metrics
// and the monitoring machine's questions to EC2 go through NAT. Nor for KMS, which
// Secrets Manager asks itself, or for ec2messages, which the agent no longer uses where
// there is ssmmessages (since 3.3.40).
func interfaces() []endpoint {
	return []endpoint{
		// The agent's calls are many and change with it; its machine's role bounds them.
		{service: "ssm"},
		{service: "ssmmessages"},
		// Image Builder's executor tells how a bake goes. It alone: the functions' logs do not
		// come out of the VPC, and journals go to the monitoring machine.
		{service: "logs", actions: []string{
			"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
		}},
		{service: "secretsmanager", actions: []string{
			"secretsmanager:GetSecretValue",                                  // machines, functions
			"secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue", // rotation, from here on
			"secretsmanager:UpdateSecretVersionStage", "secretsmanager:GetRandomPassword",
		}},
		{service: "autoscaling", actions: []string{
			// A machine says that it is ready, or asks for more time.
			"autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat",
		}},
	}
}

// endpoint is a service and what may be asked of it through the endpoint; nothing
// named: whatever the role may.
type endpoint struct {
	service string
	actions []string
}

// endpoints are the ways to Amazon's services that do not leave Amazon's network.
func (b *networkBuilder) endpoints() error {
	region := b.args.Topology.AWS.Region
	text, err := bucketsPolicy(region, b.args.Account, b.args.Topology.AWS.Buckets)
	if err != nil {
		return err
	}
	// It costs nothing, and the bytes of photos pass no NAT gateway, which is paid by
	// the byte. The data tier has none: nothing in it speaks to S3.
	s3, err := ec2.NewVpcEndpoint(b.ctx, b.name+"-s3", &ec2.VpcEndpointArgs{
		VpcId:           b.VPC,
		VpcEndpointType: pulumi.String("Gateway"),
		ServiceName:     pulumi.String("com.amazonaws." + region + ".s3"),
		Policy:          pulumi.String(text),
		Tags:            b.tags("s3"),
	}, b.within)
	if err != nil {
		return err
	}
	for i, z := range b.args.Topology.AWS.Network.Zones {
		routed, err := ec2.NewVpcEndpointRouteTableAssociation(b.ctx, b.name+"-s3-"+z.Name, &ec2.VpcEndpointRouteTableAssociationArgs{
			VpcEndpointId: s3.ID(), RouteTableId: b.app[i].ID(),
		}, b.within)
		if err != nil {
			return err
		}
		b.Ready = append(b.Ready, routed)
	}
	subnets := b.App
	if b.oneNAT() {
		subnets = subnets[:1] // the others reach it there
	}
	for _, e := range interfaces() {
		args := &ec2.VpcEndpointArgs{
			VpcId:             b.VPC,
			VpcEndpointType:   pulumi.String("Interface"),
			ServiceName:       pulumi.String("com.amazonaws." + region + "." + e.service),
			PrivateDnsEnabled: pulumi.Bool(true),
			SubnetIds:         ids(subnets),
			SecurityGroupIds:  ids([]pulumi.IDOutput{b.Groups.Endpoints}),
			Tags:              b.tags(e.service),
		}
		if len(e.actions) > 0 {
			text, err := policy(statement{
				"Sid":       "OnlyThisAccount",
				"Effect":    "Allow",
				"Principal": "*", // of the account in the condition
				"Action":    e.actions,
				"Resource":  "*",
				"Condition": statement{"StringEquals": statement{"aws:PrincipalAccount": b.args.Account}},
			})
			if err != nil {
				return err
			}
			args.Policy = pulumi.String(text)
		}
		r, err := ec2.NewVpcEndpoint(b.ctx, b.name+"-"+e.service, args, b.within)
		if err != nil {
			return err
		}
		b.Ready = append(b.Ready, r)
	}
	return b.rules(s3.PrefixListId)
}

// bucketsPolicy is what may be asked of S3 from within: the stack's own buckets, and
// the buckets that Amazon's tools come from. A stolen credential of another account
// cannot carry photos out this way.
func bucketsPolicy(region, account string, own topology.Buckets) (string, error) {
	var buckets, objects []string
	for _, bucket := range []string{own.Uploads, own.Media, own.Artifacts, own.Logs} {
		buckets = append(buckets, "arn:aws:s3:::"+bucket)
		objects = append(objects, "arn:aws:s3:::"+bucket+"/*")
	}
	return policy(statement{
		"Sid":       "OwnObjects",
		"Effect":    "Allow",
		"Principal": "*", // of the account in the condition
		"Action":    []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"},
		"Resource":  objects,
		"Condition": statement{"StringEquals": statement{"aws:PrincipalAccount": account}},
	}, statement{
		"Sid":       "OwnBuckets",
		"Effect":    "Allow",
		"Principal": "*",
		"Action":    "s3:ListBucket",
		"Resource":  buckets,
		"Condition": statement{"StringEquals": statement{"aws:PrincipalAccount": account}},
	}, statement{
		// Image Builder fetches its own program and the agent of Systems Manager without
		// signing: https://docs.aws.amazon.com/imagebuilder/latest/userguide/vpc-interface-endpoints.html
		"Sid":       "ToolsOfAmazon",
		"Effect":    "Allow",
		"Principal": "*",
		"Action":    "s3:GetObject",
		"Resource": []string{
			fmt.Sprintf("arn:aws:s3:::ec2imagebuilder-toe-%s-prod/*", region),
			fmt.Sprintf("arn:aws:s3:::ec2imagebuilder-managed-resources-%s-prod/*", region),
			fmt.Sprintf("arn:aws:s3:::amazon-ssm-%s/*", region),
		},
	})
}

// ids are ids as an input.
func ids(of []pulumi.IDOutput) pulumi.StringArray {
	var a pulumi.StringArray
	for _, id := range of {
		a = append(a, id.ToStringOutput())
	}
	return a
}
