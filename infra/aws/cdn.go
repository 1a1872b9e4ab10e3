package aws

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudfront"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// cachingOptimized is CloudFront's managed policy for objects whose URL alone names
// them: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
const cachingOptimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"

// CDNArgs say what the CDN serves.
type CDNArgs struct {
	Bucket *s3.BucketV2
}

// CDN is the distribution in front of the media bucket and the bucket's policy.
type CDN struct {
	pulumi.ResourceState

	Domain pulumi.StringOutput // d111111abcdef8.cloudfront.net
}

// NewCDN provisions a distribution that signs its requests to the bucket (origin
// access control), and the policy that lets that one distribution read and refuses
// plain HTTP to everybody.
func NewCDN(ctx *pulumi.Context, name string, args *CDNArgs, opts ...pulumi.ResourceOption) (*CDN, error) {
	c := &CDN{}
	if err := ctx.RegisterComponentResource("burbn:aws:CDN", name, c, opts...); err != nil {
		return nil, err
	}
	within := pulumi.Parent(c)
	oac, err := cloudfront.NewOriginAccessControl(ctx, name+"-origin-access", &cloudfront.OriginAccessControlArgs{
		OriginAccessControlOriginType: pulumi.String("s3"),
		SigningBehavior:               pulumi.String("always"),
		SigningProtocol:               pulumi.String("sigv4"),
	}, within)
	if err != nil {
		return nil, err
	}
	headers, err := cloudfront.NewResponseHeadersPolicy(ctx, name+"-headers", &cloudfront.ResponseHeadersPolicyArgs{
		SecurityHeadersConfig: cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs{
			ContentTypeOptions: cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentTypeOptionsArgs{Override: pulumi.Bool(true)},
			StrictTransportSecurity: cloudfront.ResponseHeadersPolicySecurityHeadersConfigStrictTransportSecurityArgs{
				AccessControlMaxAgeSec: pulumi.Int(63072000), Override: pulumi.Bool(true),
			},
		},
	}, within)
	if err != nil {
		return nil, err
	}
	distribution, err := cloudfront.NewDistribution(ctx, name+"-distribution", &cloudfront.DistributionArgs{
		Enabled:       pulumi.Bool(true),
		HttpVersion:   pulumi.String("http2and3"),
		IsIpv6Enabled: pulumi.Bool(true),
		Origins: cloudfront.DistributionOriginArray{cloudfront.DistributionOriginArgs{
			OriginId:              pulumi.String("media"),
			DomainName:            args.Bucket.BucketRegionalDomainName,
			OriginAccessControlId: oac.ID(),
		}},
		DefaultCacheBehavior: cloudfront.DistributionDefaultCacheBehaviorArgs{
			TargetOriginId:          pulumi.String("media"),
			AllowedMethods:          pulumi.ToStringArray([]string{"GET", "HEAD"}),
			CachedMethods:           pulumi.ToStringArray([]string{"GET", "HEAD"}),
			CachePolicyId:           pulumi.String(cachingOptimized),
			ResponseHeadersPolicyId: headers.ID(),
			ViewerProtocolPolicy:    pulumi.String("redirect-to-https"),
			Compress:                pulumi.Bool(false), // a JPEG grows
		},
		Restrictions: cloudfront.DistributionRestrictionsArgs{
			GeoRestriction: cloudfront.DistributionRestrictionsGeoRestrictionArgs{RestrictionType: pulumi.String("none")},
		},
		ViewerCertificate: cloudfront.DistributionViewerCertificateArgs{CloudfrontDefaultCertificate: pulumi.Bool(true)},
	}, within)
	if err != nil {
		return nil, err
	}
	if _, err := s3.NewBucketPolicy(ctx, name+"-bucket-policy", &s3.BucketPolicyArgs{
		Bucket: args.Bucket.ID(),
		Policy: pulumi.All(args.Bucket.Arn, distribution.Arn).ApplyT(func(arns []any) (string, error) {
			return readPolicy(arns[0].(string), arns[1].(string))
		}).(pulumi.StringOutput),
	}, within); err != nil {
		return nil, err
	}
	c.Domain = distribution.DomainName
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"domain": c.Domain})
}

// readPolicy lets one distribution read the objects of a bucket.
func readPolicy(bucket, distribution string) (string, error) {
	return policy(statement{
		"Sid":       "DistributionReads",
		"Effect":    "Allow",
		"Principal": statement{"Service": "cloudfront.amazonaws.com"},
		"Action":    "s3:GetObject",
		"Resource":  bucket + "/*",
		"Condition": statement{"StringEquals": statement{"AWS:SourceArn": distribution}},
	}, onlyTLS(bucket))
}
