package aws

import (
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/rds"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/secretsmanager"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// PostgresArgs say which databases there are.
type PostgresArgs struct {
	Plan
	Account string
	Keys    *Keys
	Network *Network
	Secrets *Secrets
}

// Postgres is the primaries, each with its replica in another zone. No database knows
// of another: one more, or a zone more, changes nothing that exists.
type Postgres struct {
	pulumi.ResourceState

	Primaries map[string]*rds.Instance // by the machine's name: "postgres-01"
	Replicas  map[string]*rds.Instance // "replica-01"

	// roles are what the owner and the services' role are at first, by the name of their
	// secret.
	roles map[string]*secretsmanager.SecretVersion
}

// NewPostgres provisions the databases. Their passwords are rotated by NewRotation,
// once there is a role that has one.
func NewPostgres(ctx *pulumi.Context, name string, args *PostgresArgs, opts ...pulumi.ResourceOption) (*Postgres, error) {
	p := &Postgres{
		Primaries: map[string]*rds.Instance{}, Replicas: map[string]*rds.Instance{},
		roles: map[string]*secretsmanager.SecretVersion{},
	}
	if err := ctx.RegisterComponentResource("burbn:aws:Postgres", name, p, opts...); err != nil {
		return nil, err
	}
	parameters, err := p.parameterGroup(ctx, name, args)
	if err != nil {
		return nil, err
	}
	subnets, err := rds.NewSubnetGroup(ctx, name+"-subnets", &rds.SubnetGroupArgs{
		Name:        pulumi.String(args.resourceName("postgres")),
		Description: pulumi.String("burbn " + args.Stack + ": data subnets"),
		SubnetIds:   ids(args.Network.Data),
	}, pulumi.Parent(p))
	if err != nil {
		return nil, err
	}
	monitoring, err := p.monitoringRole(ctx, name, args)
	if err != nil {
		return nil, err
	}
	with := instanceParts{parameters.Name, subnets.Name, monitoring.Arn}
	byIndex := map[int]*rds.Instance{}
	for _, m := range args.Placement.Of(images.Postgres) {
		if byIndex[m.Index], err = p.primary(ctx, m, args, with); err != nil {
			return nil, err
		}
	}
	for _, m := range args.Placement.Of(images.Replica) {
		primary, ok := byIndex[m.Index]
		if !ok {
			return nil, fmt.Errorf("replica %s has no primary", m.Name)
		}
		if err := p.replica(ctx, m, primary, args, with); err != nil {
			return nil, err
		}
	}
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{})
}

// instanceParts are what all instances share.
type instanceParts struct{ parameters, subnets, monitoring pulumi.StringOutput }

// zoneOf spreads the primaries over the zones. Where an existing one lives is not
// asked again: see keptByRDS.
func (args *PostgresArgs) zoneOf(m images.Machine) string {
	zones := args.Topology.AWS.Network.Zones
	return zones[(m.Index-1)%len(zones)].Name
}

// zoneBeside is the zone after another one: a replica's, after that in which its
// primary really is.
func (args *PostgresArgs) zoneBeside(zone string) string {
	zones := args.Topology.AWS.Network.Zones
	for i, z := range zones {
		if z.Name == zone {
			return zones[(i+1)%len(zones)].Name
		}
	}
	return zones[0].Name
}

// keptByRDS are properties that are ours at birth alone. The zone would move when a zone
// is added, and changes by itself when a standby takes over: it would replace. The
// password is rotated, and would go back to one that nobody uses any more.
//
// Storage is not among them, although it grows by itself: the provider sees no change
// where there is more than is asked for, and asking for more must have an effect.
func keptByRDS() pulumi.ResourceOption {
	return pulumi.IgnoreChanges([]string{"availabilityZone", "password"})
}

// keep are the options of everything that holds data.
func (p Plan) keep() []pulumi.ResourceOption {
	return []pulumi.ResourceOption{pulumi.Protect(p.Topology.AWS.Protect), pulumi.RetainOnDelete(p.Topology.AWS.Protect)}
}

