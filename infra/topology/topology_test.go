package topology_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/burbn/burbn/infra/topology"
)

// stacks is the folder of the stack files.
const stacks = "../../stacks"

// value is the configuration value of a stack file, as YAML.
func value(t testing.TB, stack string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(stacks, "Pulumi."+stack+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Config map[string]yaml.Node `yaml:"config"`
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	n := doc.Config[topology.Key]
	out, err := yaml.Marshal(&n)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestEveryStackFileIsAccepted(t *testing.T) {
	files, err := filepath.Glob(stacks + "/Pulumi.*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stack file: %v", err)
	}
	for _, f := range files {
		if _, err := topology.ParseFile(f); err != nil {
			t.Error(err)
		}
	}
}

// Pulumi hands the value to the program as JSON, with large numbers as floats.
func TestYAMLAndJSONSayTheSame(t *testing.T) {
	for _, stack := range []string{"local", "dev", "staging", "production"} {
		doc := value(t, stack)
		fromYAML, err := topology.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := yaml.Unmarshal([]byte(doc), &v); err != nil {
			t.Fatal(err)
		}
		v["upload"].(map[string]any)["maxPixels"] = 5e+7
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fromJSON, err := topology.Parse(asJSON)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fromYAML, fromJSON) {
			t.Errorf("%s: YAML and JSON differ:\n%+v\n%+v", stack, fromYAML, fromJSON)
		}
		if stack == "local" && (fromYAML.API.Count != 2 || fromYAML.Session != 720*time.Hour || fromYAML.Shards.Databases[1].First != 128) {
			t.Errorf("read %+v", fromYAML)
		}
	}
}

