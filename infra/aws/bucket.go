package aws

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// bucket is a bucket with all that makes it private and keeps it so, and its rules;
// what is deleted in it can be brought back for some days, but for a day at least,
// which is the least that S3 knows.
func (s *Storage) bucket(ctx *pulumi.Context, name, bucket string, protect bool, undelete int, rules s3.BucketLifecycleConfigurationV2RuleArray) (*s3.BucketV2, error) {
	b, err := s3.NewBucketV2(ctx, name, &s3.BucketV2Args{
		Bucket: pulumi.String(bucket),
		// What may be destroyed is destroyed with what is in it: S3 deletes no full bucket.
		ForceDestroy: pulumi.Bool(!protect),
	}, pulumi.Parent(s), pulumi.Protect(protect), pulumi.RetainOnDelete(protect))
	if err != nil {
		return nil, err
	}
	within := pulumi.Parent(s)
	if _, err := s3.NewBucketPublicAccessBlock(ctx, name+"-private", &s3.BucketPublicAccessBlockArgs{
		Bucket:                b.ID(),
		BlockPublicAcls:       pulumi.Bool(true),
		BlockPublicPolicy:     pulumi.Bool(true),
		IgnorePublicAcls:      pulumi.Bool(true),
		RestrictPublicBuckets: pulumi.Bool(true),
	}, within); err != nil {
		return nil, err
	}
	// Without ACLs: the policy alone says who may.
	if _, err := s3.NewBucketOwnershipControls(ctx, name+"-ownership", &s3.BucketOwnershipControlsArgs{
		Bucket: b.ID(),
		Rule:   s3.BucketOwnershipControlsRuleArgs{ObjectOwnership: pulumi.String("BucketOwnerEnforced")},
	}, within); err != nil {
		return nil, err
	}
	if _, err := s3.NewBucketServerSideEncryptionConfigurationV2(ctx, name+"-encryption", &s3.BucketServerSideEncryptionConfigurationV2Args{
		Bucket: b.ID(),
		Rules: s3.BucketServerSideEncryptionConfigurationV2RuleArray{s3.BucketServerSideEncryptionConfigurationV2RuleArgs{
			ApplyServerSideEncryptionByDefault: s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{
				SseAlgorithm: pulumi.String("AES256"),
			},
		}},
	}, within); err != nil {
		return nil, err
	}
	versioning, err := s3.NewBucketVersioningV2(ctx, name+"-versioning", &s3.BucketVersioningV2Args{
		Bucket:                  b.ID(),
		VersioningConfiguration: s3.BucketVersioningV2VersioningConfigurationArgs{Status: pulumi.String("Enabled")},
	}, within)
	if err != nil {
		return nil, err
	}
	all := s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")}
	rules = append(rules, s3.BucketLifecycleConfigurationV2RuleArgs{
		Id:     pulumi.String("forget"),
		Status: pulumi.String("Enabled"),
		Filter: all,
		NoncurrentVersionExpiration: s3.BucketLifecycleConfigurationV2RuleNoncurrentVersionExpirationArgs{
			NoncurrentDays: pulumi.Int(max(1, undelete)),
		},
		AbortIncompleteMultipartUpload: s3.BucketLifecycleConfigurationV2RuleAbortIncompleteMultipartUploadArgs{
			DaysAfterInitiation: pulumi.Int(1),
		},
	}, s3.BucketLifecycleConfigurationV2RuleArgs{
		// A deleted object leaves a marker, which outlives its versions.
		Id:         pulumi.String("forget-markers"),
		Status:     pulumi.String("Enabled"),
		Filter:     all,
		Expiration: s3.BucketLifecycleConfigurationV2RuleExpirationArgs{ExpiredObjectDeleteMarker: pulumi.Bool(true)},
	})
	// S3 refuses a rule on noncurrent versions before versioning is on.
	_, err = s3.NewBucketLifecycleConfigurationV2(ctx, name+"-lifecycle", &s3.BucketLifecycleConfigurationV2Args{
		Bucket: b.ID(), Rules: rules,
	}, within, pulumi.DependsOn([]pulumi.Resource{versioning}))
	return b, err
}
