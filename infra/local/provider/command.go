package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tailLines is how much of a program's output an error carries.
const tailLines = 20

// run runs a command as the account in its home and answers the end of its output,
// which an error carries too. It and all that it started in its process group are
// ended with ctx, which must have a deadline, and with the provider.
func (h Home) run(ctx context.Context, who account, argv []string) (string, error) {
	// The kernel ties --pdeathsig to the thread that starts the command.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	args := append(who.prefix("KILL"), argv...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = h.workingDir()
	cmd.Env = h.environ(who)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for a grandchild that has left the group with the pipe

	err := cmd.Run()
	last := tail(output.String())
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("run %s: %w%s", strings.Join(argv, " "), err, indent(last))
	}
	return last, nil
}

// tail is the last lines of s.
func tail(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// indent puts s on lines of its own below an error.
func indent(s string) string {
	if s == "" {
		return ""
	}
	return "\n  " + strings.ReplaceAll(s, "\n", "\n  ")
}

// executable is an error when there is no such program.
func executable(program string) error {
	info, err := os.Stat(program)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no such program %s: is its package installed?", program)
	case err != nil:
		return fmt.Errorf("look for a program: %w", err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not an executable file", program)
	}
	return nil
}
