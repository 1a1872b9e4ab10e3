package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"github.com/burbn/burbn/services/settings"
)

// maxBundle bounds a bundle, unpacked. Ours are some hundred kilobytes.
const maxBundle = 64 << 20

// bundle is what a bundle contains, all of it looked at before any is written.
type bundle struct {
	files    []bundled // by absolute path
	manifest settings.Manifest
}

type bundled struct {
	path    string
	mode    os.FileMode
	content []byte
}

// readBundle unpacks a bundle into memory. It accepts regular files and folders
// below the root, each once, and a manifest among them.
func readBundle(compressed io.Reader) (bundle, error) {
	unzipped, err := gzip.NewReader(compressed)
	if err != nil {
		return bundle{}, err
	}
	limited := &io.LimitedReader{R: unzipped, N: maxBundle + 1}
	var b bundle
	for archive := tar.NewReader(limited); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			if err = b.add(h, archive); err != nil {
				err = fmt.Errorf("entry %q: %w", h.Name, err)
			}
		}
		if limited.N <= 0 {
			return bundle{}, fmt.Errorf("it is larger than %d bytes", maxBundle)
		}
		if err != nil {
			return bundle{}, err
		}
	}
	// The archive's end is not the file's: what follows is checked with it.
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return bundle{}, err
	}
	i := slices.IndexFunc(b.files, func(f bundled) bool { return f.path == settings.ManifestPath })
	if i < 0 {
		return bundle{}, fmt.Errorf("%s is not in it", settings.ManifestPath)
	}
	if b.manifest, err = settings.Parse[settings.Manifest](b.files[i].content); err != nil {
		return bundle{}, fmt.Errorf("%s: %w", settings.ManifestPath, err)
	}
	return b, nil
}

func (b *bundle) add(h *tar.Header, content io.Reader) error {
	at := path.Join("/", h.Name)
	// Only what is written plainly: a path that has to be understood first can be
	// misunderstood.
	if plain := at[1:]; h.Name != plain && h.Name != at && h.Name != plain+"/" && h.Name != at+"/" {
		return errors.New("accepted is a plain path: no \".\" or \"..\" in it")
	}
	mode := h.FileInfo().Mode()
	switch h.Typeflag {
	case tar.TypeDir:
		return nil // files bring theirs along
	case tar.TypeReg:
		if at == "/" {
			return errors.New("a file needs a name")
		}
	default:
		return fmt.Errorf("type %q: accepted are files and folders", h.Typeflag)
	}
	if mode != mode.Perm() {
		return fmt.Errorf("mode %v: accepted are permissions alone", mode)
	}
	if slices.ContainsFunc(b.files, func(f bundled) bool { return f.path == at }) {
		return errors.New("it is there twice")
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	b.files = append(b.files, bundled{at, mode, text})
	return nil
}

// install writes what differs. The manifest comes last: where it is, all of the
// bundle is.
func (b bundle) install(files *os.Root) error {
	for _, last := range []bool{false, true} {
		for _, f := range b.files {
			if (f.path == settings.ManifestPath) != last {
				continue
			}
			if _, err := placeIfChanged(files, f.path, f.mode, f.content); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBundleAt reads a bundle of the machine's disk.
func readBundleAt(files *os.Root, p string) (bundle, error) {
	packed, err := files.ReadFile(below(p))
	if err != nil {
		return bundle{}, err
	}
	return readBundle(bytes.NewReader(packed))
}
