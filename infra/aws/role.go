package aws

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/services/settings"
)

// bootHook is the name of the lifecycle hook by which a group waits until a machine
// has booted, and metricNamespace where the workers publish.
const (
	bootHook        = "boot"
	metricNamespace = "burbn"
)

// identity is as whom a role's machines act.
type identity struct {
	profile *iam.InstanceProfile
	// ready are what must be there before a machine is born: without them it boots in
	// vain.
	ready []pulumi.Resource
}

// newIdentity provisions a role for machines, which may do what the statements allow.
func newIdentity(ctx *pulumi.Context, name, called string, statements pulumi.StringInput, parent pulumi.Resource) (identity, error) {
	trust, err := trusts("ec2.amazonaws.com")
	if err != nil {
		return identity{}, err
	}
	within := pulumi.Parent(parent)
	role, err := iam.NewRole(ctx, name+"-role", &iam.RoleArgs{
		Name: pulumi.String(called), AssumeRolePolicy: pulumi.String(trust),
	}, within)
	if err != nil {
		return identity{}, err
	}
	allowed, err := iam.NewRolePolicy(ctx, name+"-policy", &iam.RolePolicyArgs{
		Name: pulumi.String(called), Role: role.Name, Policy: statements,
	}, within)
	if err != nil {
		return identity{}, err
	}
	profile, err := iam.NewInstanceProfile(ctx, name+"-profile", &iam.InstanceProfileArgs{
		Name: pulumi.String(called), Role: role.Name,
	}, within)
	return identity{profile, []pulumi.Resource{profile, allowed}}, err
}

// trusts is the policy of a role that a service of Amazon's takes on.
func trusts(service string) (string, error) {
	return policy(statement{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": statement{"Service": service}})
}

// permissions is the policy of a role's machines, of which the workers' alone needs to
// know the CDN.
func (p Plan) permissions(role images.Role, account string, keys *Keys, cdn *CDN) pulumi.StringOutput {
	parts := []any{keys.Data}
	if role == images.Worker {
		parts = append(parts, cdn.ARN)
	}
	return pulumi.All(parts...).ApplyT(func(arns []any) (string, error) {
		statements, err := p.statements(role, account, arns[0].(string))
		if err != nil {
			return "", fmt.Errorf("what machines of %s may do: %w", role, err)
		}
		if role == images.Worker {
			statements = append(statements, allow("Purge", []string{arns[1].(string)}, "cloudfront:CreateInvalidation"))
		}
		return policy(statements...)
	}).(pulumi.StringOutput)
}

// statements are what a role's machines may do, and nothing beside: each is the use of
// a call that one of their programs makes.
func (p Plan) statements(role images.Role, account, key string) ([]statement, error) {
	manifest, err := p.manifest(role)
	if err != nil {
		return nil, err
	}
	cloud := p.Topology.AWS
	bucket := func(name, keys string) string { return "arn:aws:s3:::" + name + "/" + keys }

	// Any version of its own, so that a release changes no permission.
	delivered := []string{bucket(cloud.Buckets.Artifacts, "bundles/"+string(role)+"-*")}
	for _, program := range p.Release {
		if slices.ContainsFunc(manifest.Programs, func(i settings.Installed) bool { return i.Object == p.programObject(program) }) {
			delivered = append(delivered, bucket(cloud.Buckets.Artifacts, "programs/"+program.Name+"-*"))
		}
	}
	var secrets []string
	for _, c := range manifest.Credentials {
		for _, ref := range c.Secrets {
			// Secrets Manager ends an ARN with six characters of its own.
			secrets = append(secrets, fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-??????", cloud.Region, account, ref.ID))
		}
	}
	slices.Sort(secrets)
	secrets = slices.Compact(secrets)

	s := []statement{allow("Release", delivered, "s3:GetObject"), session()}
	if len(secrets) > 0 {
		decrypt := allow("SecretsKey", []string{key}, "kms:Decrypt")
		decrypt["Condition"] = statement{"StringEquals": statement{"kms:ViaService": "secretsmanager." + cloud.Region + ".amazonaws.com"}}
		s = append(s, allow("Secrets", secrets, "secretsmanager:GetSecretValue"), decrypt)
	}
	if role != images.Monitoring {
		group := fmt.Sprintf("arn:aws:autoscaling:%s:%s:autoScalingGroup:*:autoScalingGroupName/%s", cloud.Region, account, p.resourceName(string(role)))
		s = append(s, allow("Booted", []string{group}, "autoscaling:CompleteLifecycleAction"))
	}
	return append(s, p.ownStatements(role)...), nil
}

// ownStatements are what the machines of one role alone may do.
func (p Plan) ownStatements(role images.Role) []statement {
	uploads, media := "arn:aws:s3:::"+p.Topology.AWS.Buckets.Uploads, "arn:aws:s3:::"+p.Topology.AWS.Buckets.Media
	// Who may not list a bucket is told 403, not 404, of an object that is not there, and
	// cannot ask whether the bucket is.
	look := allow("LookForObjects", []string{uploads, media}, "s3:ListBucket")
	switch role {
	case images.API:
		// A presigned request may what its signer may: put an upload, get an export. HEAD
		// needs the permission of GET.
		return []statement{look, allow("Uploads", []string{uploads + "/*"}, "s3:PutObject", "s3:GetObject")}
	case images.Worker:
		age := allow("QueueAge", []string{"*"}, "cloudwatch:PutMetricData") // there are no resources to name
		age["Condition"] = statement{"StringEquals": statement{"cloudwatch:namespace": metricNamespace}}
		return []statement{
			look, age,
			allow("Originals", []string{uploads + "/*"}, "s3:GetObject", "s3:DeleteObject"),
			allow("Renditions", []string{media + "/*"}, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
			// An export is uploaded in parts, and goes on with those that are there.
			allow("Exports", []string{uploads + "/" + exports + "*"}, "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
		}
	case images.Monitoring:
		// Neither knows resources.
		return []statement{allow("FindMachines", []string{"*"}, "ec2:DescribeInstances", "ec2:DescribeAvailabilityZones")}
	}
	return nil
}

// session lets people in through Session Manager, there being no other way. Amazon's
// AmazonSSMManagedInstanceCore would also let the machine read every parameter of the
// account. None of the calls knows resources.
func session() statement {
	return allow("Session", []string{"*"}, "ssm:UpdateInstanceInformation",
		"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel")
}

func allow(sid string, resources []string, actions ...string) statement {
	return statement{"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
}
