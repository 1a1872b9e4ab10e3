package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(withDatabases{m}, map[string]func(){"burbn": main})
}

// withDatabases ends the databases after the tests.
type withDatabases struct{ *testing.M }

func (m withDatabases) Run() int { return databases.Run(m.M) }

func TestScripts(t *testing.T) { scripts(t, "testdata") }

// scripts runs those of a folder. Every script has a checkout with the stack local, of
// which nothing runs, and the folders of two of its machines.
func scripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lock":           func(ts *testscript.TestScript, _ bool, args []string) { writeLock(ts, args[0], args[1], args[2]) },
			"pulumi-at-work": pulumiAtWork,
			"exits":          exits,
			"stack":          func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(addStack(ts.Getenv("WORK"), args[0])) },
		},
		Setup: func(env *testscript.Env) error {
			state := filepath.Join(env.WorkDir, "state")
			env.Setenv("BURBN_STATE", state)
			for _, dir := range []string{"stacks", "state/local/api-01/var/log", "state/local/api-02/var/log"} {
				if err := os.MkdirAll(filepath.Join(env.WorkDir, dir), 0o755); err != nil {
					return err
				}
			}
			if err := os.WriteFile(filepath.Join(env.WorkDir, "Pulumi.yaml"), nil, 0o644); err != nil {
				return err
			}
			return addStack(env.WorkDir, "local")
		},
	})
}

// addStack gives the checkout in a folder a stack of ours.
func addStack(dir, name string) error {
	file := filepath.Join("stacks", "Pulumi."+name+".yaml")
	text, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, file), text, 0o644)
}

// exits runs a command that has to end with a status: exits 2 burbn plan x.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		ts.Fatalf("%s: %v, and not the status %s", args[1], err, args[0])
	}
	if status := strconv.Itoa(ended.ExitCode()); status != args[0] {
		ts.Fatalf("%s: status %s, and not %s", args[1], status, args[0])
	}
}

// writeLock leaves the lock that a process on a host, or on this one, would.
func writeLock(ts *testscript.TestScript, stack, pid, host string) {
	if host == "here" {
		var err error
		host, err = os.Hostname()
		ts.Check(err)
	}
	path := ts.MkAbs("pulumi/.pulumi/locks/organization/burbn/" + stack + "/l.json")
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	text := fmt.Sprintf(`{"pid":%s,"username":"maya","hostname":%q,"timestamp":"2026-01-02T03:04:05Z"}`, pid, host)
	ts.Check(os.WriteFile(path, []byte(text), 0o644))
}

// pulumiAtWork starts a process of that name that lives until the script ends, and
// gives it the lock of the stack local.
func pulumiAtWork(ts *testscript.TestScript, _ bool, _ []string) {
	sleep, err := os.ReadFile("/bin/sleep")
	ts.Check(err)
	path := ts.MkAbs("pulumi-sleep")
	ts.Check(os.WriteFile(path, sleep, 0o755))
	cmd := exec.Command(path, "600")
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()
	})
	writeLock(ts, "local", strconv.Itoa(cmd.Process.Pid), "here")
}
