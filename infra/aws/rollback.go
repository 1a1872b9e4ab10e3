package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// rollbackAlarm is an alarm and its name.
type rollbackAlarm struct {
	alarm  *cloudwatch.MetricAlarm
	called string
}

// rollbackAlarms are those at whose sound the fleet goes back to what it ran before.
// Every one of them takes silence for well: an alarm that sounds where there is nothing
// to measure would refuse the very release that brings the measure back.
func (args *FleetArgs) rollbackAlarms(ctx *pulumi.Context, name string, parent pulumi.Resource) ([]rollbackAlarm, error) {
	least, each := args.size()
	edge := args.Edge
	var specs []alarmSpec
	switch args.Role {
	case images.Nginx:
		specs = []alarmSpec{
			serverErrors(edge, "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"),
			unhealthy("AWS/ApplicationELB", edge.NginxGroup, edge.ALB, least),
		}
	case images.API:
		specs = []alarmSpec{
			serverErrors(edge, "HTTPCode_Target_5XX_Count"),
			unhealthy("AWS/NetworkELB", edge.APIGroup, edge.NLB, least),
		}
	case images.Worker:
		specs = []alarmSpec{{
			name: "waiting", says: "tasks wait ten times as long as the workers are scaled for",
			namespace: metricNamespace, metric: "OldestTaskSeconds", dimensions: pulumi.StringMap{"Stack": pulumi.String(args.Stack)},
			statistic: "Maximum", minutes: 5, above: float64(10 * each.OldestSeconds),
		}}
	case images.Push:
		specs = []alarmSpec{{
			name: "too-few", says: "fewer machines are in service than the fleet is to have",
			namespace: "AWS/AutoScaling", metric: "GroupInServiceInstances",
			dimensions: pulumi.StringMap{"AutoScalingGroupName": args.nameOf(string(args.Role))},
			statistic:  "Minimum", minutes: 5, below: float64(least),
		}}
	}
	var alarms []rollbackAlarm
	for _, spec := range specs {
		called := args.resourceName(string(args.Role))
		a, err := spec.register(ctx, name, called, args.Alerts.Topic, parent)
		if err != nil {
			return nil, err
		}
		alarms = append(alarms, rollbackAlarm{a, called + "-" + spec.name})
	}
	return alarms, nil
}

// alarmSpec is an alarm in short: one metric, or an expression of several, above or
// below a bound for some minutes.
type alarmSpec struct {
	name, says        string
	namespace, metric string
	dimensions        pulumi.StringMap
	statistic         string
	queries           cloudwatch.MetricAlarmMetricQueryArray
	minutes           int
	above, below      float64
}

func (s alarmSpec) register(ctx *pulumi.Context, name, called string, topic pulumi.StringInput, parent pulumi.Resource) (*cloudwatch.MetricAlarm, error) {
	in := &cloudwatch.MetricAlarmArgs{
		Name:               pulumi.String(called + "-" + s.name),
		AlarmDescription:   pulumi.String("A refresh of " + called + " is rolled back, because " + s.says + ". Outside of one: look at the fleet's page and its last release."),
		ComparisonOperator: pulumi.String("GreaterThanThreshold"), Threshold: pulumi.Float64(s.above),
		EvaluationPeriods: pulumi.Int(s.minutes), DatapointsToAlarm: pulumi.Int(s.minutes),
		TreatMissingData: pulumi.String("notBreaching"),
		AlarmActions:     pulumi.Array{topic}, OkActions: pulumi.Array{topic},
	}
	if s.below > 0 {
		in.ComparisonOperator, in.Threshold = pulumi.String("LessThanThreshold"), pulumi.Float64(s.below)
	}
	if s.queries != nil {
		in.MetricQueries = s.queries
	} else {
		in.Namespace, in.MetricName, in.Dimensions = pulumi.String(s.namespace), pulumi.String(s.metric), s.dimensions
		in.Statistic, in.Period = pulumi.String(s.statistic), pulumi.Int(60)
	}
	return cloudwatch.NewMetricAlarm(ctx, name+"-"+s.name, in, pulumi.Parent(parent))
}

// serverErrors is the share of requests that our side fails. Of a few requests at night
// one is a large share, and no reason to roll back.
func serverErrors(edge *Edge, metrics ...string) alarmSpec {
	const fewest = 100 // requests a minute
	s := alarmSpec{name: "server-errors", says: "more than 2 % of the requests fail on our side", minutes: 3, above: 2}
	metric := func(id, name string) cloudwatch.MetricAlarmMetricQueryArgs {
		return cloudwatch.MetricAlarmMetricQueryArgs{Id: pulumi.String(id), Metric: cloudwatch.MetricAlarmMetricQueryMetricArgs{
			Namespace: pulumi.String("AWS/ApplicationELB"), MetricName: pulumi.String(name), Dimensions: pulumi.StringMap{"LoadBalancer": edge.ALB},
			Stat: pulumi.String("Sum"), Period: pulumi.Int(60),
		}}
	}
	errors := ""
	for i, name := range metrics {
		id := fmt.Sprintf("errors%d", i)
		s.queries = append(s.queries, metric(id, name))
		if i > 0 {
			errors += " + "
		}
		errors += "FILL(" + id + ", 0)"
	}
	s.queries = append(s.queries, metric("requests", "RequestCount"), cloudwatch.MetricAlarmMetricQueryArgs{
		Id: pulumi.String("share"), Label: pulumi.String("failed requests, percent"), ReturnData: pulumi.Bool(true),
		Expression: pulumi.String(fmt.Sprintf("IF(requests > %d, 100 * (%s) / requests, 0)", fewest, errors)),
	})
	return s
}

// unhealthy is machines that the balancer does not trust: more than a tenth of the
// fleet, because that much may be on its way in or out.
func unhealthy(namespace string, group, balancer pulumi.StringOutput, least int) alarmSpec {
	return alarmSpec{
		name: "unhealthy", says: "the balancer finds machines unhealthy",
		namespace: namespace, metric: "UnHealthyHostCount", dimensions: pulumi.StringMap{"TargetGroup": group, "LoadBalancer": balancer},
		statistic: "Maximum", minutes: 3, above: float64(least / 10),
	}
}
