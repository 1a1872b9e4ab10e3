package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/topology"
)

// killDelay is what a command gets to end by itself once it is told to.
const killDelay = 5 * time.Second

func runEverywhere(flags *flag.FlagSet) action {
	chosen := chooseFlags(flags)
	timeout := flags.Duration("timeout", time.Minute, "stop what still runs after this long")
	return func(ctx context.Context, c console, args []string) error {
		switch {
		case len(args) == 0:
			fmt.Fprint(c.err, "burbn: the command to run is missing\n\n")
			return errUsage
		case *chosen.role == "" && *chosen.machine == "":
			fmt.Fprint(c.err, "burbn: where to run is missing: give -role or -machine\n\n")
			return errUsage
		case *timeout <= 0:
			return fmt.Errorf("-timeout %s: accepted is a positive duration such as 90s", *timeout)
		}
		t, err := chosen.topology()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		if t.Target == topology.AWS {
			return runOnAWS(ctx, c, t.AWS.Region, chosen, args)
		}
		_, machines, err := chosen.open()
		if err != nil {
			return err
		}
		return everywhere(ctx, c, machines, args)
	}
}

// everywhere runs a command on all machines at once and says of each whether it
// succeeded.
func everywhere(ctx context.Context, c console, machines []images.Machine, args []string) error {
	width := 0
	for _, m := range machines {
		width = max(width, len(m.Name))
	}
	var out, errOut sync.Mutex
	errs := make([]error, len(machines))
	var all sync.WaitGroup
	for i, m := range machines {
		prefix := fmt.Appendf(nil, "%-*s | ", width, m.Name)
		all.Go(func() {
			stdout := &lines{mu: &out, w: c.out, name: prefix}
			stderr := &lines{mu: &errOut, w: c.err, name: prefix}
			err := on(ctx, m, args, stdout, stderr)
			errs[i] = errors.Join(err, stdout.Flush(), stderr.Flush())
		})
	}
	all.Wait()
	var failed []string
	for i, err := range errs {
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", machines[i].Name, err))
		}
	}
	fmt.Fprintf(c.err, "%d machines: %d ok, %d failed\n", len(machines), len(machines)-len(failed), len(failed))
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("run %s:\n  %s", args[0], strings.Join(failed, "\n  "))
}

// on runs a command on one machine; when ctx ends, so do the command and all that
// it started.
func on(ctx context.Context, m images.Machine, args []string, stdout, stderr io.Writer) error {
	if _, err := os.Stat(m.Root); err != nil {
		return fmt.Errorf("the machine is not deployed: %w", err)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = m.Root
	cmd.Env = append(os.Environ(), "MACHINE="+m.Name, "ROLE="+string(m.Role), "ADDR="+m.Addr, "ROOT="+m.Root)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	if ctx.Err() == nil {
		return err
	}
	if cmd.Process != nil {
		// Whoever ignored the polite signal; that nobody is left is no error.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("stopped: it took longer than -timeout")
	}
	return errors.New("stopped: interrupted")
}
