package enginetest

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// stack is a stack of the real engine, whose plan can be another one each time.
type stack struct {
	auto.Stack
	name     string
	cloud    *cloud
	topology topology.Topology
	programs map[string]string // contents of the release's programs, by name
	dir      string            // of the programs
	backend  string            // folder of the engine's state
	plan     aws.Plan
	rolled   *rolled
}

// newStack is a stack that does not exist yet, as its file says. Its state is written
// seldom: after every step is most of the time of a test.
func newStack(t *testing.T, name string) *stack {
	t.Helper()
	return newStackWith(t, name, seldom())
}

// seldom has the engine write its state at the end alone.
func seldom() map[string]string {
	return map[string]string{"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
}

// newStackWith is the same with more in the engine's environment.
func newStackWith(t *testing.T, name string, more map[string]string) *stack {
	t.Helper()
	top, err := topology.ParseFile("../../stacks/Pulumi." + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{name: name, topology: top, programs: map[string]string{}, dir: t.TempDir(), backend: t.TempDir(), rolled: serveGroups(t)}
	var providers string
	s.cloud, providers = serve(t)
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "pulumi")); err == nil {
		t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	env := map[string]string{
		"PULUMI_BACKEND_URL":                          "file://" + s.backend,
		"PULUMI_CONFIG_PASSPHRASE":                    "test",
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK":    "true",
		"PULUMI_DEBUG_PROVIDERS":                      providers,
	}
	maps.Copy(env, more)
	program := func(ctx *pulumi.Context) error { return aws.Deploy(ctx, s.plan) }
	s.Stack, err = auto.NewStackInlineSource(t.Context(), name, "burbn", program,
		auto.WorkDir(t.TempDir()),
		auto.Project(workspace.Project{Name: tokens.PackageName("burbn"), Runtime: workspace.NewProjectRuntimeInfo("go", nil)}),
		auto.EnvVars(env))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"burbn:apnsKey", "burbn:sentryKey", "burbn:pagerKey"} {
		if err := s.SetConfig(t.Context(), secret, auto.ConfigValue{Value: "made up", Secret: true}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// release is the programs as files, each with the address of its content.
func (s *stack) release(t *testing.T) release.Release {
	t.Helper()
	var r release.Release
	for _, p := range release.Unknown() {
		content := p.Name + s.programs[p.Name]
		path := filepath.Join(s.dir, p.Name)
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(content))
		r = append(r, release.Program{Name: p.Name, Path: path, SHA256: hex.EncodeToString(sum[:])})
	}
	return r
}

// replan places what the topology and the programs are by now.
func (s *stack) replan(t *testing.T) {
	t.Helper()
	p, err := aws.NewPlan(s.topology, s.name, s.release(t))
	if err != nil {
		t.Fatal(err)
	}
	p.Authorities = filepath.Join(s.dir, "rds-ca.pem")
	if err := os.WriteFile(p.Authorities, []byte("made up"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.plan = p
}

// up deploys and returns what was done to the cloud.
func (s *stack) up(t *testing.T) []operation {
	t.Helper()
	done, err := s.tryUp(t)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func (s *stack) tryUp(t *testing.T) ([]operation, error) {
	t.Helper()
	s.replan(t)
	before := len(s.cloud.since(0))
	_, err := s.Up(t.Context(), optup.ProgressStreams(io.Discard), optup.SuppressOutputs())
	return s.cloud.since(before), err
}

// foreseen is what a preview says would be done, with the engine's own verbs but for
// "same": a replacement is "create-replacement" and "delete-replaced", and what is let
// go of without being deleted is "forget".
func (s *stack) foreseen(t *testing.T) []operation {
	t.Helper()
	s.replan(t)
	said := make(chan events.EngineEvent)
	steps := make(chan []operation)
	go func() {
		var ops []operation
		for e := range said {
			if e.ResourcePreEvent == nil || e.ResourcePreEvent.Metadata.Op == apitype.OpSame {
				continue
			}
			m := e.ResourcePreEvent.Metadata
			if m.Op == apitype.OpReplace || strings.HasPrefix(m.Type, "burbn:") || strings.HasPrefix(m.Type, "pulumi:") || m.Op == apitype.OpRead {
				continue // of which the provider hears nothing
			}
			verb := string(m.Op)
			if old := m.Old; old != nil && old.RetainOnDelete && strings.HasPrefix(verb, "delete") {
				verb = "forget"
			}
			ops = append(ops, operation{verb, m.Type, resource.URN(m.URN).Name()})
		}
		steps <- ops
	}()
	if _, err := s.Preview(t.Context(), optpreview.EventStreams(said), optpreview.ProgressStreams(io.Discard)); err != nil {
		t.Fatal(err)
	}
	return <-steps
}
