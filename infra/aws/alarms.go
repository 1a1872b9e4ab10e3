package aws

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	awssdk "github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// AlarmsArgs say what is watched.
type AlarmsArgs struct {
	Plan
	Alerts     *Alerts
	Edge       *Edge
	CDN        *CDN
	Postgres   *Postgres
	Redis      *Redis
	Memcached  *Memcached
	Fleets     map[images.Role]*Fleet
	Monitoring *Monitoring
	Virginia   *awssdk.Provider // CloudFront's metrics are in us-east-1 alone
}

// Alarms watch what Amazon runs; what we run is watched by Prometheus.
type Alarms struct{ pulumi.ResourceState }

// NewAlarms provisions the alarms. The tables in the files alarms_*.go say which.
func NewAlarms(ctx *pulumi.Context, name string, args *AlarmsArgs, opts ...pulumi.ResourceOption) (*Alarms, error) {
	a := &Alarms{}
	if err := ctx.RegisterComponentResource("burbn:aws:Alarms", name, a, opts...); err != nil {
		return nil, err
	}
	var alarms []alarm
	for _, table := range [][]alarm{
		args.webAlarms(args.Edge), args.fleetAlarms(), args.machineAlarms(args.Monitoring),
		args.postgresAlarms(), args.rotationAlarms(), args.redisAlarms(), args.memcachedAlarms(),
	} {
		alarms = append(alarms, table...)
	}
	for _, al := range alarms {
		if err := al.provision(ctx, name, args.Plan, args.Alerts.Topic, pulumi.Parent(a)); err != nil {
			return nil, err
		}
	}
	for _, al := range args.cdnAlarms(args.CDN) {
		if err := al.provision(ctx, name, args.Plan, args.Alerts.Virginia, pulumi.Parent(a), pulumi.Provider(args.Virginia)); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// metric is a series of CloudWatch's.
type metric struct {
	namespace, name string
	dimensions      pulumi.StringMap
	stat            string // "Sum", "Maximum", "p99"
}

// What an alarm makes of a minute without a value.
const (
	quiet  = "notBreaching" // the metric is there only when something happens
	silent = "breaching"    // silence is what is feared most
)

// alarm is a row of a table: what is watched, and when the on-call is told.
type alarm struct {
	name string // after the component's, and after the stack's for Amazon
	says string // the mail at 3 a.m.: what it means, and what to do first
	of   metric
	// expression stands in for of; it is over metrics by their ids, or a query that
	// needs none.
	expression string
	metrics    map[string]metric
	// The value is above or below this in every minute of so many.
	above, below *float64
	minutes      int
	// slack is how many minutes more are looked at. An expression that fills every gap
	// has a value for the newest minutes before Amazon has: without slack it would be
	// well for ever.
	slack int
	// period is the minutes of one value; 0: one, as most of Amazon's metrics have.
	period  int
	missing string
}

func is(v float64) *float64 { return &v }

// share is an expression: how many of each hundred are bad. Below floor a minute it
// is 0: one failed request of three at night wakes nobody.
func share(bad, all string, floor int) string {
	return fmt.Sprintf("IF((%[2]s) >= %[3]d, 100 * (%[1]s) / (%[2]s), 0)", bad, all, floor)
}

// provision makes the row an alarm that tells the topic when it sounds and when it
// is over.
func (al alarm) provision(ctx *pulumi.Context, prefix string, p Plan, topic pulumi.StringOutput, opts ...pulumi.ResourceOption) error {
	each := max(1, al.period)
	seconds := pulumi.Int(60 * each)
	args := &cloudwatch.MetricAlarmArgs{
		Name:              pulumi.String(p.resourceName(al.name)),
		AlarmDescription:  pulumi.String(al.says),
		EvaluationPeriods: pulumi.Int((al.minutes + al.slack) / each),
		DatapointsToAlarm: pulumi.Int(al.minutes / each),
		TreatMissingData:  pulumi.String(al.missing),
		AlarmActions:      pulumi.Array{topic},
		OkActions:         pulumi.Array{topic},
	}
	switch {
	case al.above != nil:
		args.ComparisonOperator, args.Threshold = pulumi.String("GreaterThanThreshold"), pulumi.Float64(*al.above)
	case al.below != nil:
		args.ComparisonOperator, args.Threshold = pulumi.String("LessThanThreshold"), pulumi.Float64(*al.below)
	default:
		return fmt.Errorf("alarm %s is neither above nor below anything", al.name)
	}
	if al.expression == "" {
		args.Namespace, args.MetricName, args.Dimensions = pulumi.String(al.of.namespace), pulumi.String(al.of.name), al.of.dimensions
		args.Period = seconds
		if strings.HasPrefix(al.of.stat, "p") {
			args.ExtendedStatistic = pulumi.String(al.of.stat)
			// A percentile of a handful is the slowest of them.
			args.EvaluateLowSampleCountPercentiles = pulumi.String("ignore")
		} else {
			args.Statistic = pulumi.String(al.of.stat)
		}
	} else {
		result := cloudwatch.MetricAlarmMetricQueryArgs{
			Id: pulumi.String("result"), Expression: pulumi.String(al.expression), Label: pulumi.String(al.name), ReturnData: pulumi.Bool(true),
		}
		if len(al.metrics) == 0 {
			result.Period = seconds
		}
		queries := cloudwatch.MetricAlarmMetricQueryArray{result}
		for _, id := range slices.Sorted(maps.Keys(al.metrics)) {
			m := al.metrics[id]
			queries = append(queries, cloudwatch.MetricAlarmMetricQueryArgs{
				Id: pulumi.String(id), ReturnData: pulumi.Bool(false),
				Metric: cloudwatch.MetricAlarmMetricQueryMetricArgs{
					Namespace: pulumi.String(m.namespace), MetricName: pulumi.String(m.name), Dimensions: m.dimensions,
					Stat: pulumi.String(m.stat), Period: seconds,
				},
			})
		}
		args.MetricQueries = queries
	}
	_, err := cloudwatch.NewMetricAlarm(ctx, prefix+"-"+al.name, args, opts...)
	return err
}
