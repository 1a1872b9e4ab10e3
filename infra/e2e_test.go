package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/topology"
)

// The stack that the test brings up has addresses of its own, so it stands beside
// any other.
const (
	e2eNet   = "127.99"
	e2eStack = `{
	"target": "local", "loopback": "127.99", "shards": 16,
	"postgres": {"connections": 100, "replicas": 1, "databases": [{"name": "postgres-01", "shards": "0-7"}, {"name": "postgres-02", "shards": "8-15"}]},
	"nginx": {"count": 2}, "api": {"count": %d},
	"worker": {"count": 2, "slots": {"photo": 1, "fanOut": 4, "follow": 4, "index": 2, "share": 2, "delete": 2, "export": 1}},
	"push": {"count": 1, "slots": 4},
	"redis": {"masters": 3, "memoryMB": 32}, "memcached": {"count": 2, "memoryMB": 32},
	"upload": {"maxBytes": 4194304, "expires": "15m", "maxPixels": 50000000},
	"feed": {"length": 200, "fanOutLimit": 1000}, "session": "1h",
	"rateLimits": {"read": 100000, "write": 100000, "anonymous": 100000}, "origins": ["https://www.example.com"],
	"apns": {"teamID": "BURBNTEAM1", "keyID": "BURBNKEY01", "topic": "com.burbn.app"},
	"monitoring": {"scrapeInterval": "1s"}
}`
)

// TestFromNothingToAPhotoInAFollowersFeed brings up a small stack with the real
// Pulumi engine, does with it what a phone does while things break, edits it under
// traffic, and destroys it.
func TestFromNothingToAPhotoInAFollowersFeed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s := newStack(t, ctx)
	t.Cleanup(s.forceDown)

	s.up(2)
	api, cdn := s.endpoint("api"), s.endpoint("cdn")

	// Two people; one follows the other, whose phone wants pushes.
	maya, noah := signUp(t, api, "maya"), signUp(t, api, "noah")
	device := strings.Repeat("0123456789abcdef", 4)
	maya.must(http.StatusNoContent, http.MethodPost, "/v1/devices", map[string]string{"token": device}, nil)
	noah.must(http.StatusOK, http.MethodPut, "/v1/users/"+maya.id+"/follow", nil, nil)

	// A photo, while a worker and an nginx die.
	id := maya.post(picture(t, 1), "First light")
	s.kill("worker-01", "worker")
	s.kill("nginx-01", "nginx")
	var seen photo
	s.eventually("the photo is in the follower's feed", func() (ok bool) { seen, ok = noah.inFeed(id); return ok })
	if len(seen.Renditions) != 4 {
		t.Fatalf("the photo has %d renditions, want 4: %+v", len(seen.Renditions), seen)
	}
	for i, width := range []int{150, 320, 640, 1080} {
		r := seen.Renditions[i]
		if !strings.HasPrefix(r.URL, cdn+"/") {
			t.Errorf("rendition %d is not behind the CDN: %s", width, r.URL)
		}
		for _, want := range []string{"MISS", "HIT"} {
			res, b := get(t, r.URL)
			if got := res.Header.Get("X-Cache"); res.StatusCode != http.StatusOK || got != want {
				t.Errorf("rendition %d: status %d, X-Cache %q, want 200 and %s", width, res.StatusCode, got, want)
			}
			img, err := jpeg.DecodeConfig(bytes.NewReader(b))
			if err != nil || img.Width != width || img.Height != width*3/4 && img.Height != (width*3+3)/4 {
				t.Errorf("rendition %d: %d x %d, %v", width, img.Width, img.Height, err)
			}
			if bytes.Contains(b, []byte("Exif")) || bytes.Contains(b, []byte("48.8584N")) {
				t.Errorf("rendition %d says where it was taken", width)
			}
		}
	}

	// A like, and its push at Apple's.
	noah.must(http.StatusNoContent, http.MethodPut, "/v1/media/"+id+"/like", nil, nil)
	noah.must(http.StatusNoContent, http.MethodPut, "/v1/media/"+id+"/like", nil, nil) // on a bad network
	s.eventually("the like's push is at the APNs stand-in", func() bool { return s.pushes(device) == 1 })
	s.eventually("the like is counted once", func() bool {
		var m photo
		status, _ := maya.try(http.MethodGet, "/v1/media/"+id, nil, &m)
		return status == http.StatusOK && m.LikeCount == 1
	})

	// What does not belong gets a clear answer and changes nothing.
	t.Run("refusals", func(t *testing.T) { s.refusals(t, maya, noah) })

	// A killed process that its supervisor gave up on is seen by a refresh and healed
	// by the next up, which touches nothing else.
	s.stopForGood("memcached-02.memcached")
	s.eventually("the alert fires", func() bool { return s.fires("memcached-02") })
	s.refresh()
	s.up(2)
	if !s.changed(apitype.OpCreate, "memcached-02.memcached") || len(s.touched()) != 1 {
		t.Errorf("healing touched %v, want memcached-02.memcached alone", s.touched())
	}
	s.up(2)
	if touched := s.touched(); len(touched) != 0 {
		t.Errorf("an up without a change touched %v", touched)
	}
	s.eventually("the alert is over", func() bool { return !s.fires("memcached-02") })

	// From 2 to 4 API processes and back, under traffic.
	traffic := s.traffic(noah)
	s.up(4)
	s.onlyAPIs(apitype.OpCreate, "api-03", "api-04")
	s.up(2)
	s.onlyAPIs(apitype.OpDelete, "api-03", "api-04")
	if sent, failed := traffic(); failed != "" || sent < 100 {
		t.Errorf("of %d requests during the edits one failed: %s", sent, failed)
	}

	// What was stored outlives the processes, and whoever was logged in still is; also
	// if the first up that brings them back is killed.
	s.down()
	s.nothingLeft()
	s.killedUp()
	s.up(2)
	s.eventually("the photo is in the feed again", func() bool { _, ok := noah.inFeed(id); return ok })
	if res, _ := get(t, seen.Renditions[0].URL); res.StatusCode != http.StatusOK {
		t.Errorf("the photo through the CDN: status %d, want 200", res.StatusCode)
	}
	s.down()
	s.nothingLeft()
}

