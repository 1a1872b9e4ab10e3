// Package images holds what a machine of each role contains beyond its packages:
// configuration files and the systemd units of its processes.
//
// A machine is made of parts. A part is a folder beside this file that mirrors
// "/": one unit, the files that unit reads, and the templates of the credentials
// it is given (etc/credstore). Every file is a text/template over the machine and
// the placement, but for those below usr/share, which are copied as they are.
//
// Render is a pure function: the package starts nothing, writes nothing and knows
// no secret. Where a machine runs on EC2, systemd obeys the unit file; where it is
// a folder of this machine, the local target obeys the Unit read from that file.
package images

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

//go:embed */etc */usr shared
var tree embed.FS

const (
	unitDir       = "/etc/systemd/system"
	credentialDir = "/etc/credstore" // where LoadCredential= looks for a bare name
	staticDir     = "/usr/share"
	programDir    = "/usr/lib"
)

// parts are the folders that make up a machine, in the order in which their units start.
func (p Placement) parts(m Machine) ([]string, error) {
	var parts []string
	if p.cloud() {
		parts = append(parts, "journald")
		if m.Role != Monitoring {
			parts = append(parts, "journal")
		}
	}
	if m.Root == "/" || m.Role == Monitoring {
		// A machine that is a folder has no kernel of its own to report on.
		parts = append(parts, "node-exporter")
	}
	switch m.Role {
	case LoadBalancer, Memcached, Storage, Standin:
		parts = append(parts, string(m.Role))
	case Nginx, CDN:
		parts = append(parts, string(m.Role), "nginx-exporter")
	case Postgres, Replica:
		parts = append(parts, "postgres")
	case Redis:
		parts = append(parts, "redis")
		if m.Index == 1 {
			parts = append(parts, "redis-cluster")
		}
	case API, Push:
		parts = append(parts, "pgbouncer", string(m.Role))
	case Worker:
		parts = append(parts, "pgbouncer", "worker")
		// Once for all of them; in the cloud neither is a machine's affair.
		if m.Index == 1 && p.Programs.Migrate != "" {
			parts = append(parts, "migrate")
		}
		if m.Index == 1 && p.Programs.Buckets != "" {
			parts = append(parts, "buckets")
		}
	case Monitoring:
		if p.cloud() {
			parts = append(parts, "data", "journal-remote")
		}
		parts = append(parts, "postgres-exporter", "redis-exporter", "memcached-exporter", "alertmanager", "prometheus")
	default:
		return nil, fmt.Errorf("role %q is unknown: accepted is one of %q", m.Role, Roles)
	}
	return parts, nil
}

// Render is what machine m contains, one of the placement's machines.
func Render(m Machine, p Placement) (Image, error) {
	img, err := render(m, p)
	if err != nil {
		return Image{}, fmt.Errorf("render machine %s: %w", m.Name, err)
	}
	return img, nil
}

func render(m Machine, p Placement) (Image, error) {
	if m.Managed() {
		return Image{}, errors.New("the cloud runs it: there is nothing to render")
	}
	// Neither unit files nor most configuration languages agree on how to quote a path.
	if !regexp.MustCompile(`^/[A-Za-z0-9._/-]*$`).MatchString(m.Root) {
		return Image{}, fmt.Errorf("root %q: accepted is an absolute path of letters, digits, '.', '_' and '-'", m.Root)
	}
	// Sizes of zero would read as no limit at all.
	if p.cloud() && m.Role == Monitoring && (p.DataGB < 10 || p.LogDays < 1) {
		return Image{}, fmt.Errorf("a volume of %d GB and %d days of logs: accepted is 10 GB or more and 1 day or more", p.DataGB, p.LogDays)
	}
	parts, err := p.parts(m)
	if err != nil {
		return Image{}, err
	}
	var img Image
	for _, part := range parts {
		files, u, err := renderPart(part, m, p)
		if err != nil {
			return Image{}, fmt.Errorf("part %s: %w", part, err)
		}
		img.Files = append(img.Files, files...)
		img.Units = append(img.Units, u)
	}
	if slices.Contains(parts, "pgbouncer") {
		if err := p.connectionsFit(); err != nil {
			return Image{}, err
		}
	}
	slices.SortFunc(img.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return img, nil
}

// renderPart renders one folder: its unit, and the files of that unit.
func renderPart(part string, m Machine, p Placement) ([]File, Unit, error) {
	name, err := unitName(part)
	if err != nil {
		return nil, Unit{}, err
	}
	v := view{Machine: m, Placement: p, Unit: name}
	var files []File
	var unitText string
	credentials := map[string]string{}
	err = fs.WalkDir(tree, part, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		at := strings.TrimPrefix(file, part)
		text, err := v.render(file, at)
		if err != nil {
			return err
		}
		if dir, name := path.Split(at); path.Clean(dir) == credentialDir {
			if strings.TrimSpace(text) != "" {
				credentials[name] = text
			}
			return nil
		}
		if strings.TrimSpace(text) == "" {
			return nil // of the other target
		}
		if path.Dir(at) == unitDir {
			unitText = text
		}
		f := File{Path: m.Path(at), Mode: 0o644, Content: text}
		if strings.HasPrefix(at, programDir) {
			f.Mode = 0o755
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, Unit{}, err
	}
	document, err := p.document(part, m)
	if err != nil {
		return nil, Unit{}, err
	}
	if document != nil {
		files = append(files, File{Path: m.Path("/etc/burbn/" + part + ".json"), Mode: 0o644, Content: string(document)})
	}
	u, err := parseUnit(unitText, name, m, credentials)
	if err != nil {
		return nil, Unit{}, fmt.Errorf("%s.service: %w", name, err)
	}
	for _, f := range files {
		u.Files = append(u.Files, f.Path)
	}
	slices.Sort(u.Files)
	return files, u, nil
}

// unitName is the name of the one unit of a part.
func unitName(part string) (string, error) {
	units, err := fs.Glob(tree, part+unitDir+"/*.service")
	if err != nil {
		return "", err
	}
	if len(units) != 1 {
		return "", fmt.Errorf("a part has one unit, not %d", len(units))
	}
	return strings.TrimSuffix(path.Base(units[0]), ".service"), nil
}

// render is the content of a file of the tree that will lie at path at.
func (v view) render(file, at string) (string, error) {
	b, err := tree.ReadFile(file)
	if err != nil || strings.HasPrefix(at, staticDir) {
		return string(b), err
	}
	funcs := v.funcs()
	if path.Dir(at) == credentialDir {
		// Nowhere else, so that no secret can end up in a file.
		funcs["secret"] = func(name string) string { return "{{" + name + "}}" }
	}
	t, err := template.New(file).Option("missingkey=error").Funcs(funcs).ParseFS(tree, "shared/*")
	if err == nil {
		t, err = t.Parse(string(b))
	}
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := t.Execute(&out, v); err != nil {
		return "", err
	}
	return out.String(), nil
}
