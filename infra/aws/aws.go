// Package aws provisions a topology on Amazon's cloud, each system in the file that
// has its name in infra/local too.
//
// It stands at its beginning: object storage and the CDN in front of it are here,
// because phones and browsers meet both directly and the services already sign and
// link for them. Deploy names every other system of the topology as not provisioned.
package aws

import (
	"fmt"
	"strings"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/topology"
	awssdk "github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Place gives the topology its names in the cloud. It is pure: names are inputs, so
// that settings are rendered without asking anybody.
func Place(t topology.Topology, stack string) images.Placement {
	return images.Placement{
		Stack:   stack,
		Target:  string(topology.AWS),
		Shards:  t.Shards,
		Region:  t.AWS.Region,
		Buckets: images.Buckets{Uploads: t.AWS.Uploads, Media: t.AWS.Media},
	}
}

// Deploy provisions what the package has of the placement. Every resource comes
// from one explicit provider: the region and the tags stand in one place, and none
// can slip into an account's default region.
func Deploy(ctx *pulumi.Context, p images.Placement) error {
	provider, err := awssdk.NewProvider(ctx, "aws", &awssdk.ProviderArgs{
		Region: pulumi.String(p.Region),
		DefaultTags: awssdk.ProviderDefaultTagsArgs{Tags: pulumi.StringMap{
			"project": pulumi.String("burbn"),
			"stack":   pulumi.String(p.Stack),
		}},
	})
	if err != nil {
		return fmt.Errorf("configure aws: %w", err)
	}
	// Components hand the provider on to their children.
	with := pulumi.Providers(provider)
	storage, err := NewStorage(ctx, "storage", &StorageArgs{Uploads: p.Buckets.Uploads, Media: p.Buckets.Media}, with)
	if err != nil {
		return fmt.Errorf("provision storage: %w", err)
	}
	cdn, err := NewCDN(ctx, "cdn", &CDNArgs{Bucket: storage.Media}, with)
	if err != nil {
		return fmt.Errorf("provision cdn: %w", err)
	}
	ctx.Export("cdn", pulumi.Sprintf("https://%s", cdn.Domain))

	var missing []string
	for _, role := range images.Roles {
		if role != images.Storage && role != images.CDN && role != images.Standin {
			missing = append(missing, string(role))
		}
	}
	return ctx.Log.Warn("not provisioned on AWS yet: "+strings.Join(missing, ", "), nil)
}
