package images

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runningAWS is what AWS's machines contain, below a folder and on addresses of this
// machine, so that it can run here.
func runningAWS(t *testing.T) Placement {
	t.Helper()
	p := running(t)
	p.Target, p.DataGB, p.LogDays = "aws", 10, 30
	return p
}

// A machine's journal comes to lie on the machine that watches, also when that was not
// there at first, or the sender was not.
func TestJournalsComeTogether(t *testing.T) {
	t.Parallel()
	p := runningAWS(t)
	watcher, worker := first(t, p, Monitoring), first(t, p, Worker)
	dir := filepath.Join(t.TempDir(), "journal")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	say := func(n int, message string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), "/lib/systemd/systemd-journal-remote", "--output="+filepath.Join(dir, "system.journal"), "-")
		c.Stdin = strings.NewReader(fmt.Sprintf("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_SYSTEMD_UNIT=worker.service\nMESSAGE=%s\n\n",
			time.Now().UnixMicro(), n, message))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		give(t, dir, filepath.Join(dir, "system.journal"))
	}
	say(1, "before anybody listened")
	journal := install(t, worker, p)["journal"]
	journal.Exec = append(journal.Exec, "--directory="+dir)
	for _, argv := range journal.Setup {
		if out, err := command(t.Context(), journal, argv).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	// systemd starts it again and again.
	if out, err := command(t.Context(), journal, journal.Exec).CombinedOutput(); err == nil {
		t.Fatalf("it sent the journal to nobody:\n%s", out)
	}

	remote := startAll(t, watcher, p, "journal-remote")["journal-remote"]
	received := func(want string) {
		t.Helper()
		remote.await(t, "in possession of the journal", func(ctx context.Context) error {
			out, err := exec.CommandContext(ctx, "/usr/bin/journalctl", "--directory="+watcher.Path(dataDir+"/journal-remote"), "--unit=worker", "--output=cat").CombinedOutput()
			if err == nil && !strings.Contains(string(out), want) {
				err = fmt.Errorf("got %q, want %q", out, want)
			}
			return err
		})
	}
	sender := start(t, journal)
	received("before anybody listened")
	sender.stop(t)
	say(2, "while it was stopped")
	start(t, journal)
	received("while it was stopped")
}

