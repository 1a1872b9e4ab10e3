package settings

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Machine is what a machine in the cloud is told when it is born, its user data:
// where the rest of it lies. It holds no secret.
type Machine struct {
	Stack  string `json:"stack"`
	Role   string `json:"role"`
	Region string `json:"region"`
	// Bundle is a tar.gz of everything that the machine's role contains beyond its
	// image, below "/"; the Manifest is in it at ManifestPath.
	Bundle Object `json:"bundle"`
	// Group and Hook are the Auto Scaling group that waits for the machine and the
	// hook by which it does; both empty: nobody waits.
	Group string `json:"group"`
	Hook  string `json:"hook"`
}

// MachinePath is where a machine finds its Machine, and ManifestPath where a bundle
// holds its Manifest.
const (
	MachinePath  = "/etc/burbn/boot.json"
	ManifestPath = "/etc/burbn/machine.json"
)

// CredentialStore is where credentials are written: systemd's LoadCredential= looks
// there for a bare name, and its content is gone when the machine is off.
const CredentialStore = "/run/credstore"

// Object is an object of the artifact bucket.
type Object struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	SHA256 string `json:"sha256"` // in hex, of the content; anything else is refused
}

// Manifest says what becomes of a bundle.
type Manifest struct {
	// Programs are put at their paths, executable.
	Programs []Installed `json:"programs"`
	// Credentials are written below CredentialStore.
	Credentials []MachineCredential `json:"credentials"`
	// Units are started in this order, each when those before it are ready.
	Units []MachineUnit `json:"units"`
}

// Installed is a program and where it goes.
type Installed struct {
	Object
	// Path ends in a name that is of the content, so that a program is never replaced
	// while it runs: "/usr/local/lib/burbn/api-0123456789ab".
	Path string `json:"path"`
}

// MachineCredential is a file of secrets.
type MachineCredential struct {
	Name string `json:"name"` // "userlist.txt"
	// Template is the content with each {{name}} standing for a secret; see Fill.
	Template string               `json:"template"`
	Secrets  map[string]SecretRef `json:"secrets"` // by the names in Template
	// Units are reloaded, or restarted where they cannot reload, when it changes.
	Units []string `json:"units"`
}

// SecretRef is a secret in Secrets Manager: a value of the JSON object that it holds.
type SecretRef struct {
	ID  string `json:"id"`  // name: "burbn/production/postgres-01/app"
	Key string `json:"key"` // "password"
}

// MachineUnit is a systemd service and when it is ready. One of Once, HTTP, TCP and
// Exec is set.
type MachineUnit struct {
	Name    string   `json:"name"` // without ".service"
	Once    bool     `json:"once"` // ready when it has exited 0
	HTTP    string   `json:"http"` // URL that answers 2xx
	TCP     string   `json:"tcp"`  // host:port that accepts
	Exec    []string `json:"exec"` // command that exits 0
	Timeout Duration `json:"timeout"`
}

// Fill is a template with each {{name}} replaced by what secret answers to the name.
// What a secret contains is never looked at for names. It is the one place that
// knows how a credential is written.
func Fill(template string, secret func(name string) (string, error)) (string, error) {
	var b strings.Builder
	for rest := template; ; {
		text, after, open := strings.Cut(rest, "{{")
		b.WriteString(text)
		if !open {
			return b.String(), nil
		}
		name, tail, closed := strings.Cut(after, "}}")
		if !closed {
			return "", errors.New("a {{ without }}")
		}
		s, err := secret(name)
		if err != nil {
			return "", err
		}
		b.WriteString(s)
		rest = tail
	}
}

// Validate says what is wrong with the document, key by key.
func (d Machine) Validate() error {
	var p problems
	p.check(d.Stack != "", "stack", "is missing")
	p.check(d.Role != "", "role", "is missing")
	p.check(d.Region != "", "region", "is missing")
	p.object("bundle", d.Bundle)
	p.check((d.Group == "") == (d.Hook == ""), "hook", "%q of group %q: accepted is both or neither", d.Hook, d.Group)
	return errors.Join(p...)
}

// Validate says what is wrong with the document, key by key.
func (d Manifest) Validate() error {
	var p problems
	at := map[string]bool{}
	for i, program := range d.Programs {
		key := fmt.Sprintf("programs[%d]", i)
		p.object(key, program.Object)
		p.check(path.IsAbs(program.Path) && path.Clean(program.Path) == program.Path && program.Path != "/",
			key+".path", "%q is not a plain absolute path", program.Path)
		p.check(!at[program.Path], key+".path", "%q is another program's too", program.Path)
		at[program.Path] = true
	}
	units := map[string]bool{}
	p.check(len(d.Units) > 0, "units", "names none: the machine would do nothing")
	for i, u := range d.Units {
		key := fmt.Sprintf("units[%d]", i)
		p.check(!units[u.Name], key+".name", "%q is there twice", u.Name)
		units[u.Name] = true
		p.unit(key, u)
	}
	names := map[string]bool{}
	for i, c := range d.Credentials {
		key := fmt.Sprintf("credentials[%d]", i)
		p.check(!names[c.Name], key+".name", "%q is there twice", c.Name)
		names[c.Name] = true
		p.credential(key, c)
		for _, u := range c.Units {
			p.check(units[u], key+".units", "%q is not among the units", u)
		}
	}
	return errors.Join(p...)
}

func (p *problems) object(key string, o Object) {
	p.check(o.Bucket != "", key+".bucket", "is missing")
	p.check(o.Key != "", key+".key", "is missing")
	p.check(regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(o.SHA256), key+".sha256", "%q is not 64 hexadecimal digits in lower case", o.SHA256)
}

// isFileName says of the name of a unit or a credential whether it may become part
// of a path.
func isFileName(name string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(name)
}

func (p *problems) unit(key string, u MachineUnit) {
	p.check(isFileName(u.Name) && !strings.HasSuffix(u.Name, ".service"), key+".name", "%q is not the name of a service without its .service", u.Name)
	checks := 0
	for _, set := range []bool{u.Once, u.HTTP != "", u.TCP != "", len(u.Exec) > 0} {
		if set {
			checks++
		}
	}
	p.check(checks == 1, key, "has %d of once, http, tcp and exec: accepted is one", checks)
	if u.HTTP != "" {
		p.url(key+".http", u.HTTP)
	}
	if u.TCP != "" {
		p.addr(key+".tcp", u.TCP)
	}
	if len(u.Exec) > 0 {
		p.check(path.IsAbs(u.Exec[0]), key+".exec", "%q is not an absolute path", u.Exec[0])
	}
	p.check(u.Timeout > 0, key+".timeout", "must be positive, such as 60s")
}

func (p *problems) credential(key string, c MachineCredential) {
	p.check(isFileName(c.Name), key+".name", "%q is not a file name of letters, digits, '.', '_' and '-'", c.Name)
	p.check(len(c.Units) > 0, key+".units", "names none: nobody reads it")
	used := map[string]bool{}
	_, err := Fill(c.Template, func(name string) (string, error) {
		used[name] = true
		return "", nil
	})
	p.check(err == nil, key+".template", "%v", err)
	p.check(len(used) > 0, key+".template", "names no secret: it is a file")
	for _, name := range slices.Sorted(maps.Keys(used)) {
		_, ok := c.Secrets[name]
		p.check(ok, key+".secrets", "lacks %q of the template", name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		p.check(used[name], key+".secrets", "%q is not in the template", name)
		ref := c.Secrets[name]
		p.check(ref.ID != "" && ref.Key != "", key+".secrets", "%q has id %q and key %q: both are needed", name, ref.ID, ref.Key)
	}
}
