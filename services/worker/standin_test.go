package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/settings"
)

// standin is the real stand-in of Facebook and X, in a process of its own.
type standin struct{ settings.Standin }

func newStandin(t *testing.T) *standin {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "standin")
	if out, err := exec.Command("go", "build", "-o", program, "../standin").CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in: %v\n%s", err, out)
	}
	cert, tlsKey := processtest.SelfSigned(t)
	for name, content := range map[string][]byte{
		"apns-key": processtest.PKCS8(t, processtest.Key(t)), "apns-tls-key": tlsKey, "apns-tls-cert": cert, "sentry-key": []byte("key"),
	} {
		processtest.Write(t, filepath.Join(dir, name), content)
	}
	s := &standin{settings.Standin{
		Admin: processtest.FreeAddr(t), APNs: processtest.FreeAddr(t), Facebook: processtest.FreeAddr(t), Twitter: processtest.FreeAddr(t), Sentry: processtest.FreeAddr(t),
		TeamID: "TEAM123456", KeyID: "KEY1234567", Topic: "com.example.burbn", CertFile: filepath.Join(dir, "apns-tls-cert"),
	}}
	doc, err := settings.Render(s.Standin)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "standin.json")
	processtest.Write(t, file, doc)
	cmd := exec.Command(program, "-settings", file)
	cmd.Env = append(os.Environ(), "CREDENTIALS_DIRECTORY="+dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the stand-in ended with %v: %s", err, &said)
		}
	})
	processtest.Until(t, patience, func() error {
		_, err := s.received("facebook")
		return err
	})
	return s
}

// receipt is what the stand-in lists of a request.
type receipt struct {
	Path, Body string
	Status     int
}

// received are the requests to a service, the first first.
func (s *standin) received(service string) (rs []receipt, err error) {
	r, err := http.Get("http://" + s.Admin + "/received.json?service=" + service)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	err = json.NewDecoder(r.Body).Decode(&rs)
	slices.Reverse(rs)
	return rs, err
}
