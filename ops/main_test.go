package main

import (
	"os"
	"path/filepath"
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
