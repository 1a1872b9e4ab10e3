package images

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everywhere runs a test for the samples of both targets.
func everywhere(t *testing.T, test func(t *testing.T, p Placement)) {
	t.Run("below a folder", func(t *testing.T) { test(t, running(t)) })
	t.Run("at the root", func(t *testing.T) { test(t, sampleRoot()) })
	t.Run("on AWS", func(t *testing.T) { test(t, sampleAWS()) })
}

// lay writes a machine's files below dir, whatever its root, for a checker that
// only reads them, and returns where each path of the machine has come to lie.
func lay(t *testing.T, m Machine, p Placement) (dir string, at func(string) string) {
	t.Helper()
	img, err := Render(m, p)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	at = func(path string) string { return filepath.Join(dir, path) }
	for _, f := range img.Files {
		rel, err := filepath.Rel(m.Root, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(at(rel)), 0o755); err != nil {
			t.Fatal(err)
		}
		// Absolute paths within a file have to lead below dir too.
		content := f.Content
		for _, top := range []string{"/etc/", "/usr/share/burbn/", "/run/", "/var/"} {
			content = strings.ReplaceAll(content, filepath.Join(m.Root, top)+"/", at(top)+"/")
		}
		if err := os.WriteFile(at(rel), []byte(content), os.FileMode(f.Mode)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"/var/lib/nginx", "/var/log/nginx", "/var/cache/cdn", "/run/nginx"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, at
}

// resolvable gives every machine an address that can be bound here: names of the
// cloud's private zone mean nothing, and nginx looks them up.
func resolvable(p Placement) Placement {
	for i := range p.Machines {
		p.Machines[i].Addr = fmt.Sprintf("127.10.1.%d", i+1)
	}
	return p
}

func TestNginxAcceptsItsConfiguration(t *testing.T) {
	everywhere(t, func(t *testing.T, p Placement) {
		p = resolvable(p)
		for _, role := range []Role{Nginx, CDN} {
			for _, m := range p.Of(role) {
				_, at := lay(t, m, p)
				check(t, "/usr/sbin/nginx", "-t", "-q", "-e", "stderr", "-c", at("/etc/nginx/nginx.conf"))
			}
		}
	})
}

func TestHAProxyAcceptsItsConfiguration(t *testing.T) {
	everywhere(t, func(t *testing.T, p Placement) {
		for _, m := range p.Of(LoadBalancer) {
			_, at := lay(t, m, p)
			check(t, "/usr/sbin/haproxy", "-c", "-q", "-f", at("/etc/haproxy/haproxy.cfg"))
		}
	})
}

func TestPrometheusAndAlertmanagerAcceptTheirConfiguration(t *testing.T) {
	everywhere(t, func(t *testing.T, p Placement) {
		_, at := lay(t, first(t, p, Monitoring), p)
		check(t, "/usr/bin/promtool", "check", "config", at("/etc/prometheus/prometheus.yml"))
		check(t, "/usr/bin/amtool", "check-config", at("/etc/alertmanager/alertmanager.yml"))
	})
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	tests, err := filepath.Glob("testdata/rules/*.yml")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no rule tests: %v", err)
	}
	check(t, append([]string{"/usr/bin/promtool", "test", "rules"}, tests...)...)
}

func TestScriptsAreSh(t *testing.T) {
	everywhere(t, func(t *testing.T, p Placement) {
		for _, m := range p.Machines {
			if m.Managed() {
				continue
			}
			img, err := Render(m, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range img.Files {
				if f.Mode&0o100 != 0 {
					script := filepath.Join(t.TempDir(), "script")
					if err := os.WriteFile(script, []byte(f.Content), 0o644); err != nil {
						t.Fatal(err)
					}
					check(t, "/bin/sh", "-n", script)
				}
			}
		}
	})
}

// maxExposure is the score of `systemd-analyze security`, in tenths, that no unit
// may exceed. Below 4.0 it calls a unit OK, and below 2.0 safe.
const maxExposure = 20

func TestSystemdAcceptsTheUnits(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    Placement
	}{{"at the root", sampleRoot()}, {"on AWS", sampleAWS()}} {
		t.Run(tt.name, func(t *testing.T) {
			for _, m := range tt.p.Machines {
				if m.Managed() || m.Index != 1 {
					continue
				}
				dir, at := lay(t, m, tt.p)
				img, err := Render(m, tt.p)
				if err != nil {
					t.Fatal(err)
				}
				put := func(path, content string, mode os.FileMode) {
					if err := os.MkdirAll(filepath.Dir(at(path)), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(at(path), []byte(content), mode); err != nil {
						t.Fatal(err)
					}
				}
				// What the units find on the machine that is not ours.
				put("/bin/kill", "", 0o755)
				put("/usr/bin/install", "", 0o755)
				for _, target := range []string{"sysinit", "basic", "shutdown", "network-online", "multi-user"} {
					put(unitDir+"/"+target+".target", "[Unit]\nDescription="+target+"\n", 0o644)
				}
				args := []string{"/usr/bin/systemd-analyze", "verify", "--man=no", "--root=" + dir}
				for _, u := range img.Units {
					program := u.Exec[0]
					if strings.HasPrefix(program, "/usr/bin/") || strings.HasPrefix(program, "/usr/sbin/") {
						if _, err := os.Stat(program); err != nil {
							t.Errorf("%s: is its Debian package installed? %v", u.Name, err)
						}
					}
					if _, err := os.Stat(at(program)); err != nil {
						put(program, "", 0o755)
					}
					unit := unitDir + "/" + u.Name + ".service"
					args = append(args, unit)
					check(t, "/usr/bin/systemd-analyze", "security", "--offline=true", fmt.Sprintf("--threshold=%d", maxExposure), at(unit))
				}
				check(t, args...)
			}
		})
	}
}
