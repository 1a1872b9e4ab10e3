package provider

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Task is a command that is run when it is created, and again when anything but its
// time limit changes. It has nothing to read back, and deleting it runs nothing.
type Task struct{}

// TaskArgs are the inputs of Task.
type TaskArgs struct {
	Home
	Exec           []string `pulumi:"exec"`
	Triggers       []string `pulumi:"triggers,optional"`
	TimeoutSeconds float64  `pulumi:"timeoutSeconds"`
}

// TaskState is what Pulumi keeps of a Task.
type TaskState struct {
	TaskArgs
	Output string `pulumi:"output"` // the end of what the last run printed
}

// Annotate names the resource.
func (*Task) Annotate(a infer.Annotator) { a.SetToken("index", "Task") }

// Check refuses what could not be run.
func (*Task) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[TaskArgs], error) {
	return check(ctx, req, func(args TaskArgs) []p.CheckFailure {
		wrong := args.Home.check()
		if len(args.Exec) == 0 || !filepath.IsAbs(args.Exec[0]) {
			wrong = append(wrong, failure("exec", "%q does not begin with a program's absolute path", args.Exec))
		}
		if args.TimeoutSeconds <= 0 {
			wrong = append(wrong, failure("timeoutSeconds", "is %v, and must be more than 0", args.TimeoutSeconds))
		}
		return wrong
	})
}

// Create runs the command.
func (*Task) Create(ctx context.Context, req infer.CreateRequest[TaskArgs]) (infer.CreateResponse[TaskState], error) {
	resp := infer.CreateResponse[TaskState]{ID: req.Name, Output: TaskState{TaskArgs: req.Inputs}}
	if req.DryRun {
		return resp, nil
	}
	var err error
	resp.Output.Output, err = req.Inputs.perform(ctx)
	return resp, err
}

// Update runs the command again, and removes the files that it no longer has.
func (*Task) Update(ctx context.Context, req infer.UpdateRequest[TaskArgs, TaskState]) (infer.UpdateResponse[TaskState], error) {
	resp := infer.UpdateResponse[TaskState]{Output: TaskState{req.Inputs, req.State.Output}}
	same := req.State.TaskArgs
	same.TimeoutSeconds = req.Inputs.TimeoutSeconds
	if req.DryRun || reflect.DeepEqual(same, req.Inputs) {
		return resp, nil
	}
	var err error
	if resp.Output.Output, err = req.Inputs.perform(ctx); err != nil {
		return resp, err
	}
	return resp, removeHome(req.State.Home.without(req.Inputs.Home))
}

// Delete removes the files.
func (*Task) Delete(_ context.Context, req infer.DeleteRequest[TaskState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, removeHome(req.State.Home)
}

// perform runs the command once. Its credentials exist while it runs.
func (args TaskArgs) perform(ctx context.Context) (output string, err error) {
	who, err := lookupAccount(args.User)
	if err != nil {
		return "", err
	}
	if _, ours := args.Files[args.Exec[0]]; !ours {
		if err := executable(args.Exec[0]); err != nil {
			return "", err
		}
	}
	root, err := args.open(who)
	if err != nil {
		return "", err
	}
	defer root.Close()
	defer func() { err = errors.Join(err, root.removeCredentials()) }()
	if err := errors.Join(root.writeFiles(), root.writeCredentials()); err != nil {
		return "", err
	}
	timeout := seconds(args.TimeoutSeconds)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done after %v", timeout))
	defer cancel()
	p.GetLogger(ctx).InfoStatus("running " + strings.Join(args.Exec, " "))
	return args.run(ctx, who, args.Exec)
}
