package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"burbn": main})
}

// Every script has a checkout with the stack local, of which nothing runs, and the
// folders of two of its machines.
func TestScripts(t *testing.T) {
	stack, err := os.ReadFile("../stacks/Pulumi.local.yaml")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lock":           func(ts *testscript.TestScript, _ bool, args []string) { writeLock(ts, args[0], args[1], args[2]) },
			"pulumi-at-work": pulumiAtWork,
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
			return os.WriteFile(filepath.Join(env.WorkDir, "stacks/Pulumi.local.yaml"), stack, 0o644)
		},
	})
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
