package images

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// kitchen holds what is baked. Base is the part that is baked into every machine image rather than rendered: it
// mirrors "/", and its packages are every machine's. The other parts say in their file
// packages what their unit needs of Debian.
//
//go:embed base */packages bake
var kitchen embed.FS

const (
	// RDSAuthorities is where a machine has the authorities that sign the certificates
	// of Amazon's databases.
	RDSAuthorities = "/usr/share/burbn/rds-ca.pem"
	rdsAuthorities = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
)

// Recipe is how the machine image of a role is baked out of Debian 12. Who bakes puts
// Files and the program machine (at /usr/local/lib/burbn/machine) in their places, runs
// Script there as root, and runs Verify on a machine that is born of the result.
type Recipe struct {
	Role     Role
	Arch     string   // "amd64" or "arm64"
	Packages []string // of Debian, sorted
	Files    []File   // below "/", by path
	Script   string   // sh; may run again
	Verify   string   // sh; exits 0 if all is well
}

// ID is the recipe's content address: an image of the same recipe, the same program
// machine and the same Debian need not be baked again.
func (r Recipe) ID() string {
	h := sha256.New()
	// Quoted, so that no two recipes read alike.
	fmt.Fprintf(h, "%q %q %q %q\n", r.Role, r.Arch, r.Script, r.Verify)
	for _, f := range r.Files {
		fmt.Fprintf(h, "%q %o %q\n", f.Path, f.Mode, f.Content)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Bake is the recipe of a role that runs on machines of the cloud. It is pure.
func Bake(role Role, arch string) (Recipe, error) {
	r, err := bake(role, arch)
	if err != nil {
		return Recipe{}, fmt.Errorf("recipe of role %s: %w", role, err)
	}
	return r, nil
}

// baked are the roles that have an image of their own: the cloud runs the others itself.
func baked() []Role { return []Role{Nginx, API, Worker, Push, Monitoring} }

func bake(role Role, arch string) (Recipe, error) {
	if !slices.Contains(baked(), role) {
		return Recipe{}, fmt.Errorf("it has no machine image: accepted is one of %q", baked())
	}
	if arch != "amd64" && arch != "arm64" {
		return Recipe{}, fmt.Errorf("architecture %q: accepted is amd64 or arm64", arch)
	}
	parts, err := Placement{Target: "aws"}.parts(Machine{Name: string(role), Role: role, Index: 1, Root: "/"})
	if err != nil {
		return Recipe{}, err
	}
	every, err := packages("base")
	if err != nil {
		return Recipe{}, err
	}
	var own []string
	for _, part := range parts {
		names, err := packages(part)
		if err != nil {
			return Recipe{}, err
		}
		own = append(own, names...)
	}
	slices.Sort(own)
	own = slices.Compact(own)
	r := Recipe{Role: role, Arch: arch, Packages: slices.Sorted(slices.Values(slices.Concat(every, own)))}
	if r.Files, err = bakedFiles(); err != nil {
		return Recipe{}, err
	}
	view := struct {
		Role              Role
		Base, Own, Masked []string
		CA, CAFrom        string
	}{
		role, every, own,
		[]string{"ssh.service", "ssh.socket", "apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service"},
		RDSAuthorities, rdsAuthorities,
	}
	scripts, err := template.ParseFS(kitchen, "bake/*.sh")
	if err != nil {
		return Recipe{}, err
	}
	for name, script := range map[string]*string{"bake.sh": &r.Script, "verify.sh": &r.Verify} {
		var b strings.Builder
		if err := scripts.ExecuteTemplate(&b, name, view); err != nil {
			return Recipe{}, err
		}
		*script = b.String()
	}
	return r, nil
}

// packages are the Debian packages of a part: those of its file packages, one a line,
// with comments. A part whose unit runs what the project builds has no such file.
func packages(part string) ([]string, error) {
	file := part + "/packages"
	text, err := kitchen.ReadFile(file)
	if err != nil {
		return nil, nil // what is embedded can be read: it is not there
	}
	var names []string
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`).MatchString(line) {
			return nil, fmt.Errorf("%s: %q is not a package's name", file, line)
		}
		names = append(names, line)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s names no package: remove it", file)
	}
	return names, nil
}

// bakedFiles are the files of base.
func bakedFiles() ([]File, error) {
	var files []File
	err := fs.WalkDir(kitchen, "base", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || file == "base/packages" {
			return err
		}
		b, err := kitchen.ReadFile(file)
		files = append(files, File{Path: path.Join("/", strings.TrimPrefix(file, "base")), Mode: 0o644, Content: string(b)})
		return err
	})
	return files, err
}
