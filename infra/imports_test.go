package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/burbn/burbn/"

// rule keeps packages out of other packages. Paths are prefixes: of this module
// without its name, of others as they are.
type rule struct {
	name    string
	of      []string // packages that must not
	imports []string // import these, directly or not;
	but     []string // these are free, to import and to be imported
	direct  bool     // only what a package imports itself counts
	because string
}

func rules() []rule {
	return []rule{
		{
			name: "services stand alone", of: []string{"services/"}, imports: []string{"images", "infra", "ops"},
			because: "a service is told where it runs by its settings document; it must not know how it is provisioned",
		},
		{
			name: "images see the contract alone", of: []string{"images"},
			imports: []string{
				"infra", "ops", "services/api", "services/cache", "services/feed", "services/media", "services/push",
				"services/queue", "services/session", "services/standin", "services/store", "services/telemetry", "services/worker",
			},
			because: "images render settings documents: what a process does with them is its own affair",
		},
		{
			name: "nobody imports the operator's command", of: []string{"services/", "images", "infra"}, imports: []string{"ops"},
			because: "ops imports anything and is imported by nothing",
		},
		{
			name: "the topology is plain data", of: []string{"infra/topology"},
			imports: []string{"images", "github.com/pulumi/"},
			because: "what runs is said without saying where or through whom",
		},
		{
			name: "ids know nothing", of: []string{"services/id"}, imports: []string{"services/"},
			because: "everything else imports id",
		},
		{
			name: "shards know ids", of: []string{"services/shard"}, imports: []string{"services/"}, but: []string{"services/id"},
			because: "store, queue, cache and media import shard",
		},
		{
			name: "stores know no feed", of: []string{"services/store", "services/queue", "services/cache", "services/media"},
			imports: []string{"services/feed", "services/api", "services/worker", "services/push"},
			because: "id <- shard <- store, queue, cache, media <- feed <- api, worker, push",
		},
		{
			name: "feeds know no process", of: []string{"services/feed"}, imports: []string{"services/api", "services/worker", "services/push"},
			because: "id <- shard <- store, queue, cache, media <- feed <- api, worker, push",
		},
		{
			name: "gin lives in the API", of: []string{""}, but: []string{"services/api"}, direct: true,
			imports: []string{"github.com/gin-gonic/gin"},
			because: "HTTP is one of the ways in, not what the product is made of",
		},
		{
			name: "pgx lives in store and queue", of: []string{""}, but: []string{"services/store", "services/queue"}, direct: true,
			imports: []string{"github.com/jackc/pgx"},
			because: "one place knows how rows are written",
		},
		{
			name: "Pulumi lives in infra", of: []string{""}, but: []string{"infra"}, direct: true,
			imports: []string{"github.com/pulumi/"},
			because: "everything else works and is tested without an engine",
		},
	}
}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

func TestImportsRunOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-e", "-tags=local", "-json=ImportPath,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatalf("list the packages: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read what go list says: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list names no package")
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, p := range pkgs {
				if bad := r.broken(p); bad != "" {
					t.Errorf("%s imports %s: %s", p.ImportPath, bad, r.because)
				}
			}
		})
	}
}

// broken is an import of p that the rule forbids, or "".
func (r rule) broken(p pkg) string {
	here := strings.TrimPrefix(p.ImportPath, module)
	if !within(here, r.of) || within(here, r.but) {
		return ""
	}
	all := p.Deps
	if r.direct {
		all = p.Imports
	}
	for _, path := range all {
		path = strings.TrimPrefix(path, module)
		if within(path, r.imports) && !within(path, r.but) {
			return path
		}
	}
	return ""
}

func within(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return prefix == "" || path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
	})
}

func TestARuleSeesWhatBreaksIt(t *testing.T) {
	r := rule{of: []string{"services/"}, imports: []string{"images"}}
	if got := r.broken(pkg{ImportPath: module + "services/api", Deps: []string{"fmt", module + "images"}}); got != "images" {
		t.Errorf("broken by %q", got)
	}
	if got := r.broken(pkg{ImportPath: module + "infra", Deps: []string{module + "images"}}); got != "" {
		t.Errorf("another package is held to it: %q", got)
	}
}
