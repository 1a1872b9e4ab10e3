package aws

import (
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/autoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/topology"
	"github.com/burbn/burbn/services/settings"
)

const (
	// bootSeconds is how long a machine may take from its birth until its units are
	// ready; after that it is given up and another one is born.
	bootSeconds = 600
	// warmSeconds is how long a machine that is ready warms its caches and connections
	// before its load says anything.
	warmSeconds = 60
	// graceSeconds is how long the balancers may take to see a new machine healthy.
	graceSeconds = 120
)

// FleetArgs say what the fleet runs.
type FleetArgs struct {
	Plan
	Role    images.Role
	Account string
	Keys    *Keys
	Network *Network
	Storage *Storage
	Secrets *Secrets
	Images  *MachineImages
	Release *Release
	Edge    *Edge
	CDN     *CDN
	Alerts  *Alerts
	// After must be there before the first machine of a release is born.
	After []pulumi.Resource
}

// Fleet is the machines of a role, alike, in an Auto Scaling group over the zones.
type Fleet struct {
	pulumi.ResourceState

	Group pulumi.StringOutput // name of the Auto Scaling group
}

// NewFleet provisions the fleet. A change of what its machines contain replaces them
// a few at a time, and comes to a stop and back if alarms sound.
func NewFleet(ctx *pulumi.Context, name string, args *FleetArgs, opts ...pulumi.ResourceOption) (*Fleet, error) {
	f := &Fleet{}
	if err := ctx.RegisterComponentResource("burbn:aws:Fleet", name, f, opts...); err != nil {
		return nil, err
	}
	called := args.resourceName(string(args.Role))
	who, err := newIdentity(ctx, name, called, args.permissions(args.Role, args.Account, args.Keys, args.CDN), f)
	if err != nil {
		return nil, err
	}
	data, err := userData(settings.Machine{
		Stack: args.Stack, Role: string(args.Role), Region: args.Topology.AWS.Region,
		Bundle: args.Release.Bundles[args.Role], Group: called, Hook: bootHook,
	})
	if err != nil {
		return nil, err
	}
	template, err := args.template(ctx, name, data, who, f)
	if err != nil {
		return nil, err
	}
	alarms, err := args.rollbackAlarms(ctx, name, f)
	if err != nil {
		return nil, err
	}
	group, err := args.group(ctx, name, template, who, alarms, f)
	if err != nil {
		return nil, err
	}
	f.Group = group.Name
	if err := args.scale(ctx, name, group, f); err != nil {
		return nil, err
	}
	return f, ctx.RegisterResourceOutputs(f, pulumi.Map{"group": f.Group})
}

// size is how many machines there are at least, and what each is.
func (args *FleetArgs) size() (int, topology.Fleet) {
	t := args.Topology
	switch args.Role {
	case images.Nginx:
		return t.Nginx.Count, t.AWS.Nginx
	case images.API:
		return t.API.Count, t.AWS.API
	case images.Worker:
		return t.Worker.Count, t.AWS.Worker
	default:
		return t.Push.Count, t.AWS.Push
	}
}

// balancers are the target groups that the fleet joins.
func (args *FleetArgs) balancers() []pulumi.StringOutput {
	switch args.Role {
	case images.Nginx:
		return args.Edge.NginxGroups
	case images.API:
		return args.Edge.APIGroups
	default:
		return nil
	}
}

