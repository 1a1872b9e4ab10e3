package provider

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Process is a program under a Supervisor. It is known by its name there, so that
// what an interrupted update left running is found again.
type Process struct{}

// ProcessArgs are the inputs of Process.
type ProcessArgs struct {
	Home
	Supervisor         string     `pulumi:"supervisor" provider:"replaceOnChanges"` // its dir
	Name               string     `pulumi:"name" provider:"replaceOnChanges"`
	Exec               []string   `pulumi:"exec"`
	Setup              [][]string `pulumi:"setup,optional"` // run before each start
	Listen             []string   `pulumi:"listen,optional"`
	Ready              Ready      `pulumi:"ready"`
	StopSignal         string     `pulumi:"stopSignal"`
	StopTimeoutSeconds float64    `pulumi:"stopTimeoutSeconds"`
	ReloadSignal       string     `pulumi:"reloadSignal"` // empty: a change of files restarts
	OpenFiles          int        `pulumi:"openFiles"`
	Log                string     `pulumi:"log"`
}

// ProcessState is what Pulumi keeps of a Process.
type ProcessState struct{ ProcessArgs }

// Annotate names the resource.
func (*Process) Annotate(a infer.Annotator) { a.SetToken("index", "Process") }

// Check refuses what could not be run.
func (*Process) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ProcessArgs], error) {
	return check(ctx, req, ProcessArgs.check)
}

func (args ProcessArgs) check() []p.CheckFailure {
	signals := []string{"HUP", "INT", "QUIT", "TERM", "USR1", "USR2"} // KILL cannot be obeyed
	wrong := args.Home.check()
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(args.Name) {
		wrong = append(wrong, failure("name", "%q is not letters, digits, dots, underscores and dashes", args.Name))
	}
	for property, argvs := range map[string][][]string{"exec": {args.Exec}, "setup": args.Setup} {
		for _, argv := range argvs {
			if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
				wrong = append(wrong, failure(property, "%q does not begin with a program's absolute path", argv))
			}
		}
	}
	for _, addr := range args.Listen {
		if _, err := netip.ParseAddrPort(addr); err != nil {
			wrong = append(wrong, failure("listen", "%q is not IP:port: %v", addr, err))
		}
	}
	if args.Ready.TimeoutSeconds <= 0 {
		wrong = append(wrong, failure("ready", "timeoutSeconds is %v, and must be more than 0", args.Ready.TimeoutSeconds))
	}
	for property, signal := range map[string]string{"stopSignal": args.StopSignal, "reloadSignal": args.ReloadSignal} {
		if signal != "" && !slices.Contains(signals, signal) {
			wrong = append(wrong, failure(property, "%q is none of %s", signal, strings.Join(signals, ", ")))
		}
	}
	if args.StopTimeoutSeconds < 0 || args.OpenFiles < 0 {
		wrong = append(wrong, failure("stopTimeoutSeconds", "neither it nor openFiles may be negative"))
	}
	if _, err := args.below(args.Log); err != nil || !plainPath(args.Log) {
		wrong = append(wrong, failure("log", "%q is not a clean path below the root, of letters, digits and ._+@/-", args.Log))
	}
	return wrong
}

// Create starts the process and waits until it is up. What already runs under its
// name is kept when it is the same and healthy, and replaced otherwise. When Create
// fails, nothing of it is left but its log and what it wrote itself.
func (*Process) Create(ctx context.Context, req infer.CreateRequest[ProcessArgs]) (infer.CreateResponse[ProcessState], error) {
	resp := infer.CreateResponse[ProcessState]{ID: req.Inputs.Name, Output: ProcessState{req.Inputs}}
	if req.DryRun {
		return resp, nil
	}
	pr, err := newProgram(req.Inputs)
	if err != nil {
		return resp, err
	}
	release, err := pr.lock(ctx)
	if err != nil {
		return resp, err
	}
	defer release()
	if err := pr.startable(ctx); err != nil {
		return resp, err
	}
	if err := pr.bring(ctx, maps.Equal(pr.Files, pr.onDisk().Files), progress(ctx)); err != nil {
		// Pulumi will not know of it: the time to take it away is now, even when it is
		// the update itself that was cancelled.
		return resp, errors.Join(err, pr.remove(context.WithoutCancel(ctx), func(string) {}))
	}
	return resp, nil
}

// Update reloads the process when its files alone have changed and it knows how;
// any other change restarts it.
func (*Process) Update(ctx context.Context, req infer.UpdateRequest[ProcessArgs, ProcessState]) (infer.UpdateResponse[ProcessState], error) {
	resp := infer.UpdateResponse[ProcessState]{Output: ProcessState{req.Inputs}}
	if req.DryRun {
		return resp, nil
	}
	pr, err := newProgram(req.Inputs)
	if err != nil {
		return resp, err
	}
	release, err := pr.lock(ctx)
	if err != nil {
		return resp, err
	}
	defer release()
	if err := pr.startable(ctx); err != nil {
		return resp, err
	}
	sameFiles := maps.Equal(pr.Files, req.State.Files) && maps.Equal(pr.Files, pr.onDisk().Files)
	err = pr.bring(ctx, sameFiles, progress(ctx))
	if err == nil {
		err = removeHome(req.State.without(pr.Home))
	}
	if err != nil {
		// The old process is gone: what Pulumi keeps must be the new one, as unfinished.
		return resp, infer.ResourceInitFailedError{Reasons: []string{err.Error()}}
	}
	return resp, nil
}

// Read finds a process gone when supervisord does not run it, and its files and
// credentials as they are on disk, so that the next update repairs them.
func (*Process) Read(ctx context.Context, req infer.ReadRequest[ProcessArgs, ProcessState]) (infer.ReadResponse[ProcessArgs, ProcessState], error) {
	gone := infer.ReadResponse[ProcessArgs, ProcessState]{}
	is, err := supervisord{req.State.Supervisor}.status(ctx, req.State.Name)
	if errors.Is(err, errDead) || err == nil && !is.up() {
		return gone, nil
	}
	if err != nil {
		return gone, err
	}
	req.State.Home = req.State.Home.onDisk()
	req.Inputs.Home = req.Inputs.Home.onDisk()
	return infer.ReadResponse[ProcessArgs, ProcessState](req), nil
}

// Delete stops the process and removes its files and credentials, not its log nor
// what it wrote itself.
func (*Process) Delete(ctx context.Context, req infer.DeleteRequest[ProcessState]) (infer.DeleteResponse, error) {
	// Whom it ran as does not matter any more, and may be gone.
	pr := &program{ProcessArgs: req.State.ProcessArgs, supervisor: supervisord{req.State.Supervisor}}
	release, err := pr.lock(ctx)
	if errors.Is(err, errDead) {
		return infer.DeleteResponse{}, errors.Join(pr.forgetGroup(), removeHome(pr.Home))
	}
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	defer release()
	return infer.DeleteResponse{}, pr.remove(ctx, progress(ctx))
}

// progress says beside the resource, while the update runs, what is being done to it.
func progress(ctx context.Context) func(string) { return p.GetLogger(ctx).InfoStatus }
