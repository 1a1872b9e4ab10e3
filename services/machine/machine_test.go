package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/burbn/burbn/services/settings"
)

// TestMain lets a test run the program as a process that can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("BURBN_TEST_MACHINE") != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stderr))
	}
	os.Exit(m.Run())
}

// whole are the files of a machine that is up.
func whole() map[string]string {
	return map[string]string{
		"/etc/burbn/api.json":           "644 {}",
		"/usr/lib/burbn/api":            "755 #!/bin/sh\n",
		"/usr/local/lib/burbn/api-1":    "755 " + program,
		"/run/credstore/redis-password": "600 redis-secret",
		"/run/credstore/databases.ini":  "600 user=burbn_app password='app {{secret}}'\n",
	}
}

const proceedCall = "CONTINUE burbn-sample-api ready i-0123456789abcdef0"

func TestBoot(t *testing.T) {
	c := newCloud(t)
	c.born(c.manifest())
	code, log := c.run("boot")
	if code != 0 {
		t.Fatalf("exit %d:\n%s", code, log)
	}
	c.expect(whole())
	// What reads a credential is told to, which starts what does not run.
	if want := []string{"daemon-reload", "start prepare.service", "reload-or-restart pgbouncer.service", "reload-or-restart api.service"}; !slices.Equal(c.systemctl(), want) {
		t.Errorf("systemctl was not told %q", want)
	}
	if want := []string{proceedCall}; !slices.Equal(c.told, want) {
		t.Errorf("the group is told %q, want %q", c.told, want)
	}
	for _, secret := range []string{"redis-secret", "{{secret}}"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}

	t.Run("again, after a reboot", func(t *testing.T) {
		if err := os.RemoveAll(filepath.Join(c.root, "run")); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(c.root, "/usr/local/lib/burbn/api-1")
		before, err := os.Stat(program)
		if err != nil {
			t.Fatal(err)
		}
		c.refuse = "No active Lifecycle Action found with instance ID i-0123456789abcdef0"
		if code, log := c.run("boot"); code != 0 {
			t.Fatalf("exit %d:\n%s", code, log)
		}
		c.expect(whole())
		if after, err := os.Stat(program); err != nil || !os.SameFile(before, after) {
			t.Errorf("the program was fetched again: %v", err)
		}
	})
	t.Run("again, with all units running", func(t *testing.T) {
		c.systemctl()
		if code, log := c.run("boot"); code != 0 {
			t.Fatalf("exit %d:\n%s", code, log)
		}
		if want := []string{"daemon-reload", "start prepare.service", "start pgbouncer.service", "start api.service"}; !slices.Equal(c.systemctl(), want) {
			t.Errorf("systemctl was not told %q", want)
		}
	})
	t.Run("again, on a spoilt disk", func(t *testing.T) {
		for _, path := range []string{"/usr/local/lib/burbn/api-1", "/etc/burbn/api.json", "/run/credstore/databases.ini"} {
			if err := os.WriteFile(filepath.Join(c.root, path), []byte("spoilt"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if code, log := c.run("boot"); code != 0 {
			t.Fatalf("exit %d:\n%s", code, log)
		}
		c.expect(whole())
	})
}

// A machine that is killed at any of its steps comes up at the next boot.
func TestBootAfterAKill(t *testing.T) {
	c := newCloud(t)
	c.born(c.manifest())
	kills := 0
	for call := 1; ; call++ {
		c.root = t.TempDir()
		c.told = nil
		c.set("kill", strconv.Itoa(call))
		first := exec.Command(os.Args[0], "boot", "-settings", c.file, "-root", c.root)
		first.Env = append(os.Environ(), "BURBN_TEST_MACHINE=1")
		err := first.Run()
		c.set("kill", "0")
		if err == nil {
			break
		}
		kills++
		if len(c.told) != 0 {
			t.Errorf("killed at call %d, and the group is told %q", call, c.told)
		}
		if code, log := c.run("boot"); code != 0 {
			t.Fatalf("after a kill at call %d: exit %d:\n%s", call, code, log)
		}
		c.expect(whole())
		if !slices.Equal(c.told, []string{proceedCall}) {
			t.Errorf("after a kill at call %d the group is told %q", call, c.told)
		}
	}
	if kills != 4 {
		t.Errorf("%d kills, want one at each of the four calls", kills)
	}
}

func TestBootThatFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(c *cloud, m *settings.Manifest)
		want  string
		none  string // a file that must not be there
	}{
		{
			"a unit does not become ready", func(c *cloud, m *settings.Manifest) {
				m.Units[2].Exec, m.Units[2].Timeout = []string{"/bin/false"}, settings.Duration(time.Second)
			}, "the last words of --unit=api.service", "",
		},
		{
			"a task fails", func(c *cloud, m *settings.Manifest) { c.set("fails", "prepare.service") }, "run prepare", "",
		},
		{
			"a program is not what was promised", func(c *cloud, m *settings.Manifest) {
				m.Programs[0].SHA256 = strings.Repeat("0", 64)
			}, "the content is not what was promised", "/usr/local/lib/burbn/api-1",
		},
		{
			"a secret has no such value", func(c *cloud, m *settings.Manifest) {
				m.Credentials[0].Secrets["redis-password"] = settings.SecretRef{ID: "burbn/sample/redis", Key: "passwort"}
			}, `secret burbn/sample/redis has no \"passwort\"`, "/run/credstore/redis-password",
		},
		{
			"a secret is no object", func(c *cloud, m *settings.Manifest) { c.secrets["burbn/sample/redis"] = "redis-secret" },
			"it is not a JSON object", "/run/credstore/redis-password",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCloud(t)
			m := c.manifest()
			tt.spoil(c, &m)
			c.born(m)
			code, log := c.run("boot")
			if code != 1 || !strings.Contains(log, tt.want) || strings.Contains(log, "redis-secret") {
				t.Errorf("exit %d, and the log does not say %q, or says the secret:\n%s", code, tt.want, log)
			}
			if want := []string{"ABANDON burbn-sample-api ready i-0123456789abcdef0"}; !slices.Equal(c.told, want) {
				t.Errorf("the group is told %q, want %q", c.told, want)
			}
			if _, err := os.Stat(filepath.Join(c.root, tt.none)); tt.none != "" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is there: %v", tt.none, err)
			}
		})
	}
}