// instance is what a primary and a replica have in common.
func (p *Postgres) instance(ctx *pulumi.Context, m images.Machine, args *PostgresArgs, with instanceParts) (*rds.InstanceArgs, []pulumi.ResourceOption, error) {
	c := args.Topology.AWS.Postgres
	identifier := args.resourceName(m.Name)
	iops, throughput := c.Provisioned()
	opts := append(args.keep(), pulumi.Parent(p), keptByRDS())
	exports := []string{"postgresql", "upgrade"}
	for _, export := range exports {
		group, err := args.Keys.logGroup(ctx, m.Name+"-log-"+export, "/aws/rds/instance/"+identifier+"/"+export, args.Plan, pulumi.Parent(p))
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, pulumi.DependsOn([]pulumi.Resource{group}))
	}
	return &rds.InstanceArgs{
		Identifier:    pulumi.String(identifier),
		InstanceClass: pulumi.String(c.Class),
		// A version is a line of the stack, which staging has run before production: never
		// one that comes over night. What must be restarted waits for the window.
		AutoMinorVersionUpgrade:  pulumi.Bool(false),
		AllowMajorVersionUpgrade: pulumi.Bool(false),
		ApplyImmediately:         pulumi.Bool(false),

		// Of a replica the provider ignores it at birth, with a warning: that has as much as
		// its primary. Later both grow when the stack says so.
		AllocatedStorage:    pulumi.Int(c.StorageGB),
		StorageType:         pulumi.String("gp3"),
		MaxAllocatedStorage: pulumi.Int(c.MaxStorageGB),
		Iops:                unlessZero(iops),
		StorageThroughput:   unlessZero(throughput),
		StorageEncrypted:    pulumi.Bool(true),

		ParameterGroupName:  with.parameters,
		VpcSecurityGroupIds: pulumi.StringArray{args.Network.Groups.Postgres},
		PubliclyAccessible:  pulumi.Bool(false),
		Port:                pulumi.Int(int(images.PortPostgres)),
		CaCertIdentifier:    pulumi.String("rds-ca-rsa2048-g1"), // good until 2061
		MaintenanceWindow:   pulumi.String(maintenanceWindow(m)),

		CopyTagsToSnapshot: pulumi.Bool(true),
		// What may be destroyed leaves nothing behind that costs.
		DeleteAutomatedBackups: pulumi.Bool(!args.Topology.AWS.Protect),
		DeletionProtection:     pulumi.Bool(args.Topology.AWS.Protect),

		PerformanceInsightsEnabled:         pulumi.Bool(true),
		PerformanceInsightsKmsKeyId:        args.Keys.Data,
		PerformanceInsightsRetentionPeriod: pulumi.Int(7), // days; what costs nothing
		MonitoringInterval:                 pulumi.Int(60),
		MonitoringRoleArn:                  with.monitoring,
		EnabledCloudwatchLogsExports:       pulumi.ToStringArray(exports),
	}, opts, nil
}

func (p *Postgres) primary(ctx *pulumi.Context, m images.Machine, args *PostgresArgs, with instanceParts) (*rds.Instance, error) {
	c := args.Topology.AWS.Postgres
	a, opts, err := p.instance(ctx, m, args, with)
	if err != nil {
		return nil, err
	}
	a.Engine, a.EngineVersion = pulumi.String("postgres"), pulumi.String(c.Version)
	a.DbName, a.Username = pulumi.String("burbn"), pulumi.String(ownerRole)
	a.Password = args.Secrets.born[ownerSecret(m.Name)]
	a.KmsKeyId = args.Keys.Data
	a.DbSubnetGroupName = with.subnets
	a.BackupRetentionPeriod, a.BackupWindow = pulumi.Int(c.BackupDays), pulumi.String(backupWindow(m))
	a.MultiAz = pulumi.Bool(c.MultiAZ)
	if !c.MultiAZ { // with a standby RDS chooses the zones, and refuses to be told
		a.AvailabilityZone = pulumi.String(args.zoneOf(m))
	}
	a.SkipFinalSnapshot = pulumi.Bool(!args.Topology.AWS.Protect)
	if args.Topology.AWS.Protect {
		a.FinalSnapshotIdentifier = pulumi.String(args.resourceName(m.Name) + "-final")
	}
	db, err := rds.NewInstance(ctx, m.Name, a, opts...)
	if err != nil {
		return nil, err
	}
	p.Primaries[m.Name] = db
	if err := p.born(ctx, m, db, args); err != nil {
		return nil, err
	}
	return db, args.Network.pointTo(ctx, m, db.Address, p)
}