// Journals of machines that are gone make room, the oldest first.
func TestJournalsArePruned(t *testing.T) {
	p := runningAWS(t)
	p.DataGB = 10 // 2 GB of journals
	m := first(t, p, Monitoring)
	dir := m.Path(dataDir + "/journal-remote")
	script, err := os.ReadFile(install(t, m, p)["journal-remote"].Exec[0])
	if err != nil {
		t.Fatal(err)
	}
	// The function alone, once, as the loop calls it; and each file as if it took 1 GB.
	head, _, ok := strings.Cut(string(script), "while :; do\n")
	if !ok {
		t.Fatalf("the script has no loop:\n%s", script)
	}
	head = strings.Replace(head, "kb += $2 / 2", "kb += 1024 * 1024", 1)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{
		"remote-live.journal":                0,
		"remote-live@1.journal":              30 * time.Minute,
		"remote-live@2.journal":              45 * time.Minute,
		"remote-gone-two-hours.journal":      2 * time.Hour,
		"remote-gone-for-two-months.journal": 60 * 24 * time.Hour,
		"somebody-else's":                    60 * 24 * time.Hour,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	check(t, "/bin/sh", "-c", head+"prune\n")
	left, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if got, want := strings.Join(left, " "), "remote-live.journal remote-live@1.journal remote-live@2.journal somebody-else's"; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
}

// A volume that holds anything at all is never made anew.
func TestDataVolumeIsFormattedOnlyWhenItIsBlank(t *testing.T) {
	p := sampleAWS()
	_, at := lay(t, first(t, p, Monitoring), p)
	stubs := t.TempDir()
	for _, name := range []string{"systemd-mount", "resize2fs"} {
		script := fmt.Sprintf("#!/bin/sh\necho %s \"$@\"\n", name)
		if err := os.WriteFile(filepath.Join(stubs, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ext4 := filepath.Join(t.TempDir(), "ext4")
	if err := os.WriteFile(ext4, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, "/sbin/mkfs.ext4", "-q", "-L", "earlier", ext4)
	earlier, err := os.ReadFile(ext4)
	if err != nil {
		t.Fatal(err)
	}
	written := make([]byte, 8<<20)
	copy(written[4096:], "a table of somebody's")
	swap := make([]byte, 8<<20)
	copy(swap[4086:], "SWAPSPACE2")
	copy(swap[1024:], []byte{1, 0, 0, 0, 0xff, 7, 0, 0})
	for _, tt := range []struct {
		name     string
		volume   []byte
		mounted  bool
		accepted string // part of an error; empty: mounted
	}{
		{name: "blank", volume: make([]byte, 8<<20), mounted: true},
		{name: "of an earlier machine", volume: earlier, mounted: true},
		{name: "with data and no file system", volume: written, accepted: "holds something, and no file system"},
		{name: "with another file system", volume: swap, accepted: "holds swap: accepted is ext4, or nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			device, dir := filepath.Join(t.TempDir(), "sdf"), t.TempDir()
			if err := os.WriteFile(device, tt.volume, 0o600); err != nil {
				t.Fatal(err)
			}
			c := exec.CommandContext(t.Context(), "/bin/sh", at("/usr/lib/burbn/data"), device, dir)
			c.Env = []string{"PATH=" + stubs + ":/usr/sbin:/usr/bin:/sbin:/bin"}
			out, err := c.CombinedOutput()
			mount := fmt.Sprintf("systemd-mount --type=ext4 --options=noatime,nodev,nosuid,noexec %s %s\nresize2fs %s\n", device, dir, device)
			if got := strings.Contains(string(out), mount); got != tt.mounted || (err == nil) != tt.mounted || !strings.Contains(string(out), tt.accepted) {
				t.Errorf("got %v, %s; want %q", err, out, tt.accepted)
			}
			now, err := os.ReadFile(device)
			if err != nil {
				t.Fatal(err)
			}
			if blank := tt.name == "blank"; bytes.Equal(now, tt.volume) == blank {
				t.Errorf("written to: %t", blank)
			}
			if tt.mounted {
				check(t, "/sbin/e2fsck", "-fn", device)
			}
		})
	}
}

// Only what failed is in the journal: nginx says it to journald's socket.
func TestNginxTellsTheJournalWhatFailed(t *testing.T) {
	t.Parallel()
	p := runningAWS(t)
	m := first(t, p, Nginx)
	units := install(t, m, p)
	socket := filepath.Join(t.TempDir(), "log")
	journal, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	give(t, filepath.Dir(filepath.Dir(socket)), filepath.Dir(socket), socket)
	conf := m.Path("/etc/nginx/nginx.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, m, conf, strings.Replace(string(text), "unix:/dev/log", "unix:"+socket, 1), 0o644)
	start(t, units["nginx"])
	// Nobody answers at the API's address, and what is not public does not exist.
	for path, want := range map[string]int{"/metrics": 404, "/v1/feed": 502} {
		if status, _, err := get(t.Context(), "http://"+m.At(PortHTTP)+path); err != nil || status != want {
			t.Fatalf("%s: %d, %v; want %d", path, status, err, want)
		}
	}
	if err := journal.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, _, err := journal.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(b[:n]), " nginx: ")
	var said struct {
		URI    string
		Status int
	}
	if err := json.Unmarshal([]byte(line), &said); err != nil || said.Status != 502 || said.URI != "/v1/feed" {
		t.Errorf("the first it said is %s, %v; want the 502 of /v1/feed", b[:n], err)
	}
}
