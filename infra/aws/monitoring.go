package aws

import (
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ebs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/services/settings"
)

// dataDevice is the name under which the machine asks for its volume.
const dataDevice = "/dev/sdf"

// MonitoringArgs say what the machine that watches runs.
type MonitoringArgs struct {
	Plan
	Keys    *Keys
	Account string
	Network *Network
	Storage *Storage
	Secrets *Secrets
	Images  *MachineImages
	Release *Release
	Alerts  *Alerts
}

// Monitoring is the machine that watches, and the volume of what it has seen, which
// outlives it.
type Monitoring struct {
	pulumi.ResourceState

	Instance pulumi.IDOutput
}

// NewMonitoring provisions the machine, its volume and its name. It is one machine, in
// one zone, because its volume is: a second one would have seen other things. When it
// is down the alarms on what Amazon runs still sound, and so does its own.
func NewMonitoring(ctx *pulumi.Context, name string, args *MonitoringArgs, opts ...pulumi.ResourceOption) (*Monitoring, error) {
	m := &Monitoring{}
	if err := ctx.RegisterComponentResource("burbn:aws:Monitoring", name, m, opts...); err != nil {
		return nil, err
	}
	who, err := newIdentity(ctx, name, args.resourceName(string(images.Monitoring)), args.permissions(images.Monitoring, args.Account, args.Keys, nil), m)
	if err != nil {
		return nil, err
	}
	volume, err := args.volume(ctx, name, m)
	if err != nil {
		return nil, err
	}
	machine, err := args.machine(ctx, name, who, m)
	if err != nil {
		return nil, err
	}
	m.Instance = machine.ID()
	within := pulumi.Parent(m)
	if _, err := ec2.NewVolumeAttachment(ctx, name+"-attachment", &ec2.VolumeAttachmentArgs{
		InstanceId: machine.ID(), VolumeId: volume.ID(), DeviceName: pulumi.String(dataDevice),
		// So that it is unmounted, not torn off.
		StopInstanceBeforeDetaching: pulumi.Bool(true),
	}, within, pulumi.DeleteBeforeReplace(true)); err != nil {
		return nil, err
	}
	if _, err := route53.NewRecord(ctx, name+"-name", &route53.RecordArgs{
		ZoneId: args.Network.PrivateZone, Name: pulumi.String(args.Plan.machine(images.Monitoring).Addr), Type: pulumi.String("A"),
		Ttl: pulumi.Int(30), Records: pulumi.StringArray{machine.PrivateIp},
	}, within); err != nil {
		return nil, err
	}
	if err := args.recover(ctx, name, machine, m); err != nil {
		return nil, err
	}
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{"instance": m.Instance})
}

// volume is what Prometheus, Alertmanager and the journal keep.
func (args *MonitoringArgs) volume(ctx *pulumi.Context, name string, parent pulumi.Resource) (*ebs.Volume, error) {
	cloud := args.Topology.AWS
	return ebs.NewVolume(ctx, name+"-data", &ebs.VolumeArgs{
		AvailabilityZone: pulumi.String(cloud.Network.Zones[0].Name),
		Size:             pulumi.Int(cloud.Monitoring.DataGB), Type: pulumi.String("gp3"),
		Encrypted: pulumi.Bool(true), KmsKeyId: args.Keys.Data,
		FinalSnapshot: pulumi.Bool(cloud.Protect),
		Tags:          pulumi.StringMap{"Name": args.nameOf("monitoring-data")},
	}, pulumi.Parent(parent), pulumi.Protect(cloud.Protect), pulumi.RetainOnDelete(cloud.Protect))
}

