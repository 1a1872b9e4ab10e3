package provider_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/burbn/burbn/infra/local/provider"
)

// TestMain makes the test binary the program that the tests supervise.
func TestMain(m *testing.M) {
	if mode := os.Getenv("PROGRAM"); mode != "" {
		program(mode)
	}
	os.Exit(m.Run())
}

// program never returns. What it serves is its own pid and the content of the file
// $CONFIG as it was when it started or was last sent HUP.
func program(mode string) {
	fmt.Println("program started as", mode)
	switch mode {
	case "crash":
		for i := range 30 {
			fmt.Printf("reason %d\n", i)
		}
		os.Exit(3)
	case "hang":
		fmt.Println("still warming up")
		select {}
	case "parent":
		// Its child serves in its process group, and outlives it.
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "PROGRAM=serve")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			panic(err)
		}
		select {}
	case "serve":
	default:
		panic("unknown program " + mode)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	read := func() string {
		config, err := os.ReadFile(os.Getenv("CONFIG"))
		if err != nil {
			panic(err)
		}
		return string(config)
	}
	requests := make(chan chan string)
	go func() {
		for config := read(); ; {
			select {
			case <-hup:
				config = read()
			case reply := <-requests:
				reply <- config
			}
		}
	}()
	http.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	http.HandleFunc("/config", func(w http.ResponseWriter, _ *http.Request) {
		reply := make(chan string)
		requests <- reply
		io.WriteString(w, <-reply)
	})
	http.HandleFunc("/environ", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Join(os.Environ(), "\n"))
	})
	panic(http.ListenAndServe(os.Getenv("ADDR"), nil))
}

// engine does to a provider what Pulumi's engine does.
type engine struct {
	*testing.T
	server integration.Server
	dir    string // short, and open to other users
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "host-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e := &engine{T: t, dir: dir}
	e.restartProvider()
	return e
}

// restartProvider forgets all that the provider knows, as the next update does.
func (e *engine) restartProvider() {
	e.Helper()
	server, err := integration.NewServer(context.Background(), "host", semver.MustParse(provider.Version), integration.WithProvider(provider.Provider()))
	if err != nil {
		e.Fatal(err)
	}
	e.server = server
}

func urn(kind, name string) resource.URN {
	return resource.NewURN("test", "test", "", tokens.Type("host:index:"+kind), name)
}

// inputs are args as the engine sends them.
func inputs(args any) property.Map {
	return resource.FromResourcePropertyValue(resource.NewProperty(resource.NewPropertyMap(args))).AsMap()
}

// made is a resource as the engine keeps it.
type made struct {
	urn           resource.URN
	id            string
	inputs, state property.Map
}

func (e *engine) check(kind, name string, args any) (property.Map, error) {
	resp, err := e.server.Check(p.CheckRequest{Urn: urn(kind, name), Inputs: inputs(args)})
	for _, wrong := range resp.Failures {
		err = fmt.Errorf("%s: %s", wrong.Property, wrong.Reason)
	}
	return resp.Inputs, err
}

func (e *engine) create(kind, name string, args any) (made, error) {
	in, err := e.check(kind, name, args)
	if err != nil {
		return made{}, err
	}
	resp, err := e.server.Create(p.CreateRequest{Urn: urn(kind, name), Properties: in})
	return made{urn(kind, name), resp.ID, in, resp.Properties}, err
}

func (e *engine) mustCreate(kind, name string, args any) made {
	e.Helper()
	r, err := e.create(kind, name, args)
	if err != nil {
		e.Fatal(err)
	}
	return r
}

// diff answers what would happen: "", "update" or "replace".
func (e *engine) diff(r made, args any) string {
	e.Helper()
	in, err := e.check(string(r.urn.Type().Name()), r.urn.Name(), args)
	if err != nil {
		e.Fatal(err)
	}
	resp, err := e.server.Diff(p.DiffRequest{ID: r.id, Urn: r.urn, State: r.state, OldInputs: r.inputs, Inputs: in})
	switch {
	case err != nil:
		e.Fatal(err)
	case !resp.HasChanges:
		return ""
	}
	for _, change := range resp.DetailedDiff {
		switch change.Kind {
		case p.AddReplace, p.DeleteReplace, p.UpdateReplace:
			if resp.DeleteBeforeReplace {
				return "delete, then create"
			}
			return "create, then delete"
		}
	}
	return "update"
}