// stack is the stack under test.
type stack struct {
	t         *testing.T
	ctx       context.Context
	checkout  string
	state     string // where its machines live
	auto      auto.Stack
	endpoints map[string]any
	steps     map[string]apitype.OpType // of the last up, by logical name
}

func newStack(t *testing.T, ctx context.Context) *stack {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, ctx: ctx, checkout: filepath.Dir(wd)}
	// The processes run as another account than the test when root runs it: every
	// folder above theirs must let them pass. t.TempDir's name is too long for a socket.
	dir, err := os.MkdirTemp("", "burbn")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			os.RemoveAll(dir)
		}
	})
	t.Logf("the stack lives in %s, which stays if the test fails", dir)
	t.Setenv("BURBN_STATE", dir)
	t.Setenv("PATH", filepath.Join(s.checkout, "bin")+":"+os.Getenv("PATH"))
	s.state = filepath.Join(dir, "e2e")
	backend := filepath.Join(dir, "pulumi")
	if err := os.Mkdir(backend, 0o700); err != nil {
		t.Fatal(err)
	}
	s.auto, err = auto.NewStackInlineSource(ctx, "e2e", "burbn",
		func(ctx *pulumi.Context) error { return program(ctx, s.checkout) },
		auto.WorkDir(t.TempDir()),
		auto.Project(workspace.Project{
			Name: tokens.PackageName("burbn"), Runtime: workspace.NewProjectRuntimeInfo("go", nil),
			Plugins: &workspace.Plugins{Providers: []workspace.PluginOptions{{Name: "host", Path: filepath.Join(s.checkout, "bin")}}},
		}),
		auto.EnvVars(map[string]string{
			"PULUMI_BACKEND_URL":                          "file://" + backend,
			"PULUMI_CONFIG_PASSPHRASE":                    "e2e",
			"PULUMI_SKIP_UPDATE_CHECK":                    "true",
			"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
			"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK":    "true",
		}))
	if err != nil {
		t.Fatalf("create the stack: %v", err)
	}
	return s
}

// up brings the stack to n API processes and keeps what that did.
func (s *stack) up(n int) {
	s.t.Helper()
	if err := s.auto.SetConfig(s.ctx, topology.Key, auto.ConfigValue{Value: fmt.Sprintf(e2eStack, n)}); err != nil {
		s.t.Fatal(err)
	}
	log := &bytes.Buffer{}
	start := time.Now()
	r, err := s.auto.Up(s.ctx, optup.ProgressStreams(log), optup.ErrorProgressStreams(log), optup.SuppressOutputs())
	if err != nil {
		s.t.Fatalf("up: %v\n%s", err, log)
	}
	s.t.Logf("up with %d API processes: %v, %v", n, time.Since(start).Round(100*time.Millisecond), *r.Summary.ResourceChanges)
	s.endpoints = r.Outputs["endpoints"].Value.(map[string]any)
	s.steps = map[string]apitype.OpType{}
	history(s, log.String())
}

