package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/local"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// TestRendering shows in a diff what an edit of a stack, of a template or of the
// placement does to every machine: machines.txt lists them all with a digest of
// their files, and the first machine of each role is there in full.
//
//	go test -tags local ./infra -run Rendering -update
func TestRendering(t *testing.T) {
	stacks, err := filepath.Glob("../stacks/Pulumi.*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stacks {
		stack := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")
		top, err := topology.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if top.Target != topology.Local {
			continue
		}
		t.Run(stack, func(t *testing.T) {
			site := local.Site{Stack: stack, State: "/var/lib/burbn/" + stack, RunAs: "burbn"}
			placement := local.Place(top, site, release.Unknown())
			imgs, err := local.Render(placement)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("testdata", stack), rendering(placement, imgs))
		})
	}
}

// rendering is the text of each golden file, by name.
func rendering(p images.Placement, imgs map[string]images.Image) map[string][]byte {
	texts := map[string][]byte{}
	var list bytes.Buffer
	for _, m := range p.Machines {
		img := imgs[m.Name]
		fmt.Fprintf(&list, "%s %s\n", m.Name, m.Addr)
		for _, u := range img.Units {
			fmt.Fprintf(&list, "  %s %s\n", u.Name, strings.Join(u.Listen, " "))
		}
		for _, f := range img.Files {
			fmt.Fprintf(&list, "  %.12x %s\n", sha256.Sum256([]byte(f.Content)), f.Path)
		}
		if p.Of(m.Role)[0].Name == m.Name {
			texts[m.Name+".txtar"] = archive(img)
		}
	}
	texts["machines.txt"] = list.Bytes()
	return texts
}

// archive is an image in full, with the templates of its credentials, but without
// the files that are copied as they are.
func archive(img images.Image) []byte {
	a := &txtar.Archive{}
	for _, f := range img.Files {
		if !strings.Contains(f.Path, "/usr/share/") {
			a.Files = append(a.Files, txtar.File{Name: fmt.Sprintf("%s %o", f.Path, f.Mode), Data: []byte(f.Content)})
		}
	}
	for _, u := range img.Units {
		for _, c := range u.Credentials {
			a.Files = append(a.Files, txtar.File{Name: u.CredentialsDir + "/" + c.Name + " 400", Data: []byte(c.Template)})
		}
	}
	return txtar.Format(a)
}

// compare holds the texts against the files of a folder, or writes them with -update.
func compare(t *testing.T, dir string, texts map[string][]byte) {
	t.Helper()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range texts {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("%v: make it with -update", err)
	}
	for _, e := range entries {
		if _, ok := texts[e.Name()]; !ok {
			t.Errorf("%s/%s is of no machine any more: -update", dir, e.Name())
		}
	}
	for name, text := range texts {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v: make it with -update", err)
			continue
		}
		if line := firstDifference(string(want), string(text)); line != "" {
			t.Errorf("%s/%s: %s\n-update, and look at the difference", dir, name, line)
		}
	}
}

// firstDifference shows the first line that differs, or is "".
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(a) {
			w = a[i]
		}
		if i < len(b) {
			g = b[i]
		}
		if w != g {
			return fmt.Sprintf("line %d was\n  %s\nand is\n  %s", i+1, w, g)
		}
	}
	return ""
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write what the tests compare with")
	flag.Parse()
	os.Exit(m.Run())
}
