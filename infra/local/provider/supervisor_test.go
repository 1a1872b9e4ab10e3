package provider_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/burbn/burbn/infra/local/provider"
)

func supervisordPid(t *testing.T, dir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "supervisord.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// stop stops a program behind the provider's back.
func stop(t *testing.T, e *engine, name string) {
	t.Helper()
	socket := "unix://" + filepath.Join(e.dir, "supervisor", "supervisor.sock")
	if out, err := exec.Command("supervisorctl", "-s", socket, "stop", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestSupervisorLives(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	args := provider.SupervisorArgs{Dir: e.dir + "/supervisor"}
	r := e.mustCreate("Supervisor", "s", args)
	pid := supervisordPid(t, args.Dir)
	if session, err := syscall.Getpgid(pid); err != nil || session != pid {
		t.Errorf("it is not detached: process group %d of %d, %v", session, pid, err)
	}
	socket := r.state.Get("socket").AsString()
	if conn, err := net.Dial("unix", socket); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}

	e.restartProvider()
	if now := e.refresh(r); now.id != r.id {
		t.Errorf("it is said to be gone: %+v", now)
	}
	r = e.mustCreate("Supervisor", "s", args)
	if now := supervisordPid(t, args.Dir); now != pid {
		t.Errorf("not adopted: pid %d, then %d", pid, now)
	}

	process := e.serve("api")
	e.mustCreate("Process", "api", process)
	e.mustDelete(r)
	if left := processesOf(t, e.dir); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if left := list(t, args.Dir); left != "" {
		t.Errorf("files are left:\n%s", left)
	}
	if !free(process.Listen[0]) {
		t.Error("a port is still in use")
	}
	e.mustDelete(r) // once more, as after an interrupted destroy
}

// When supervisord is killed, its programs end; the next update starts all anew.
func TestSupervisorKilled(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	r := e.supervisor()
	args := e.serve("api")
	process := e.mustCreate("Process", "api", args)
	pid := pidOf(t, args)
	if err := syscall.Kill(supervisordPid(t, args.Supervisor), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its program ends", func() bool { return free(args.Listen[0]) })
	if now := e.refresh(process); now.id != "" {
		t.Error("the process is said to run")
	}
	if now := e.refresh(r); now.id != "" {
		t.Error("supervisord is said to run")
	}

	e.mustCreate("Supervisor", "supervisor", provider.SupervisorArgs{Dir: args.Supervisor})
	if ask(args, "/pid") != "" {
		t.Error("a program was started before its resource was")
	}
	e.mustCreate("Process", "api", args)
	if now := pidOf(t, args); now == pid {
		t.Error("it never died")
	}
}

// What holds on after its supervisord was killed is waited for, so that the next one
// finds the ports free.
func TestSupervisorAwaitsOrphans(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	args.Listen, args.Ready = nil, provider.Ready{TimeoutSeconds: 20}
	args.Exec = []string{"/bin/sh", "-c", "trap 'sleep 1; exit' TERM; while :; do sleep 0.1; done"}
	e.mustCreate("Process", "api", args)
	if err := syscall.Kill(supervisordPid(t, args.Supervisor), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if len(processesOf(t, args.Root)) == 0 {
		t.Fatal("it did not hold on")
	}
	e.mustCreate("Supervisor", "supervisor", provider.SupervisorArgs{Dir: args.Supervisor})
	if left := processesOf(t, args.Root); len(left) > 0 {
		t.Errorf("it still runs: %v", left)
	}
}

// A supervisord that is dead and gone does not keep anything from being destroyed.
func TestDestroyOfTheDead(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	r := e.supervisor()
	args := e.serve("api")
	process := e.mustCreate("Process", "api", args)
	if err := syscall.Kill(supervisordPid(t, args.Supervisor), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.mustDelete(process)
	e.mustDelete(r)
	if left := processesOf(t, e.dir); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if got := list(t, e.dir); got != args.Log+"\n" {
		t.Errorf("files left:\n%s", got)
	}
}

func TestSupervisorRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for dir, want := range map[string]string{
		"/tmp/" + strings.Repeat("x", 90): "has 95 bytes, and a socket below it needs it to have at most 83",
		"/tmp/with space":                 "is not a clean absolute path",
		"relative":                        "is not a clean absolute path",
	} {
		_, err := e.create("Supervisor", "s", provider.SupervisorArgs{Dir: dir})
		wantError(t, err, "dir: ", want)
	}
}
