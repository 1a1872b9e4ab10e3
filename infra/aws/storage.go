package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Where the logs bucket has whose access logs.
const (
	albLogs = "alb"
	cdnLogs = "cdn"
)

// StorageArgs say what the buckets are for.
type StorageArgs struct {
	Plan
	Account string
}

// Storage is the buckets: private, encrypted, versioned, and, where the stack says so,
// protected against a destroy.
//
// The encryption is with S3's own key. The ALB writes its logs with no other, and a key
// of ours would be one more that CloudFront, every worker and every phone's upload
// depend on, without keeping anybody out whom the policies do not.
type Storage struct {
	pulumi.ResourceState

	// Uploads is where phones put originals by presigned requests. What has been put is
	// looked at when it is published: the API asks for its size and type with a HEAD.
	Uploads   *s3.BucketV2
	Media     *s3.BucketV2 // workers put renditions here; the CDN alone reads it
	Artifacts *s3.BucketV2 // releases; machines read them
	Logs      *s3.BucketV2 // access logs of the ALB and the CDN

	logsOpen pulumi.Resource // the logs can be delivered
}

// NewStorage provisions the buckets. It grants nobody anything but to Amazon's log
// deliveries: whoever else reads or writes says so where it is provisioned.
func NewStorage(ctx *pulumi.Context, name string, args *StorageArgs, opts ...pulumi.ResourceOption) (*Storage, error) {
	s := &Storage{}
	if err := ctx.RegisterComponentResource("burbn:aws:Storage", name, s, opts...); err != nil {
		return nil, err
	}
	cloud := args.Topology.AWS
	buckets := []struct {
		at         **s3.BucketV2
		part, name string
		undelete   int // days
		rules      s3.BucketLifecycleConfigurationV2RuleArray
	}{
		{&s.Uploads, "uploads", cloud.Buckets.Uploads, cloud.Media.UndeleteDays, append(coldRules(cloud.Media.ColdAfterDays), exportRule())},
		{&s.Media, "media", cloud.Buckets.Media, cloud.Media.UndeleteDays, nil},
		// No release is ever expired: what a stack may roll back to is not known here.
		{&s.Artifacts, "artifacts", cloud.Buckets.Artifacts, cloud.Media.UndeleteDays, nil},
		{&s.Logs, "logs", cloud.Buckets.Logs, 1, expiryRules(cloud.Logs.Days)},
	}
	for _, b := range buckets {
		var err error
		if *b.at, err = s.bucket(ctx, name+"-"+b.part, b.name, cloud.Protect, b.undelete, b.rules); err != nil {
			return nil, err
		}
	}
	for part, b := range map[string]*s3.BucketV2{"uploads": s.Uploads, "artifacts": s.Artifacts} {
		if _, err := s3.NewBucketPolicy(ctx, name+"-"+part+"-policy", &s3.BucketPolicyArgs{
			Bucket: b.ID(),
			Policy: b.Arn.ApplyT(func(arn string) (string, error) {
				return policy(onlyTLS(arn), onlyModernTLS(arn))
			}).(pulumi.StringOutput),
		}, pulumi.Parent(s)); err != nil {
			return nil, err
		}
	}
	open, err := s3.NewBucketPolicy(ctx, name+"-logs-policy", &s3.BucketPolicyArgs{
		Bucket: s.Logs.ID(),
		Policy: s.Logs.Arn.ApplyT(func(arn string) (string, error) { return logsPolicy(arn, args.Account) }).(pulumi.StringOutput),
	}, pulumi.Parent(s))
	if err != nil {
		return nil, err
	}
	s.logsOpen = open
	// A presigned request is the permission; a browser asks besides from whose pages it may
	// be sent. Apps ask nobody.
	if origins := args.Topology.Origins; len(origins) > 0 {
		if _, err := s3.NewBucketCorsConfigurationV2(ctx, name+"-uploads-cors", &s3.BucketCorsConfigurationV2Args{
			Bucket: s.Uploads.ID(),
			CorsRules: s3.BucketCorsConfigurationV2CorsRuleArray{s3.BucketCorsConfigurationV2CorsRuleArgs{
				AllowedMethods: pulumi.ToStringArray([]string{"PUT"}),
				AllowedOrigins: pulumi.ToStringArray(origins),
				AllowedHeaders: pulumi.ToStringArray([]string{"content-type", "content-length"}),
				ExposeHeaders:  pulumi.ToStringArray([]string{"etag"}),
				MaxAgeSeconds:  pulumi.Int(3600),
			}},
		}, pulumi.Parent(s)); err != nil {
			return nil, err
		}
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{
		"uploads": s.Uploads.Bucket, "media": s.Media.Bucket, "artifacts": s.Artifacts.Bucket, "logs": s.Logs.Bucket,
	})
}

