//go:build !local

package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/burbn/burbn/images"
)

const (
	// runDocument is Amazon's own: it runs lines of shell on the machines it is sent to.
	runDocument = "AWS-RunShellScript"
	// pollEvery is how often the machines' answers are asked for.
	pollEvery = time.Second
	// deliverWithin is how long a machine may take to accept the command; SSM accepts
	// no less than 30 s.
	deliverWithin = 30
)

// runOnAWS runs a command on the machines chosen, by way of SSM: no machine has a
// port open for it, and who ran what stands in CloudTrail.
func runOnAWS(ctx context.Context, c console, region string, chosen choice, args []string) error {
	if err := onAWS(chosen); err != nil {
		return misuse{err}
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return fmt.Errorf("read the credentials of AWS: %w", err)
	}
	return send(ctx, c, ssm.NewFromConfig(cfg), chosen, args)
}

// onAWS refuses a role or a machine that cannot be: SSM would find nobody, and say so
// only when the time is over.
func onAWS(chosen choice) error {
	roles := []string{string(images.API), string(images.Monitoring), string(images.Nginx), string(images.Push), string(images.Worker)}
	if role := *chosen.role; role != "" && !slices.Contains(roles, role) {
		return fmt.Errorf("the role %q has no machine of ours on AWS: accepted is %s", role, strings.Join(roles, ", "))
	}
	if machine := *chosen.machine; machine != "" && !instanceID.MatchString(machine) {
		return fmt.Errorf("the machine %q: accepted on AWS is the id of an instance, such as i-0123456789abcdef0", machine)
	}
	return nil
}

var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

func send(ctx context.Context, c console, client *ssm.Client, chosen choice, args []string) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return errors.New("a command without an end") // runEverywhere sets one
	}
	limit := max(1, int(time.Until(deadline).Seconds()))
	sent, err := client.SendCommand(ctx, &ssm.SendCommandInput{
		DocumentName:   aws.String(runDocument),
		Targets:        targets(chosen),
		MaxConcurrency: aws.String("100%"),
		MaxErrors:      aws.String("100%"), // every machine is to answer, whatever the others say
		TimeoutSeconds: aws.Int32(deliverWithin),
		Comment:        aws.String("burbn run"),
		Parameters: map[string][]string{
			"commands":         {script(*chosen.role, args)},
			"executionTimeout": {fmt.Sprint(limit)},
		},
	})
	if err != nil {
		return fmt.Errorf("send the command: %w", err)
	}
	id := sent.Command.CommandId
	told := map[string]types.CommandInvocationStatus{}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		// First: of a command that has ended, every answer is there to be asked for.
		ended, err := commandEnded(ctx, client, id)
		if err != nil {
			return cancelled(c, client, id, err)
		}
		all, err := answers(ctx, client, id)
		if err != nil {
			return cancelled(c, client, id, err)
		}
		for _, a := range all {
			name := aws.ToString(a.InstanceId)
			if _, done := told[name]; done || unfinished(a.Status) {
				continue
			}
			told[name] = a.Status
			if err := print(ctx, c, client, id, name); err != nil {
				return cancelled(c, client, id, err)
			}
		}
		if ended != nil && ended.TargetCount == 0 {
			return fmt.Errorf("run %s: there is no such machine (%s)", args[0], aws.ToString(ended.StatusDetails))
		}
		if ended != nil && len(told) >= int(ended.TargetCount) {
			return verdict(c, args[0], told)
		}
		select {
		case <-ctx.Done():
			return cancelled(c, client, id, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// targets are the machines chosen: by their tags, which the Pulumi program gives them,
// or the one of an id.
func targets(chosen choice) []types.Target {
	if *chosen.machine != "" {
		return []types.Target{{Key: aws.String("InstanceIds"), Values: []string{*chosen.machine}}}
	}
	return []types.Target{
		{Key: aws.String("tag:stack"), Values: []string{*chosen.stack}},
		{Key: aws.String("tag:role"), Values: []string{*chosen.role}},
	}
}

// script is the command as a line of shell that runs exactly these words.
func script(role string, args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return "export MACHINE=\"$(hostname)\" ROLE='" + role + "'\n" + strings.Join(quoted, " ")
}

// commandEnded is the command once it runs nowhere any more, and nil before. While it
// is handed out, the answers that there are may be some of many.
func commandEnded(ctx context.Context, client *ssm.Client, id *string) (*types.Command, error) {
	list, err := client.ListCommands(ctx, &ssm.ListCommandsInput{CommandId: id})
	if err != nil {
		return nil, fmt.Errorf("ask for the command: %w", err)
	}
	if len(list.Commands) == 0 { // it was sent a moment ago
		return nil, nil
	}
	switch c := list.Commands[0]; c.Status {
	case types.CommandStatusPending, types.CommandStatusInProgress, types.CommandStatusCancelling:
		return nil, nil
	default:
		return &c, nil
	}
}

func answers(ctx context.Context, client *ssm.Client, id *string) ([]types.CommandInvocation, error) {
	var all []types.CommandInvocation
	pages := ssm.NewListCommandInvocationsPaginator(client, &ssm.ListCommandInvocationsInput{CommandId: id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask for the answers: %w", err)
		}
		all = append(all, page.CommandInvocations...)
	}
	return all, nil
}

func unfinished(s types.CommandInvocationStatus) bool {
	return slices.Contains([]types.CommandInvocationStatus{
		types.CommandInvocationStatusPending, types.CommandInvocationStatusInProgress,
		types.CommandInvocationStatusDelayed, types.CommandInvocationStatusCancelling,
	}, s)
}

// print writes what a machine said, its name before every line. SSM keeps the first
// 24,000 characters of it, and 8,000 of its errors.
func print(ctx context.Context, c console, client *ssm.Client, id *string, machine string) error {
	said, err := client.GetCommandInvocation(ctx, &ssm.GetCommandInvocationInput{CommandId: id, InstanceId: &machine})
	if err != nil {
		return fmt.Errorf("ask %s for its answer: %w", machine, err)
	}
	for l := range strings.Lines(aws.ToString(said.StandardOutputContent)) {
		fmt.Fprintf(c.out, "%s | %s\n", machine, strings.TrimSuffix(l, "\n"))
	}
	for l := range strings.Lines(aws.ToString(said.StandardErrorContent)) {
		fmt.Fprintf(c.err, "%s | %s\n", machine, strings.TrimSuffix(l, "\n"))
	}
	return nil
}

func verdict(c console, command string, told map[string]types.CommandInvocationStatus) error {
	var failed []string
	for name, status := range told {
		if status != types.CommandInvocationStatusSuccess {
			failed = append(failed, fmt.Sprintf("%s: %s", name, status))
		}
	}
	slices.Sort(failed)
	fmt.Fprintf(c.err, "%d machines: %d ok, %d failed\n", len(told), len(told)-len(failed), len(failed))
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("run %s:\n  %s", command, strings.Join(failed, "\n  "))
}

// cancelled stops the command where it still runs.
func cancelled(c console, client *ssm.Client, id *string, why error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := client.CancelCommand(ctx, &ssm.CancelCommandInput{CommandId: id}); err != nil {
		fmt.Fprintf(c.err, "burbn: cancel command %s: %v\n", aws.ToString(id), err)
	}
	if errors.Is(why, context.DeadlineExceeded) {
		return errors.New("stopped: it took longer than -timeout")
	}
	return fmt.Errorf("stopped: %w", why)
}
