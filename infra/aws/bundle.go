package aws

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/services/settings"
)

// bundle is everything that a role's machines contain beyond their machine image: the
// rendered files, and the manifest that says what becomes of them.
func (p Plan) bundle(role images.Role) ([]byte, settings.Manifest, error) {
	manifest, err := p.manifest(role)
	if err != nil {
		return nil, settings.Manifest{}, fmt.Errorf("bundle of %s: %w", role, err)
	}
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, settings.Manifest{}, err
	}
	files := append(slices.Clone(p.image(role).Files), images.File{Path: settings.ManifestPath, Mode: 0o644, Content: string(text) + "\n"})
	packed, err := pack(files)
	return packed, manifest, err
}

// image is what the machine that stands for a role contains.
func (p Plan) image(role images.Role) images.Image { return p.Images[p.machine(role).Name] }

// manifest reads what a machine has to do out of its units: which programs they run,
// which credentials they load, and when they are ready.
func (p Plan) manifest(role images.Role) (settings.Manifest, error) {
	var m settings.Manifest
	credentials := map[string]int{} // by name, where in the manifest
	for _, u := range p.image(role).Units {
		installed, err := p.installed(u)
		if err != nil {
			return m, fmt.Errorf("unit %s: %w", u.Name, err)
		}
		for _, program := range installed {
			if !slices.Contains(m.Programs, program) {
				m.Programs = append(m.Programs, program)
			}
		}
		for _, c := range u.Credentials {
			i, known := credentials[c.Name]
			if !known {
				secrets, err := p.secretRefs(c)
				if err != nil {
					return m, fmt.Errorf("unit %s: credential %s: %w", u.Name, c.Name, err)
				}
				i = len(m.Credentials)
				credentials[c.Name] = i
				m.Credentials = append(m.Credentials, settings.MachineCredential{Name: c.Name, Template: c.Template, Secrets: secrets})
			}
			// systemd finds a credential by its bare name, so there is one of a name.
			if m.Credentials[i].Template != c.Template {
				return m, fmt.Errorf("unit %s: credential %s is written otherwise for %q", u.Name, c.Name, m.Credentials[i].Units)
			}
			m.Credentials[i].Units = append(m.Credentials[i].Units, u.Name)
		}
		m.Units = append(m.Units, settings.MachineUnit{
			Name: u.Name, Once: u.Once, HTTP: u.Ready.HTTP, TCP: u.Ready.TCP, Exec: u.Ready.Exec,
			Timeout: settings.Duration(u.Ready.Timeout),
		})
	}
	return m, nil
}

// installed are the programs of the release that a unit runs.
func (p Plan) installed(u images.Unit) ([]settings.Installed, error) {
	var found []settings.Installed
	for _, word := range slices.Concat(append(slices.Clone(u.Setup), u.Exec)...) {
		if !strings.HasPrefix(word, programs+"/") {
			continue
		}
		i := slices.IndexFunc(p.Release, func(r release.Program) bool { return path.Join(programs, r.FileName()) == word })
		if i < 0 {
			return nil, fmt.Errorf("%s is no program of release %s", word, p.releaseID())
		}
		found = append(found, settings.Installed{Object: p.programObject(p.Release[i]), Path: word})
	}
	return found, nil
}

func (p Plan) secretRefs(c images.Credential) (map[string]settings.SecretRef, error) {
	refs := map[string]settings.SecretRef{}
	for _, name := range c.Secrets() {
		ref, err := secretRef(p.Stack, name)
		if err != nil {
			return nil, err
		}
		refs[name] = ref
	}
	return refs, nil
}

// pack is files as a tar.gz: the same files give the same bytes. Nothing is compressed,
// because what a compressor writes differs between versions of Go, and a new compiler
// would then replace every machine.
func pack(files []images.File) ([]byte, error) {
	files = slices.SortedFunc(slices.Values(files), func(a, b images.File) int { return strings.Compare(a.Path, b.Path) })
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zip)
	for i, f := range files {
		if i > 0 && files[i-1].Path == f.Path {
			return nil, fmt.Errorf("pack %s: two files have the path", f.Path)
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg, Format: tar.FormatPAX,
			Name: strings.TrimPrefix(f.Path, "/"), Mode: int64(f.Mode), Size: int64(len(f.Content)),
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.Path, err)
		}
		if _, err := archive.Write([]byte(f.Content)); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.Path, err)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// cached writes content to a file of its address, for Pulumi to upload: as an input
// it would stand in the stack's state, in full, for every deployment.
func cached(content []byte) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "burbn", "objects")
	name := filepath.Join(dir, sum(content))
	if was, err := os.ReadFile(name); err == nil && bytes.Equal(was, content) {
		return name, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Beside it and renamed, so that a deployment never reads half a file of another.
	tmp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone, where all went well
	if _, err := tmp.Write(content); err != nil {
		return "", err
	}
	if err := tmp.Close(); err != nil {
		return "", err
	}
	return name, os.Rename(tmp.Name(), name)
}
