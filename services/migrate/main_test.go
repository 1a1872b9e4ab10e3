package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store/storetest"
)

// write makes the settings file of a migration and the credential, and returns
// the file's path.
func write(t *testing.T, m settings.Migrate, password string) string {
	t.Helper()
	b, err := settings.Render(m)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	file := filepath.Join(dir, "migrate.json")
	for name, content := range map[string][]byte{file: b, filepath.Join(dir, "postgres-owner-password"): []byte(password + "\n")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func TestRun(t *testing.T) {
	d := storetest.Blank(t, "postgres-01")
	m := settings.Migrate{
		Shards: shard.Map{Count: 4, Databases: []shard.Database{{Name: d.Name, Last: 3}}},
		Direct: []settings.Direct{d},
	}
	file := write(t, m, storetest.OwnerPassword)
	for _, want := range []string{
		"postgres-01: 0 of 16 steps\npostgres-01: 16 of 16 steps\n",
		"postgres-01: up to date\n",
	} {
		var out bytes.Buffer
		if err := run(t.Context(), file, time.Minute, &out); err != nil || out.String() != want {
			t.Errorf("said %q, %v, want %q", &out, err, want)
		}
	}

	away := d
	away.Addr = "127.0.0.1:1"
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"no file":        {filepath.Join(t.TempDir(), "none.json"), []string{"read settings", "no such file"}},
		"wrong password": {write(t, m, "wrong"), []string{"postgres-01", "password authentication failed"}},
	} {
		t.Run(name, func(t *testing.T) { fails(t, c.file, time.Minute, c.want) })
	}
	m.Direct = []settings.Direct{away}
	t.Run("nobody there", func(t *testing.T) {
		fails(t, write(t, m, storetest.OwnerPassword), 200*time.Millisecond, []string{"postgres-01", "wait for the database", "127.0.0.1:1"})
	})
}

func fails(t *testing.T, file string, wait time.Duration, want []string) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), file, wait, &out)
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("run = %v, want an error with %q", err, w)
		}
	}
}
