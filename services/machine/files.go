package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// below is an absolute path as os.Root wants it.
func below(p string) string { return strings.TrimPrefix(path.Clean(p), "/") }

func mkdirFor(files *os.Root, p string) error {
	if err := files.MkdirAll(below(path.Dir(p)), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", p, err)
	}
	return nil
}

// place puts a file at an absolute path of the machine: as a whole or not at all,
// whenever the machine is killed or loses its power.
func place(files *os.Root, p string, mode os.FileMode, content io.Reader) error {
	if err := mkdirFor(files, p); err != nil {
		return err
	}
	// Of one name, so that what a killed run left behind is written over.
	beside := below(path.Join(path.Dir(p), "."+path.Base(p)+".new"))
	err := write(files, beside, mode, content)
	if err == nil {
		err = files.Rename(beside, below(p))
	}
	if err != nil {
		files.Remove(beside)
		return fmt.Errorf("write %s: %w", p, err)
	}
	return nil
}

func write(files *os.Root, name string, mode os.FileMode, content io.Reader) error {
	f, err := files.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// placeIfChanged says whether it had to.
func placeIfChanged(files *os.Root, p string, mode os.FileMode, content []byte) (bool, error) {
	if has(files, p, mode, content) {
		return false, nil
	}
	return true, place(files, p, mode, bytes.NewReader(content))
}

// has says whether a regular file is there already as it should be.
func has(files *os.Root, p string, mode os.FileMode, content []byte) bool {
	info, err := files.Lstat(below(p))
	if err != nil || info.Mode() != mode {
		return false
	}
	old, err := files.ReadFile(below(p))
	return err == nil && bytes.Equal(old, content)
}