// template is what a machine of the fleet is born as.
func (args *FleetArgs) template(ctx *pulumi.Context, name, data string, who identity, parent pulumi.Resource) (*ec2.LaunchTemplate, error) {
	_, each := args.size()
	called := args.resourceName(string(args.Role))
	// The provider's tags stay with the template: what it bears has its own. Prometheus
	// finds machines by role and stack.
	tags := pulumi.StringMap{
		"Name": pulumi.String(called), "project": pulumi.String("burbn"), "role": pulumi.String(args.Role), "stack": pulumi.String(args.Stack),
	}
	var tagged ec2.LaunchTemplateTagSpecificationArray
	for _, what := range []string{"instance", "volume", "network-interface"} {
		tagged = append(tagged, ec2.LaunchTemplateTagSpecificationArgs{ResourceType: pulumi.String(what), Tags: tags})
	}
	return ec2.NewLaunchTemplate(ctx, name+"-template", &ec2.LaunchTemplateArgs{
		Name:               pulumi.String(called),
		ImageId:            args.Images.AMI[args.Role],
		InstanceType:       pulumi.String(each.Instance),
		UserData:           pulumi.String(base64.StdEncoding.EncodeToString([]byte(data))),
		IamInstanceProfile: ec2.LaunchTemplateIamInstanceProfileArgs{Arn: who.profile.Arn},
		BlockDeviceMappings: ec2.LaunchTemplateBlockDeviceMappingArray{ec2.LaunchTemplateBlockDeviceMappingArgs{
			DeviceName: pulumi.String(args.Images.RootDevice),
			Ebs: ec2.LaunchTemplateBlockDeviceMappingEbsArgs{
				VolumeType: pulumi.String("gp3"), VolumeSize: pulumi.Int(each.DiskGB),
				// With the account's own key for EBS: Auto Scaling may use it as it is.
				Encrypted: pulumi.String("true"), DeleteOnTermination: pulumi.String("true"),
			},
		}},
		NetworkInterfaces: ec2.LaunchTemplateNetworkInterfaceArray{ec2.LaunchTemplateNetworkInterfaceArgs{
			DeviceIndex: pulumi.Int(0), AssociatePublicIpAddress: pulumi.String("false"), DeleteOnTermination: pulumi.String("true"),
			SecurityGroups: pulumi.StringArray{args.Network.Groups.Of(args.Role)},
		}},
		MetadataOptions: ec2.LaunchTemplateMetadataOptionsArgs{
			HttpEndpoint: pulumi.String("enabled"), HttpTokens: pulumi.String("required"), HttpPutResponseHopLimit: pulumi.Int(1),
		},
		// Every minute instead of every five: what scales by CPU has to see it in time.
		Monitoring:                        ec2.LaunchTemplateMonitoringArgs{Enabled: pulumi.Bool(true)},
		InstanceInitiatedShutdownBehavior: pulumi.String("terminate"),
		TagSpecifications:                 tagged,
		// Whoever starts a machine by hand gets the one that the fleet has.
		UpdateDefaultVersion: pulumi.Bool(true),
	}, pulumi.Parent(parent))
}

