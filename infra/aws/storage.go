package aws

import (
	"encoding/json"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// StorageArgs name the two buckets; names are inputs, so that settings are rendered
// without asking the cloud.
type StorageArgs struct {
	Uploads string // phones put originals here by presigned requests
	Media   string // workers put renditions here; the CDN alone reads it
}

// Storage is the two buckets: private, encrypted, versioned, and protected against
// a destroy.
type Storage struct {
	pulumi.ResourceState

	Uploads *s3.BucketV2
	Media   *s3.BucketV2
}

// NewStorage provisions the buckets. It grants nobody anything: whoever reads or
// writes says so where it is provisioned.
func NewStorage(ctx *pulumi.Context, name string, args *StorageArgs, opts ...pulumi.ResourceOption) (*Storage, error) {
	s := &Storage{}
	if err := ctx.RegisterComponentResource("burbn:aws:Storage", name, s, opts...); err != nil {
		return nil, err
	}
	var err error
	if s.Uploads, err = s.bucket(ctx, name+"-uploads", args.Uploads, uploadRules()); err != nil {
		return nil, err
	}
	if s.Media, err = s.bucket(ctx, name+"-media", args.Media, nil); err != nil {
		return nil, err
	}
	if _, err := s3.NewBucketPolicy(ctx, name+"-uploads-policy", &s3.BucketPolicyArgs{
		Bucket: s.Uploads.ID(),
		Policy: s.Uploads.Arn.ApplyT(func(arn string) (string, error) { return policy(onlyTLS(arn)) }).(pulumi.StringOutput),
	}, pulumi.Parent(s)); err != nil {
		return nil, err
	}
	// A presigned request is the permission, whatever page it is sent from; cookies
	// are never sent along.
	_, err = s3.NewBucketCorsConfigurationV2(ctx, name+"-uploads-cors", &s3.BucketCorsConfigurationV2Args{
		Bucket: s.Uploads.ID(),
		CorsRules: s3.BucketCorsConfigurationV2CorsRuleArray{s3.BucketCorsConfigurationV2CorsRuleArgs{
			AllowedMethods: pulumi.ToStringArray([]string{"PUT"}),
			AllowedOrigins: pulumi.ToStringArray([]string{"*"}),
			AllowedHeaders: pulumi.ToStringArray([]string{"content-type", "content-length"}),
			ExposeHeaders:  pulumi.ToStringArray([]string{"etag"}),
			MaxAgeSeconds:  pulumi.Int(3600),
		}},
	}, pulumi.Parent(s))
	if err != nil {
		return nil, err
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"uploads": s.Uploads.Bucket, "media": s.Media.Bucket})
}

// uploadRules move originals, which are read once and then only for an export, to
// a colder class.
func uploadRules() s3.BucketLifecycleConfigurationV2RuleArray {
	return s3.BucketLifecycleConfigurationV2RuleArray{s3.BucketLifecycleConfigurationV2RuleArgs{
		Id:     pulumi.String("originals-to-colder-class"),
		Status: pulumi.String("Enabled"),
		Filter: s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")},
		Transitions: s3.BucketLifecycleConfigurationV2RuleTransitionArray{s3.BucketLifecycleConfigurationV2RuleTransitionArgs{
			Days:         pulumi.Int(30),
			StorageClass: pulumi.String("GLACIER_IR"),
		}},
	}}
}

func (s *Storage) bucket(ctx *pulumi.Context, name, bucket string, rules s3.BucketLifecycleConfigurationV2RuleArray) (*s3.BucketV2, error) {
	b, err := s3.NewBucketV2(ctx, name, &s3.BucketV2Args{Bucket: pulumi.String(bucket)},
		pulumi.Parent(s), pulumi.Protect(true), pulumi.RetainOnDelete(true))
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
	// A month to undo a mistaken delete; after that a deleted photo is gone.
	rules = append(rules, s3.BucketLifecycleConfigurationV2RuleArgs{
		Id:     pulumi.String("forget"),
		Status: pulumi.String("Enabled"),
		Filter: s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")},
		NoncurrentVersionExpiration: s3.BucketLifecycleConfigurationV2RuleNoncurrentVersionExpirationArgs{
			NoncurrentDays: pulumi.Int(30),
		},
		AbortIncompleteMultipartUpload: s3.BucketLifecycleConfigurationV2RuleAbortIncompleteMultipartUploadArgs{
			DaysAfterInitiation: pulumi.Int(1),
		},
	})
	// S3 refuses a rule on noncurrent versions before versioning is on.
	_, err = s3.NewBucketLifecycleConfigurationV2(ctx, name+"-lifecycle", &s3.BucketLifecycleConfigurationV2Args{
		Bucket: b.ID(), Rules: rules,
	}, within, pulumi.DependsOn([]pulumi.Resource{versioning}))
	return b, err
}

// statement is a statement of a policy, or a part of one, in the grammar of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type statement map[string]any

func policy(statements ...statement) (string, error) {
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(b), err
}

// onlyTLS refuses everybody who speaks to a bucket in the clear.
func onlyTLS(bucket string) statement {
	return statement{
		"Sid":       "OnlyTLS",
		"Effect":    "Deny",
		"Principal": "*",
		"Action":    "s3:*",
		"Resource":  []string{bucket, bucket + "/*"},
		"Condition": statement{"Bool": statement{"aws:SecureTransport": "false"}},
	}
}
