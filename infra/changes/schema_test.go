package changes

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A property that no resource has would be a rule that never applies: every one in
// the table is held against the SDK's own source.
func TestEveryPropertyExists(t *testing.T) {
	sources := map[string][]byte{}
	for _, module := range []string{"github.com/pulumi/pulumi-aws/sdk/v6", "github.com/pulumi/pulumi-random/sdk/v4"} {
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			t.Fatalf("find %s: %v", module, err)
		}
		services := map[string]bool{"random": true}
		for typ := range kinds() {
			services[strings.Split(strings.ReplaceAll(typ, "/", ":"), ":")[1]] = true
		}
		for service := range services {
			files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "go", "*", service, "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			top, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "go", service, "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range slices.Concat(files, top) {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				sources[f] = b
			}
		}
	}
	nested := bytes.Join(slices.Collect(func(yield func([]byte) bool) {
		for f, b := range sources {
			if strings.HasPrefix(filepath.Base(f), "pulumiTypes") && !yield(b) {
				return
			}
		}
	}), nil)
	for _, typ := range slices.Sorted(maps.Keys(kinds())) {
		if strings.HasPrefix(typ, "pulumi:") || strings.HasPrefix(typ, "aws:wafv2/") {
			continue
		}
		source, err := sourceOf(sources, typ)
		if err != nil {
			t.Error(err)
			continue
		}
		k := kinds()[typ]
		for _, path := range slices.Concat(k.replaces, slices.Collect(maps.Keys(k.interrupts))) {
			first, rest, _ := strings.Cut(path, ".")
			if path == "*" {
				continue
			}
			if !bytes.Contains(source, fmt.Appendf(nil, `pulumi:"%s"`, first)) {
				t.Errorf("%s has no property %s", typ, first)
			}
			if rest != "" && !bytes.Contains(nested, fmt.Appendf(nil, `pulumi:"%s"`, rest)) {
				t.Errorf("%s has no property %s", typ, path)
			}
		}
	}
}

func sourceOf(sources map[string][]byte, typ string) ([]byte, error) {
	for _, b := range sources {
		if bytes.Contains(b, fmt.Appendf(nil, `ctx.RegisterResource("%s"`, typ)) {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", typ, fs.ErrNotExist)
}