func TestBootWaitsForWhatIsOnItsWay(t *testing.T) {
	c := newCloud(t)
	c.broken = 1
	c.born(c.manifest())
	if code, log := c.run("boot"); code != 0 || !strings.Contains(log, "trying again") {
		t.Errorf("exit %d:\n%s", code, log)
	}
}

func TestBootWithoutAHookTellsNobody(t *testing.T) {
	c := newCloud(t)
	c.born(c.manifest())
	doc, err := settings.Load[settings.Machine](c.file)
	if err != nil {
		t.Fatal(err)
	}
	doc.Group, doc.Hook = "", ""
	c.userData(doc)
	if code, log := c.run("boot"); code != 0 || c.told != nil {
		t.Errorf("exit %d, told %q:\n%s", code, c.told, log)
	}
}

func TestCredentials(t *testing.T) {
	c := newCloud(t)
	c.born(c.manifest())
	if code, _ := c.run("credentials"); code != 1 {
		t.Errorf("before the first boot: exit %d", code)
	}
	if code, log := c.run("boot"); code != 0 {
		t.Fatalf("exit %d:\n%s", code, log)
	}
	reloads := func(t *testing.T, code int, want ...string) {
		t.Helper()
		c.systemctl()
		got, log := c.run("credentials")
		if got != code {
			t.Errorf("exit %d, want %d:\n%s", got, code, log)
		}
		if called := c.systemctl(); !slices.Equal(called, want) {
			t.Errorf("systemctl is told %q, want %q", called, want)
		}
		if strings.Contains(log, "rotated-secret") {
			t.Errorf("the log holds a secret:\n%s", log)
		}
	}
	rotated := map[string]string{"/run/credstore/databases.ini": "600 user=burbn_app_clone password='rotated-secret'\n"}

	t.Run("nothing changed", func(t *testing.T) { reloads(t, 0) })
	t.Run("one cannot be fetched: none is touched", func(t *testing.T) {
		redis := c.secrets["burbn/sample/redis"]
		c.secrets["burbn/sample/postgres-01/app"] = `{"username":"burbn_app_clone","password":"rotated-secret"}`
		c.secrets["burbn/sample/redis"] = "no object"
		reloads(t, 1)
		c.expect(whole())
		c.secrets["burbn/sample/redis"] = redis
	})
	t.Run("a reload fails and is tried again", func(t *testing.T) {
		c.set("fails", "pgbouncer.service")
		reloads(t, 1, "try-reload-or-restart pgbouncer.service")
		c.expect(rotated)
		reloads(t, 1, "try-reload-or-restart pgbouncer.service")
		c.set("fails", "none")
		reloads(t, 0, "try-reload-or-restart pgbouncer.service")
	})
	t.Run("killed before the reload", func(t *testing.T) {
		c.secrets["burbn/sample/redis"] = `{"password":"rotated-secret"}`
		c.set("kill", "1")
		killed := exec.Command(os.Args[0], "credentials", "-settings", c.file, "-root", c.root)
		killed.Env = append(os.Environ(), "BURBN_TEST_MACHINE=1")
		if err := killed.Run(); err == nil {
			t.Fatal("it was not killed")
		}
		c.set("kill", "0")
		reloads(t, 0, "try-reload-or-restart api.service")
		reloads(t, 0)
	})
}

