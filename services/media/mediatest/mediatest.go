// Package mediatest starts a real object store for tests, versitygw on a free
// port, and stops it with the test.
package mediatest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/burbn/burbn/services/settings"
)

// The keys of every store.
const (
	AccessKey = "access-key-of-tests"
	SecretKey = "secret key of tests"
)

// patience is how long the store may take to start.
const patience = 20 * time.Second

// NewStorage starts an object store. It has no bucket yet; see
// media.Objects.EnsureBuckets.
func NewStorage(tb testing.TB) settings.Storage {
	tb.Helper()
	program, err := find("versitygw")
	if err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()

	dir := tb.TempDir()
	objects, sidecar := filepath.Join(dir, "objects"), filepath.Join(dir, "sidecar")
	if err := errors.Join(os.Mkdir(objects, 0o700), os.Mkdir(sidecar, 0o700)); err != nil {
		tb.Fatal(err)
	}
	// A sidecar, because not every temporary folder has extended attributes.
	cmd := exec.Command(program, "--quiet", "--keep-alive", "--health", "/healthz", "--port", addr, "--region", "us-east-1",
		"posix", "--sidecar", sidecar, objects)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+AccessKey, "ROOT_SECRET_ACCESS_KEY="+SecretKey)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	// A test binary that is killed takes its server with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	tb.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	s := settings.Storage{
		Endpoint: "http://" + addr, Region: "us-east-1",
		Uploads: "uploads", Media: "media", CDN: "http://" + addr + "/media",
	}
	for deadline := time.Now().Add(patience); ; {
		r, err := http.Get(s.Endpoint + "/healthz")
		if err == nil {
			r.Body.Close()
			return s
		}
		select {
		case <-ended:
			tb.Fatalf("versitygw ended: %s", log.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			tb.Fatalf("versitygw does not answer: %v", err)
		}
	}
}

// find looks on PATH, then in the bin of the checkout.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return exec.LookPath(filepath.Join(dir, "bin", program))
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is neither on PATH nor in the checkout's bin: make build builds it", program)
		}
	}
}