func (args *MonitoringArgs) machine(ctx *pulumi.Context, name string, who identity, parent pulumi.Resource) (*ec2.Instance, error) {
	cloud := args.Topology.AWS
	data, err := userData(settings.Machine{
		Stack: args.Stack, Role: string(images.Monitoring), Region: cloud.Region, Bundle: args.Release.Bundles[images.Monitoring],
	})
	if err != nil {
		return nil, err
	}
	tags := pulumi.StringMap{"Name": args.nameOf(string(images.Monitoring)), "role": pulumi.String(images.Monitoring)}
	after := slices.Concat(who.ready, args.Release.Uploaded[images.Monitoring], args.Network.Ready, []pulumi.Resource{args.Secrets})
	return ec2.NewInstance(ctx, name+"-machine", &ec2.InstanceArgs{
		Ami:          args.Images.AMI[images.Monitoring],
		InstanceType: pulumi.String(cloud.Monitoring.Instance),
		// Where its volume is.
		SubnetId:                 args.Network.App[0],
		AssociatePublicIpAddress: pulumi.Bool(false),
		VpcSecurityGroupIds:      pulumi.StringArray{args.Network.Groups.Monitoring},
		IamInstanceProfile:       who.profile.Name,
		UserData:                 pulumi.String(data),
		// cloud-init reads it once in a machine's life: other content is another machine.
		UserDataReplaceOnChange: pulumi.Bool(true),
		RootBlockDevice: ec2.InstanceRootBlockDeviceArgs{
			VolumeType: pulumi.String("gp3"), VolumeSize: pulumi.Int(cloud.Monitoring.DiskGB), Encrypted: pulumi.Bool(true), DeleteOnTermination: pulumi.Bool(true),
			Tags: tags,
		},
		MetadataOptions: ec2.InstanceMetadataOptionsArgs{
			HttpEndpoint: pulumi.String("enabled"), HttpTokens: pulumi.String("required"), HttpPutResponseHopLimit: pulumi.Int(1),
		},
		Monitoring: pulumi.Bool(true),
		// Against a hand that slips; Pulumi takes it off when it has to replace the machine.
		DisableApiTermination: pulumi.Bool(cloud.Protect),
		Tags:                  tags,
	}, pulumi.Parent(parent), pulumi.DependsOn(after),
		// The volume can be attached to one machine.
		pulumi.DeleteBeforeReplace(true))
}

// recover moves the machine to sound hardware when its own fails, with all that it has.
func (args *MonitoringArgs) recover(ctx *pulumi.Context, name string, machine *ec2.Instance, parent pulumi.Resource) error {
	alarm := func(metric, says string, minutes int, actions ...pulumi.Input) error {
		_, err := cloudwatch.NewMetricAlarm(ctx, name+"-"+metric, &cloudwatch.MetricAlarmArgs{
			Name:             args.nameOf("monitoring-" + metric),
			AlarmDescription: pulumi.String(says),
			Namespace:        pulumi.String("AWS/EC2"), MetricName: pulumi.String(metric), Dimensions: pulumi.StringMap{"InstanceId": machine.ID()},
			Statistic: pulumi.String("Maximum"), Period: pulumi.Int(60), EvaluationPeriods: pulumi.Int(minutes),
			ComparisonOperator: pulumi.String("GreaterThanThreshold"), Threshold: pulumi.Float64(0),
			TreatMissingData: pulumi.String("missing"),
			AlarmActions:     append(pulumi.Array{args.Alerts.Topic}, actions...), OkActions: pulumi.Array{args.Alerts.Topic},
		}, pulumi.Parent(parent))
		return err
	}
	if err := alarm("StatusCheckFailed_System", "The hardware below the machine that watches has failed: EC2 moves the machine by itself. Look whether it came back.", 2,
		pulumi.String("arn:aws:automate:"+args.Topology.AWS.Region+":ec2:recover")); err != nil {
		return err
	}
	return alarm("StatusCheckFailed_Instance", "The machine that watches does not answer: EC2 restarts it. If it does not come back, replace it; its volume stays.", 3,
		pulumi.String("arn:aws:automate:"+args.Topology.AWS.Region+":ec2:reboot"))
}
