package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/topology"
)

// TestAStackIsHeldAgainstItsLastDeployment has the real engine deploy a stack of nothing
// but its facts: what is asked here is whether the program finds its own last outputs,
// the first time, the next, and after an up that failed.
func TestAStackIsHeldAgainstItsLastDeployment(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	bin, err := filepath.Abs("../bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	top, err := topology.ParseFile("../stacks/Pulumi.local.yaml")
	if err != nil {
		t.Fatal(err)
	}
	deploy := func(ctx *pulumi.Context) error {
		if err := holdAgainstLast(ctx, top); err != nil {
			return err
		}
		return remember(ctx, top)
	}
	s, err := auto.NewStackInlineSource(ctx, "facts", "burbn", deploy, auto.WorkDir(t.TempDir()), auto.EnvVars(map[string]string{
		"PULUMI_BACKEND_URL":                          "file://" + t.TempDir(),
		"PULUMI_CONFIG_PASSPHRASE":                    "facts",
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK":    "true",
	}))
	if err != nil {
		t.Fatal(err)
	}
	preview := func() string {
		t.Helper()
		log := &strings.Builder{}
		if _, err := s.Preview(ctx, optpreview.ProgressStreams(log), optpreview.ErrorProgressStreams(log)); err != nil {
			return log.String() + err.Error()
		}
		return ""
	}
	up := func() error {
		t.Helper()
		log := &strings.Builder{}
		_, err := s.Up(ctx, optup.ProgressStreams(log), optup.ErrorProgressStreams(log))
		return err
	}

	if out := preview(); out != "" {
		t.Fatalf("preview of a stack that is not there yet: %s", out)
	}
	if err := up(); err != nil {
		t.Fatalf("first up: %v", err)
	}
	if out := preview(); out != "" {
		t.Errorf("preview of the same: %s", out)
	}
	const want = "burbn:topology.shards: 256 becomes 512: every id carries the number of its shard"
	top.Shards.Count = 512
	if out := preview(); !strings.Contains(out, want) {
		t.Errorf("preview lacks %q: %s", want, out)
	}
	if err := up(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("up lacks %q: %v", want, err)
	}
	// The up that failed has not taken the facts with it.
	if out := preview(); !strings.Contains(out, want) {
		t.Errorf("preview after an up that failed lacks %q: %s", want, out)
	}
	top.Shards.Count, top.Databases = 256, append(top.Databases, "postgres-03")
	if err := up(); err != nil {
		t.Errorf("up with a database more: %v", err)
	}
	if _, err := s.Refresh(ctx); err != nil {
		t.Errorf("refresh: %v", err)
	}
	if _, err := s.Destroy(ctx); err != nil {
		t.Errorf("destroy: %v", err)
	}
	// Nothing is left, so nothing can be lost.
	top.Shards.Count = 512
	if out := preview(); out != "" {
		t.Errorf("preview of a stack that was destroyed: %s", out)
	}
}
