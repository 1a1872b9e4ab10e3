//go:build !local

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// TestRenderingOnAWS shows in a diff what an edit of a stack, of a template or of the
// program does to the machines and to every resource's inputs.
//
//	go test ./infra -run Rendering -update
func TestRenderingOnAWS(t *testing.T) {
	files, err := filepath.Glob("../stacks/Pulumi.*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		stack := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")
		top, err := topology.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if top.Target != topology.AWS {
			continue
		}
		seen++
		t.Run(stack, func(t *testing.T) {
			p, err := aws.NewPlan(top, stack, release.Unknown())
			if err != nil {
				t.Fatal(err)
			}
			rs, err := record.Run(p)
			if err != nil {
				t.Fatal(err)
			}
			texts := rendering(p.Placement, p.Images)
			for name := range texts {
				// The cloud runs it: there is nothing to render.
				if m := strings.TrimSuffix(name, ".txtar"); m != name && p.Images[m].Files == nil {
					delete(texts, name)
				}
			}
			texts["resources.txt"] = inventory(rs)
			compare(t, filepath.Join("testdata", stack), texts)
		})
	}
	if seen == 0 {
		t.Error("no stack has the target aws")
	}
}

// inventory is every resource with its inputs, one a line.
func inventory(rs []record.Resource) []byte {
	var b bytes.Buffer
	for _, r := range rs {
		fmt.Fprintf(&b, "%s %s", r.Name, r.Type)
		for _, o := range []struct {
			is   bool
			name string
		}{{r.Protect, "protected"}, {r.RetainOnDelete, "retained"}, {r.DeleteBeforeReplace, "deleted before it is replaced"}} {
			if o.is {
				fmt.Fprintf(&b, ", %s", o.name)
			}
		}
		if len(r.IgnoreChanges) > 0 {
			fmt.Fprintf(&b, ", changes ignored of %s", strings.Join(r.IgnoreChanges, " "))
		}
		b.WriteByte('\n')
		flat := r.Flat()
		for _, path := range slices.Sorted(maps.Keys(flat)) {
			fmt.Fprintf(&b, "  %s: %s\n", path, strings.ReplaceAll(indented(path, flat[path]), "\n", "\n    "))
		}
	}
	return b.Bytes()
}

// indented is a document on lines of its own, user data as cloud-init reads it, and any
// other text as it is.
func indented(path, v string) string {
	if strings.HasSuffix(path, "userData") {
		if text, err := base64.StdEncoding.DecodeString(v); err == nil {
			v = string(text)
		}
	}
	var b bytes.Buffer
	if strings.HasPrefix(v, "{") && json.Indent(&b, []byte(v), "", "  ") == nil {
		v = b.String()
	}
	if strings.Contains(v, "\n") {
		v = "\n" + strings.TrimSuffix(v, "\n")
	}
	return v
}
