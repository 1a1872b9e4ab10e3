// Command pulumi-language-go lets a Pulumi CLI that was built from source run Go
// programs: the official language host of that name is not to be had as a Go module.
// Whoever has the official CLI needs neither this nor to know of it.
//
// It builds the program and runs it, as the official one does. It does not generate
// code, install anything, or run plugins written in Go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// topologyKey is the configuration whose target says whether the program needs the
// AWS SDK, which takes minutes to compile.
const topologyKey = "burbn:topology"

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: pulumi-language-go ENGINE (it is the Pulumi CLI that runs it)")
		os.Exit(2)
	}
	if err := serve(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers the engine until it goes away.
func serve(engine string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rpcutil.Healthcheck(ctx, engine, time.Minute, stop); err != nil {
		return fmt.Errorf("watch the engine at %s: %w", engine, err)
	}
	cancel := make(chan bool)
	context.AfterFunc(ctx, func() { close(cancel) })
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(s, &host{engine: engine, ctx: ctx, stop: stop})
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("serve the engine: %w", err)
	}
	fmt.Println(server.Port) // the engine waits for it
	return <-server.Done
}

// host is what the CLI calls of a language host; gRPC answers the rest as not
// implemented.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
	ctx    context.Context // ends with the engine, or by stop
	stop   func()
}

func (*host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// GetRequiredPackages is empty: Pulumi.yaml names the plugins.
func (*host) GetRequiredPackages(context.Context, *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (*host) GetProgramDependencies(context.Context, *pulumirpc.GetProgramDependenciesRequest) (*pulumirpc.GetProgramDependenciesResponse, error) {
	return &pulumirpc.GetProgramDependenciesResponse{}, nil
}

// InstallDependencies has nothing to do: the build fetches what is missing.
func (*host) InstallDependencies(*pulumirpc.InstallDependenciesRequest, grpc.ServerStreamingServer[pulumirpc.InstallDependenciesResponse]) error {
	return nil
}

func (*host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("ask go for its version: %w", err)
	}
	return &pulumirpc.AboutResponse{Executable: "go", Version: strings.TrimSpace(string(out))}, nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.stop()
	return &emptypb.Empty{}, nil
}

// Run builds the program and runs it to its end.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(h.ctx, cancel)()
	// One for each stack: two may be updated at once, with different tags. Kept: a
	// program that has not changed is not even linked again.
	program := filepath.Join(req.Info.RootDirectory, "bin", "program-"+req.Stack)
	args := []string{"build", "-o", program}
	var topology struct{ Target string }
	if json.Unmarshal([]byte(req.Config[topologyKey]), &topology) == nil && topology.Target == "local" {
		args = append(args, "-tags=local")
	}
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = req.Info.ProgramDirectory
	if out, err := build.CombinedOutput(); err != nil {
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("build the program in %s: %v\n%s", build.Dir, err, out)}, nil
	}
	env, err := h.environ(req)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir, cmd.Env = req.Pwd, env
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	exit := new(exec.ExitError)
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == constant.ExitStatusLoggedError:
		return &pulumirpc.RunResponse{Bail: true}, nil // it has told the engine why
	}
	return &pulumirpc.RunResponse{Error: fmt.Sprintf("run the program: %v", err)}, nil
}

// environ is how a program learns what it is run for.
func (h *host) environ(req *pulumirpc.RunRequest) ([]string, error) {
	config, err := json.Marshal(req.Config)
	if err != nil {
		return nil, fmt.Errorf("pass on the configuration: %w", err)
	}
	secrets, err := json.Marshal(req.ConfigSecretKeys)
	if err != nil {
		return nil, fmt.Errorf("pass on the names of secrets: %w", err)
	}
	return append(os.Environ(),
		pulumi.EnvOrganization+"="+req.Organization,
		pulumi.EnvProject+"="+req.Project,
		pulumi.EnvStack+"="+req.Stack,
		pulumi.EnvPulumiRootDirectory+"="+req.Info.RootDirectory,
		pulumi.EnvConfig+"="+string(config),
		pulumi.EnvConfigSecretKeys+"="+string(secrets),
		pulumi.EnvDryRun+"="+strconv.FormatBool(req.DryRun),
		pulumi.EnvParallel+"="+strconv.Itoa(int(req.Parallel)),
		pulumi.EnvMonitor+"="+req.MonitorAddress,
		pulumi.EnvEngine+"="+h.engine,
	), nil
}