func TestTwoRunsAtOnceAreRefused(t *testing.T) {
	c := newCloud(t)
	c.born(c.manifest())
	m, err := open(t.Context(), c.file, c.root, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if code, log := c.run("boot"); code != 1 || !strings.Contains(log, lockPath) {
		t.Errorf("exit %d:\n%s", code, log)
	}
	m.close()
	if code, log := c.run("boot"); code != 0 {
		t.Errorf("exit %d:\n%s", code, log)
	}
}

func TestCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boot.json")
	if err := os.WriteFile(file, []byte(`{"stack":"sample"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "accepted is boot or credentials"},
		{[]string{"reboot"}, 2, `"reboot": accepted is boot or credentials`},
		{[]string{"boot", "-setings", file}, 2, "-setings"},
		{[]string{"boot", "now"}, 2, `"now"`},
		{[]string{"boot", "-settings", "/nonexistent"}, 1, "/nonexistent"},
		{[]string{"boot", "-settings", file}, 1, "bundle.sha256"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), tt.args, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q: exit %d, want %d and %q:\n%s", tt.args, code, tt.code, tt.want, out.String())
		}
	}
}

func TestCheck(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte("no database"))
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	if err := check(t.Context(), settings.MachineUnit{HTTP: server.URL}); err == nil || !strings.Contains(err.Error(), "no database") {
		t.Errorf("HTTP that answers 503: %v", err)
	}
	status = http.StatusOK
	for name, tt := range map[string]struct {
		unit  settings.MachineUnit
		ready bool
	}{
		"HTTP":           {settings.MachineUnit{HTTP: server.URL}, true},
		"HTTP, nobody":   {settings.MachineUnit{HTTP: "http://" + closed.Addr().String()}, false},
		"TCP":            {settings.MachineUnit{TCP: addr}, true},
		"TCP, nobody":    {settings.MachineUnit{TCP: closed.Addr().String()}, false},
		"command":        {settings.MachineUnit{Exec: []string{"/bin/true"}}, true},
		"command, fails": {settings.MachineUnit{Exec: []string{"/bin/false"}}, false},
		"once":           {settings.MachineUnit{Once: true}, true},
	} {
		if err := check(t.Context(), tt.unit); (err == nil) != tt.ready {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRetry(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, tt := range []struct {
		name  string
		err   error
		fails int // attempts that fail
		tries int // attempts that are made
		least time.Duration
		most  time.Duration
		ok    bool
	}{
		{name: "at once", tries: 1, ok: true},
		{name: "at the third", err: errors.New("not yet"), fails: 2, tries: 3, least: 750 * time.Millisecond, most: 1500 * time.Millisecond, ok: true},
		{name: "never", err: errors.New("not yet"), fails: 1000, tries: -1, least: 5 * time.Minute, most: 5 * time.Minute},
		{name: "for good", err: errContent, fails: 1000, tries: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				began, tries := time.Now(), 0
				err := retry(ctx, log, "fetch", func(context.Context) error {
					tries++
					if tries > tt.fails {
						return nil
					}
					return tt.err
				})
				took := time.Since(began)
				if (err == nil) != tt.ok || err != nil && !errors.Is(err, tt.err) {
					t.Errorf("error %v", err)
				}
				if tt.tries >= 0 && tries != tt.tries || took < tt.least || took > tt.most {
					t.Errorf("%d attempts in %s", tries, took)
				}
			})
		})
	}
}