// replica follows its primary from the next zone. It has no backups of its own before
// it is promoted. Key, subnets, storage and version are its primary's: RDS refuses to
// be told.
func (p *Postgres) replica(ctx *pulumi.Context, m images.Machine, primary *rds.Instance, args *PostgresArgs, with instanceParts) error {
	a, opts, err := p.instance(ctx, m, args, with)
	if err != nil {
		return err
	}
	a.ReplicateSourceDb = primary.Identifier
	a.AvailabilityZone = primary.AvailabilityZone.ApplyT(args.zoneBeside).(pulumi.StringOutput)
	a.BackupRetentionPeriod = pulumi.Int(0)
	a.SkipFinalSnapshot = pulumi.Bool(true) // there is none of a replica
	db, err := rds.NewInstance(ctx, m.Name, a, opts...)
	if err != nil {
		return err
	}
	p.Replicas[m.Name] = db
	return args.Network.pointTo(ctx, m, db.Address, p)
}

// The roles as which the databases are worked on.
const (
	ownerRole = "burbn_owner"
	appRole   = "burbn_app"
)

// born writes what the owner and the services' role are at first. The latter is made by
// migrations; rotations alternate between it and its clone, as the owner.
func (p *Postgres) born(ctx *pulumi.Context, m images.Machine, db *rds.Instance, args *PostgresArgs) error {
	owner, app := ownerSecret(m.Name), appSecret(m.Name)
	if err := p.write(ctx, m.Name+"-owner", owner, ownerRole, db, args, nil); err != nil {
		return err
	}
	return p.write(ctx, m.Name+"-app", app, appRole, db, args, map[string]pulumi.StringOutput{"masterarn": args.Secrets.ARNs[owner]})
}

// write makes the first value of the secret of a role, with all that Secrets Manager's
// functions of rotation read in it.
func (p *Postgres) write(ctx *pulumi.Context, name, secret, role string, db *rds.Instance, args *PostgresArgs, more map[string]pulumi.StringOutput) error {
	values := pulumi.StringMap{
		"engine": pulumi.String("postgres"),
		// The endpoint rather than our name for it: the rotation compares that of a role
		// with its owner's, and with the certificate.
		"host":     db.Address,
		"port":     pulumi.String(strconv.Itoa(int(images.PortPostgres))),
		"dbname":   pulumi.String("burbn"),
		"username": pulumi.String(role),
		"password": args.Secrets.born[secret],
		"ssl":      pulumi.String("true"), // it would fall back to plain text
	}
	for k, v := range more {
		values[k] = v
	}
	var err error
	p.roles[secret], err = secretsmanager.NewSecretVersion(ctx, name, &secretsmanager.SecretVersionArgs{
		SecretId:     args.Secrets.ARNs[secret],
		SecretString: pulumi.ToSecret(values.ToStringMapOutput().ApplyT(document)).(pulumi.StringOutput),
		// An up that wrote it again would undo a rotation and lock the services out.
	}, pulumi.Parent(p), pulumi.IgnoreChanges([]string{"secretString", "versionStages"}))
	return err
}

// monitoringRole lets RDS write the operating system's metrics.
func (p *Postgres) monitoringRole(ctx *pulumi.Context, name string, args *PostgresArgs) (*iam.Role, error) {
	trust, err := servedBy("monitoring.rds.amazonaws.com", args.Account,
		fmt.Sprintf("arn:aws:rds:%s:%s:db:%s*", args.Topology.AWS.Region, args.Account, args.resourceName("")))
	if err != nil {
		return nil, err
	}
	role, err := iam.NewRole(ctx, name+"-monitoring", &iam.RoleArgs{
		Name: pulumi.String(args.resourceName("postgres-monitoring")), AssumeRolePolicy: pulumi.String(trust),
	}, pulumi.Parent(p))
	if err != nil {
		return nil, err
	}
	_, err = iam.NewRolePolicyAttachment(ctx, name+"-monitoring-policy", &iam.RolePolicyAttachmentArgs{
		Role: role.Name, PolicyArn: pulumi.String("arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"),
	}, pulumi.Parent(p))
	return role, err
}

// pointTo makes a machine's name lead to what Amazon calls it. After a failover or a
// restore clients follow within half a minute.
func (n *Network) pointTo(ctx *pulumi.Context, m images.Machine, target pulumi.StringOutput, parent pulumi.Resource) error {
	_, err := route53.NewRecord(ctx, m.Name+"-name", &route53.RecordArgs{
		ZoneId:  n.PrivateZone,
		Name:    pulumi.String(m.Addr),
		Type:    pulumi.String("CNAME"),
		Ttl:     pulumi.Int(30),
		Records: pulumi.StringArray{target},
	}, pulumi.Parent(parent))
	return err
}

// unlessZero leaves out what the topology leaves to Amazon.
func unlessZero(n int) pulumi.IntPtrInput {
	if n == 0 {
		return nil
	}
	return pulumi.Int(n)
}
