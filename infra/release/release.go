// Package release builds what the project runs, on whichever target: the programs
// of services/, and the few of other projects that no Debian package has. Each is
// known by the address of its content, so what did not change is not replaced.
//
// It does not install anything; a target copies the programs to where they run.
package release

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Program is an executable file.
type Program struct {
	Name   string // "api"
	Path   string // where it was built
	SHA256 string // in hex
}

// Release is every program, in a fixed order.
type Release []Program

// ID is the content address of all programs together.
func (r Release) ID() string {
	h := sha256.New()
	for _, p := range r {
		fmt.Fprintln(h, p.Name, p.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// FileName is the name under which a program of some content is installed:
// api-0123456789ab.
func (p Program) FileName() string { return p.Name + "-" + p.SHA256[:12] }

// services are the folders of services/ that are programs, and prebuilt the
// programs of tools/go.mod, which `make build` puts beside them.
func services() []string { return []string{"api", "buckets", "migrate", "push", "standin", "worker"} }
func prebuilt() []string { return []string{"memcached_exporter", "versitygw"} }

// Unknown is a release of the same programs whose content nobody has looked at: for
// those who only want to know what a placement looks like.
func Unknown() Release {
	var r Release
	for _, name := range names() {
		r = append(r, Program{Name: name, SHA256: strings.Repeat("0", sha256.Size*2)})
	}
	return r
}

func names() []string { return slices.Sorted(slices.Values(append(services(), prebuilt()...))) }

// Build compiles the services of a checkout into its bin folder and returns them
// with the prebuilt programs. While it compiles, it tells progress how many
// packages are done; with the compiler's cache warm it takes less than a second.
func Build(ctx context.Context, checkout string, progress func(packages int)) (Release, error) {
	bin := filepath.Join(checkout, "bin")
	// The content, and so the address, must come from the code alone: no stamp of
	// the commit, which would restart everything when only a text was edited.
	args := []string{"build", "-buildvcs=false", "-v", "-o", bin + string(filepath.Separator)}
	for _, s := range services() {
		args = append(args, "./services/"+s)
	}
	if err := compile(ctx, checkout, args, progress); err != nil {
		return nil, fmt.Errorf("build the services: %w", err)
	}
	var r Release
	for _, name := range names() {
		path := filepath.Join(bin, name)
		sum, err := hash(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("find %s: it is not built yet: run make build", path)
		}
		if err != nil {
			return nil, fmt.Errorf("hash %s: %w", path, err)
		}
		r = append(r, Program{Name: name, Path: path, SHA256: sum})
	}
	return r, nil
}

// compile runs the compiler, counts the packages that it names and returns
// everything else that it says as the error.
func compile(ctx context.Context, dir string, args []string, progress func(int)) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var complaint strings.Builder
	packages := 0
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			break // the compiler has ended, and Wait says how
		}
		if strings.ContainsAny(line, " :") {
			complaint.WriteString("\n" + strings.TrimSuffix(line, "\n"))
			continue
		}
		packages++
		progress(packages)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go %s: %w%s", args[0], err, complaint.String())
	}
	return nil
}

func hash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
