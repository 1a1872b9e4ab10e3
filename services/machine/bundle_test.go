package main

import (
	"archive/tar"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/settings"
)

const smallest = `{"programs":[],"credentials":[],"units":[{"name":"api","once":true,"http":"","tcp":"","exec":null,"timeout":"1s"}]}`

func manifestEntry() entry { return entry{name: "etc/burbn/machine.json", content: smallest} }

func TestABundleIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, packed, want string
	}{
		{"out of the root", pack(t, manifestEntry(), entry{name: "../outside"}), "plain path"},
		{"out of the root, further in", pack(t, manifestEntry(), entry{name: "etc/../../outside"}), "plain path"},
		{"a path not plain", pack(t, manifestEntry(), entry{name: "etc//burbn/x"}), "plain path"},
		{"no name", pack(t, manifestEntry(), entry{name: ""}), "needs a name"},
		{"a link", pack(t, manifestEntry(), entry{name: "etc/burbn/x", kind: tar.TypeSymlink, link: "/etc/passwd"}), "files and folders"},
		{"a hard link", pack(t, manifestEntry(), entry{name: "etc/burbn/x", kind: tar.TypeLink, link: "etc/passwd"}), "files and folders"},
		{"a device", pack(t, manifestEntry(), entry{name: "dev/x", kind: tar.TypeChar}), "files and folders"},
		{"set-user-id", pack(t, manifestEntry(), entry{name: "usr/bin/x", mode: 0o4755}), "permissions alone"},
		{"the same twice", pack(t, manifestEntry(), entry{name: "etc/x"}, entry{name: "/etc/x"}), "twice"},
		{"no manifest", pack(t, entry{name: "etc/x"}), "machine.json is not in it"},
		{"a manifest that says nothing", pack(t, entry{name: "etc/burbn/machine.json", content: "{}"}), "units"},
		{"too large", pack(t, manifestEntry(), entry{name: "etc/x", content: strings.Repeat("x", maxBundle)}), "larger"},
		{"cut off", pack(t, manifestEntry(), entry{name: "etc/x", content: "x"})[:60], "EOF"},
		{"no archive", strings.Repeat("hello", 10), "gzip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := readBundle(strings.NewReader(tt.packed)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

func TestABundleReplacesWhatIsInItsWay(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	for _, err := range []error{
		os.WriteFile(outside, []byte("untouched"), 0o644),
		os.MkdirAll(filepath.Join(dir, "etc/burbn"), 0o755),
		// As a masked unit is.
		os.Symlink(outside, filepath.Join(dir, "etc/burbn/x")),
		os.WriteFile(filepath.Join(dir, "etc/burbn/.x.new"), []byte("of a killed run, and longer"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	b, err := readBundle(strings.NewReader(pack(t, manifestEntry(), entry{name: "etc/burbn/", kind: tar.TypeDir, mode: 0o755}, entry{name: "etc/burbn/x", content: "new", mode: 0o755})))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.install(files); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(outside); string(got) != "untouched" || err != nil {
		t.Errorf("behind the link: %q, %v", got, err)
	}
	info, err := os.Lstat(filepath.Join(dir, "etc/burbn/x"))
	if err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "etc/burbn/.x.new")); err == nil {
		t.Error("the file beside is still there")
	}
}

func TestAFolderThatLeadsOutIsRefused(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "etc")); err != nil {
		t.Fatal(err)
	}
	files, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	b, err := readBundle(strings.NewReader(pack(t, manifestEntry())))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.install(files); err == nil {
		t.Error("it was unpacked")
	}
	if entries, err := os.ReadDir(outside); len(entries) > 0 || err != nil {
		t.Errorf("outside are %v, %v", entries, err)
	}
}

// Whatever is in the file, it is refused or has plain paths below the root.
func FuzzReadBundle(f *testing.F) {
	f.Add([]byte(pack(f, manifestEntry(), entry{name: "etc/x", content: "x", mode: 0o755})))
	f.Add([]byte(pack(f, manifestEntry(), entry{name: "../x"})))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packed []byte) {
		b, err := readBundle(strings.NewReader(string(packed)))
		if err != nil {
			return
		}
		manifest := false
		for _, file := range b.files {
			manifest = manifest || file.path == settings.ManifestPath
			if !fs.ValidPath(below(file.path)) || path.Join("/", below(file.path)) != file.path {
				t.Errorf("path %q", file.path)
			}
		}
		if !manifest {
			t.Error("there is no manifest")
		}
	})
}
