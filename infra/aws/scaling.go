package aws

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/autoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// scale lets the fleet follow its load between its count and its most. nginx and push
// keep their count: neither is ever the narrow place.
func (args *FleetArgs) scale(ctx *pulumi.Context, name string, group *autoscaling.Group, parent pulumi.Resource) error {
	switch args.Role {
	case images.API:
		return args.followCPU(ctx, name, group, parent)
	case images.Worker:
		return args.followQueue(ctx, name, group, parent)
	default:
		return nil
	}
}

// scales says that how many machines there are is not the topology's affair alone.
func (args *FleetArgs) scales() bool { return args.Role == images.API || args.Role == images.Worker }

// followCPU holds the machines' CPU at the topology's share: twice the load is met by
// twice the machines, which is what target tracking supposes.
func (args *FleetArgs) followCPU(ctx *pulumi.Context, name string, group *autoscaling.Group, parent pulumi.Resource) error {
	_, each := args.size()
	_, err := autoscaling.NewPolicy(ctx, name+"-cpu", &autoscaling.PolicyArgs{
		Name: args.nameOf(string(args.Role) + "-cpu"), AutoscalingGroupName: group.Name, PolicyType: pulumi.String("TargetTrackingScaling"),
		TargetTrackingConfiguration: autoscaling.PolicyTargetTrackingConfigurationArgs{
			PredefinedMetricSpecification: autoscaling.PolicyTargetTrackingConfigurationPredefinedMetricSpecificationArgs{
				PredefinedMetricType: pulumi.String("ASGAverageCPUUtilization"),
			},
			TargetValue: pulumi.Float64(each.CPUPercent),
		},
	}, pulumi.Parent(parent))
	return err
}

// followQueue adds workers while tasks wait too long. In steps, not by target tracking:
// that takes ten times the age for a need of ten times the machines, while an age
// grows by itself for as long as there are too few.
func (args *FleetArgs) followQueue(ctx *pulumi.Context, name string, group *autoscaling.Group, parent pulumi.Resource) error {
	_, each := args.size()
	bound := float64(each.OldestSeconds)
	more, err := args.step(ctx, name+"-more", group, parent, autoscaling.PolicyStepAdjustmentArray{
		// Bounds are relative to the alarm's: above it a quarter, from four times on a half.
		autoscaling.PolicyStepAdjustmentArgs{
			MetricIntervalLowerBound: pulumi.String("0"), MetricIntervalUpperBound: pulumi.Sprintf("%g", 3*bound), ScalingAdjustment: pulumi.Int(25),
		},
		autoscaling.PolicyStepAdjustmentArgs{MetricIntervalLowerBound: pulumi.Sprintf("%g", 3*bound), ScalingAdjustment: pulumi.Int(50)},
	})
	if err != nil {
		return err
	}
	fewer, err := args.step(ctx, name+"-fewer", group, parent, autoscaling.PolicyStepAdjustmentArray{
		autoscaling.PolicyStepAdjustmentArgs{MetricIntervalLowerBound: pulumi.String("0"), ScalingAdjustment: pulumi.Int(-10)},
	})
	if err != nil {
		return err
	}
	_, err = cloudwatch.NewMetricAlarm(ctx, name+"-behind", &cloudwatch.MetricAlarmArgs{
		Name:               args.nameOf(string(args.Role) + "-behind"),
		AlarmDescription:   pulumi.String("Tasks wait longer than they may: the fleet grows by itself, and nobody has to do anything."),
		Namespace:          pulumi.String(metricNamespace),
		MetricName:         pulumi.String("OldestTaskSeconds"),
		Dimensions:         pulumi.StringMap{"Stack": pulumi.String(args.Stack)},
		Statistic:          pulumi.String("Maximum"),
		Period:             pulumi.Int(60),
		EvaluationPeriods:  pulumi.Int(2),
		ComparisonOperator: pulumi.String("GreaterThanOrEqualToThreshold"),
		Threshold:          pulumi.Float64(bound),
		TreatMissingData:   pulumi.String("missing"), // who knows nothing changes nothing
		AlarmActions:       pulumi.Array{more.Arn},
	}, pulumi.Parent(parent))
	if err != nil {
		return err
	}
	return args.idle(ctx, name, group, fewer, bound, parent)
}

// step is a policy that changes the fleet by shares of what it is, one machine at least.
func (args *FleetArgs) step(ctx *pulumi.Context, name string, group *autoscaling.Group, parent pulumi.Resource, steps autoscaling.PolicyStepAdjustmentArray) (*autoscaling.Policy, error) {
	return autoscaling.NewPolicy(ctx, name, &autoscaling.PolicyArgs{
		Name: pulumi.String("burbn-" + args.Stack + "-" + name), AutoscalingGroupName: group.Name, PolicyType: pulumi.String("StepScaling"),
		AdjustmentType: pulumi.String("PercentChangeInCapacity"), MinAdjustmentMagnitude: pulumi.Int(1),
		MetricAggregationType:   pulumi.String("Maximum"),
		EstimatedInstanceWarmup: pulumi.Int(2 * warmSeconds), // a task or two, before it counts
		StepAdjustments:         steps,
	}, pulumi.Parent(parent))
}

// idle takes workers away that have been of no use for a quarter of an hour: nothing
// waits, and those that are left have room. The age alone would not say the second, so
// that a busy fleet which keeps up would shrink until it does not.
func (args *FleetArgs) idle(ctx *pulumi.Context, name string, group *autoscaling.Group, fewer *autoscaling.Policy, bound float64, parent pulumi.Resource) error {
	metric := func(id, namespace, metric, stat string, dimensions pulumi.StringMap) cloudwatch.MetricAlarmMetricQueryArgs {
		return cloudwatch.MetricAlarmMetricQueryArgs{Id: pulumi.String(id), Metric: cloudwatch.MetricAlarmMetricQueryMetricArgs{
			Namespace: pulumi.String(namespace), MetricName: pulumi.String(metric), Dimensions: dimensions, Stat: pulumi.String(stat), Period: pulumi.Int(60),
		}}
	}
	_, err := cloudwatch.NewMetricAlarm(ctx, name+"-idle", &cloudwatch.MetricAlarmArgs{
		Name:             args.nameOf(string(args.Role) + "-idle"),
		AlarmDescription: pulumi.String("Workers are idle: the fleet shrinks by itself, down to its count, and nobody has to do anything."),
		MetricQueries: cloudwatch.MetricAlarmMetricQueryArray{
			metric("age", metricNamespace, "OldestTaskSeconds", "Maximum", pulumi.StringMap{"Stack": pulumi.String(args.Stack)}),
			metric("cpu", "AWS/EC2", "CPUUtilization", "Average", pulumi.StringMap{"AutoScalingGroupName": group.Name}),
			cloudwatch.MetricAlarmMetricQueryArgs{
				Id: pulumi.String("idle"), Label: pulumi.String("idle"), ReturnData: pulumi.Bool(true),
				Expression: pulumi.Sprintf("IF(age < %g AND cpu < 40, 1, 0)", bound/3),
			},
		},
		EvaluationPeriods:  pulumi.Int(15),
		ComparisonOperator: pulumi.String("GreaterThanOrEqualToThreshold"),
		Threshold:          pulumi.Float64(1),
		TreatMissingData:   pulumi.String("missing"),
		AlarmActions:       pulumi.Array{fewer.Arn},
	}, pulumi.Parent(parent))
	return err
}
