package aws

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/services/settings"
)

// migrateProgram is the program of the release that migrates, packed for Lambda.
const migrateProgram = "migrate"

const (
	// layerDir is where a function finds the files of its layers.
	layerDir = "/opt/"
	// authorities are those that sign the certificates of RDS. They are in no system's
	// store, and Amazon adds to them when it opens a region:
	// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
	authorities    = "rds-ca.pem"
	authoritiesURL = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
)

// MigrateArgs say what is migrated.
type MigrateArgs struct {
	Plan
	Account  string
	Keys     *Keys
	Network  *Network
	Postgres *Postgres
	Secrets  *Secrets
	Release  *Release
}

// Migrate brings every database to what the release expects, before a machine of the
// release is born. Whoever depends on it waits for all of them.
type Migrate struct {
	pulumi.ResourceState

	done map[string]pulumi.Resource // by database
}

// migration is the event that the function is called with, for one database.
type migration struct {
	Settings settings.Migrate `json:"settings"`
	// The ARNs of secrets: of burbn_owner, who migrates, and of the roles that it makes
	// where they are missing.
	Owner   string `json:"owner"`
	App     string `json:"app"`
	Monitor string `json:"monitor"`
}

// NewMigrate provisions the function that migrates, and calls it for each database. It
// is called again when the program or the shard map has changed, and not otherwise.
func NewMigrate(ctx *pulumi.Context, name string, args *MigrateArgs, opts ...pulumi.ResourceOption) (*Migrate, error) {
	m := &Migrate{done: map[string]pulumi.Resource{}}
	if err := ctx.RegisterComponentResource("burbn:aws:Migrate", name, m, opts...); err != nil {
		return nil, err
	}
	object, ok := args.Release.Programs[migrateProgram]
	if !ok {
		return nil, fmt.Errorf("migrate: the release has no program %s", migrateProgram)
	}
	function, ready, err := m.function(ctx, name, object, args)
	if err != nil {
		return nil, err
	}
	for _, db := range args.Placement.Of(images.Postgres) {
		if m.done[db.Name], err = lambda.NewInvocation(ctx, name+"-"+db.Name, &lambda.InvocationArgs{
			FunctionName: function.Name,
			Input:        args.event(db),
			Triggers:     pulumi.StringMap{"program": pulumi.String(object.SHA256)},
		}, pulumi.Parent(m), pulumi.DependsOn(slices.Concat(ready, []pulumi.Resource{args.Secrets, args.Postgres.roles[ownerSecret(db.Name)], args.Postgres.roles[appSecret(db.Name)]}))); err != nil {
			return nil, err
		}
	}
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{})
}

// event is what the function is told of a database. The address is the endpoint that
// stands in the database's certificate.
func (args *MigrateArgs) event(db images.Machine) pulumi.StringOutput {
	secrets := args.Secrets.ARNs
	return pulumi.All(args.Postgres.Primaries[db.Name].Address, secrets[ownerSecret(db.Name)], secrets[appSecret(db.Name)], secrets["monitor"]).
		ApplyT(func(v []any) (string, error) {
			addr := net.JoinHostPort(v[0].(string), strconv.Itoa(int(images.PortPostgres)))
			b, err := json.Marshal(migration{
				Settings: settings.Migrate{
					Shards: args.Placement.Shards,
					Direct: []settings.Direct{{Name: db.Name, Addr: addr, CAFile: layerDir + authorities}},
				},
				Owner: v[1].(string), App: v[2].(string), Monitor: v[3].(string),
			})
			return string(b), err
		}).(pulumi.StringOutput)
}

