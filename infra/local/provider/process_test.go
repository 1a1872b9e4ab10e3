package provider_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/burbn/burbn/infra/local/provider"
)

func TestProcessLives(t *testing.T) {
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "of-the-operator")
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api-01.api")
	args.Env["AWKWARD"] = `50% "of"; #all 'quotes' $HOME \ %(here)s`
	args.Setup = [][]string{{"/bin/sh", "-c", "echo $CREDENTIALS_DIRECTORY > set-up"}}
	r := e.mustCreate("Process", "api", args)

	if r.id != args.Name {
		t.Errorf("id %q", r.id)
	}
	environ := ask(args, "/environ")
	for _, want := range []string{"AWKWARD=" + args.Env["AWKWARD"] + "\n", "CREDENTIALS_DIRECTORY=" + args.CredentialsDir + "\n"} {
		if !strings.Contains(environ+"\n", want) {
			t.Errorf("environment lacks %q:\n%s", want, environ)
		}
	}
	for _, not := range []string{"of-the-operator", "hunter2"} {
		if strings.Contains(environ, not) {
			t.Errorf("environment holds %q:\n%s", not, environ)
		}
	}
	if got, _ := os.ReadFile(args.Root + "/set-up"); string(got) != args.CredentialsDir+"\n" {
		t.Errorf("setup ran with credentials in %q", got)
	}
	credential := args.CredentialsDir + "/password"
	if got, _ := os.ReadFile(credential); string(got) != "hunter2-api-01.api" {
		t.Errorf("credential %q", got)
	}
	for path, want := range map[string]os.FileMode{credential: 0o400, args.CredentialsDir: 0o700, args.Root + "/etc/config": 0o644} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if !r.state.Get("credentials").Secret() {
		t.Error("credentials are not a secret in the state")
	}
	for _, file := range strings.Fields(list(t, filepath.Join(e.dir, "supervisor"))) {
		if content, _ := os.ReadFile(file); strings.Contains(string(content), "hunter2") {
			t.Errorf("%s holds a credential", file)
		}
	}
	if change := e.diff(r, args); change != "" {
		t.Errorf("the same again: %s", change)
	}

	pid := pidOf(t, args)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is restarted", func() bool { now := ask(args, "/pid"); return now != "" && now != strconv.Itoa(pid) })

	e.mustDelete(r)
	if !free(args.Listen[0]) {
		t.Error("its port is still in use")
	}
	if left := processesOf(t, args.Root); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if got, want := list(t, args.Root), args.Log+"\n"; !strings.Contains(got, want) || !strings.Contains(got, "/set-up") || strings.Count(got, "\n") != 2 {
		t.Errorf("files left:\n%s", got)
	}
}

