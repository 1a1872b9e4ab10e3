package release_test

import (
	"archive/zip"
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/release"
)

// cloudCheckout is a checkout whose tools need no network.
func cloudCheckout(t *testing.T) string {
	t.Helper()
	dir := checkout(t)
	tool := "tool/memcached_exporter"
	write(t, filepath.Join(dir, "tools/go.mod"), "module example.org/tools\n\ngo 1.24\n\nreplace github.com/prometheus/memcached_exporter => ./tool/memcached_exporter\n\nrequire github.com/prometheus/memcached_exporter v0.0.0\n")
	write(t, filepath.Join(dir, tool, "go.mod"), "module github.com/prometheus/memcached_exporter\n\ngo 1.24\n")
	write(t, filepath.Join(dir, tool, "cmd/memcached_exporter/main.go"), "package main\n\nfunc main() {}\n")
	return dir
}

// Two folders, as two engineers have them, and the two architectures.
func TestTheCloudsReleaseIsReproducibleStaticAndForItsArchitecture(t *testing.T) {
	one, other := cloudCheckout(t), cloudCheckout(t)
	sums := map[string]string{}
	for arch, machine := range map[string]elf.Machine{"arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64} {
		var ids []string
		for _, dir := range []string{one, other} {
			r, err := release.Build(t.Context(), dir, release.Linux(arch), func(int) {})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID())
			var names []string
			for _, p := range r {
				names = append(names, p.Name)
				sums[p.SHA256] = p.Name
				if p.Name != "migrate" {
					isStatic(t, p.Path, machine)
				}
			}
			if want := []string{"api", "machine", "memcached_exporter", "migrate", "push", "worker"}; !slices.Equal(names, want) {
				t.Errorf("%s: a release of %q, not %q", arch, names, want)
			}
		}
		if ids[0] != ids[1] {
			t.Errorf("%s: the same code in two folders is releases %s and %s", arch, ids[0], ids[1])
		}
	}
	if len(sums) != 12 {
		t.Errorf("%d different programs of six for two architectures", len(sums))
	}
}

func isStatic(t *testing.T, path string, machine elf.Machine) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Machine != machine {
		t.Errorf("%s is for %s, not %s", path, f.Machine, machine)
	}
	if f.Section(".interp") != nil {
		t.Errorf("%s wants a dynamic linker", path)
	}
}

func TestMigrateIsWhatLambdaTakes(t *testing.T) {
	r, err := release.Build(t.Context(), cloudCheckout(t), release.Linux("arm64"), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r, func(p release.Program) bool { return p.Name == "migrate" })
	z, err := zip.OpenReader(r[i].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 || z.File[0].ModifiedDate != 0 {
		t.Errorf("the zip holds %+v: accepted is bootstrap alone, executable, without a time", z.File)
	}
	if info, err := os.Stat(filepath.Join(filepath.Dir(r[i].Path), "migrate")); err != nil || info.Size() != int64(z.File[0].UncompressedSize64) {
		t.Errorf("bootstrap has %d bytes, the program %v (%v)", z.File[0].UncompressedSize64, info, err)
	}
}

func TestManifest(t *testing.T) {
	r := slices.DeleteFunc(release.Unknown(), func(p release.Program) bool { return p.Name == "machine" })
	text, err := r.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	read, err := release.Parse(r.ID(), text)
	if err != nil || !slices.Equal(read, r) {
		t.Errorf("read back as %v: %v", read, err)
	}
	for what, c := range map[string]struct{ id, text, says string }{
		"another id":  {"0123456789ab", text, "read the manifest of release 0123456789ab: what it lists is release " + r.ID()},
		"no manifest": {r.ID(), "<html>", "read the manifest of release " + r.ID() + ": invalid character '<' looking for beginning of value"},
		"no sum":      {r.ID(), `{"api": "0123"}`, "read the manifest of release " + r.ID() + `: api: "0123": accepted is a SHA-256 in hex`},
	} {
		if _, err := release.Parse(c.id, c.text); err == nil || err.Error() != c.says {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The services of this repository, so that what is tested above holds of them too.
func TestEveryServiceThatRunsInTheCloudIsBuilt(t *testing.T) {
	folders, err := filepath.Glob("../../services/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	// What runs on one machine alone: in the cloud Amazon has these.
	known := map[string]bool{"buckets": true, "standin": true}
	for _, p := range release.Unknown() {
		known[p.Name] = true
	}
	for _, f := range folders {
		if name := filepath.Base(filepath.Dir(f)); !known[name] {
			t.Errorf("services/%s is a program that no release has: accepted is one of %q", name, slices.Sorted(maps.Keys(known)))
		}
	}
	if len(folders) < 7 {
		t.Errorf("%d programs found: the test looks in the wrong place", len(folders))
	}
}

// Going back leaves the program of the machine images as it is.
func TestTheMachinesProgramIsNoPartOfARelease(t *testing.T) {
	dir := cloudCheckout(t)
	before, err := release.Build(t.Context(), dir, release.Linux("arm64"), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	// Code that no run before had: of what the compiler's cache has, it reports nothing.
	write(t, filepath.Join(dir, "services/machine/main.go"), fmt.Sprintf("package main\n\nfunc main() { println(%q) }\n", dir))
	// That nothing else is built shows in that nothing else has to compile.
	write(t, filepath.Join(dir, "services/api/main.go"), "package nonsense")
	packages := 0
	machine, err := release.Machine(t.Context(), dir, release.Linux("arm64"), func(n int) { packages = n })
	if err != nil || packages == 0 {
		t.Fatalf("%d packages: %v", packages, err)
	}
	after := slices.Clone(before)
	i := slices.IndexFunc(after, func(p release.Program) bool { return p.Name == "machine" })
	if after[i] = machine; after[i].SHA256 == before[i].SHA256 || after[i].Path != before[i].Path {
		t.Errorf("built again it is %v, before %v", after[i], before[i])
	}
	if after.ID() != before.ID() {
		t.Errorf("another program of the machine images is another release: %s, %s", before.ID(), after.ID())
	}
	if text, err := after.Manifest(); err != nil || strings.Contains(text, "machine") {
		t.Errorf("the manifest lists it: %s (%v)", text, err)
	}
	write(t, filepath.Join(dir, "services/machine/main.go"), "package main\n\nfunc main() { undefined() }\n")
	if _, err := release.Machine(t.Context(), dir, release.Linux("arm64"), func(int) {}); err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("code that does not compile: %v", err)
	}
}
