package main

import (
	"bytes"
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
			name: "images see the contract alone", of: []string{"images"}, imports: []string{"infra", "ops", "services/"},
			but:     []string{"services/settings", "services/shard", "services/id"},
			because: "images render settings documents: what a process does with them is its own affair",
		},
		{
			name: "nobody imports the operator's command", of: []string{"services/", "images", "infra"}, imports: []string{"ops"},
			because: "ops imports anything and is imported by nothing",
		},
		{
			name: "only tests use what is for tests", of: []string{""},
			imports: []string{"testing", "services/store/storetest", "services/cache/cachetest", "services/media/mediatest", "services/processtest", "services/api/apitest"},
			but:     []string{"services/store/storetest", "services/cache/cachetest", "services/media/mediatest", "services/processtest", "services/api/apitest"},
			because: "a program that carries the test's servers and keys can be made to start them",
		},

		{
			name: "the topology is plain data", of: []string{"infra/topology"},
			imports: []string{"images", "infra", "ops", "github.com/pulumi/"}, but: []string{"infra/catalog"},
			because: "what runs is said without saying where or through whom",
		},
		{
			name: "prices and programs are what they are", of: []string{"infra/catalog", "infra/release", "infra/changes", "infra/fake"},
			imports: []string{"images", "infra", "ops", "services"},
			because: "what Amazon sells, what was built, what a schema replaces and what a cloud makes up depend on no topology of ours",
		},
		{
			name: "this machine knows no cloud", of: []string{"infra/local"},
			imports: []string{"infra/aws", "infra/catalog", "infra/record", "infra/guard", "infra/plan"}, direct: true,
			because: "the two targets share a placement, not code: each is to be read, changed and compiled without the other",
		},
		{
			name: "the cloud knows no machine of its user's", of: []string{"infra/aws"}, imports: []string{"infra/local"},
			because: "the two targets share a placement, not code: each is to be read, changed and compiled without the other",
		},
		{
			name: "hosting processes is no product", of: []string{"infra/languagehost", "infra/local/host", "infra/local/provider", "infra/local/xmlrpc"},
			imports: []string{"images", "services", "infra/topology", "infra/release", "infra/aws"},
			because: "the provider runs any program, and is as useful to another project",
		},
		{
			name: "the guard sees resources alone", of: []string{"infra/guard"}, direct: true,
			imports: []string{"infra/aws", "images", "services", "github.com/pulumi/pulumi-aws/"},
			because: "it judges what the engine would be told; what it shared with the components would be wrong in both",
		},
		{
			name: "a plan needs no engine", of: []string{"infra/plan"}, direct: true,
			imports: []string{"github.com/pulumi/pulumi/sdk/v3/go/pulumi", "github.com/pulumi/pulumi/sdk/v3/go/auto", "github.com/pulumi/pulumi-aws/"},
			because: "it compares records, which are values",
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
			name: "settings are a contract", of: []string{"services/settings"}, imports: []string{"services/", "github.com/"},
			but:     []string{"services/shard", "services/id"},
			because: "images render it and processes load it: it must be as light for both",
		},
		{
			name: "stores know no feed", of: []string{"services/store", "services/queue", "services/cache", "services/media", "services/kv", "services/session"},
			imports: []string{"services/feed", "services/api", "services/worker", "services/push"},
			because: "id <- shard <- store, queue, cache, media <- feed <- api, worker, push",
		},
		{
			name: "feeds know no process", of: []string{"services/feed"}, imports: []string{"services/api", "services/worker", "services/push"},
			because: "id <- shard <- store, queue, cache, media <- feed <- api, worker, push",
		},
		{
			name: "the client sees the document alone", of: []string{"services/client"}, imports: []string{"services/", "images", "infra", "ops", "github.com/"},
			but:     []string{"services/client"},
			because: "what it shared with the API could not be wrong in only one of them, and the apps have no more than it has",
		},
		{
			name: "what boots a machine is small", of: []string{"services/machine"},
			imports: []string{"services/", "github.com/gin-gonic/", "github.com/jackc/", "github.com/redis/", "github.com/prometheus/"},
			but:     []string{"services/settings", "services/shard", "services/id"},
			because: "it is baked into every image and runs as root before anything else: what it carries is changed by a bake",
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
			name: "Amazon's clients live where Amazon is asked", of: []string{""}, direct: true,
			imports: []string{"github.com/aws/"},
			but:     []string{"services/media", "services/machine", "services/migrate", "services/worker", "infra/aws", "ops"},
			because: "all else runs the same on one machine, and takes what Amazon knows as settings",
		},
		{
			name: "Amazon's resources live in infra/aws", of: []string{""}, but: []string{"infra/aws"}, direct: true,
			imports: []string{"github.com/pulumi/pulumi-aws/"},
			because: "it takes minutes to compile, and one place decides what stands in the cloud",
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
	// Each tag leaves files out that the other compiles.
	pkgs := append(list(t, "-tags=", module+"..."), list(t, "-tags=local", module+"...")...)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, path := range slices.Concat(r.of, r.but) {
				if !slices.ContainsFunc(pkgs, func(p pkg) bool { return within(p.here(), []string{path}) }) {
					t.Errorf("the rule is about %s, where no package is", path)
				}
			}
			for _, p := range pkgs {
				if bad := r.broken(p); bad != "" {
					t.Errorf("%s imports %s: %s", p.ImportPath, bad, r.because)
				}
			}
		})
	}
}