// update answers what is to be kept even when it fails, as long as that is not empty.
func (e *engine) update(r made, args any) (made, error) {
	in, err := e.check(string(r.urn.Type().Name()), r.urn.Name(), args)
	if err != nil {
		return made{}, err
	}
	resp, err := e.server.Update(p.UpdateRequest{ID: r.id, Urn: r.urn, State: r.state, OldInputs: r.inputs, Inputs: in})
	if resp.PartialState != nil {
		err = fmt.Errorf("%w: %v", err, resp.PartialState.Reasons)
	}
	return made{r.urn, r.id, in, resp.Properties}, err
}

func (e *engine) mustUpdate(r made, args any) made {
	e.Helper()
	r, err := e.update(r, args)
	if err != nil {
		e.Fatal(err)
	}
	return r
}

// refresh is the resource as it really is; its id is empty when it is gone.
func (e *engine) refresh(r made) made {
	e.Helper()
	resp, err := e.server.Read(p.ReadRequest{ID: r.id, Urn: r.urn, Properties: r.state, Inputs: r.inputs})
	if err != nil {
		e.Fatal(err)
	}
	return made{r.urn, resp.ID, resp.Inputs, resp.Properties}
}

func (e *engine) mustDelete(r made) {
	e.Helper()
	if err := e.server.Delete(p.DeleteRequest{ID: r.id, Urn: r.urn, Properties: r.state}); err != nil {
		e.Fatal(err)
	}
}

// supervisor creates a supervisord that ends with the test.
func (e *engine) supervisor() made {
	e.Helper()
	r := e.mustCreate("Supervisor", "supervisor", provider.SupervisorArgs{Dir: filepath.Join(e.dir, "supervisor")})
	e.Cleanup(func() {
		e.restartProvider() // e.server may have been cancelled
		e.mustDelete(r)
	})
	return r
}

// serve is a process of a machine of its own.
func (e *engine) serve(name string) provider.ProcessArgs {
	e.Helper()
	root := filepath.Join(e.dir, name)
	addr := freeAddr(e.T)
	self, err := os.Executable()
	if err != nil {
		e.Fatal(err)
	}
	return provider.ProcessArgs{
		Home: provider.Home{
			Root:           root,
			Env:            map[string]string{"PROGRAM": "serve", "ADDR": addr, "CONFIG": root + "/etc/config"},
			Files:          map[string]provider.File{root + "/etc/config": {Content: "first", Mode: 0o644}},
			Credentials:    map[string]string{"password": "hunter2-" + name},
			CredentialsDir: root + "/run/credentials",
		},
		Supervisor: filepath.Join(e.dir, "supervisor"),
		Name:       name,
		Exec:       []string{self},
		Listen:     []string{addr},
		Ready:      provider.Ready{HTTP: "http://" + addr + "/pid", TimeoutSeconds: 30},
		StopSignal: "TERM",
		Log:        root + "/var/log/program.log",
	}
}

// freeAddr is an address of a loopback network of these tests' own.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.77.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask is what a process answers; empty when it does not.
func ask(args provider.ProcessArgs, path string) string {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + args.Listen[0] + path)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

func pidOf(t *testing.T, args provider.ProcessArgs) int {
	t.Helper()
	pid, err := strconv.Atoi(ask(args, "/pid"))
	if err != nil {
		t.Fatalf("%s does not run: %v", args.Name, err)
	}
	return pid
}

// eventually fails the test when a condition does not come about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never came about: %s", what)
		}
	}
}

func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// processesOf are the pids of the processes whose command line or environment speaks
// of dir.
func processesOf(t *testing.T, dir string) (pids []string) {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range procs {
		line, _ := os.ReadFile(proc + "/cmdline")
		environ, _ := os.ReadFile(proc + "/environ")
		if filepath.Base(proc) != strconv.Itoa(os.Getpid()) && bytes.Contains(append(line, environ...), []byte(dir)) {
			pids = append(pids, filepath.Base(proc))
		}
	}
	return pids
}

// list is every file below dir.
func list(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "!", "-type", "d").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}