// function is the function, and what must be there before it is called.
func (m *Migrate) function(ctx *pulumi.Context, name string, object settings.Object, args *MigrateArgs) (*lambda.Function, []pulumi.Resource, error) {
	within := pulumi.Parent(m)
	physical := args.resourceName(migrateProgram)
	log, err := args.Keys.logGroup(ctx, name+"-log", "/aws/lambda/"+physical, args.Plan, within)
	if err != nil {
		return nil, nil, err
	}
	trust, err := policy(statement{
		"Effect": "Allow", "Principal": statement{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
	})
	if err != nil {
		return nil, nil, err
	}
	role, err := iam.NewRole(ctx, name+"-role", &iam.RoleArgs{Name: pulumi.String(physical), AssumeRolePolicy: pulumi.String(trust)}, within)
	if err != nil {
		return nil, nil, err
	}
	may, err := iam.NewRolePolicy(ctx, name+"-policy", &iam.RolePolicyArgs{Role: role.Name, Policy: args.permissions(physical, log.Arn)}, within)
	if err != nil {
		return nil, nil, err
	}
	layer, err := lambda.NewLayerVersion(ctx, name+"-authorities", &lambda.LayerVersionArgs{
		LayerName:   pulumi.String(physical + "-authorities"),
		Description: pulumi.String("the authorities of RDS"),
		Code:        pulumi.NewAssetArchive(map[string]any{authorities: args.authorities()}),
	}, within)
	if err != nil {
		return nil, nil, err
	}
	function, err := lambda.NewFunction(ctx, name+"-function", &lambda.FunctionArgs{
		Name:          pulumi.String(physical),
		Description:   pulumi.String("burbn " + args.Stack + ": migrates the databases before a release"),
		Runtime:       pulumi.String("provided.al2023"),
		Handler:       pulumi.String("bootstrap"), // the one file that is started
		Architectures: pulumi.ToStringArray([]string{lambdaArchitecture(args.Topology.AWS.Architecture)}),
		// From the bucket: an archive that Pulumi makes has no executable files.
		S3Bucket:   pulumi.String(object.Bucket),
		S3Key:      pulumi.String(object.Key),
		Role:       role.Arn,
		Timeout:    pulumi.Int(900), // the most there is; a migration that takes longer goes on when it is called again
		MemorySize: pulumi.Int(512),
		VpcConfig: lambda.FunctionVpcConfigArgs{
			SubnetIds: ids(args.Network.App), SecurityGroupIds: pulumi.StringArray{args.Network.Groups.Migrate},
		},
		Layers:        pulumi.StringArray{layer.Arn},
		LoggingConfig: lambda.FunctionLoggingConfigArgs{LogFormat: pulumi.String("Text"), LogGroup: log.Name},
		// Lambda makes its network interfaces as this role.
	}, within, pulumi.DependsOn(append([]pulumi.Resource{may}, args.uploaded()...)))
	return function, append([]pulumi.Resource{may}, args.Network.Ready...), err
}

// authorities are fetched by the engine when it deploys, so that they are no part of a
// release: the same code is the same release on the day that Amazon adds one.
func (args *MigrateArgs) authorities() pulumi.Asset {
	if args.Authorities != "" {
		return pulumi.NewFileAsset(args.Authorities)
	}
	return pulumi.NewRemoteAsset(authoritiesURL)
}

// uploaded is what must be in the bucket first.
func (args *MigrateArgs) uploaded() []pulumi.Resource {
	if r, ok := args.Release.Program[migrateProgram]; ok {
		return []pulumi.Resource{r}
	}
	return nil // an earlier deployment has uploaded it
}

// permissions are the function's: its log, the secrets of the databases, and the network
// interfaces by which it is in the VPC.
func (args *MigrateArgs) permissions(function string, log pulumi.StringOutput) pulumi.StringOutput {
	region := args.Topology.AWS.Region
	arns := pulumi.StringArray{args.Secrets.ARNs["monitor"]}
	for _, db := range args.Placement.Of(images.Postgres) {
		arns = append(arns, args.Secrets.ARNs[ownerSecret(db.Name)], args.Secrets.ARNs[appSecret(db.Name)])
	}
	// EC2 knows no resource to narrow these down to before it has made it.
	interfaces := []string{
		"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
		"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
	}
	return pulumi.All(log, args.Keys.Data, arns.ToStringArrayOutput()).ApplyT(func(v []any) (string, error) {
		return policy(
			statement{"Sid": "Log", "Effect": "Allow", "Action": []string{"logs:CreateLogStream", "logs:PutLogEvents"}, "Resource": v[0].(string) + ":*"},
			statement{"Sid": "Secrets", "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": v[2].([]string)},
			statement{
				"Sid": "Decrypt", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": v[1].(string),
				"Condition": statement{"StringEquals": statement{"kms:ViaService": "secretsmanager." + region + ".amazonaws.com"}},
			},
			statement{"Sid": "Interfaces", "Effect": "Allow", "Action": interfaces, "Resource": "*"},
			// Lambda needs them, the code that runs there does not.
			statement{
				"Sid": "NotTheCode", "Effect": "Deny", "Action": interfaces, "Resource": "*",
				"Condition": statement{"ArnEquals": statement{
					"lambda:SourceFunctionArn": "arn:aws:lambda:" + region + ":" + args.Account + ":function:" + function,
				}},
			},
		)
	}).(pulumi.StringOutput)
}

// lambdaArchitecture is what Lambda calls an architecture.
func lambdaArchitecture(arch string) string {
	if arch == "amd64" {
		return "x86_64"
	}
	return arch
}
