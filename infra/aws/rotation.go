package aws

import (
	"maps"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/secretsmanager"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/serverlessrepository"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// The functions of rotation are Amazon's own, from the Serverless Application
// Repository. Of all the code here, what holds an owner's password and changes others is
// the last to be written by ourselves: these are read by many and patched by Amazon. An
// upgrade is a new version here.
const (
	// rotateAlternating changes the password of the role that is not in use, as the owner.
	rotateAlternating = "arn:aws:serverlessrepo:us-east-1:297356227824:applications/SecretsManagerRDSPostgreSQLRotationMultiUser"
	// rotateSelf changes the password of the role as that role itself.
	rotateSelf      = "arn:aws:serverlessrepo:us-east-1:297356227824:applications/SecretsManagerRDSPostgreSQLRotationSingleUser"
	rotationVersion = "1.1.671" // of both
	// rotationOutput is the output of the application's stack that is the function's ARN.
	rotationOutput = "RotationLambdaARN"
	// rotationExcludes never stand in a password: what PgBouncer's files, a URL, a
	// connection string or a template would have to quote.
	rotationExcludes = `:/@"'\%#;{}$&?=` + "`"
)

// RotationArgs say what is rotated.
type RotationArgs struct {
	Plan
	Keys     *Keys
	Network  *Network
	Secrets  *Secrets
	Postgres *Postgres
	Migrate  *Migrate
}

// Rotation changes the passwords of the databases' roles every RotationDays.
//
// The services': at once too, when a database is born. The roles burbn_app and
// burbn_app_clone take turns, so that the password before the last is the one that dies,
// and nobody uses it any more.
//
// The owner's: nobody keeps it. Migrations and the rotations of the services' roles read
// it each time.
//
// Those of the poolers, of Redis, of the monitor and the key of sessions are not rotated
// by themselves.
type Rotation struct{ pulumi.ResourceState }

// rotated is the secret of a role, and how its password is changed.
type rotated struct {
	name        string // of the Pulumi resources, "rotation-postgres-01"
	function    string // what Lambda calls the function
	secret      string
	application string
	at          pulumi.Resource // the role is there once this is
	immediately bool
	parameters  pulumi.StringMap
}

// NewRotation provisions a function for each role, which can read and change that one's
// secrets alone, and the schedules.
func NewRotation(ctx *pulumi.Context, name string, args *RotationArgs, opts ...pulumi.ResourceOption) (*Rotation, error) {
	r := &Rotation{}
	if err := ctx.RegisterComponentResource("burbn:aws:Rotation", name, r, opts...); err != nil {
		return nil, err
	}
	for _, m := range args.Placement.Of(images.Postgres) {
		owner := ownerSecret(m.Name)
		for _, s := range []rotated{{
			name: name + "-" + m.Name, function: "rotate-" + m.Name, secret: appSecret(m.Name), application: rotateAlternating,
			// A rotation begins by logging in as the role, which migrations make.
			at: args.Migrate.done[m.Name],
			// What Pulumi's state knows of a role is worth nothing after the second rotation.
			immediately: true,
			parameters:  pulumi.StringMap{"masterSecretArn": args.Secrets.ARNs[owner], "masterSecretKmsKeyArn": args.Keys.Data},
		}, {
			name: name + "-" + m.Name + "-owner", function: "rotate-" + m.Name + "-owner", secret: owner, application: rotateSelf,
			// Not while the first rotation of the services' role is logging in as the owner.
			at: args.Migrate.done[m.Name],
		}} {
			if err := r.rotate(ctx, s, args); err != nil {
				return nil, err
			}
		}
	}
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{})
}

func (r *Rotation) rotate(ctx *pulumi.Context, s rotated, args *RotationArgs) error {
	within := pulumi.Parent(r)
	function := args.resourceName(s.function)
	log, err := args.Keys.logGroup(ctx, s.name+"-log", "/aws/lambda/"+function, args.Plan, within)
	if err != nil {
		return err
	}
	parameters := pulumi.StringMap{
		"endpoint":            pulumi.String("https://secretsmanager." + args.Topology.AWS.Region + ".amazonaws.com"),
		"functionName":        pulumi.String(function),
		"vpcSubnetIds":        list(args.Network.App),
		"vpcSecurityGroupIds": args.Network.Groups.Rotate,
		"kmsKeyArn":           args.Keys.Data,
		"excludeCharacters":   pulumi.String(rotationExcludes),
	}
	maps.Copy(parameters, s.parameters)
	stack, err := serverlessrepository.NewCloudFormationStack(ctx, s.name, &serverlessrepository.CloudFormationStackArgs{
		Name:            pulumi.String(function),
		ApplicationId:   pulumi.String(s.application),
		SemanticVersion: pulumi.String(rotationVersion),
		Capabilities:    pulumi.ToStringArray([]string{"CAPABILITY_IAM", "CAPABILITY_RESOURCE_POLICY"}),
		Parameters:      parameters,
	}, within, pulumi.DependsOn([]pulumi.Resource{log}))
	if err != nil {
		return err
	}
	_, err = secretsmanager.NewSecretRotation(ctx, s.name+"-schedule", &secretsmanager.SecretRotationArgs{
		SecretId:          args.Secrets.ARNs[s.secret],
		RotationLambdaArn: stack.Outputs.MapIndex(pulumi.String(rotationOutput)),
		RotateImmediately: pulumi.Bool(s.immediately),
		RotationRules: secretsmanager.SecretRotationRotationRulesArgs{
			AutomaticallyAfterDays: pulumi.Int(args.Topology.AWS.Postgres.RotationDays),
		},
	}, within, pulumi.DependsOn([]pulumi.Resource{args.Postgres.roles[s.secret], s.at}))
	return err
}

// list is how a parameter of CloudFormation takes many.
func list(outputs []pulumi.IDOutput) pulumi.StringOutput {
	return ids(outputs).ToStringArrayOutput().ApplyT(func(ids []string) string { return strings.Join(ids, ",") }).(pulumi.StringOutput)
}
