package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// webACL is a web ACL of AWS WAF. It is registered by its type's name: the package of
// its Go types alone is twelve megabytes of source, and we use eight of its fields.
type webACL struct {
	pulumi.CustomResourceState

	Arn pulumi.StringOutput `pulumi:"arn"`
}

// webACLAssociation puts a web ACL in front of a balancer.
type webACLAssociation struct{ pulumi.CustomResourceState }

// limitRequests refuses an address that has sent more than so many requests within
// five minutes, with 429, until it sends fewer.
//
// It is the one rule. Amazon's managed rules look for holes that a strict JSON API
// behind nginx does not have, and would have to be watched for what they refuse wrongly.
func limitRequests(ctx *pulumi.Context, name string, p Plan, alb pulumi.StringOutput, parent pulumi.Resource) error {
	visible := func(metric string) pulumi.Map {
		return pulumi.Map{
			"cloudwatchMetricsEnabled": pulumi.Bool(true),
			"metricName":               pulumi.String(metric),
			"sampledRequestsEnabled":   pulumi.Bool(true),
		}
	}
	acl := &webACL{}
	err := ctx.RegisterResource("aws:wafv2/webAcl:WebAcl", name+"-firewall", pulumi.Map{
		"scope":         pulumi.String("REGIONAL"),
		"description":   pulumi.String("Refuses addresses that send too many requests to " + p.Topology.AWS.Domains.API),
		"defaultAction": pulumi.Map{"allow": pulumi.Map{}},
		"rules": pulumi.Array{pulumi.Map{
			"name":     pulumi.String("requests-of-one-address"),
			"priority": pulumi.Int(0),
			"statement": pulumi.Map{"rateBasedStatement": pulumi.Map{
				"limit":               pulumi.Int(p.Topology.AWS.WAF.RequestsPer5Minutes),
				"evaluationWindowSec": pulumi.Int(300),
				"aggregateKeyType":    pulumi.String("IP"),
			}},
			"action":           pulumi.Map{"block": pulumi.Map{"customResponse": pulumi.Map{"responseCode": pulumi.Int(429)}}},
			"visibilityConfig": visible("requests-of-one-address"),
		}},
		"visibilityConfig": visible(p.resourceName("firewall")),
	}, acl, pulumi.Parent(parent))
	if err != nil {
		return err
	}
	return ctx.RegisterResource("aws:wafv2/webAclAssociation:WebAclAssociation", name+"-firewall-balancer", pulumi.Map{
		"resourceArn": alb,
		"webAclArn":   acl.Arn,
	}, &webACLAssociation{}, pulumi.Parent(parent))
}
