package aws

import (
	awssdk "github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudfront"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// edgeSeconds is how long an edge answers with a photo without asking whether it is
// still there. Workers have what is deleted forgotten within seconds; a purge that was
// lost, or that a photo was fetched behind, is made good by the next day. To ask costs
// a 304 a photo, an edge and a day. Phones keep what they have shown, as their owners do.
const edgeSeconds = 24 * 60 * 60

// priceClass is which of CloudFront's edges answer: those in North America, Europe and
// Israel, where a byte is cheapest. Phones elsewhere are answered from there too, later.
const priceClass = "PriceClass_100"

// CDNArgs say what the CDN serves.
type CDNArgs struct {
	Plan
	Network    *Network
	Storage    *Storage
	Virginia   *awssdk.Provider // CloudFront takes certificates from us-east-1 alone
	PublicZone pulumi.IDOutput  // Route 53
}

// CDN is the distribution in front of the media bucket and the bucket's policy.
type CDN struct {
	pulumi.ResourceState

	Domain       pulumi.StringOutput // d111111abcdef8.cloudfront.net
	ARN          pulumi.StringOutput
	Distribution pulumi.IDOutput
}

// NewCDN provisions a distribution under a name of ours that signs its requests to the
// bucket (origin access control), and the policy that lets that one distribution read
// and refuses plain HTTP to everybody.
//
// A photo says that it is immutable, but an edge asks for it once a day. What the
// distribution has not, it asks the bucket for, without a shield between: a rendition is
// small and asked for by many soon after it is made. No firewall is in front of it, for
// it serves nothing but files.
func NewCDN(ctx *pulumi.Context, name string, args *CDNArgs, opts ...pulumi.ResourceOption) (*CDN, error) {
	c := &CDN{}
	if err := ctx.RegisterComponentResource("burbn:aws:CDN", name, c, opts...); err != nil {
		return nil, err
	}
	within := pulumi.Parent(c)
	domain := args.Topology.AWS.Domains.Media
	certificate, err := certify(ctx, name, domain, args.PublicZone, c, pulumi.Provider(args.Virginia))
	if err != nil {
		return nil, err
	}
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
				AccessControlMaxAgeSec: pulumi.Int(strictTransport), Override: pulumi.Bool(true),
			},
		},
	}, within)
	if err != nil {
		return nil, err
	}
	// By the URL's path alone, which is the key of an object.
	nothing := pulumi.String("none")
	caching, err := cloudfront.NewCachePolicy(ctx, name+"-caching", &cloudfront.CachePolicyArgs{
		Name:       pulumi.String(args.resourceName("media")),
		MinTtl:     pulumi.Int(1), // what is not there yet may come
		DefaultTtl: pulumi.Int(edgeSeconds),
		MaxTtl:     pulumi.Int(edgeSeconds),
		ParametersInCacheKeyAndForwardedToOrigin: cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginArgs{
			CookiesConfig:      cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginCookiesConfigArgs{CookieBehavior: nothing},
			HeadersConfig:      cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfigArgs{HeaderBehavior: nothing},
			QueryStringsConfig: cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginQueryStringsConfigArgs{QueryStringBehavior: nothing},
		},
	}, within)
	if err != nil {
		return nil, err
	}
	distribution, err := cloudfront.NewDistribution(ctx, name+"-distribution", &cloudfront.DistributionArgs{
		Enabled:       pulumi.Bool(true),
		Comment:       pulumi.String(args.resourceName("media")),
		Aliases:       pulumi.ToStringArray([]string{domain}),
		HttpVersion:   pulumi.String("http2and3"),
		IsIpv6Enabled: pulumi.Bool(true),
		PriceClass:    pulumi.String(priceClass),
		Origins: cloudfront.DistributionOriginArray{cloudfront.DistributionOriginArgs{
			OriginId:              pulumi.String("media"),
			DomainName:            args.Storage.Media.BucketRegionalDomainName,
			OriginAccessControlId: oac.ID(),
		}},
		DefaultCacheBehavior: cloudfront.DistributionDefaultCacheBehaviorArgs{
			TargetOriginId:          pulumi.String("media"),
			AllowedMethods:          pulumi.ToStringArray([]string{"GET", "HEAD"}),
			CachedMethods:           pulumi.ToStringArray([]string{"GET", "HEAD"}),
			CachePolicyId:           caching.ID(),
			ResponseHeadersPolicyId: headers.ID(),
			ViewerProtocolPolicy:    pulumi.String("redirect-to-https"),
			Compress:                pulumi.Bool(false), // a JPEG grows
		},
		Restrictions: cloudfront.DistributionRestrictionsArgs{
			GeoRestriction: cloudfront.DistributionRestrictionsGeoRestrictionArgs{RestrictionType: pulumi.String("none")},
		},
		ViewerCertificate: cloudfront.DistributionViewerCertificateArgs{
			AcmCertificateArn:      certificate,
			MinimumProtocolVersion: pulumi.String("TLSv1.2_2021"),
			SslSupportMethod:       pulumi.String("sni-only"),
		},
	}, within)
	if err != nil {
		return nil, err
	}
	if _, err := s3.NewBucketPolicy(ctx, name+"-bucket-policy", &s3.BucketPolicyArgs{
		Bucket: args.Storage.Media.ID(),
		Policy: pulumi.All(args.Storage.Media.Arn, distribution.Arn).ApplyT(func(arns []any) (string, error) {
			return readPolicy(arns[0].(string), arns[1].(string))
		}).(pulumi.StringOutput),
	}, within); err != nil {
		return nil, err
	}
	if err := lead(ctx, name+"-name", domain, args.PublicZone, distribution.DomainName, distribution.HostedZoneId, c, "A", "AAAA"); err != nil {
		return nil, err
	}
	// Workers find the distribution by a name of ours, as everything.
	if _, err := route53.NewRecord(ctx, name+"-distribution-id", &route53.RecordArgs{
		ZoneId:  args.Network.PrivateZone,
		Name:    pulumi.String(args.Placement.Distribution()),
		Type:    pulumi.String("TXT"),
		Ttl:     pulumi.Int(300),
		Records: pulumi.StringArray{distribution.ID()},
	}, within); err != nil {
		return nil, err
	}
	if err := c.logs(ctx, name, args, distribution); err != nil {
		return nil, err
	}
	c.Domain = distribution.DomainName
	c.ARN = distribution.Arn
	c.Distribution = distribution.ID()
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"domain": c.Domain})
}