// Whoever only wants this machine waits for no compiler to read Amazon's resources,
// which takes minutes and gigabytes: what tools/build builds has none of them.
func TestThisMachineAloneNeedsNoAWS(t *testing.T) {
	for _, p := range list(t, "-tags=local", module+"infra", module+"infra/languagehost", module+"infra/local/provider/pulumi-resource-host", module+"ops") {
		for _, path := range p.Deps {
			if within(path, []string{module + "infra/aws", "github.com/pulumi/pulumi-aws", "github.com/aws"}) {
				t.Errorf("%s imports %s with the tag local", p.ImportPath, path)
			}
		}
	}
}

// list asks go list.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...).Output()
	if err != nil {
		t.Fatalf("list the packages: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
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
	return pkgs
}

// here is the package's path within this module.
func (p pkg) here() string { return strings.TrimPrefix(p.ImportPath, module) }

// broken is an import of p that the rule forbids, or "".
func (r rule) broken(p pkg) string {
	if !within(p.here(), r.of) || within(p.here(), r.but) {
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
	r := rule{of: []string{"services/"}, imports: []string{"images", "example.com/cloud/"}, but: []string{"services/media"}}
	direct := r
	direct.direct = true
	api := pkg{ImportPath: module + "services/api", Deps: []string{"fmt", module + "images"}}
	for name, c := range map[string]struct {
		rule rule
		pkg  pkg
		want string
	}{
		"an import":              {r, api, "images"},
		"another's package":      {r, pkg{ImportPath: module + "services/api", Deps: []string{"example.com/cloud/disks"}}, "example.com/cloud/disks"},
		"a free package":         {r, pkg{ImportPath: module + "services/media", Deps: api.Deps}, ""},
		"a package of no rule":   {r, pkg{ImportPath: module + "infra", Deps: api.Deps}, ""},
		"a name that begins so":  {r, pkg{ImportPath: module + "services/api", Deps: []string{module + "imagestore"}}, ""},
		"an import of an import": {direct, api, ""},
		"an import of its own":   {direct, pkg{ImportPath: api.ImportPath, Imports: api.Deps}, "images"},
	} {
		if got := c.rule.broken(c.pkg); got != c.want {
			t.Errorf("%s: broken by %q, want %q", name, got, c.want)
		}
	}
}