func TestProcessesStartTogether(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	const n = 30
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		args := e.serve(fmt.Sprintf("machine-%02d", i))
		wg.Go(func() {
			_, err := e.create("Process", args.Name, args)
			if err == nil && ask(args, "/pid") == "" {
				err = errors.New(args.Name + " does not answer")
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestProcessUpdates(t *testing.T) {
	t.Parallel()
	file := func(args *provider.ProcessArgs, content string) {
		args.Files = map[string]provider.File{args.Root + "/etc/config": {Content: content, Mode: 0o644}}
	}
	tests := map[string]struct {
		change       func(*provider.ProcessArgs)
		diff, config string
		samePid      bool
	}{
		"files, reloaded":     {func(a *provider.ProcessArgs) { file(a, "second") }, "update", "second", true},
		"files, restarted":    {func(a *provider.ProcessArgs) { file(a, "second"); a.ReloadSignal = "" }, "update", "second", false},
		"files and command":   {func(a *provider.ProcessArgs) { file(a, "second"); a.Exec = append(a.Exec, "-x") }, "update", "second", false},
		"environment":         {func(a *provider.ProcessArgs) { a.Env["NEW"] = "yes" }, "update", "first", false},
		"credentials":         {func(a *provider.ProcessArgs) { a.Credentials = map[string]string{"password": "other"} }, "update", "first", false},
		"how it is waited on": {func(a *provider.ProcessArgs) { a.Ready.TimeoutSeconds = 20 }, "update", "first", true},
		"nothing":             {func(*provider.ProcessArgs) {}, "", "first", true},
	}
	e := newEngine(t)
	e.supervisor()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			args := e.serve("api-" + strconv.Itoa(len(name)))
			args.ReloadSignal = "HUP"
			r := e.mustCreate("Process", "api", args)
			pid := pidOf(t, args)
			test.change(&args)
			if got := e.diff(r, args); got != test.diff {
				t.Errorf("change %q, want %q", got, test.diff)
			}
			r = e.mustUpdate(r, args)
			eventually(t, "the file is read", func() bool { return ask(args, "/config") == test.config })
			if same := pidOf(t, args) == pid; same != test.samePid {
				t.Errorf("same process: %v, want %v", same, test.samePid)
			}
			e.mustDelete(r)
		})
	}
}

func TestProcessReplaced(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	r := e.mustCreate("Process", "api", args)
	for name, change := range map[string]func(*provider.ProcessArgs){
		"name":       func(a *provider.ProcessArgs) { a.Name = "other" },
		"supervisor": func(a *provider.ProcessArgs) { a.Supervisor += "-other" },
	} {
		next := args
		change(&next)
		if got, want := e.diff(r, next), "delete, then create"; got != want {
			t.Errorf("another %s: %q, want %q", name, got, want)
		}
	}
}

// A child that holds on to the port when its parent dies does not keep the parent
// from being started again, nor from being replaced.
func TestProcessLeavesNoChildren(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	args.Env["PROGRAM"] = "parent"
	r := e.mustCreate("Process", "api", args)
	child := pidOf(t, args)
	group, err := syscall.Getpgid(child)
	if err != nil || group == child {
		t.Fatalf("the child leads a group of its own: %d, %v", group, err)
	}
	if err := syscall.Kill(group, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another child serves", func() bool { now := ask(args, "/pid"); return now != "" && now != strconv.Itoa(child) })

	args.Env["NEW"] = "yes"
	r = e.mustUpdate(r, args)
	e.mustDelete(r)
	if left := processesOf(t, args.Root); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// Files that are not a process's any more go, and so do old credentials.
func TestProcessUpdateCleansUp(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	extra := args.Root + "/etc/extra"
	args.Files[extra] = provider.File{Content: "x", Mode: 0o600}
	r := e.mustCreate("Process", "api", args)
	before := args.CredentialsDir
	args.Files = map[string]provider.File{args.Root + "/etc/config": {Content: "first", Mode: 0o644}}
	args.CredentialsDir = args.Root + "/run/other"
	e.mustUpdate(r, args)
	for _, path := range []string{extra, before} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

func TestProcessRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	tests := map[string]struct {
		change func(*provider.ProcessArgs)
		want   []string
	}{
		"missing program": {func(a *provider.ProcessArgs) { a.Exec = []string{"/usr/sbin/no-such"} }, []string{"no such program /usr/sbin/no-such: is its package installed?"}},
		"missing setup":   {func(a *provider.ProcessArgs) { a.Setup = [][]string{{"/no-such"}} }, []string{"no such program /no-such"}},
		"failing setup":   {func(a *provider.ProcessArgs) { a.Setup = [][]string{{"/bin/sh", "-c", "echo out of luck; exit 7"}} }, []string{"out of luck", "exit status 7"}},
		"slow setup": {func(a *provider.ProcessArgs) {
			a.Setup = [][]string{{"/bin/sleep", "60"}}
			a.Ready.TimeoutSeconds = 0.3
		}, []string{"run /bin/sleep 60", "not ready after 300ms"}},
		"ends at once":      {func(a *provider.ProcessArgs) { a.Env["PROGRAM"] = "crash" }, []string{"api ends as soon as it is started", "/var/log/program.log", "reason 10\n", "reason 29"}},
		"never ready":       {func(a *provider.ProcessArgs) { a.Env["PROGRAM"] = "hang"; a.Ready.TimeoutSeconds = 2 }, []string{"api: not ready after 2s", "connection refused", "still warming up"}},
		"relative program":  {func(a *provider.ProcessArgs) { a.Exec = []string{"nginx"} }, []string{"exec:", "nginx", "absolute path"}},
		"odd name":          {func(a *provider.ProcessArgs) { a.Name = "a b" }, []string{`name: "a b"`}},
		"unknown signal":    {func(a *provider.ProcessArgs) { a.StopSignal = "STOP" }, []string{`stopSignal: "STOP" is none of HUP, INT`}},
		"file outside":      {func(a *provider.ProcessArgs) { a.Files = map[string]provider.File{a.Root + "/../x": {}} }, []string{"files:", "not a path below the root"}},
		"credential a path": {func(a *provider.ProcessArgs) { a.Credentials = map[string]string{"../x": ""} }, []string{"credentials:", "not the name of a file"}},
		"no deadline":       {func(a *provider.ProcessArgs) { a.Ready.TimeoutSeconds = 0 }, []string{"ready: timeoutSeconds is 0"}},
		"unknown user":      {func(a *provider.ProcessArgs) { a.User = "no-such-user" }, []string{`user "no-such-user"`}},
		"no supervisord":    {func(a *provider.ProcessArgs) { a.Supervisor = e.dir + "/none" }, []string{"supervisord in " + e.dir + "/none is not running", "pulumi up --refresh"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			args := e.serve("api")
			test.change(&args)
			_, err := e.create("Process", "api", args)
			wantError(t, err, test.want...)
			if left := processesOf(t, args.Root); len(left) > 0 {
				t.Errorf("processes are left: %v", left)
			}
			for _, file := range []string{args.Root + "/etc/config", args.CredentialsDir, e.dir + "/supervisor/programs/api.conf"} {
				if _, err := os.Stat(file); !os.IsNotExist(err) {
					t.Errorf("%s is left: %v", file, err)
				}
			}
		})
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	for _, host := range []string{"127.77.0.1", "0.0.0.0", "[::]"} {
		t.Run(host, func(t *testing.T) {
			args := e.serve("api")
			_, port, err := net.SplitHostPort(args.Listen[0])
			if err != nil {
				t.Fatal(err)
			}
			other, err := net.Listen("tcp", host+":"+port)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			_, err = e.create("Process", "api", args)
			wantError(t, err, fmt.Sprintf("%s is already in use by provider.test (pid %d)", args.Listen[0], os.Getpid()))
			if _, err := os.Stat(args.Root); !os.IsNotExist(err) {
				t.Errorf("something was changed: %v", err)
			}
		})
	}
}

// An update that fails leaves the process known as unfinished, and the next one
// brings it up.
func TestProcessUpdateFails(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	r := e.mustCreate("Process", "api", args)
	args.Env["PROGRAM"] = "crash"
	r, err := e.update(r, args)
	wantError(t, err, "ends as soon as it is started", "reason 29")
	if r.state.Get("env").AsMap().Get("PROGRAM").AsString() != "crash" {
		t.Fatalf("the old process is kept: %v", r.state)
	}
	args.Env = map[string]string{"PROGRAM": "serve", "ADDR": args.Env["ADDR"], "CONFIG": args.Env["CONFIG"]}
	r = e.mustUpdate(r, args)
	pidOf(t, args)
	e.mustDelete(r)
}

// A killed update leaves processes that no state knows.
func TestProcessAdopted(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	e.mustCreate("Process", "api", args)
	pid := pidOf(t, args)

	e.restartProvider()
	e.mustCreate("Process", "api", args)
	if now := pidOf(t, args); now != pid {
		t.Errorf("the same process was started anew: pid %d, then %d", pid, now)
	}

	e.restartProvider()
	args.Env["NEW"] = "yes"
	r := e.mustCreate("Process", "api", args)
	if now := pidOf(t, args); now == pid {
		t.Error("another definition was taken for the same")
	}

	// Healthy is part of the same.
	pid = pidOf(t, args)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	args.StopTimeoutSeconds = 1
	r = e.mustUpdate(r, args)
	if now := pidOf(t, args); now == pid {
		t.Error("a process that does not answer was kept")
	}
	e.mustDelete(r)
}

func TestProcessRefreshed(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	r := e.mustCreate("Process", "api", args)
	if now := e.refresh(r); now.id != r.id || e.diff(now, args) != "" {
		t.Errorf("untouched: %+v", now)
	}

	for what, spoil := range map[string]func() error{
		"changed file": func() error { return os.WriteFile(args.Root+"/etc/config", []byte("by hand"), 0o644) },
		"changed mode": func() error { return os.Chmod(args.Root+"/etc/config", 0o600) },
		"missing file": func() error { return os.Remove(args.Root + "/etc/config") },
		"credential":   func() error { return os.RemoveAll(args.CredentialsDir) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		now := e.refresh(r)
		if now.id == "" || e.diff(now, args) != "update" {
			t.Errorf("%s goes unseen", what)
		}
		if !now.state.Get("credentials").HasSecrets() {
			t.Errorf("%s: the state tells the credentials", what)
		}
		r = e.mustUpdate(now, args)
		if e.diff(e.refresh(r), args) != "" || ask(args, "/config") != "first" {
			t.Errorf("%s is not repaired", what)
		}
	}

	stop(t, e, args.Name)
	if now := e.refresh(r); now.id != "" {
		t.Error("a stopped process is said to run")
	}
	e.mustCreate("Process", "api", args)
	pidOf(t, args)
}

func TestPreviewTouchesNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	preview := func(kind string, args any) {
		t.Helper()
		in, err := e.check(kind, "x", args)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.server.Create(p.CreateRequest{Urn: urn(kind, "x"), Properties: in, DryRun: true}); err != nil {
			t.Error(err)
		}
	}
	args := e.serve("api")
	preview("Supervisor", provider.SupervisorArgs{Dir: args.Supervisor})
	preview("Process", args)
	preview("Artifact", provider.ArtifactArgs{Source: args.Exec[0], SHA256: strings.Repeat("0", 64), Path: e.dir + "/x"})
	preview("Task", provider.TaskArgs{Home: args.Home, Exec: []string{"/usr/bin/touch", e.dir + "/x"}, TimeoutSeconds: 1})
	preview("Secret", provider.SecretArgs{Kind: "password"})
	if left := list(t, e.dir); left != "" {
		t.Errorf("preview made\n%s", left)
	}
}

// Ctrl-C ends the wait, and what was being created goes with it.
func TestProcessCancelled(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	args.Env["PROGRAM"] = "hang"
	failed := make(chan error)
	go func() {
		_, err := e.create("Process", "api", args)
		failed <- err
	}()
	eventually(t, "it is being waited for", func() bool {
		log, _ := os.ReadFile(args.Log)
		return strings.Contains(string(log), "warming up")
	})
	if err := e.server.Cancel(); err != nil {
		t.Fatal(err)
	}
	wantError(t, <-failed, "canceled")
	if left := processesOf(t, args.Root); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

func TestProcessOfAnotherUser(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.supervisor()
	args := e.serve("api")
	args.User = "bin"
	args.Listen, args.Ready = nil, provider.Ready{TimeoutSeconds: 20}
	args.OpenFiles = 512
	args.Setup = [][]string{{"/bin/sh", "-c", "cat $CREDENTIALS_DIRECTORY/password > set-up"}}
	args.Exec = []string{"/bin/sh", "-c", "id -un; ulimit -n; grep -E 'NoNewPrivs|CapInh|CapPrm' /proc/self/status; exec sleep 1000"}
	r, err := e.create("Process", "api", args)
	if os.Getuid() != 0 {
		wantError(t, err, `user "bin": only root may run a process as another user`)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(args.Log)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(strings.Fields(string(log)), " "), "bin 512 CapInh: 0000000000000000 CapPrm: 0000000000000000 NoNewPrivs: 1"; got != want {
		t.Errorf("it runs as %q, want %q", got, want)
	}
	if got, _ := os.ReadFile(args.Root + "/set-up"); string(got) != "hunter2-api" {
		t.Errorf("it read the credential %q", got)
	}
	e.mustDelete(r)
}
