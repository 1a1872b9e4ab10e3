package plan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/plan"
	"github.com/burbn/burbn/infra/topology"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write what the tests compare with")
	flag.Parse()
	os.Exit(m.Run())
}

// stack is the file of a stack, with every pair of old and new replaced in it.
func stack(t *testing.T, name string, edit ...string) topology.Topology {
	t.Helper()
	file := "../../stacks/Pulumi." + name + ".yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edit); i += 2 {
		if !bytes.Contains(text, []byte(edit[i])) {
			t.Fatalf("%s says nowhere %q", file, edit[i])
		}
		text = bytes.ReplaceAll(text, []byte(edit[i]), []byte(edit[i+1]))
	}
	top, err := topology.ParseText(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return top
}

func made(t *testing.T, name string, edit ...string) plan.Report {
	t.Helper()
	r, err := plan.Make(name, stack(t, name, edit...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// edited is what an edit of a stack does.
func edited(t *testing.T, name string, edit ...string) plan.Report {
	t.Helper()
	r := made(t, name, edit...)
	if err := r.Compare("HEAD", stack(t, name)); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestText shows in a diff what an edit of a stack or of the program does to what the
// operator reads.
//
//	go test ./infra/plan -run Text -update
func TestText(t *testing.T) {
	database := []string{
		"- {name: postgres-02, shards: 128-255}",
		"- {name: postgres-02, shards: 128-255}\n        - {name: postgres-03, shards: none}",
	}
	for _, test := range []struct {
		file  string
		write func(t *testing.T, b *bytes.Buffer)
	}{
		{"dev.txt", func(t *testing.T, b *bytes.Buffer) { made(t, "dev").Write(b, false) }},
		{"staging.txt", func(t *testing.T, b *bytes.Buffer) { made(t, "staging").Write(b, false) }},
		{"production.txt", func(t *testing.T, b *bytes.Buffer) { made(t, "production").Write(b, false) }},
		{"another-database.txt", func(t *testing.T, b *bytes.Buffer) { edited(t, "dev", database...).Write(b, false) }},
		{"another-database.md", func(t *testing.T, b *bytes.Buffer) { edited(t, "dev", database...).Markdown(b, false) }},
		{"another-bucket.txt", func(t *testing.T, b *bytes.Buffer) {
			edited(t, "production", "media: example-burbn-production-media", "media: example-burbn-pictures").Write(b, false)
		}},
		{"larger-api.all.txt", func(t *testing.T, b *bytes.Buffer) {
			edited(t, "dev", "api: {instance: t4g.medium", "api: {instance: t4g.large").Write(b, true)
		}},
	} {
		t.Run(test.file, func(t *testing.T) {
			var got bytes.Buffer
			test.write(t, &got)
			golden := filepath.Join("testdata", test.file)
			if flag.Lookup("update").Value.String() == "true" {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: make it with -update", err)
			}
			was, is := strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")
			for i := range min(len(was), len(is)) {
				if was[i] != is[i] {
					t.Fatalf("line %d was\n%s\nand is\n%s\n-update, and look at the difference", i+1, was[i], is[i])
				}
			}
			if len(was) != len(is) {
				t.Fatalf("had %d lines and has %d: -update, and look at the difference", len(was), len(is))
			}
		})
	}
}

func TestJSON(t *testing.T) {
	r := edited(t, "dev", "session: 720h", "session: 700h")
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(r); err != nil {
		t.Fatal(err)
	}
	keys := func(text []byte) []string {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(m))
	}
	if want := []string{"against", "cost", "region", "resources", "rules", "stack", "systems", "violations"}; !slices.Equal(keys(b.Bytes()), want) {
		t.Errorf("the document has %q, not %q", keys(b.Bytes()), want)
	}
	var read struct {
		Against    json.RawMessage
		Violations []any
	}
	if err := json.Unmarshal(b.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if want := []string{"atMost", "cost", "differences", "files", "refused", "revision", "systems"}; !slices.Equal(keys(read.Against), want) {
		t.Errorf("against has %q, not %q", keys(read.Against), want)
	}
	// A program that counts them must not meet null.
	for _, key := range []string{`"violations":[]`, `"refused":[]`, `"systems":[]`} {
		if !strings.Contains(b.String(), key) {
			t.Errorf("the document has no %s", key)
		}
	}
	var back plan.Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || len(back.Against.Differences) != len(r.Against.Differences) {
		t.Errorf("read back: %v", err)
	}
}

func TestMakeRefusesWhatIsNotOnAWS(t *testing.T) {
	_, err := plan.Make("local", stack(t, "local"))
	if err == nil || !strings.Contains(err.Error(), "accepted is a stack of the target aws") {
		t.Errorf("error %v", err)
	}
	r := made(t, "dev")
	if err := r.Compare("v1", stack(t, "local")); err == nil || !strings.HasPrefix(err.Error(), "at v1: ") {
		t.Errorf("error %v", err)
	}
}

// TestTwice holds a stack against itself: what is not the stack's file must not differ
// from one run to the next.
func TestTwice(t *testing.T) {
	r := edited(t, "production")
	a := r.Against
	if len(a.Differences) > 0 || len(a.Files) > 0 || len(a.Refused) > 0 || len(a.Systems) > 0 || a.Cost != 0 || r.Bad() {
		t.Errorf("differs from itself: %+v", a)
	}
}
