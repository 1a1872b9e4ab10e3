package aws

import (
	"encoding/json"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// event is something that Amazon tells through EventBridge and that goes to the topic.
type event struct {
	name, says string
	pattern    map[string]any
	// values are paths into the event by the name that text calls them.
	values map[string]string
	text   string // of the mail
}

// tells are the events that the on-call hears of. EventBridge delivers them as well as
// it can but promises nothing: whatever lasts has an alarm besides.
func (p Plan) tells() []event {
	var groups []string
	for _, role := range fleetRoles() {
		groups = append(groups, p.resourceName(string(role)))
	}
	ours := func(role images.Role) map[string]string {
		return map[string]string{"prefix": p.resourceName(string(role)) + "-"}
	}
	return []event{
		{
			name: "databases", says: "A database fails over, fails, recovers, is short of storage, is maintained or deleted",
			pattern: map[string]any{
				"source": []string{"aws.rds"}, "detail-type": []string{"RDS DB Instance Event"},
				"detail": map[string]any{
					"EventCategories": []string{
						"availability", "deletion", "failover", "failure", "low storage", "maintenance", "read replica", "recovery", "restoration",
					},
					"SourceIdentifier": []map[string]string{ours(images.Postgres), ours(images.Replica)},
				},
			},
			values: map[string]string{"database": "$.detail.SourceIdentifier", "message": "$.detail.Message"},
			text:   "Database <database>: <message>",
		},
		{
			name: "fleets", says: "A fleet cannot start a machine, or a release is taken back",
			pattern: map[string]any{
				"source": []string{"aws.autoscaling"},
				"detail-type": []string{
					"EC2 Instance Launch Unsuccessful", "EC2 Auto Scaling Instance Refresh Failed",
					"EC2 Auto Scaling Instance Refresh Rollback Started", "EC2 Auto Scaling Instance Refresh Rollback Failed",
				},
				"detail": map[string]any{"AutoScalingGroupName": groups},
			},
			values: map[string]string{"fleet": "$.detail.AutoScalingGroupName", "what": "$.detail-type"},
			text:   "Fleet <fleet>: <what>. The group's activity and its instance refreshes say why, the journals on the monitoring machine what the new machine did.",
		},
		{
			name: "amazon", says: "Amazon has an issue or plans a change that concerns this account",
			pattern: map[string]any{
				"source": []string{"aws.health"}, "detail-type": []string{"AWS Health Event"},
				"detail": map[string]any{"eventTypeCategory": []string{"issue", "scheduledChange"}},
			},
			values: map[string]string{"service": "$.detail.service", "code": "$.detail.eventTypeCode"},
			text:   "AWS <service>: <code>. The console's page AWS Health says which resources it concerns.",
		},
	}
}

// events sends what Amazon tells to the topic.
func (a *Alerts) events(ctx *pulumi.Context, name string, p Plan) error {
	within := pulumi.Parent(a)
	for _, e := range p.tells() {
		pattern, err := json.Marshal(e.pattern)
		if err != nil {
			return err
		}
		rule, err := cloudwatch.NewEventRule(ctx, name+"-"+e.name, &cloudwatch.EventRuleArgs{
			Name:         pulumi.String(p.resourceName("alerts-" + e.name)),
			Description:  pulumi.String(e.says),
			EventPattern: pulumi.String(pattern),
		}, within)
		if err != nil {
			return err
		}
		if _, err := cloudwatch.NewEventTarget(ctx, name+"-"+e.name+"-topic", &cloudwatch.EventTargetArgs{
			Rule: rule.Name, Arn: a.Topic,
			InputTransformer: cloudwatch.EventTargetInputTransformerArgs{
				InputPaths: pulumi.ToStringMap(e.values),
				// A template of plain text is a JSON string. Its <values> must stay as
				// they are, which json.Marshal would escape.
				InputTemplate: pulumi.String(strconv.Quote(e.text)),
			},
		}, within); err != nil {
			return err
		}
	}
	return nil
}
