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

// Program is an executable file; on Linux the program migrate is the zip of it that
// Lambda takes.
type Program struct {
	Name   string // "api"
	Path   string // where it was built; empty: somewhere else, by an earlier deployment
	SHA256 string // in hex
}

// Release is every program, in a fixed order.
type Release []Program

// machine is the program that every machine image has. It goes with the images, which
// take a while to bake, and with what the checkout renders for it to read: going back
// to an earlier release leaves it as it is.
const machine = "machine"

// ID is the content address of all programs together, but for that of the machine
// images.
func (r Release) ID() string {
	h := sha256.New()
	for _, p := range r {
		if p.Name == machine {
			continue
		}
		fmt.Fprintln(h, p.Name, p.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// FileName is the name under which a program of some content is installed:
// api-0123456789ab.
func (p Program) FileName() string { return p.Name + "-" + p.SHA256[:12] }

// Platform is what programs are built for.
type Platform struct {
	// Arch is the architecture of machines in the cloud, "amd64" or "arm64"; empty:
	// this machine, with what it has installed.
	Arch string
}

// Host is this machine.
func Host() Platform { return Platform{} }

// Linux is machines in the cloud: static programs, for either architecture.
func Linux(arch string) Platform { return Platform{Arch: arch} }

// services are the folders of services/ that are programs there.
func (on Platform) services() []string {
	if on.Arch == "" {
		return []string{"api", "buckets", "migrate", "push", "standin", "worker"}
	}
	return []string{"api", machine, "migrate", "push", "worker"}
}

// tools are the programs of tools/go.mod, which `make build` puts beside the services
// for this machine.
func (on Platform) tools() []string {
	if on.Arch == "" {
		return []string{"memcached_exporter", "versitygw"}
	}
	return []string{"memcached_exporter"}
}

func (on Platform) names() []string {
	return slices.Sorted(slices.Values(slices.Concat(on.services(), on.tools())))
}

// Runs says whether a program of the name is part of the platform's releases.
func (on Platform) Runs(name string) bool { return slices.Contains(on.names(), name) }

// Unknown is a release of the programs of every platform whose content nobody has
// looked at: for those who only want to know what a placement looks like.
func Unknown() Release {
	names := slices.Sorted(slices.Values(append(Host().names(), Linux("arm64").names()...)))
	var r Release
	for _, name := range slices.Compact(names) {
		r = append(r, Program{Name: name, SHA256: strings.Repeat("0", sha256.Size*2)})
	}
	return r
}

// Build compiles the services of a checkout into its bin folder and returns them
// with the tools. While it compiles, it tells progress how many packages are done;
// with the compiler's cache warm it takes less than a second.
func Build(ctx context.Context, checkout string, on Platform, progress func(packages int)) (Release, error) {
	bin := filepath.Join(checkout, "bin")
	if on.Arch != "" {
		bin = filepath.Join(bin, "linux-"+on.Arch)
	}
	packages := 0
	count := func() { packages++; progress(packages) }
	if err := on.compile(ctx, checkout, bin, on.services(), count); err != nil {
		return nil, err
	}
	if on.Arch != "" { // for this machine, make build has them
		if err := on.compileTools(ctx, checkout, bin, count); err != nil {
			return nil, err
		}
	}
	var r Release
	for _, name := range on.names() {
		path := filepath.Join(bin, name)
		if on.Arch != "" && name == migrate {
			var err error
			if path, err = pack(path); err != nil {
				return nil, err
			}
		}
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

// Machine builds the program of the machine images alone, for who goes back to an
// earlier release.
func Machine(ctx context.Context, checkout string, on Platform, progress func(packages int)) (Program, error) {
	bin := filepath.Join(checkout, "bin", "linux-"+on.Arch)
	packages := 0
	if err := on.compile(ctx, checkout, bin, []string{machine}, func() { packages++; progress(packages) }); err != nil {
		return Program{}, err
	}
	path := filepath.Join(bin, machine)
	sum, err := hash(path)
	return Program{Name: machine, Path: path, SHA256: sum}, err
}

func (on Platform) compile(ctx context.Context, checkout, bin string, services []string, progress func()) error {
	args := on.build(bin)
	for _, s := range services {
		args = append(args, "./services/"+s)
	}
	if err := run(ctx, checkout, on.env(), args, progress); err != nil {
		return fmt.Errorf("build the services: %w", err)
	}
	return nil
}

func (on Platform) compileTools(ctx context.Context, checkout, bin string, progress func()) error {
	args := append(on.build(bin), "-modfile=tools/go.mod", "github.com/prometheus/memcached_exporter/cmd/memcached_exporter")
	if err := run(ctx, checkout, on.env(), args, progress); err != nil {
		return fmt.Errorf("build the tools: %w", err)
	}
	return nil
}

// build is how the compiler is called, but for what it compiles.
func (on Platform) build(bin string) []string {
	// The content, and so the address, must come from the code alone: no stamp of
	// the commit, which would restart everything when only a text was edited.
	args := []string{"build", "-buildvcs=false", "-v", "-o", bin + string(filepath.Separator)}
	if on.Arch != "" {
		// Nor of the folder or the compiler's cache: two engineers of one commit, and CI,
		// build the same release.
		args = append(args, "-trimpath", "-ldflags=-s -w -buildid=")
	}
	return args
}

func (on Platform) env() []string {
	if on.Arch == "" {
		return nil
	}
	return []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + on.Arch}
}

// run runs the compiler, counts the packages that it names and returns everything
// else that it says as the error.
func run(ctx context.Context, dir string, env, args []string, progress func()) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var complaint strings.Builder
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			break // the compiler has ended, and Wait says how
		}
		if strings.ContainsAny(line, " :") {
			complaint.WriteString("\n" + strings.TrimSuffix(line, "\n"))
			continue
		}
		progress()
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