// logsPolicy lets the ALB and CloudFront deliver the access logs of this account: the
// one as https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
// has it for every region, the other as
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-V2-S3.html does.
func logsPolicy(bucket, account string) (string, error) {
	return policy(statement{
		"Sid":       "BalancerDelivers",
		"Effect":    "Allow",
		"Principal": statement{"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
		"Action":    "s3:PutObject",
		"Resource":  fmt.Sprintf("%s/%s/AWSLogs/%s/*", bucket, albLogs, account),
	}, statement{
		"Sid":       "DistributionDelivers",
		"Effect":    "Allow",
		"Principal": statement{"Service": "delivery.logs.amazonaws.com"},
		"Action":    "s3:PutObject",
		"Resource":  fmt.Sprintf("%s/%s/*", bucket, cdnLogs),
		"Condition": statement{
			"StringEquals": statement{"aws:SourceAccount": account, "s3:x-amz-acl": "bucket-owner-full-control"},
			// CloudFront's deliveries are in us-east-1, wherever the stack is.
			"ArnLike": statement{"aws:SourceArn": "arn:aws:logs:us-east-1:" + account + ":delivery-source:*"},
		},
	}, onlyTLS(bucket), onlyModernTLS(bucket))
}

// coldRules move originals, which are read once and then only for an export, to a
// class that is cheap to keep and dear to read, but reads at once.
func coldRules(days int) s3.BucketLifecycleConfigurationV2RuleArray {
	return s3.BucketLifecycleConfigurationV2RuleArray{s3.BucketLifecycleConfigurationV2RuleArgs{
		Id:     pulumi.String("originals-to-colder-class"),
		Status: pulumi.String("Enabled"),
		Filter: s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")},
		Transitions: s3.BucketLifecycleConfigurationV2RuleTransitionArray{s3.BucketLifecycleConfigurationV2RuleTransitionArgs{
			Days:         pulumi.Int(days),
			StorageClass: pulumi.String("GLACIER_IR"),
		}},
	}}
}

// What exports are called in the bucket of uploads, and how long they can be fetched.
const (
	exports    = "exports/"
	exportDays = 7
)

// exportRule forgets exports, which are all that somebody has in one file, and can be
// made again; nobody wants them brought back.
func exportRule() s3.BucketLifecycleConfigurationV2RuleArgs {
	return s3.BucketLifecycleConfigurationV2RuleArgs{
		Id:         pulumi.String("exports"),
		Status:     pulumi.String("Enabled"),
		Filter:     s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String(exports)},
		Expiration: s3.BucketLifecycleConfigurationV2RuleExpirationArgs{Days: pulumi.Int(exportDays)},
		NoncurrentVersionExpiration: s3.BucketLifecycleConfigurationV2RuleNoncurrentVersionExpirationArgs{
			NoncurrentDays: pulumi.Int(1),
		},
	}
}

// expiryRules delete what is older.
func expiryRules(days int) s3.BucketLifecycleConfigurationV2RuleArray {
	return s3.BucketLifecycleConfigurationV2RuleArray{s3.BucketLifecycleConfigurationV2RuleArgs{
		Id:         pulumi.String("expire"),
		Status:     pulumi.String("Enabled"),
		Filter:     s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")},
		Expiration: s3.BucketLifecycleConfigurationV2RuleExpirationArgs{Days: pulumi.Int(days)},
	}}
}