// A database may exist before it holds anything; its place in the list means nothing.
func TestADatabaseMayHoldNothing(t *testing.T) {
	doc := strings.Replace(flow(value(t, "local")), "- {name: postgres-01", "- {name: postgres-03, shards: none}\n        - {name: postgres-01", 1)
	got, err := topology.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"postgres-01", "postgres-02", "postgres-03"}; !slices.Equal(got.Databases, want) || len(got.Shards.Databases) != 2 {
		t.Errorf("databases %v, shards %+v", got.Databases, got.Shards)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name     string
		old, new string // replaced in the stack local
		want     []string
	}{
		{"unknown target", "target: local", "target: gcp", []string{
			`burbn:topology.target: "gcp" is not accepted: accepted is local, aws`}},
		{"unknown key and its nearest", "api: {count: 2}", "api: {cuont: 2}", []string{
			"burbn:topology.api.count: is missing: accepted is 1 to 99",
			"burbn:topology.api.cuont: is unknown: accepted is count (meant is perhaps count)"}},
		{"unknown key far from every other", "shards: 256", "shards: 256\nregion: moon", []string{
			"burbn:topology.region: is unknown: accepted is api, apns, feed, loopback, memcached, monitoring, nginx, origins, postgres, push, rateLimits, redis, session, shards, target, upload, worker"}},
		{"key given twice", "api: {count: 2}", "api: {count: 2, count: 3}", []string{
			"burbn:topology.api.count: is given twice"}},
		{"section missing", "feed: {length: 800, fanOutLimit: 100000}", "", []string{
			"burbn:topology.feed: is missing: accepted is a mapping of keys to values"}},
		{"section that is none", "feed: {length: 800, fanOutLimit: 100000}", "feed: 800", []string{
			"burbn:topology.feed: 800 is not a mapping of keys to values"}},
		{"count of zero", "api: {count: 2}", "api: {count: 0}", []string{
			"burbn:topology.api.count: 0 is out of range: accepted is 1 to 99"}},
		{"count too high", "api: {count: 2}", "api: {count: 100}", []string{
			"burbn:topology.api.count: 100 is out of range: accepted is 1 to 99"}},
		{"count in words", "api: {count: 2}", "api: {count: two}", []string{
			`burbn:topology.api.count: "two" is not a whole number: accepted is 1 to 99`}},
		{"count in quotes", "api: {count: 2}", `api: {count: "2"}`, []string{
			`burbn:topology.api.count: "2" is not a whole number: accepted is 1 to 99`}},
		{"half a machine", "api: {count: 2}", "api: {count: 2.5}", []string{
			"burbn:topology.api.count: 2.5 is not a whole number: accepted is 1 to 99"}},
		{"count left empty", "api: {count: 2}", "api: {count: }", []string{
			"burbn:topology.api.count: nothing is not a whole number: accepted is 1 to 99"}},
		{"Redis too few for a cluster", "masters: 3", "masters: 2", []string{
			"burbn:topology.redis.masters: 2 is out of range: accepted is 3 to 99"}},
		{"loopback without quotes", `loopback: "127.10"`, "loopback: 127.10", []string{
			`burbn:topology.loopback: 127.10 is not a text: accepted is the first half of a loopback address in quotes, "127.1" to "127.254", if need be in quotes`}},
		{"loopback that is none", `loopback: "127.10"`, `loopback: "10.0"`, []string{
			`burbn:topology.loopback: "10.0" is not accepted: accepted is the first half of a loopback address in quotes, "127.1" to "127.254"`}},
		{"loopback on AWS", "target: local", "target: aws", []string{
			"burbn:topology.loopback: is unknown: accepted is api, apns, aws, feed, memcached",
			"burbn:topology.sentryDSN: is missing",
			"burbn:topology.share: is missing",
			"burbn:topology.aws: is missing: accepted is a mapping of keys to values"}},
		{"duration without unit", "session: 720h", "session: 720", []string{
			"burbn:topology.session: 720 is not a duration such as 90s, 15m or 720h: accepted is 1h to 87600h"}},
		{"duration too long", "expires: 15m", "expires: 13h", []string{
			"burbn:topology.upload.expires: 13h is out of range: accepted is 1m to 12h"}},
		{"shards no power of two", "shards: 256", "shards: 300", []string{
			"burbn:topology.postgres.databases: 300 logical shards: accepted is a power of two from 1 to 8192",
			"burbn:topology.postgres.databases: shards 256-299 are held by no database"}},
		{"gap between databases", "128-255", "130-255", []string{
			"burbn:topology.postgres.databases: database postgres-02: shards 128-129 are held by no database"}},
		{"overlapping databases", "128-255", "100-255", []string{
			"burbn:topology.postgres.databases: database postgres-02: shards 100-127 are held by an earlier database too"}},
		{"shards uncovered at the end", "128-255", "128-254", []string{
			"burbn:topology.postgres.databases: shards 255-255 are held by no database"}},
		{"database named twice", "postgres-02", "postgres-01", []string{
			`burbn:topology.postgres.databases[1].name: "postgres-01" is given twice`}},
		{"odd database name", "postgres-02", "Postgres_2", []string{
			`burbn:topology.postgres.databases[1].name: "Postgres_2" is not accepted: accepted is the name of the machine, postgres-01 to postgres-02 for 2 databases`}},
		{"database number left out", "postgres-02", "postgres-03", []string{
			`burbn:topology.postgres.databases[1].name: "postgres-03" is not accepted: accepted is the name of the machine, postgres-01 to postgres-02 for 2 databases`}},
		{"odd range", "128-255", "128..255", []string{
			`burbn:topology.postgres.databases[1].shards: "128..255" is not accepted: accepted is the first and the last logical shard, such as 0-127, or none`}},
		{"databases that hold nothing", "shards: 128-255", "shards: none", []string{
			"burbn:topology.postgres.databases: shards 128-255 are held by no database"}},
		{"APNs key id", "keyID: BURBNKEY01", "keyID: key", []string{
			`burbn:topology.apns.keyID: "key" is not accepted: accepted is the ten letters and digits of a key at Apple`}},
		{"team id that YAML reads as a number", "teamID: BURBNTEAM1", "teamID: 1234567890", []string{
			"burbn:topology.apns.teamID: 1234567890 is not a text: accepted is the ten letters and digits of a team at Apple, if need be in quotes"}},
		{"a limit of nothing", "write: 100000", "write: 0", []string{
			"burbn:topology.rateLimits.write: 0 is out of range: accepted is 1 to 10000000"}},
		{"a limit left out", ", fanOutLimit: 100000", "", []string{
			"burbn:topology.feed.fanOutLimit: is missing: accepted is 1 to 10000000"}},
		{"a queue that nobody works", "share: 4", "share: 0", []string{
			"burbn:topology.worker.slots.share: 0 is out of range: accepted is 1 to 1000"}},
		{"an origin that is no list", "origins: []", "origins: https://www.example.com", []string{
			`burbn:topology.origins: "https://www.example.com" is not a list, which may be empty, of an origin such as https://www.example.com`}},
		{"an origin with a path", "origins: []", `origins: ["https://www.example.com", "https://www.example.com/"]`, []string{
			`burbn:topology.origins[1]: "https://www.example.com/" is not accepted: accepted is an origin such as https://www.example.com, in lower case and without a path`}},
		{"every origin", "origins: []", `origins: ["*"]`, []string{`burbn:topology.origins[0]: "*" is not accepted`}},
		{"sharing where stand-ins are", "origins: []", "origins: []\nshare: {}", []string{"burbn:topology.share: is unknown"}},
		{"all of it reported together", "api: {count: 2}", "api: {count: 0}\nsession: x\nnginx: 3", []string{
			"burbn:topology.api.count: 0 is out of range", "burbn:topology.session: is given twice", "burbn:topology.nginx: is given twice"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := value(t, "local")
			if !strings.Contains(flow(doc), tt.old) {
				t.Fatalf("the stack local does not say %q:\n%s", tt.old, flow(doc))
			}
			_, err := topology.Parse([]byte(strings.Replace(flow(doc), tt.old, tt.new, 1)))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error lacks\n%s\nit says\n%v", w, err)
				}
			}
		})
	}
}

