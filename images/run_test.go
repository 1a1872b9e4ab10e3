package images

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// account is whom the tests' processes run as: root's do not, because PostgreSQL
// and PgBouncer refuse it.
func account() string {
	if os.Getuid() == 0 {
		return "postgres"
	}
	return ""
}

// give makes the account the owner of paths.
func give(t *testing.T, paths ...string) {
	t.Helper()
	if account() == "" {
		return
	}
	u, err := user.Lookup(account())
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, path := range paths {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

// secrets are those of every stack.
func secrets() map[string]string {
	return map[string]string{
		"postgres-owner-password":       "owner's secret", // a quote, which SQL must survive
		"postgres-app-password":         "app-secret",
		"postgres-replication-password": "replication-secret",
		"postgres-monitor-password":     "monitor-secret",
		"postgres-01-app-username":      "burbn_app",
		"postgres-01-app-password":      "server-side secret",
		"postgres-02-app-username":      "burbn_app",
		"postgres-02-app-password":      "server-side secret",
		"redis-password":                "redis-secret",
		"storage-access-key":            "access-key-of-the-test",
		"storage-secret-key":            "secret-key-of-the-test",
		"token-key":                     "token-secret",
		"link-key":                      strings.Repeat("0f", 32),
		"sentry-key":                    "sentry-secret",
		"apns-key":                      "key",
		"apns-tls-key":                  "tls key",
		"apns-tls-cert":                 "certificate",
		"pager-key":                     "pager-secret",
	}
}

// install writes what machine m contains and returns its units by name.
func install(t *testing.T, m Machine, p Placement) map[string]Unit {
	t.Helper()
	img, err := Render(m, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range img.Files {
		write(t, m, f.Path, f.Content, os.FileMode(f.Mode))
	}
	units := map[string]Unit{}
	for _, u := range img.Units {
		for _, c := range u.Credentials {
			content, err := c.Fill(secrets())
			if err != nil {
				t.Fatal(err)
			}
			write(t, m, filepath.Join(u.CredentialsDir, c.Name), content, 0o400)
		}
		units[u.Name] = u
	}
	return units
}

func write(t *testing.T, m Machine, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil { // a credential may not be written to
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	for at := path; strings.HasPrefix(at, m.Root); at = filepath.Dir(at) {
		give(t, at)
	}
}

// command is a command of a unit, which ends with the test binary at the latest.
func command(ctx context.Context, u Unit, argv []string) *exec.Cmd {
	prefix := []string{"--pdeathsig", u.StopSignal, "--no-new-privs"}
	if u.User != "" {
		prefix = append(prefix, "--reuid="+u.User, "--regid="+u.User, "--init-groups", "--inh-caps=-all")
	}
	c := exec.CommandContext(ctx, "setpriv", append(prefix, argv...)...)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as systemd and supervisord do
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "CREDENTIALS_DIRECTORY=" + u.CredentialsDir}
	for k, v := range u.Env {
		c.Env = append(c.Env, k+"="+v)
	}
	return c
}

// process is a unit that runs.
type process struct {
	unit   Unit
	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{}
}

// start runs a unit until the test ends, and returns when it is ready.
func start(t *testing.T, u Unit) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), u.Ready.Timeout)
	defer cancel()
	for _, argv := range u.Setup {
		if out, err := command(ctx, u, argv).CombinedOutput(); err != nil {
			t.Fatalf("%s: %q: %v\n%s", u.Name, argv, err, out)
		}
	}
	log, err := os.Create(filepath.Join(t.TempDir(), u.Name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{unit: u, cmd: command(context.Background(), u, u.Exec), log: log, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop(t)
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // what a killed one left behind
		log.Close()
		if t.Failed() && testing.Verbose() {
			t.Logf("%s:\n%s", u.Name, p.output(t))
		}
	})
	p.await(t, "ready", u.Ready.check)
	return p
}

// run runs a unit that runs once.
func run(t *testing.T, u Unit) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), u.Ready.Timeout)
	defer cancel()
	if out, err := command(ctx, u, u.Exec).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", u.Name, err, out)
	}
}

// await waits until check succeeds, as long as the unit runs.
func (p *process) await(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), p.unit.Ready.Timeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-p.exited:
			t.Fatalf("%s exited before it was %s: %v\n%s", p.unit.Name, what, p.cmd.ProcessState, p.output(t))
		case <-ctx.Done():
			t.Fatalf("%s is not %s: %v\n%s", p.unit.Name, what, err, p.output(t))
		case <-tick.C:
		}
	}
}

// reload does what ExecReload does.
func (p *process) reload(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal(p.unit.ReloadSignal)); err != nil {
		t.Fatal(err)
	}
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(signal(p.unit.StopSignal))
	select {
	case <-p.exited:
	case <-time.After(p.unit.StopTimeout):
		p.cmd.Process.Kill()
		<-p.exited
		t.Errorf("%s did not stop within %s", p.unit.Name, p.unit.StopTimeout)
	}
}

func (p *process) output(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

func signal(name string) syscall.Signal { return unix.SignalNum("SIG" + name) }

// check is nil when the unit is ready.
func (r Ready) check(ctx context.Context) error {
	switch {
	case r.HTTP != "":
		status, body, err := get(ctx, r.HTTP)
		if err == nil && status/100 != 2 {
			err = fmt.Errorf("%s: %d: %s", r.HTTP, status, body)
		}
		return err
	case r.TCP != "":
		c, err := net.Dial("tcp", r.TCP)
		if err != nil {
			return err
		}
		return c.Close()
	}
	return exec.CommandContext(ctx, r.Exec[0], r.Exec[1:]...).Run()
}

func get(ctx context.Context, url string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	status, _, body, err := do(req)
	return status, body, err
}

func do(req *http.Request) (int, http.Header, string, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	return resp.StatusCode, resp.Header, b.String(), err
}

// check runs one of the checkers that programs bring along for their files.
func check(t *testing.T, argv ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%q: %v\n%s", argv, err, out)
	}
}

// startAll starts some units of a machine, in order.
func startAll(t *testing.T, m Machine, p Placement, names ...string) map[string]*process {
	t.Helper()
	units := install(t, m, p)
	started := map[string]*process{}
	for _, name := range names {
		u, ok := units[name]
		if !ok {
			t.Fatalf("%s has no unit %s", m.Name, name)
		}
		started[name] = start(t, u)
	}
	return started
}
