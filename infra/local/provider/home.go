package provider

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
)

// Home is where a command runs and what it finds there.
type Home struct {
	Root           string            `pulumi:"root" provider:"replaceOnChanges"` // all paths lie below it
	User           string            `pulumi:"user"`                             // empty: whoever runs the provider
	Dir            string            `pulumi:"dir"`                              // working directory; empty: root
	Env            map[string]string `pulumi:"env,optional"`
	Files          map[string]File   `pulumi:"files,optional"`
	Credentials    map[string]string `pulumi:"credentials,optional" provider:"secret"`
	CredentialsDir string            `pulumi:"credentialsDir"`
}

// File is a file of a Home.
type File struct {
	Content string `pulumi:"content"`
	Mode    int    `pulumi:"mode"`
}

// check finds what is wrong with the inputs themselves.
func (h Home) check() (wrong []p.CheckFailure) {
	if !filepath.IsAbs(h.Root) || filepath.Clean(h.Root) != h.Root || h.Root == "/" {
		wrong = append(wrong, failure("root", "%q is not the clean absolute path of a directory other than /", h.Root))
	}
	for name := range h.Files {
		if _, err := h.below(name); err != nil {
			wrong = append(wrong, failure("files", "%v", err))
		}
	}
	if len(h.Credentials) > 0 {
		if _, err := h.below(h.CredentialsDir); err != nil {
			wrong = append(wrong, failure("credentialsDir", "%v", err))
		}
	}
	for name := range h.Credentials {
		if name == "" || name != path.Base(name) || name == "." || name == ".." {
			wrong = append(wrong, failure("credentials", "%q is not the name of a file", name))
		}
	}
	for name := range h.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			wrong = append(wrong, failure("env", "%q is not the name of a variable", name))
		}
	}
	return wrong
}

// below is a path relative to the root.
func (h Home) below(name string) (string, error) {
	rel, err := filepath.Rel(h.Root, name)
	if err != nil || !filepath.IsAbs(name) || !filepath.IsLocal(rel) || rel == "." {
		return "", fmt.Errorf("%q is not a path below the root %s", name, h.Root)
	}
	return rel, nil
}

func (h Home) workingDir() string {
	if h.Dir == "" {
		return h.Root
	}
	return h.Dir
}

// environ is the whole environment of a command, as NAME=value in order of names.
func (h Home) environ(who account) []string {
	env := who.environ()
	maps.Copy(env, h.Env)
	if len(h.Credentials) > 0 {
		env["CREDENTIALS_DIRECTORY"] = h.CredentialsDir
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// tree is the root, opened for changes that cannot leave it: what lies below belongs
// to an account that may have put symbolic links there.
type tree struct {
	*os.Root
	home Home
	who  account
}

// open makes the root where it is missing.
func (h Home) open(who account) (*tree, error) {
	if err := os.MkdirAll(filepath.Dir(h.Root), 0o755); err != nil {
		return nil, fmt.Errorf("make the parents of %s: %w", h.Root, err)
	}
	err := os.Mkdir(h.Root, 0o755)
	if err == nil && who.other {
		err = os.Chown(h.Root, who.uid, who.gid)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the root: %w", err)
	}
	root, err := os.OpenRoot(h.Root)
	if err != nil {
		return nil, fmt.Errorf("open the root: %w", err)
	}
	return &tree{root, h, who}, nil
}

// mkdir makes a directory and its parents, each owned by the account.
func (t *tree) mkdir(rel string, mode fs.FileMode) error {
	if rel == "." {
		return nil
	}
	if err := t.mkdir(filepath.Dir(rel), 0o755); err != nil {
		return err
	}
	switch err := t.Mkdir(rel, mode); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return fmt.Errorf("make directory: %w", err)
	case t.who.other:
		return t.Lchown(rel, t.who.uid, t.who.gid)
	}
	return nil
}

// write replaces a file in one step.
func (t *tree) write(rel, content string, mode fs.FileMode) (err error) {
	if err := t.mkdir(filepath.Dir(rel), 0o755); err != nil {
		return err
	}
	scratch := filepath.Join(filepath.Dir(rel), "."+rand.Text())
	f, err := t.OpenFile(scratch, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", rel, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", rel, err), t.Remove(scratch))
		}
	}()
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil && t.who.other {
		err = f.Chown(t.who.uid, t.who.gid)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return t.Rename(scratch, rel)
}

// writeFiles brings every file to what it should be.
func (t *tree) writeFiles() error {
	for _, name := range slices.Sorted(maps.Keys(t.home.Files)) {
		rel, err := t.home.below(name)
		if err != nil {
			return err
		}
		if err := t.write(rel, t.home.Files[name].Content, fs.FileMode(t.home.Files[name].Mode)); err != nil {
			return err
		}
	}
	return nil
}

// writeCredentials replaces the credentials directory.
func (t *tree) writeCredentials() error {
	if err := t.removeCredentials(); err != nil || len(t.home.Credentials) == 0 {
		return err
	}
	dir, err := t.home.below(t.home.CredentialsDir)
	if err != nil {
		return err
	}
	if err := t.mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, content := range t.home.Credentials {
		if err := t.write(filepath.Join(dir, name), content, 0o400); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) removeCredentials() error {
	if t.home.CredentialsDir == "" {
		return nil
	}
	dir, err := t.home.below(t.home.CredentialsDir)
	if err != nil {
		return err
	}
	if err := t.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove credentials: %w", err)
	}
	return nil
}

// remove deletes the files and the credentials. What a command wrote stays, and so
// do directories.
func (t *tree) remove() error {
	for name := range t.home.Files {
		rel, err := t.home.below(name)
		if err != nil {
			return err
		}
		if err := t.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return t.removeCredentials()
}

// removeHome deletes the files and credentials of a home, where there is one.
func removeHome(h Home) error {
	root, err := os.OpenRoot(h.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	defer root.Close()
	return (&tree{Root: root, home: h}).remove()
}

// onDisk is the home with the files and credentials that are really there.
func (h Home) onDisk() Home {
	is := h
	is.Files = map[string]File{}
	if len(h.Credentials) > 0 {
		is.Credentials = map[string]string{}
	}
	root, err := os.OpenRoot(h.Root)
	if err != nil {
		return is
	}
	defer root.Close()
	for name := range h.Files {
		rel, _ := filepath.Rel(h.Root, name)
		content, err := root.ReadFile(rel)
		info, serr := root.Stat(rel)
		if err == nil && serr == nil {
			is.Files[name] = File{Content: string(content), Mode: int(info.Mode().Perm())}
		}
	}
	dir, _ := filepath.Rel(h.Root, h.CredentialsDir)
	for name := range h.Credentials {
		if content, err := root.ReadFile(filepath.Join(dir, name)); err == nil {
			is.Credentials[name] = string(content)
		}
	}
	return is
}

// without is what of h is not part of next as well.
func (h Home) without(next Home) Home {
	h.Files = maps.Clone(h.Files)
	maps.DeleteFunc(h.Files, func(name string, _ File) bool { _, kept := next.Files[name]; return kept })
	if h.CredentialsDir == next.CredentialsDir {
		h.CredentialsDir = ""
	}
	return h
}

func failure(property, format string, args ...any) p.CheckFailure {
	return p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, args...)}
}
