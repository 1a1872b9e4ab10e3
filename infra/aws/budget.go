package aws

import (
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/budgets"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// BudgetArgs say what the stack may cost and who hears of it.
type BudgetArgs struct {
	Plan
	Alerts *Alerts
}

// Budget tells when the stack costs more than it may. It counts what bears the
// stack's tag, which the account must have made a cost allocation tag.
type Budget struct{ pulumi.ResourceState }

// NewBudget provisions the budget.
func NewBudget(ctx *pulumi.Context, name string, args *BudgetArgs, opts ...pulumi.ResourceOption) (*Budget, error) {
	b := &Budget{}
	if err := ctx.RegisterComponentResource("burbn:aws:Budget", name, b, opts...); err != nil {
		return nil, err
	}
	tells := func(kind string, percent float64) budgets.BudgetNotificationInput {
		return budgets.BudgetNotificationArgs{
			NotificationType:   pulumi.String(kind),
			ComparisonOperator: pulumi.String("GREATER_THAN"),
			Threshold:          pulumi.Float64(percent),
			ThresholdType:      pulumi.String("PERCENTAGE"),
			// The mail comes without the topic's key and policy being right.
			SubscriberEmailAddresses: pulumi.ToStringArray([]string{args.Topology.AWS.Alerts.Email}),
			SubscriberSnsTopicArns:   pulumi.StringArray{args.Alerts.Topic},
		}
	}
	_, err := budgets.NewBudget(ctx, name+"-monthly", &budgets.BudgetArgs{
		Name:        pulumi.String(args.resourceName("monthly")),
		BudgetType:  pulumi.String("COST"),
		TimeUnit:    pulumi.String("MONTHLY"),
		LimitAmount: pulumi.String(strconv.Itoa(args.Topology.AWS.Budget.MonthlyUSD)),
		LimitUnit:   pulumi.String("USD"),
		CostFilters: budgets.BudgetCostFilterArray{budgets.BudgetCostFilterArgs{
			Name: pulumi.String("TagKeyValue"), Values: pulumi.ToStringArray([]string{"user:stack$" + args.Stack}),
		}},
		Notifications: budgets.BudgetNotificationArray{tells("ACTUAL", 80), tells("ACTUAL", 100), tells("FORECASTED", 100)},
	}, pulumi.Parent(b))
	return b, err
}
