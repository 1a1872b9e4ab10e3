// Package aws provisions a topology on Amazon's cloud, one component for each system,
// in the file that has its name.
//
// Place gives everything its name and is pure; Deploy registers it with Pulumi. What
// a machine contains is not here but in images, which classes there are and what they
// cost in infra/catalog, and what must hold of all of it in infra/guard.
package aws

import (
	"errors"

	awssdk "github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// Plan is a topology with its names, what every machine contains and what was built:
// all that Deploy needs to know, and nothing that only the cloud can answer.
type Plan struct {
	Stack     string
	Topology  topology.Topology
	Placement images.Placement
	Images    map[string]images.Image // by machine
	Release   release.Release
	// Authorities is a file of the authorities of RDS, for where Amazon's own cannot be
	// fetched; empty: they are.
	Authorities string
}

// Deploy provisions the plan, in the order in which one system needs another. Every
// resource comes from one explicit provider: the region and the tags stand in one
// place, and none can slip into an account's default region.
func Deploy(ctx *pulumi.Context, p Plan) error {
	provider, err := newProvider(ctx, "aws", p.Stack, p.Topology.AWS.Region)
	if err != nil {
		return err
	}
	// CloudFront takes its certificates from this region alone.
	virginia, err := newProvider(ctx, "aws-us-east-1", p.Stack, "us-east-1")
	if err != nil {
		return err
	}
	with := pulumi.Providers(provider)
	account, err := identify(ctx, provider)
	if err != nil {
		return err
	}

	var errs []error
	keep := func(err error) { errs = append(errs, err) }

	keys, err := NewKeys(ctx, "keys", &KeysArgs{Plan: p, Account: account}, with)
	keep(err)
	network, err := NewNetwork(ctx, "network", &NetworkArgs{Plan: p, Keys: keys, Account: account}, with)
	keep(err)
	storage, err := NewStorage(ctx, "storage", &StorageArgs{Plan: p, Account: account}, with)
	keep(err)
	alerts, err := NewAlerts(ctx, "alerts", &AlertsArgs{Plan: p, Keys: keys, Account: account, Virginia: virginia}, with)
	keep(err)
	secrets, err := NewSecrets(ctx, "secrets", &SecretsArgs{Plan: p, Keys: keys}, with)
	keep(err)
	if err := errors.Join(errs...); err != nil {
		return err // what follows is made of what these hold
	}

	postgres, err := NewPostgres(ctx, "postgres", &PostgresArgs{Plan: p, Account: account, Keys: keys, Network: network, Secrets: secrets}, with)
	keep(err)
	redis, err := NewRedis(ctx, "redis", &RedisArgs{Plan: p, Keys: keys, Network: network, Secrets: secrets}, with)
	keep(err)
	memcached, err := NewMemcached(ctx, "memcached", &MemcachedArgs{Plan: p, Network: network}, with)
	keep(err)
	delivery, err := NewRelease(ctx, "release", &ReleaseArgs{Plan: p, Storage: storage}, with)
	keep(err)
	baked, err := NewMachineImages(ctx, "images", &MachineImagesArgs{Plan: p, Network: network, Storage: storage, Release: delivery}, with)
	keep(err)
	if err := errors.Join(errs...); err != nil {
		return err
	}

	migrated, err := NewMigrate(ctx, "migrate", &MigrateArgs{
		Plan: p, Account: account, Keys: keys, Network: network, Postgres: postgres, Secrets: secrets, Release: delivery,
	}, with)
	keep(err)
	edge, err := NewEdge(ctx, "edge", &EdgeArgs{Plan: p, Network: network, Storage: storage}, with)
	keep(err)
	cdn, err := NewCDN(ctx, "cdn", &CDNArgs{Plan: p, Network: network, Storage: storage, Virginia: virginia, PublicZone: edge.PublicZone}, with)
	keep(err)
	if err := errors.Join(errs...); err != nil {
		return err
	}

	_, err = NewRotation(ctx, "rotation", &RotationArgs{Plan: p, Keys: keys, Network: network, Secrets: secrets, Postgres: postgres, Migrate: migrated}, with)
	keep(err)
	fleets := map[images.Role]*Fleet{}
	for _, role := range fleetRoles() {
		fleets[role], err = NewFleet(ctx, string(role), &FleetArgs{
			Plan: p, Role: role, Account: account,
			Keys: keys, Network: network, Storage: storage, Secrets: secrets, Images: baked, Release: delivery, Edge: edge, CDN: cdn, Alerts: alerts,
			After: []pulumi.Resource{migrated, postgres, redis, memcached},
		}, with)
		keep(err)
	}
	monitoring, err := NewMonitoring(ctx, "monitoring", &MonitoringArgs{
		Plan: p, Keys: keys, Account: account, Network: network, Storage: storage, Secrets: secrets, Images: baked, Release: delivery, Alerts: alerts,
	}, with)
	keep(err)
	if err := errors.Join(errs...); err != nil {
		return err
	}

	_, err = NewAlarms(ctx, "alarms", &AlarmsArgs{
		Plan: p, Alerts: alerts, Edge: edge, CDN: cdn, Postgres: postgres, Redis: redis, Memcached: memcached, Fleets: fleets, Monitoring: monitoring,
		Virginia: virginia,
	}, with)
	keep(err)
	_, err = NewDashboard(ctx, "dashboard", &DashboardArgs{
		Plan: p, Edge: edge, CDN: cdn, Postgres: postgres, Redis: redis, Memcached: memcached, Fleets: fleets,
	}, with)
	keep(err)
	_, err = NewBudget(ctx, "budget", &BudgetArgs{Plan: p, Alerts: alerts}, with)
	keep(err)
	export(ctx, p)
	return errors.Join(errs...)
}

// fleetRoles are the roles whose machines come and go by themselves.
func fleetRoles() []images.Role {
	return []images.Role{images.Nginx, images.API, images.Worker, images.Push}
}

func newProvider(ctx *pulumi.Context, name, stack, region string) (*awssdk.Provider, error) {
	return awssdk.NewProvider(ctx, name, &awssdk.ProviderArgs{
		Region: pulumi.String(region),
		DefaultTags: awssdk.ProviderDefaultTagsArgs{Tags: pulumi.StringMap{
			"project": pulumi.String("burbn"),
			"stack":   pulumi.String(stack),
		}},
	})
}

// identify is the number of the account that is deployed to.
func identify(ctx *pulumi.Context, provider pulumi.ProviderResource) (string, error) {
	id, err := awssdk.GetCallerIdentity(ctx, nil, pulumi.Provider(provider))
	if err != nil {
		return "", err
	}
	return id.AccountId, nil
}

// export is what `pulumi stack output` tells, and what the next deployment is held
// against.
func export(ctx *pulumi.Context, p Plan) {
	ctx.Export("api", pulumi.String("https://"+p.Topology.AWS.Domains.API))
	ctx.Export("media", pulumi.String("https://"+p.Topology.AWS.Domains.Media))
	ctx.Export("release", pulumi.String(p.releaseID()))
}
