package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/settings"
)

func TestRun(t *testing.T) {
	doc, sec := apiSettings(t, cluster)
	doc.Listen, doc.Admin = processtest.FreeAddr(t), processtest.FreeAddr(t)
	objects, err := media.NewObjects(doc.Storage, sec.AccessKey, sec.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.EnsureBuckets(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rendered, err := settings.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	write("api.json", string(rendered))
	path := filepath.Join(dir, "api.json")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	err = run(t.Context(), path, io.Discard)
	for _, name := range []string{"postgres-app-password", "redis-password", "token-key", "link-key", "storage-access-key", "storage-secret-key"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error without credentials = %v, want one that names %s", err, name)
		}
	}
	write("postgres-app-password", sec.Postgres+"\n")
	write("redis-password", sec.Redis)
	write("storage-access-key", sec.AccessKey)
	write("storage-secret-key", sec.SecretKey)
	write("token-key", sec.TokenKey)
	write("link-key", sec.LinkKey)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, path, io.Discard) }()
	get := func(url string) int {
		for deadline := time.Now().Add(20 * time.Second); ; {
			res, err := http.Get(url)
			if err == nil {
				res.Body.Close()
				return res.StatusCode
			}
			select {
			case err := <-ended:
				t.Fatalf("it ended: %v", err)
			default:
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	if code := get("http://" + doc.Admin + "/readyz"); code != 200 {
		t.Errorf("readyz = %d", code)
	}
	if code := get("http://" + doc.Listen + "/healthz"); code != 200 {
		t.Errorf("healthz = %d", code)
	}
	if err := run(t.Context(), path, io.Discard); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("error of a second one at the same address = %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
