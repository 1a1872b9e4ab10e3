package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sampleMachine() Machine {
	return Machine{
		Stack: "production", Role: "api", Region: "us-east-1",
		Bundle: Object{Bucket: "artifacts", Key: "bundles/api.tar.gz", SHA256: strings.Repeat("a", 64)},
		Group:  "burbn-production-api", Hook: "ready",
	}
}

func sampleManifest() Manifest {
	return Manifest{
		Programs: []Installed{{
			Object: Object{Bucket: "artifacts", Key: "programs/api", SHA256: strings.Repeat("b", 64)},
			Path:   "/usr/local/lib/burbn/api-0123456789ab",
		}},
		Credentials: []MachineCredential{{
			Name: "redis-password", Template: "{{redis-password}}", Units: []string{"api"},
			Secrets: map[string]SecretRef{"redis-password": {ID: "burbn/production/redis", Key: "password"}},
		}},
		Units: []MachineUnit{
			{Name: "pgbouncer", TCP: "127.0.0.1:6432", Timeout: Duration(30 * time.Second)},
			{Name: "api", HTTP: "http://127.0.0.1:8081/readyz", Timeout: Duration(time.Minute)},
		},
	}
}

// edited loads a document in which one text has been replaced by another.
func edited[D Document](t *testing.T, d D, old, new string) error {
	t.Helper()
	b, err := Render(d)
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Replace(string(b), old, new, 1)
	if doc == string(b) && old != new {
		t.Fatalf("%s is not in\n%s", old, doc)
	}
	path := filepath.Join(t.TempDir(), "document.json")
	if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Load[D](path)
	return err
}

func TestMachineRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{`"role": "api"`, `"role": ""`, "role: is missing"},
		{`"region": "us-east-1"`, `"region": ""`, "region: is missing"},
		{`"stack": "production"`, `"stack": ""`, "stack: is missing"},
		{`"bucket": "artifacts"`, `"bucket": ""`, "bundle.bucket: is missing"},
		{`"key": "bundles/api.tar.gz"`, `"key": ""`, "bundle.key: is missing"},
		{"aaaa", "AAAA", "bundle.sha256"},
		{`"hook": "ready"`, `"hook": ""`, "both or neither"},
		{`"hook"`, `"hock"`, "hock"},
	} {
		if err := edited(t, sampleMachine(), tt.old, tt.new); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s -> %s: error %v, want one that says %q", tt.old, tt.new, err, tt.want)
		}
	}
}

func TestManifestRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"bbbb", "xxxx", "programs[0].sha256"},
		{"/usr/local/lib/burbn/api-0123456789ab", "usr/api", "programs[0].path"},
		{"/usr/local/lib/burbn/api-0123456789ab", "/usr/../api", "programs[0].path"},
		{`"name": "redis-password"`, `"name": "../redis"`, "credentials[0].name"},
		{`"template": "{{redis-password}}"`, `"template": "{{redis"`, "a {{ without }}"},
		{`"template": "{{redis-password}}"`, `"template": "{{other}}"`, `lacks "other" of the template`},
		{`"template": "{{redis-password}}"`, `"template": "{{other}}"`, `"redis-password" is not in the template`},
		{`"template": "{{redis-password}}"`, `"template": "plain"`, "names no secret"},
		{`"key": "password"`, `"key": ""`, "both are needed"},
		{`"api"` + "\n", `"push"` + "\n", `"push" is not among the units`},
		{`"name": "pgbouncer"`, `"name": "api"`, `"api" is there twice`},
		{`"name": "pgbouncer"`, `"name": "pgbouncer.service"`, "without its .service"},
		{`"name": "pgbouncer"`, `"name": "-x"`, "units[0].name"},
		{`"tcp": "127.0.0.1:6432"`, `"tcp": "127.0.0.1"`, "units[0].tcp"},
		{`"tcp": "127.0.0.1:6432"`, `"tcp": ""`, "has 0 of once"},
		{`"once": false`, `"once": true`, "has 2 of once"},
		{`"http": "http://127.0.0.1:8081/readyz"`, `"http": "127.0.0.1:8081"`, "units[1].http"},
		{`"exec": null`, `"exec": ["true"]`, "units[0].exec"},
		{`"timeout": "30s"`, `"timeout": "0s"`, "units[0].timeout"},
	} {
		if err := edited(t, sampleManifest(), tt.old, tt.new); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s -> %s: error %v, want one that says %q", tt.old, tt.new, err, tt.want)
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(*Manifest)
		want  string
	}{
		{"no unit", func(m *Manifest) { m.Units, m.Credentials = nil, nil }, "units: names none"},
		{"nobody reads a credential", func(m *Manifest) { m.Credentials[0].Units = nil }, "nobody reads it"},
		{"one credential twice", func(m *Manifest) { m.Credentials = append(m.Credentials, m.Credentials[0]) }, "is there twice"},
		{"two programs at one path", func(m *Manifest) { m.Programs = append(m.Programs, m.Programs[0]) }, "another program's too"},
	} {
		m := sampleManifest()
		tt.spoil(&m)
		if _, err := Render(m); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one that says %q", tt.name, err, tt.want)
		}
	}
	if err := edited(t, sampleManifest(), "", ""); err != nil {
		t.Errorf("the sample: %v", err)
	}
}

func TestFill(t *testing.T) {
	secret := func(name string) (string, error) {
		if name == "password" {
			return "it is {{password}}", nil
		}
		return "", errors.New("unknown secret " + name)
	}
	for _, tt := range []struct{ template, want, err string }{
		{"", "", ""},
		{"plain }} text", "plain }} text", ""},
		{"'{{password}}' and '{{password}}'\n", "'it is {{password}}' and 'it is {{password}}'\n", ""},
		{"{{other}}", "", "unknown secret other"},
		{"{{ password }}", "", "unknown secret  password "},
		{"{{password", "", "a {{ without }}"},
	} {
		got, err := Fill(tt.template, secret)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("Fill(%q) = %q, %v", tt.template, got, err)
		}
	}
}

// A template that is filled with its own names is what it was.
func FuzzFill(f *testing.F) {
	f.Add("user={{user}} password='{{password}}'\n")
	f.Add("{{{{}}}}")
	f.Fuzz(func(t *testing.T, template string) {
		got, err := Fill(template, func(name string) (string, error) { return "{{" + name + "}}", nil })
		if err == nil && got != template {
			t.Errorf("Fill(%q) = %q", template, got)
		}
	})
}
