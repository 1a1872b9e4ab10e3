package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// While its machines are replaced, a fleet is never smaller than it is to be, which
	// would wake somebody, and larger by a tenth, or one machine.
	healthyPercent = 100
	surgePercent   = 10
	// bakeSeconds is how long the alarms are listened to after the last machine: none of
	// them sounds sooner than after three to five minutes.
	bakeSeconds = 300

	// rolledTag is the tag of a group that says which launch template its machines are
	// rolled to: "lt-0123456789abcdef0:7".
	rolledTag = "launch-template"

	// refreshTime bounds how long a refresh that is under way is waited for until it has
	// broken off: it ends what it has begun, a machine's boot included.
	refreshTime  = 20 * time.Minute
	refreshEvery = 10 * time.Second
)

// rollout replaces a group's machines by those of another launch template, and comes
// back to the one before if an alarm sounds.
//
// The provider cannot: it gives the group the new template first and begins to replace
// then, so that what the group goes back to is the new template, over and over:
// https://github.com/hashicorp/terraform-provider-aws/issues/34189
// So the group's template is left to Auto Scaling, which sets it when all machines have
// been replaced; Pulumi says what it should be in a tag, and before it changes the tag
// the replacing has begun.
type rollout struct {
	group  string
	alarms []string
	every  time.Duration // between two attempts
}

// hook registers the rollout with the engine. An error of it fails the deployment, and
// the next one tries again, because the tag is what it was.
func (r rollout) hook(ctx *pulumi.Context, name, region string) (*pulumi.ResourceHook, error) {
	return ctx.RegisterResourceHook(name+"-rollout", func(h *pulumi.ResourceHookArgs) error {
		is := rolled(h.NewInputs)
		if is == rolled(h.OldInputs) {
			return nil
		}
		within, cancel := context.WithTimeout(ctx.Context(), refreshTime)
		defer cancel()
		c, err := config.LoadDefaultConfig(within, config.WithRegion(region))
		if err != nil {
			return fmt.Errorf("configure AWS: %w", err)
		}
		return r.start(within, autoscaling.NewFromConfig(c), is)
	}, nil)
}

// start has the machines replaced. What is being replaced already, by an earlier
// deployment, is broken off.
func (r rollout) start(ctx context.Context, groups *autoscaling.Client, to string) error {
	id, version, ok := strings.Cut(to, ":")
	if !ok || id == "" || version == "" {
		return fmt.Errorf("roll %s: its tag %s is %q: accepted is a launch template's id and version, lt-0123456789abcdef0:7", r.group, rolledTag, to)
	}
	in := &autoscaling.StartInstanceRefreshInput{
		AutoScalingGroupName: aws.String(r.group), Strategy: types.RefreshStrategyRolling,
		DesiredConfiguration: &types.DesiredConfiguration{LaunchTemplate: &types.LaunchTemplateSpecification{
			LaunchTemplateId: aws.String(id), Version: aws.String(version),
		}},
		Preferences: &types.RefreshPreferences{
			MinHealthyPercentage: aws.Int32(healthyPercent), MaxHealthyPercentage: aws.Int32(healthyPercent + surgePercent),
			InstanceWarmup: aws.Int32(warmSeconds), BakeTime: aws.Int32(bakeSeconds),
			// A refresh that was broken off and begun again leaves what is new already.
			SkipMatching: aws.Bool(true),
			AutoRollback: aws.Bool(true), AlarmSpecification: &types.AlarmSpecification{Alarms: r.alarms},
		},
	}
	for broken := false; ; broken = true {
		_, err := groups.StartInstanceRefresh(ctx, in)
		var busy *types.InstanceRefreshInProgressFault
		if !errors.As(err, &busy) {
			if err != nil {
				return fmt.Errorf("roll %s to %s: %w", r.group, to, err)
			}
			return nil
		}
		if !broken {
			_, err := groups.CancelInstanceRefresh(ctx, &autoscaling.CancelInstanceRefreshInput{AutoScalingGroupName: aws.String(r.group)})
			var over *types.ActiveInstanceRefreshNotFoundFault
			if err != nil && !errors.As(err, &over) {
				return fmt.Errorf("break off what %s is being rolled to: %w", r.group, err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("roll %s to %s: what it was being rolled to before has not broken off: %w", r.group, to, ctx.Err())
		case <-time.After(r.every):
		}
	}
}

// rolled is the launch template that a group's inputs say its machines are rolled to.
func rolled(group resource.PropertyMap) string {
	tags := plain(group["tags"])
	if !tags.IsArray() {
		return ""
	}
	for _, tag := range tags.ArrayValue() {
		if t := plain(tag); t.IsObject() {
			key, value := plain(t.ObjectValue()["key"]), plain(t.ObjectValue()["value"])
			if key.IsString() && key.StringValue() == rolledTag && value.IsString() {
				return value.StringValue()
			}
		}
	}
	return ""
}

// plain is a value without what the engine notes of it.
func plain(v resource.PropertyValue) resource.PropertyValue {
	for {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
		case v.IsOutput():
			v = v.OutputValue().Element
		default:
			return v
		}
	}
}
