package release

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
)

// migrate is the one program that runs as a function of Lambda's.
const migrate = "migrate"

// pack writes the zip that Lambda takes beside a program and returns its path. The
// same program gives the same bytes: no time stamp, and stored rather than compressed,
// because what a compressor writes differs between versions of Go.
func pack(program string) (path string, err error) {
	path = program + ".zip"
	defer func() {
		if err != nil {
			err = fmt.Errorf("pack %s: %w", path, err)
		}
	}()
	in, err := os.Open(program)
	if err != nil {
		return path, err
	}
	defer in.Close()
	out, err := os.Create(path)
	if err != nil {
		return path, err
	}
	defer out.Close()
	z := zip.NewWriter(out)
	// The runtime provided.al2023 starts the file of this name.
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Store}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err != nil {
		return path, err
	}
	if _, err := io.Copy(w, in); err != nil {
		return path, err
	}
	if err := z.Close(); err != nil {
		return path, err
	}
	return path, out.Close()
}
