package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/local"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// somewhere is the stack local in a folder and at addresses of its own.
func somewhere(t *testing.T) *stack {
	t.Helper()
	top, err := topology.ParseFile("../stacks/Pulumi.local.yaml")
	if err != nil {
		t.Fatal(err)
	}
	top.Loopback = fmt.Sprintf("127.%d", 100+os.Getpid()%100)
	// A socket's path is short, which that of t.TempDir is not.
	dir, err := os.MkdirTemp("", "ops")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &stack{site: local.Site{Stack: "local", State: dir}}
	s.placement = local.Place(top, s.site, release.Unknown())
	s.images, err = local.Render(s.placement)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// supervise runs one unit of the stack under a supervisord as the provider would.
func supervise(t *testing.T, s *stack, m images.Machine, u images.Unit) {
	t.Helper()
	dir := s.site.Supervisor()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	account := ""
	if os.Geteuid() == 0 {
		account = "user = nobody\n" // memcached refuses root
	}
	conf := filepath.Join(dir, "supervisord.conf")
	text := fmt.Sprintf("[unix_http_server]\nfile = %s\n[rpcinterface:supervisor]\n"+
		"supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"+
		"[supervisord]\nnodaemon = true\nlogfile = /dev/null\nlogfile_maxbytes = 0\npidfile = %s\n"+
		"[program:%s.%s]\ncommand = %s\n%sstartsecs = 0\n",
		s.site.Socket(), filepath.Join(dir, "pid"), m.Name, u.Name, strings.Join(u.Exec, " "), account)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/supervisord", "-c", conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may be gone
		_ = cmd.Wait()
	})
}

func TestStatusOfWhatRuns(t *testing.T) {
	s := somewhere(t)
	m := s.placement.Of(images.Memcached)[0]
	supervise(t, s, m, s.images[m.Name].Units[0])

	var got machineReport
	for deadline := time.Now().Add(20 * time.Second); !got.Healthy; {
		if time.Now().After(deadline) {
			t.Fatalf("%s is not healthy: %+v", m.Name, got)
		}
		for _, r := range inspect(t.Context(), s).Machines {
			if r.Name == m.Name {
				got = r
			} else if r.Healthy || r.problem() == "" {
				t.Fatalf("%s, which does not run, is healthy", r.Name)
			}
		}
	}
	if got.Memory < 100<<10 || got.Uptime < 0 || got.Units[0].PID == 0 {
		t.Errorf("report %+v", got)
	}
	if problem := inspect(t.Context(), s).Machines[0].problem(); !strings.Contains(problem, "is not deployed") {
		t.Errorf("a machine that nobody deployed: %s", problem)
	}
	// A unit of ours holds its address by right.
	for _, p := range s.takenPorts(t.Context()) {
		t.Error(p)
	}
}

func TestDoctorNamesWhatIsMissing(t *testing.T) {
	s := somewhere(t)
	s.site.RunAs = "nobody-of-that-name"
	l, err := net.Listen("tcp", s.placement.Of(images.API)[0].At(images.PortHTTP))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	img := s.images["nginx-01"]
	img.Units = []images.Unit{{Name: "nginx", Exec: []string{"/usr/sbin/no-such-program"}}}
	s.images["nginx-01"] = img
	if err := os.Chmod(s.site.State, 0o700); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		problems []string
		want     string
	}{
		{s.missingPrograms(), "missing program: /usr/sbin/no-such-program"},
		{s.missingAccount(), "missing account: nobody-of-that-name"},
		{s.closedFolders(), "closed folder: " + s.site.State + " lets the account nobody-of-that-name not through"},
		{s.takenPorts(t.Context()), "taken address: " + l.Addr().String() + ", which api of api-01 needs: somebody listens"},
	} {
		if len(tt.problems) != 1 || !strings.HasPrefix(tt.problems[0], tt.want) {
			t.Errorf("want %q, got %q", tt.want, tt.problems)
		}
	}
}

func TestATimeIsShownInItsLargestUnits(t *testing.T) {
	for seconds, want := range map[float64]string{0: "-", 5.7: "5s", 61: "1m1s", 3700: "1h1m", 90000: "1d1h"} {
		if got := ago(seconds); got != want {
			t.Errorf("%v seconds: %s, want %s", seconds, got, want)
		}
	}
}
