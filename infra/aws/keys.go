package aws

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// KeysArgs say for whom the keys are.
type KeysArgs struct {
	Plan
	Account string
}

// Keys encrypt what is stored: Data the databases, caches, secrets and volumes, Logs
// the log groups and topics, which services of Amazon's write. A log group finds its
// key only when its name holds burbn-<stack> or burbn/<stack>.
type Keys struct {
	pulumi.ResourceState

	Data pulumi.StringOutput // ARN
	Logs pulumi.StringOutput // ARN
}

// NewKeys provisions the keys and who may use them.
func NewKeys(ctx *pulumi.Context, name string, args *KeysArgs, opts ...pulumi.ResourceOption) (*Keys, error) {
	k := &Keys{}
	if err := ctx.RegisterComponentResource("burbn:aws:Keys", name, k, opts...); err != nil {
		return nil, err
	}
	var err error
	if k.Data, err = k.key(ctx, name, "data", "Databases, caches, secrets and volumes", args, args.dataUsers()); err != nil {
		return nil, err
	}
	if k.Logs, err = k.key(ctx, name, "logs", "Log groups and topics", args, args.logUsers()); err != nil {
		return nil, err
	}
	return k, ctx.RegisterResourceOutputs(k, pulumi.Map{"data": k.Data, "logs": k.Logs})
}

func (k *Keys) key(ctx *pulumi.Context, name, part, what string, args *KeysArgs, users []statement) (pulumi.StringOutput, error) {
	// Without the account no one could mend the policy of a key. It delegates to the
	// account's IAM policies and gives no principal anything by itself. RDS,
	// ElastiCache and EBS need no more: whoever creates a database or a volume grants
	// the service the use of the key.
	account := statement{
		"Sid": "Account", "Effect": "Allow", "Principal": statement{"AWS": "arn:aws:iam::" + args.Account + ":root"},
		"Action": "kms:*", "Resource": "*", // in the policy of a key: this key
	}
	document, err := policy(append([]statement{account}, users...)...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	protect := args.Topology.AWS.Protect
	key, err := kms.NewKey(ctx, name+"-"+part, &kms.KeyArgs{
		Description:          pulumi.String("burbn " + args.Stack + ": " + what),
		EnableKeyRotation:    pulumi.Bool(true),
		DeletionWindowInDays: pulumi.Int(30), // a key that is gone takes every backup along
		Policy:               pulumi.String(document),
	}, pulumi.Parent(k), pulumi.Protect(protect), pulumi.RetainOnDelete(protect))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	_, err = kms.NewAlias(ctx, name+"-"+part+"-alias", &kms.AliasArgs{
		Name:        pulumi.String("alias/" + args.resourceName(part)),
		TargetKeyId: key.KeyId,
	}, pulumi.Parent(k))
	return key.Arn, err
}

// dataUsers let Secrets Manager decrypt for whomever it lets read a secret: who that is
// stands in the policies of the roles, by exact ARN. Nobody can use the key directly.
func (args *KeysArgs) dataUsers() []statement {
	return []statement{{
		"Sid": "SecretsThroughSecretsManager", "Effect": "Allow", "Principal": statement{"AWS": "*"},
		"Action":   []string{"kms:Decrypt", "kms:GenerateDataKey"},
		"Resource": "*",
		"Condition": statement{"StringEquals": statement{
			"kms:CallerAccount": args.Account,
			"kms:ViaService":    "secretsmanager." + args.Topology.AWS.Region + ".amazonaws.com",
		}},
	}}
}

// logUsers are CloudWatch Logs, for this stack's groups, and those who publish to this
// account's topics. What ties them down is the encryption context: not every publisher
// says for which account it speaks.
func (args *KeysArgs) logUsers() []statement {
	region := args.Topology.AWS.Region
	here := region + ":" + args.Account + ":"
	return []statement{{
		"Sid": "LogGroups", "Effect": "Allow", "Principal": statement{"Service": "logs." + region + ".amazonaws.com"},
		"Action":   []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"},
		"Resource": "*",
		"Condition": statement{"ArnLike": statement{"kms:EncryptionContext:aws:logs:arn": []string{
			"arn:aws:logs:" + here + "log-group:*burbn-" + args.Stack + "*",
			"arn:aws:logs:" + here + "log-group:*burbn/" + args.Stack + "*",
		}}},
	}, {
		"Sid": "PublishersToTopics", "Effect": "Allow",
		"Principal": statement{"Service": []string{"budgets.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com"}},
		"Action":    []string{"kms:Decrypt", "kms:GenerateDataKey*"},
		"Resource":  "*",
		"Condition": statement{"ArnLike": statement{"kms:EncryptionContext:aws:sns:topicArn": "arn:aws:sns:" + here + "*"}},
	}}
}

// logGroup is a log group of a name that the service which writes it has chosen. Made
// before that service is, it is encrypted and forgets; otherwise the service would
// make one that is not and does not.
func (k *Keys) logGroup(ctx *pulumi.Context, name, physical string, p Plan, opts ...pulumi.ResourceOption) (*cloudwatch.LogGroup, error) {
	return cloudwatch.NewLogGroup(ctx, name, &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(physical),
		RetentionInDays: pulumi.Int(p.Topology.AWS.Logs.Days),
		KmsKeyId:        k.Logs,
	}, opts...)
}