// history reads from the progress of an up what it did to which resource.
func history(s *stack, progress string) {
	verbs := map[string]apitype.OpType{
		"created": apitype.OpCreate, "updated": apitype.OpUpdate, "deleted": apitype.OpDelete, "replaced": apitype.OpReplace,
	}
	for line := range strings.Lines(progress) {
		f := strings.Fields(line)
		for i := 1; i+2 < len(f); i++ {
			if op := verbs[f[i+2]]; op != "" && strings.HasPrefix(f[i], "host:index:") {
				s.steps[f[i+1]] = op
			}
		}
	}
}

func (s *stack) touched() (names []string) {
	for name := range s.steps {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *stack) changed(op apitype.OpType, name string) bool { return s.steps[name] == op }

// onlyAPIs checks that the last up did op to the units of these machines and let
// nothing else but the proxies and Prometheus read their files again.
func (s *stack) onlyAPIs(op apitype.OpType, machines ...string) {
	s.t.Helper()
	for _, m := range machines {
		if !s.changed(op, m+".api") {
			s.t.Errorf("%s of %s.api is not among %v", op, m, s.steps)
		}
	}
	for _, name := range s.touched() {
		machine, unit, _ := strings.Cut(name, ".")
		reload := s.changed(apitype.OpUpdate, name) && (unit == "nginx" || unit == "prometheus" || unit == "pgbouncer")
		if !reload && !slices.Contains(machines, machine) {
			s.t.Errorf("the edit touched %s (%s)", name, s.steps[name])
		}
	}
}

func (s *stack) refresh(opts ...optrefresh.Option) {
	s.t.Helper()
	log := &bytes.Buffer{}
	if _, err := s.auto.Refresh(s.ctx, append(opts, optrefresh.ProgressStreams(log))...); err != nil {
		s.t.Fatalf("refresh: %v\n%s", err, log)
	}
}

// killedUp begins an up, kills Pulumi in the middle of it, and clears away what only
// the dead one knew.
func (s *stack) killedUp() {
	s.t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := s.auto.Up(s.ctx)
		ended <- err
	}()
	s.eventually("a dozen processes run", func() bool { return len(s.processes()) >= 12 })
	killed := 0
	statuses, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range statuses {
		b, _ := os.ReadFile(path)
		if bytes.HasPrefix(b, []byte("Name:\tpulumi\n")) && bytes.Contains(b, fmt.Appendf(nil, "\nPPid:\t%d\n", os.Getpid())) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			syscall.Kill(pid, syscall.SIGKILL)
			killed++
		}
	}
	if err := <-ended; err == nil || killed != 1 {
		s.t.Fatalf("killed %d Pulumi, whose up said: %v", killed, err)
	}
	// As burbn unlock does: Pulumi's notes beside its state may be half written.
	notes, _ := filepath.Glob(filepath.Join(filepath.Dir(s.state), "pulumi/.pulumi/stacks/burbn/e2e.json*.attrs"))
	for _, path := range notes {
		if b, err := os.ReadFile(path); err == nil && !json.Valid(b) {
			os.Remove(path)
		}
	}
	if err := s.auto.Cancel(s.ctx); err != nil {
		s.t.Fatalf("take the dead one's lock away: %v", err)
	}
	s.refresh(optrefresh.ClearPendingCreates())
}

func (s *stack) down() {
	s.t.Helper()
	log := &bytes.Buffer{}
	if _, err := s.auto.Destroy(s.ctx, optdestroy.ProgressStreams(log)); err != nil {
		s.t.Fatalf("destroy: %v\n%s", err, log)
	}
}

// forceDown ends what a failed test left running.
func (s *stack) forceDown() {
	for _, p := range s.processes() {
		if strings.Contains(p.cmdline, "supervisord") {
			syscall.Kill(p.pid, syscall.SIGTERM)
		}
	}
}

func (s *stack) endpoint(name string) string {
	s.t.Helper()
	url, ok := s.endpoints[name].(string)
	if !ok {
		s.t.Fatalf("the stack has no endpoint %s: %v", name, s.endpoints)
	}
	return url
}

