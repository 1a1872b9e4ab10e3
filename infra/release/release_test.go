package release_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/release"
)

// checkout is a folder with the programs' smallest form.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"go.mod": "module example.org/m\n\ngo 1.24\n"}
	for _, p := range release.Unknown() {
		files["services/"+p.Name+"/main.go"] = "package main\n\nfunc main() { println(\"" + p.Name + "\") }\n"
	}
	for _, name := range []string{"versitygw", "memcached_exporter"} {
		files["bin/"+name] = "#!/bin/sh\n"
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, dir string) release.Release {
	t.Helper()
	r, err := release.Build(t.Context(), dir, release.Host(), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOnlyWhatChangedHasAnotherAddress(t *testing.T) {
	dir := checkout(t)
	before := build(t, dir)
	if again := build(t, dir); !slices.Equal(before, again) || before.ID() != again.ID() {
		t.Errorf("the same code is another release:\n%v\n%v", before, again)
	}
	write(t, filepath.Join(dir, "services/api/main.go"), "package main\n\nfunc main() { println(\"another\") }\n")
	after := build(t, dir)
	for i := range before {
		if same := before[i].FileName() == after[i].FileName(); same == (before[i].Name == "api") {
			t.Errorf("%s became %s", before[i].FileName(), after[i].FileName())
		}
	}
	if before.ID() == after.ID() {
		t.Error("other code is the same release")
	}
}

func TestProgressAndErrors(t *testing.T) {
	dir := checkout(t)
	packages := 0
	if _, err := release.Build(t.Context(), dir, release.Host(), func(n int) { packages = n }); err != nil || packages == 0 {
		t.Errorf("%d packages were reported: %v", packages, err)
	}

	if err := os.Remove(filepath.Join(dir, "bin/versitygw")); err != nil {
		t.Fatal(err)
	}
	_, err := release.Build(t.Context(), dir, release.Host(), func(int) {})
	if err == nil || !strings.Contains(err.Error(), "bin/versitygw: it is not built yet: run make build") {
		t.Errorf("a missing program: %v", err)
	}

	write(t, filepath.Join(dir, "services/push/main.go"), "package main\n\nfunc main() { undefined() }\n")
	_, err = release.Build(t.Context(), dir, release.Host(), func(int) {})
	if err == nil || !strings.Contains(err.Error(), "push/main.go:3:15: undefined: undefined") {
		t.Errorf("code that does not compile: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := release.Build(ctx, dir, release.Host(), func(int) {}); err == nil {
		t.Error("an interrupted build is a release")
	}
}
