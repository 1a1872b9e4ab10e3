//go:build local

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/burbn/burbn/infra/topology"
)

// What concerns AWS is handed over to a burbn that has the target aws compiled in,
// which is made first: whoever only wants this machine does not pay for compiling
// Amazon's SDK.

func plan(ctx context.Context, c console, _ planOptions, _, _ topology.Topology) error {
	return handOver(ctx, c)
}

func runOnAWS(ctx context.Context, c console, _ string, _ choice, _ []string) error {
	return handOver(ctx, c)
}

// handOver runs the same command line there.
func handOver(ctx context.Context, c console) error {
	root, err := checkout()
	if err != nil {
		return err
	}
	whole := filepath.Join(root, "bin", "burbn-aws")
	if _, err := os.Stat(whole); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(c.err, "compiling the target aws: some minutes, this once")
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", whole, "./ops")
	build.Dir, build.Stderr = root, c.err
	if err := build.Run(); err != nil {
		return fmt.Errorf("compile the target aws: %w", err)
	}
	run := exec.CommandContext(ctx, whole, os.Args[1:]...)
	run.Stdin, run.Stdout, run.Stderr = os.Stdin, c.out, c.err
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	err = run.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exited(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", whole, err)
	}
	return nil
}