// logs deliver the access logs by way of CloudWatch (standard logging v2), which needs
// no ACLs in the bucket, as the distribution's own setting does. All of it is in
// us-east-1 but the bucket.
func (c *CDN) logs(ctx *pulumi.Context, name string, args *CDNArgs, distribution *cloudfront.Distribution) error {
	within, virginia := pulumi.Parent(c), pulumi.Provider(args.Virginia)
	source, err := cloudwatch.NewLogDeliverySource(ctx, name+"-log-source", &cloudwatch.LogDeliverySourceArgs{
		LogType: pulumi.String("ACCESS_LOGS"), ResourceArn: distribution.Arn,
	}, within, virginia)
	if err != nil {
		return err
	}
	destination, err := cloudwatch.NewLogDeliveryDestination(ctx, name+"-log-destination", &cloudwatch.LogDeliveryDestinationArgs{
		OutputFormat: pulumi.String("json"),
		DeliveryDestinationConfiguration: cloudwatch.LogDeliveryDestinationDeliveryDestinationConfigurationArgs{
			// Without a folder of its own, CloudFront writes one before the path below when
			// the delivery is made, and forgets it when the path is changed.
			DestinationResourceArn: pulumi.Sprintf("%s/%s", args.Storage.Logs.Arn, cdnLogs),
		},
	}, within, virginia)
	if err != nil {
		return err
	}
	_, err = cloudwatch.NewLogDelivery(ctx, name+"-log-delivery", &cloudwatch.LogDeliveryArgs{
		DeliverySourceName:     source.Name,
		DeliveryDestinationArn: destination.Arn,
		S3DeliveryConfigurations: cloudwatch.LogDeliveryS3DeliveryConfigurationArray{cloudwatch.LogDeliveryS3DeliveryConfigurationArgs{
			EnableHiveCompatiblePath: pulumi.Bool(false),
			SuffixPath:               pulumi.String("{DistributionId}/{yyyy}/{MM}/{dd}/{HH}"),
		}},
	}, within, virginia, pulumi.DependsOn([]pulumi.Resource{args.Storage.logsOpen}))
	return err
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
	}, onlyTLS(bucket), onlyModernTLS(bucket))
}
