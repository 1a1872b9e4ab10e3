package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/smithy-go"
)

// What the Auto Scaling group does with the machine that it waits for.
const (
	proceed = "CONTINUE" // put it to work
	abandon = "ABANDON"  // terminate it, and start another
)

// tell ends the group's waiting. A machine that nobody waits for, because it is past
// that since an earlier boot, is nobody's error.
func (m *machine) tell(ctx context.Context, result string) error {
	if m.settings.Hook == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.fetchTime)
	defer cancel()
	return retry(ctx, m.log, fmt.Sprintf("tell group %s to %s", m.settings.Group, result), func(ctx context.Context) error {
		instance, err := m.instance(ctx)
		if err != nil {
			return err
		}
		_, err = m.groups.CompleteLifecycleAction(ctx, &autoscaling.CompleteLifecycleActionInput{
			AutoScalingGroupName: aws.String(m.settings.Group), LifecycleHookName: aws.String(m.settings.Hook),
			LifecycleActionResult: aws.String(result), InstanceId: aws.String(instance),
		})
		// There is no code of its own for it.
		var refused smithy.APIError
		if errors.As(err, &refused) && refused.ErrorCode() == "ValidationError" && strings.Contains(refused.ErrorMessage(), "No active Lifecycle Action found") {
			m.log.InfoContext(ctx, "no group waits for this machine any more", "instance", instance)
			return nil
		}
		if err == nil {
			m.log.InfoContext(ctx, "group told", "result", result, "instance", instance)
		}
		return err
	})
}

// instance is the machine's own id: "i-0123456789abcdef0".
func (m *machine) instance(ctx context.Context) (string, error) {
	got, err := m.metadata.GetMetadata(ctx, &imds.GetMetadataInput{Path: "instance-id"})
	if err != nil {
		return "", fmt.Errorf("ask for the machine's id: %w", err)
	}
	defer got.Content.Close()
	id, err := io.ReadAll(got.Content)
	return string(id), err
}