// flow drops the comments, so that a replacement may end a line.
func flow(doc string) string {
	var out []string
	for l := range strings.Lines(doc) {
		l, _, _ = strings.Cut(l, "#")
		if l = strings.TrimRight(l, " \n"); l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

func TestAFileNamesTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Pulumi.x.yaml")
	text := "# comment\nconfig:\n  burbn:topology:\n    target: gcp\n    nginx:\n      count: 0\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := topology.ParseFile(path)
	for _, want := range []string{path + ":4: burbn:topology.target: ", path + ":6: burbn:topology.nginx.count: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

func TestAFileWithoutATopology(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"config:\n  aws:region: us-east-1\n": "config has no burbn:topology",
		"":                                   "is empty",
		"config: {":                          "yaml: ",
		"config: {}\n---\nconfig: {}\n":      "there is more after the first document",
	} {
		path := filepath.Join(dir, "Pulumi.x.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := topology.ParseFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error lacks %q: %v", text, want, err)
		}
	}
}

// Whatever is accepted is a topology that can be placed; nothing panics.
func FuzzParse(f *testing.F) {
	for _, stack := range []string{"local", "local-full", "dev", "staging", "production"} {
		f.Add([]byte(value(f, stack)))
	}
	f.Add([]byte(`{"target":"local","shards":1e9,"postgres":{"databases":[{}]}}`))
	f.Add([]byte("a: &a [*a]\nb: *a"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		top, err := topology.Parse(doc)
		if err != nil {
			return
		}
		if err := top.Shards.Validate(); err != nil {
			t.Errorf("accepted a shard map: %v", err)
		}
		for name, n := range map[string]int{"api": top.API.Count, "nginx": top.Nginx.Count, "worker": top.Worker.Count} {
			if n < 1 || n > topology.MaxIndex {
				t.Errorf("accepted %d machines of %s", n, name)
			}
		}
		for _, name := range top.Databases {
			if i := topology.DatabaseIndex(name); i < 1 || i > topology.MaxIndex {
				t.Errorf("accepted database %q", name)
			}
		}
		for _, d := range top.Shards.Databases {
			if !slices.Contains(top.Databases, d.Name) {
				t.Errorf("database %q is not among %v", d.Name, top.Databases)
			}
		}
	})
}