// eventually waits until ok says so, with a deadline.
func (s *stack) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline, tick := time.After(90*time.Second), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			s.t.Fatalf("waited 90 s in vain: %s", what)
		case <-tick.C:
		}
	}
}

// supervisorctl is the operator's way past Pulumi.
func (s *stack) supervisorctl(args ...string) string {
	s.t.Helper()
	confs, err := filepath.Glob(filepath.Join(s.state, "*", "supervisord.conf"))
	if err != nil || len(confs) != 1 {
		s.t.Fatalf("find supervisord.conf: %v %v", confs, err)
	}
	out, err := exec.CommandContext(s.ctx, "supervisorctl", append([]string{"-c", confs[0]}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("supervisorctl %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// kill ends a unit's process without a word.
func (s *stack) kill(machine, unit string) {
	s.t.Helper()
	pid, err := strconv.Atoi(s.supervisorctl("pid", machine+"."+unit))
	if err != nil || pid < 2 {
		s.t.Fatalf("pid of %s.%s: %d %v", machine, unit, pid, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) stopForGood(program string) {
	s.t.Helper()
	s.supervisorctl("stop", program)
}

// pushes counts what the APNs stand-in accepted for a device about likes.
func (s *stack) pushes(device string) (n int) {
	var received []struct {
		Path    string
		Headers map[string]string
		Status  int
	}
	_, b := get(s.t, strings.TrimSuffix(s.endpoint("standins"), "/")+"/received.json?service=apns")
	if err := json.Unmarshal(b, &received); err != nil {
		s.t.Fatalf("%v in %s", err, b)
	}
	for _, r := range received {
		if strings.HasSuffix(r.Path, device) && strings.HasPrefix(r.Headers["Apns-Collapse-Id"], "like-") && r.Status == http.StatusOK {
			n++
		}
	}
	return n
}

// fires says whether an alert about a machine fires in Alertmanager.
func (s *stack) fires(machine string) bool {
	var alerts []struct{ Labels map[string]string }
	_, b := get(s.t, s.endpoint("alerts"))
	if err := json.Unmarshal(b, &alerts); err != nil {
		s.t.Fatalf("%v in %s", err, b)
	}
	for _, a := range alerts {
		if a.Labels["machine"] == machine {
			return true
		}
	}
	return false
}

// traffic reads the feed again and again until the function that it returns is
// called, which says how many requests there were and how the first failed.
func (s *stack) traffic(p *phone) func() (sent int64, failed string) {
	ctx, stop := context.WithCancel(s.ctx)
	var n atomic.Int64
	done := make(chan string, 4)
	for range cap(done) {
		go func() {
			var failed string
			for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; {
				n.Add(1)
				if status, body := p.try(http.MethodGet, "/v1/feed", nil, nil); status != http.StatusOK && failed == "" {
					failed = fmt.Sprintf("%d %s", status, body)
				}
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
			done <- failed
		}()
	}
	return func() (int64, string) {
		stop()
		var first string
		for range cap(done) {
			if failed := <-done; failed != "" {
				first = failed
			}
		}
		return n.Load(), first
	}
}

type process struct {
	pid     int
	cmdline string
}

// processes are the living ones that have to do with the stack's folder.
func (s *stack) processes() (ps []process) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		status, _ := os.ReadFile(dir + "/status")
		if bytes.Contains(cmdline, []byte(s.state)) && !bytes.Contains(status, []byte("State:\tZ")) {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			ps = append(ps, process{pid, strings.ReplaceAll(string(cmdline), "\x00", " ")})
		}
	}
	return ps
}

// nothingLeft checks that no process, port or lock of the stack is left.
func (s *stack) nothingLeft() {
	s.t.Helper()
	for _, p := range s.processes() {
		s.t.Errorf("process %d is left: %s", p.pid, p.cmdline)
	}
	for _, addr := range []string{"1.1:8080", "2.1:8080", "3.1:8080", "3.1:6432", "6.1:5432", "7.1:5432", "8.1:6379", "9.1:11211", "10.1:9000", "11.1:8080", "12.1:9090", "13.1:8443"} {
		if c, err := net.DialTimeout("tcp", e2eNet+"."+addr, time.Second); err == nil {
			c.Close()
			s.t.Errorf("something still listens on %s.%s", e2eNet, addr)
		}
	}
	locks, _ := filepath.Glob(filepath.Join(filepath.Dir(s.state), "pulumi/.pulumi/locks/*/*/*/*.json"))
	if len(locks) > 0 {
		s.t.Errorf("locks are left: %v", locks)
	}
}
