package aws

import (
	awssdk "github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// AlertsArgs say who is told.
type AlertsArgs struct {
	Plan
	Keys     *Keys
	Account  string
	Virginia *awssdk.Provider
}

// Alerts is the topic that everything which must be known is published to, and the
// events that are.
//
// The topic is encrypted, so neither RDS's event subscriptions nor ElastiCache's
// notifications may name it: both then fall silent without an error
// (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateEventSubscription.html,
// https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/ElastiCacheSNS.html). What RDS
// has to say comes through EventBridge; what matters of ElastiCache through alarms.
type Alerts struct {
	pulumi.ResourceState

	Topic pulumi.StringOutput // ARN
	// Virginia is the topic of alarms on CloudFront: an alarm tells a topic of its own
	// region alone, and CloudFront's metrics are in us-east-1. There it is Topic.
	Virginia pulumi.StringOutput // ARN
}

// NewAlerts provisions the topic, who hears it, and the events that it tells.
func NewAlerts(ctx *pulumi.Context, name string, args *AlertsArgs, opts ...pulumi.ResourceOption) (*Alerts, error) {
	a := &Alerts{}
	if err := ctx.RegisterComponentResource("burbn:aws:Alerts", name, a, opts...); err != nil {
		return nil, err
	}
	var err error
	if a.Topic, err = a.topic(ctx, name, args, "alerts", args.Keys.Logs, func(arn string) (string, error) {
		return policy(mayPublish(arn, args.Account, "cloudwatch.amazonaws.com", "budgets.amazonaws.com"), eventsMayPublish(arn))
	}); err != nil {
		return nil, err
	}
	a.Virginia = a.Topic
	if args.Topology.AWS.Region != "us-east-1" {
		there := pulumi.Provider(args.Virginia)
		const physical = "alerts-us-east-1"
		key, err := a.key(ctx, name+"-us-east-1", args, "arn:aws:sns:us-east-1:"+args.Account+":"+args.resourceName(physical), there)
		if err != nil {
			return nil, err
		}
		if a.Virginia, err = a.topic(ctx, name+"-us-east-1", args, physical, key, func(arn string) (string, error) {
			return policy(mayPublish(arn, args.Account, "cloudwatch.amazonaws.com"))
		}, there); err != nil {
			return nil, err
		}
	}
	if err := a.events(ctx, name, args.Plan); err != nil {
		return nil, err
	}
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{"topic": a.Topic})
}

// topic is a topic that the address of the topology hears, once it has confirmed by
// the mail that SNS sends it.
func (a *Alerts) topic(ctx *pulumi.Context, name string, args *AlertsArgs, physical string, key pulumi.StringOutput,
	policy func(arn string) (string, error), opts ...pulumi.ResourceOption,
) (pulumi.StringOutput, error) {
	within := append([]pulumi.ResourceOption{pulumi.Parent(a)}, opts...)
	topic, err := sns.NewTopic(ctx, name+"-topic", &sns.TopicArgs{
		Name:             pulumi.String(args.resourceName(physical)),
		DisplayName:      pulumi.String("burbn " + args.Stack),
		KmsMasterKeyId:   key,
		SignatureVersion: pulumi.Int(2),
	}, within...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	if _, err := sns.NewTopicPolicy(ctx, name+"-policy", &sns.TopicPolicyArgs{
		Arn:    topic.Arn,
		Policy: topic.Arn.ApplyT(policy).(pulumi.StringOutput),
	}, within...); err != nil {
		return pulumi.StringOutput{}, err
	}
	_, err = sns.NewTopicSubscription(ctx, name+"-mail", &sns.TopicSubscriptionArgs{
		Topic: topic.Arn, Protocol: pulumi.String("email"), Endpoint: pulumi.String(args.Topology.AWS.Alerts.Email),
	}, within...)
	return topic.Arn, err
}

// mayPublish lets services publish to a topic, for the account's own resources alone.
func mayPublish(topic, account string, from ...string) statement {
	return statement{
		"Sid": "AmazonPublishes", "Effect": "Allow",
		"Principal": statement{"Service": from},
		"Action":    "sns:Publish",
		"Resource":  topic,
		"Condition": statement{"StringEquals": statement{"aws:SourceAccount": account}},
	}
}

// eventsMayPublish lets EventBridge publish to a topic. It has no condition because
// EventBridge says nothing that one could be about: with one, every mail would be
// dropped (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html).
func eventsMayPublish(topic string) statement {
	return statement{
		"Sid": "EventBridgePublishes", "Effect": "Allow",
		"Principal": statement{"Service": "events.amazonaws.com"},
		"Action":    "sns:Publish",
		"Resource":  topic,
	}
}

// key encrypts the topic in us-east-1: a key serves its own region alone, and the one
// that Amazon keeps for SNS does not let CloudWatch publish.
func (a *Alerts) key(ctx *pulumi.Context, name string, args *AlertsArgs, topic string, there pulumi.ResourceOption) (pulumi.StringOutput, error) {
	document, err := policy(statement{
		"Sid": "AccountAdministers", "Effect": "Allow",
		"Principal": statement{"AWS": "arn:aws:iam::" + args.Account + ":root"},
		"Action":    "kms:*", "Resource": "*", // of a key's policy "*" is the key itself
	}, statement{
		"Sid": "AlarmsPublish", "Effect": "Allow",
		"Principal": statement{"Service": "cloudwatch.amazonaws.com"},
		"Action":    []string{"kms:Decrypt", "kms:GenerateDataKey*"},
		"Resource":  "*",
		"Condition": statement{"StringEquals": statement{"kms:EncryptionContext:aws:sns:topicArn": topic}},
	})
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	key, err := kms.NewKey(ctx, name+"-key", &kms.KeyArgs{
		Description:          pulumi.String("Topic of the alarms on CloudFront of the stack " + args.Stack),
		EnableKeyRotation:    pulumi.Bool(true),
		DeletionWindowInDays: pulumi.Int(30),
		Policy:               pulumi.String(document),
	}, pulumi.Parent(a), there, pulumi.Protect(args.Topology.AWS.Protect))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return key.Arn, nil
}
