package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/media/mediatest"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
)

func TestRun(t *testing.T) {
	const nobody = "127.0.0.1:1" // what this command does not touch
	storage := mediatest.NewStorage(t)
	doc, err := settings.Render(settings.API{
		Process: settings.Process{Stack: "test", Machine: "storage-01", Release: "test", Admin: nobody, Stop: 1},
		Stores: settings.Stores{
			Shards: shard.Map{Count: 1, Databases: []shard.Database{{Name: "postgres-01"}}}, Pooler: nobody, ConnectionsPerDatabase: 1,
			Redis: []string{nobody}, Storage: storage,
		},
		Listen: nobody, Upload: settings.Upload{MaxBytes: 1, Expires: 1}, Session: 1, FeedLength: 1, FanOutLimit: 1,
		RateLimits: settings.RateLimits{Read: 1, Write: 1, Anonymous: 1},
		Origins:    []string{"https://www.example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	file := filepath.Join(dir, "buckets.json")
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(t.Context(), file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without settings: %v", err)
	}
	write("buckets.json", string(doc))
	for name, key := range map[string]string{"storage-access-key": mediatest.AccessKey, "storage-secret-key": mediatest.SecretKey} {
		if err := run(t.Context(), file); err == nil {
			t.Errorf("runs without credential %s", name)
		}
		write(name, key+"\n")
	}
	for range 2 {
		if err := run(t.Context(), file); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := media.NewObjects(storage, mediatest.AccessKey, mediatest.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := objects.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
