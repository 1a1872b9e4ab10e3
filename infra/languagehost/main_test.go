package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// TestMain makes the test binary the command that the tests run.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program says what it was built and run with, and ends as $EXIT wants.
var program = map[string]string{
	"go.mod": "module program\n\ngo 1.26\n",
	"infra/main.go": `package main

import (
	"os"
	"strconv"
	"strings"
)

func main() {
	dir, _ := os.Getwd()
	said := append([]string{"target " + target, "dir " + dir}, os.Environ()...)
	os.WriteFile(os.Getenv("SAID"), []byte(strings.Join(said, "\n")), 0o644)
	code, _ := strconv.Atoi(os.Getenv("EXIT"))
	os.Exit(code)
}
`,
	"infra/aws.go":   "//go:build !local\n\npackage main\n\nconst target = \"aws\"\n",
	"infra/local.go": "//go:build local\n\npackage main\n\nconst target = \"local\"\n",
}

// run has the language host run the program, and answers what that said.
func run(t *testing.T, files map[string]string, topology string) (*pulumirpc.RunResponse, string) {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	said := filepath.Join(root, "said")
	t.Setenv("SAID", said)
	h := &host{engine: "127.77.0.9:1", ctx: t.Context()}
	resp, err := h.Run(t.Context(), &pulumirpc.RunRequest{
		Project: "burbn", Stack: "tiny", Organization: "organization",
		Pwd:            root,
		Info:           &pulumirpc.ProgramInfo{RootDirectory: root, ProgramDirectory: filepath.Join(root, "infra")},
		MonitorAddress: "127.77.0.9:2", DryRun: true, Parallel: 16,
		Config:           map[string]string{topologyKey: topology, "burbn:key": "value"},
		ConfigSecretKeys: []string{"burbn:key"},
	})
	if err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(said)
	return resp, strings.ReplaceAll(string(content), root, "ROOT")
}

func TestRun(t *testing.T) {
	config, err := json.Marshal(map[string]string{topologyKey: `{"target":"local"}`, "burbn:key": "value"})
	if err != nil {
		t.Fatal(err)
	}
	resp, said := run(t, program, `{"target":"local"}`)
	if resp.Error != "" || resp.Bail {
		t.Errorf("%v", resp)
	}
	for _, want := range []string{
		"target local", "dir ROOT", "PULUMI_PROJECT=burbn", "PULUMI_STACK=tiny", "PULUMI_ORGANIZATION=organization",
		"PULUMI_DRY_RUN=true", "PULUMI_PARALLEL=16", "PULUMI_MONITOR=127.77.0.9:2", "PULUMI_ENGINE=127.77.0.9:1",
		"PULUMI_ROOT_DIRECTORY=ROOT", "PULUMI_CONFIG=" + string(config), `PULUMI_CONFIG_SECRET_KEYS=["burbn:key"]`,
	} {
		if !strings.Contains("\n"+said+"\n", "\n"+want+"\n") {
			t.Errorf("the program was not told %q:\n%s", want, said)
		}
	}
}

func TestRunBuildsForTheTarget(t *testing.T) {
	for topology, want := range map[string]string{`{"target":"local"}`: "local", `{"target":"aws"}`: "aws", "not JSON": "aws"} {
		if _, said := run(t, program, topology); !strings.HasPrefix(said, "target "+want+"\n") {
			t.Errorf("topology %s: built for %.20q, want %s", topology, said, want)
		}
	}
}

func TestRunFails(t *testing.T) {
	broken := map[string]string{"go.mod": program["go.mod"], "infra/main.go": "package main\n\nfunc main() { missing() }\n"}
	if resp, _ := run(t, broken, "{}"); resp.Bail || !strings.Contains(resp.Error, "./main.go:3:15: undefined: missing") {
		t.Errorf("a program that does not compile: %v", resp)
	}
	t.Setenv("EXIT", "32")
	if resp, _ := run(t, program, "{}"); !resp.Bail || resp.Error != "" {
		t.Errorf("a program that has told the engine why: %v", resp)
	}
	t.Setenv("EXIT", "7")
	if resp, _ := run(t, program, "{}"); resp.Bail || resp.Error != "run the program: exit status 7" {
		t.Errorf("a program that has not: %v", resp)
	}
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "127.77.0.9:1")
	cmd.Env = append(os.Environ(), "RUN_MAIN=yes")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("127.0.0.1:"+strings.TrimSpace(port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := pulumirpc.NewLanguageRuntimeClient(conn)
	about, err := client.About(ctx, &pulumirpc.AboutRequest{})
	if err != nil || !strings.HasPrefix(about.Version, "go1.") {
		t.Errorf("about %v, %v", about, err)
	}
	if _, err := client.Cancel(ctx, &emptypb.Empty{}); err != nil {
		t.Error(err)
	}
	conn.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("it did not end well: %v", err)
	}
}
