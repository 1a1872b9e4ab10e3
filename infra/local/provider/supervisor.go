package provider

import (
	"context"
	"path/filepath"
	"regexp"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Supervisor is a supervisord that outlives the provider.
type Supervisor struct{}

// SupervisorArgs are the inputs of Supervisor.
type SupervisorArgs struct {
	Dir string `pulumi:"dir" provider:"replaceOnChanges"`
}

// SupervisorState is what Pulumi keeps of a Supervisor.
type SupervisorState struct {
	SupervisorArgs
	Socket string `pulumi:"socket"`
}

// Annotate names the resource.
func (*Supervisor) Annotate(a infer.Annotator) { a.SetToken("index", "Supervisor") }

// Check refuses a directory in which supervisord cannot work.
func (*Supervisor) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[SupervisorArgs], error) {
	return check(ctx, req, func(args SupervisorArgs) (wrong []p.CheckFailure) {
		if !plainPath(args.Dir) {
			wrong = append(wrong, failure("dir", "%q is not a clean absolute path of letters, digits and ._+@/-", args.Dir))
		}
		if len(args.Dir) > maxDir {
			wrong = append(wrong, failure("dir", "%q has %d bytes, and a socket below it needs it to have at most %d", args.Dir, len(args.Dir), maxDir))
		}
		return wrong
	})
}

// Create starts supervisord, or adopts the one that runs there.
func (*Supervisor) Create(ctx context.Context, req infer.CreateRequest[SupervisorArgs]) (infer.CreateResponse[SupervisorState], error) {
	s := supervisord{req.Inputs.Dir}
	resp := infer.CreateResponse[SupervisorState]{ID: s.dir, Output: SupervisorState{req.Inputs, s.socket()}}
	if req.DryRun {
		return resp, nil
	}
	running, err := s.alive(ctx)
	if err == nil && !running {
		err = s.start(ctx)
	}
	return resp, err
}

// Read finds it gone when nobody answers on its socket.
func (*Supervisor) Read(ctx context.Context, req infer.ReadRequest[SupervisorArgs, SupervisorState]) (infer.ReadResponse[SupervisorArgs, SupervisorState], error) {
	running, err := supervisord{req.ID}.alive(ctx)
	if err != nil || !running {
		return infer.ReadResponse[SupervisorArgs, SupervisorState]{}, err
	}
	return infer.ReadResponse[SupervisorArgs, SupervisorState](req), nil
}

// Delete stops it with all its programs.
func (*Supervisor) Delete(ctx context.Context, req infer.DeleteRequest[SupervisorState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, supervisord{req.State.Dir}.stop(ctx)
}

// plainPath says whether a path passes unchanged through supervisord's
// configuration, with its quotes, comments and expansions.
func plainPath(path string) bool {
	return regexp.MustCompile(`^/[A-Za-z0-9._+@/-]+$`).MatchString(path) && filepath.Clean(path) == path
}

// check decodes inputs and has them examined, where they are known: at preview an
// input may still be the output of something to be made.
func check[A any](ctx context.Context, req infer.CheckRequest, examine func(A) []p.CheckFailure) (infer.CheckResponse[A], error) {
	args, failures, err := infer.DefaultCheck[A](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[A]{Inputs: args, Failures: failures}, err
	}
	for _, wrong := range examine(args) {
		if !req.NewInputs.Get(wrong.Property).HasComputed() {
			failures = append(failures, wrong)
		}
	}
	return infer.CheckResponse[A]{Inputs: args, Failures: failures}, nil
}