// group is the fleet itself. How many machines a fleet has that scales is left to the
// scaling, so it is not said: at birth the least, and after that Pulumi does not ask.
func (args *FleetArgs) group(ctx *pulumi.Context, name string, template *ec2.LaunchTemplate, who identity, alarms []rollbackAlarm, parent pulumi.Resource) (*autoscaling.Group, error) {
	least, each := args.size()
	called := args.resourceName(string(args.Role))
	var subnets, balancers, sounding pulumi.StringArray
	roll := rollout{group: called, every: refreshEvery}
	for _, subnet := range args.Network.App {
		subnets = append(subnets, subnet)
	}
	for _, b := range args.balancers() {
		balancers = append(balancers, b)
	}
	after := slices.Concat(who.ready, args.Release.Uploaded[args.Role], args.Network.Ready, []pulumi.Resource{args.Secrets}, args.After)
	for _, a := range alarms {
		sounding = append(sounding, a.alarm.Name)
		roll.alarms = append(roll.alarms, a.called)
		after = append(after, a.alarm)
	}
	hook, err := roll.hook(ctx, name, args.Topology.AWS.Region)
	if err != nil {
		return nil, err
	}
	var desired pulumi.IntPtrInput
	if !args.scales() {
		desired = pulumi.Int(least) // or nobody would ever take one away again
	}
	version := template.LatestVersion.ApplyT(func(v int) string { return fmt.Sprint(v) }).(pulumi.StringOutput)
	health := "EC2"
	if len(balancers) > 0 {
		health = "ELB"
		after = append(after, args.Edge) // whose listeners make the balancers look at all
	}
	group, err := autoscaling.NewGroup(ctx, name+"-group", &autoscaling.GroupArgs{
		Name:    pulumi.String(called),
		MinSize: pulumi.Int(least), MaxSize: pulumi.Int(each.Max), DesiredCapacity: desired,
		VpcZoneIdentifiers: subnets,
		AvailabilityZoneDistribution: autoscaling.GroupAvailabilityZoneDistributionArgs{
			// Where a zone has no machines to give, the others do.
			CapacityDistributionStrategy: pulumi.String("balanced-best-effort"),
		},
		// By number: a group that follows $Latest sees no change, and refreshes nothing.
		LaunchTemplate: autoscaling.GroupLaunchTemplateArgs{
			Id: template.ID(), Version: version,
		},
		TargetGroupArns:        balancers,
		HealthCheckType:        pulumi.String(health),
		HealthCheckGracePeriod: pulumi.Int(graceSeconds),
		DefaultInstanceWarmup:  pulumi.Int(warmSeconds),
		// With the group itself, because the first machines are born with it.
		InitialLifecycleHooks: autoscaling.GroupInitialLifecycleHookArray{autoscaling.GroupInitialLifecycleHookArgs{
			Name: pulumi.String(bootHook), LifecycleTransition: pulumi.String("autoscaling:EC2_INSTANCE_LAUNCHING"),
			HeartbeatTimeout: pulumi.Int(bootSeconds), DefaultResult: pulumi.String("ABANDON"),
		}},
		// As rollout begins it: the provider never does.
		InstanceRefresh: autoscaling.GroupInstanceRefreshArgs{
			Strategy: pulumi.String("Rolling"),
			Preferences: autoscaling.GroupInstanceRefreshPreferencesArgs{
				MinHealthyPercentage: pulumi.Int(healthyPercent), MaxHealthyPercentage: pulumi.Int(healthyPercent + surgePercent),
				InstanceWarmup:     pulumi.String(fmt.Sprint(warmSeconds)),
				SkipMatching:       pulumi.Bool(true),
				AutoRollback:       pulumi.Bool(true),
				AlarmSpecification: autoscaling.GroupInstanceRefreshPreferencesAlarmSpecificationArgs{Alarms: sounding},
			},
		},
		TerminationPolicies:    pulumi.ToStringArray([]string{"OldestLaunchTemplate", "Default"}),
		WaitForCapacityTimeout: pulumi.String("15m"),
		MetricsGranularity:     pulumi.String("1Minute"),
		EnabledMetrics: pulumi.ToStringArray([]string{
			"GroupDesiredCapacity", "GroupInServiceInstances", "GroupMaxSize", "GroupMinSize", "GroupPendingInstances", "GroupTerminatingInstances", "GroupTotalInstances",
		}),
		Tags: append(groupTags(args.Stack, args.Role, called), autoscaling.GroupTagArgs{
			Key: pulumi.String(rolledTag), Value: pulumi.Sprintf("%s:%s", template.ID(), version), PropagateAtLaunch: pulumi.Bool(false),
		}),
	}, pulumi.Parent(parent), pulumi.DependsOn(after),
		// The group is born with the template; after that rollout changes it.
		pulumi.IgnoreChanges([]string{"launchTemplate"}), pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeUpdate: []*pulumi.ResourceHook{hook}}))
	return group, err
}

// groupTags are those of the group: it takes none from the provider, and its machines
// have theirs from the template.
func groupTags(stack string, role images.Role, called string) autoscaling.GroupTagArray {
	var tags autoscaling.GroupTagArray
	for _, tag := range [][2]string{{"Name", called}, {"project", "burbn"}, {"role", string(role)}, {"stack", stack}} {
		tags = append(tags, autoscaling.GroupTagArgs{Key: pulumi.String(tag[0]), Value: pulumi.String(tag[1]), PropagateAtLaunch: pulumi.Bool(false)})
	}
	return tags
}
