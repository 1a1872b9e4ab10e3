package images

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// debianPackages are those of Debian's machine image for EC2 that a recipe builds on,
// besides what every Debian has.
func debianPackages() []string {
	return []string{"systemd", "systemd-sysv", "udev", "dbus", "iproute2", "adduser", "openssl"}
}

// bakeTime bounds the making of Debian and of what is baked out of it, downloads and all.
const bakeTime = 10 * time.Minute

// TestRootsBehaveLikeMachines bakes the image of every role into a folder that holds
// Debian 12, as EC2 Image Builder does on a machine, unpacks what the role's bundle
// holds, and runs it there: configuration is checked by the versions that will read it,
// and every unit starts under its own account and becomes ready, in a network that has
// nobody else in it. What only a kernel or a cloud of its own can answer is left out.
func TestRootsBehaveLikeMachines(t *testing.T) {
	debian := debianRoot(t)
	programs := built(t)
	for _, role := range baked() {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			recipe, err := Bake(role, "amd64")
			if err != nil {
				t.Fatal(err)
			}
			r := root{t: t, dir: filepath.Join(t.TempDir(), "root")}
			r.host("cp", "-a", "--reflink=auto", debian, r.dir)
			t.Cleanup(func() { r.host("rm", "-rf", r.dir) })

			for _, f := range recipe.Files {
				r.put(f.Path, f.Content, f.Mode)
			}
			r.copy(filepath.Join(programs, "machine"), "/usr/local/lib/burbn/machine")
			// Amazon's own cannot be fetched here; the script keeps a file that is there.
			r.put(RDSAuthorities, certificate(t), 0o644)
			r.online(recipe.Script)
			r.alone(recipe.Verify)
			if role == Push {
				r.verifySees(recipe.Verify)
			}
			r.alone(recipe.Script[:strings.Index(recipe.Script, "\n")] + "\n[ ! -s /etc/machine-id ] && [ ! -e /usr/sbin/policy-rc.d ]\n")

			p := resolvable(sampleAWS())
			m := first(t, p, role)
			img, err := Render(m, p)
			if err != nil {
				t.Fatal(err)
			}
			for program, at := range map[string]string{"api": p.Programs.API, "worker": p.Programs.Worker, "push": p.Programs.Push, "memcached_exporter": p.Programs.MemcachedExporter} {
				r.copy(filepath.Join(programs, program), at)
			}
			for _, f := range img.Files {
				r.host("rm", "-f", filepath.Join(r.dir, f.Path)) // as a rename would, a mask too
				r.put(f.Path, f.Content, f.Mode)
			}
			r.alone(r.checks(img))
			r.alone(r.starts(img))
		})
	}
}

// root is a folder that a machine is baked into.
type root struct {
	t   *testing.T
	dir string
}

// host runs a command of this machine as root.
func (r root) host(argv ...string) { asRoot(r.t, "", argv...) }

// online runs a script inside, with this machine's network.
func (r root) online(script string) { r.inside(script, "--mount") }

// alone runs a script inside, with a network that has nothing but loopback.
func (r root) alone(script string) { r.inside(script, "--mount", "--net") }

func (r root) inside(script string, namespaces ...string) {
	r.t.Helper()
	if out, err := tryAsRoot(script, r.entering(namespaces...)...); err != nil {
		r.t.Fatalf("inside %s: %v\n%s", r.dir, err, lastLines(out, 60))
	}
}

// verifySees breaks what Verify is there to see, one thing after the other.
func (r root) verifySees(verify string) {
	r.t.Helper()
	for _, tt := range []struct{ spoil, mend, want string }{
		{"systemctl unmask pgbouncer.service", "systemctl mask pgbouncer.service", "pgbouncer.service is disabled"},
		{"ln -s /dev/null /etc/systemd/system/multi-user.target.wants/pgbouncer.service", "rm /etc/systemd/system/multi-user.target.wants/pgbouncer.service", "would start a daemon"},
		{"systemctl unmask ssh.service", "systemctl mask ssh.service", "ssh.service is not masked"},
		{"systemctl disable boot.service", "systemctl enable boot.service", "boot.service is not enabled"},
		{"mv " + RDSAuthorities + " /root/ca", "mv /root/ca " + RDSAuthorities, "holds no certificates"},
		{"chmod -x /usr/local/lib/burbn/machine", "chmod +x /usr/local/lib/burbn/machine", "machine does not run"},
		{"python3 -m http.server 1234 >/dev/null 2>&1 & until curl -s -o /dev/null http://127.0.0.1:1234/; do :; done", ":", "something listens on 0.0.0.0:1234"},
	} {
		out, err := tryAsRoot(tt.spoil+"\n"+verify, r.entering("--mount", "--net")...)
		if err == nil || !strings.Contains(out, tt.want) {
			r.t.Errorf("after %s: %v, want %q in\n%s", tt.spoil, err, tt.want, lastLines(out, 20))
		}
		r.alone(tt.mend)
	}
	r.alone(verify)
}

// entering is the command that runs a script from its input inside.
func (r root) entering(namespaces ...string) []string {
	// Where "/" is no mount of its own, as in a chroot, unshare cannot make it private.
	enter := `{ mount --make-rprivate / 2>/dev/null || :; } && mount -t proc proc "$0/proc" && { ip link set lo up 2>/dev/null || :; } && exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin /bin/sh -s`
	return slices.Concat([]string{"unshare"}, namespaces, []string{"--propagation", "unchanged", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", enter, r.dir})
}

func (r root) put(at, content string, mode uint32) {
	r.t.Helper()
	r.host("mkdir", "-p", filepath.Join(r.dir, path.Dir(at)))
	asRoot(r.t, content, "/bin/sh", "-c", `cat >"$0" && chmod "$1" "$0"`, filepath.Join(r.dir, at), fmt.Sprintf("%o", mode))
}

func (r root) copy(from, to string) {
	r.t.Helper()
	r.host("install", "-D", "-m", "0755", from, filepath.Join(r.dir, to))
}

// checks is what the programs of the image say of their configuration.
func (r root) checks(img Image) string {
	var b strings.Builder
	b.WriteString("set -eu\n")
	for _, u := range img.Units {
		fmt.Fprintf(&b, "systemd-analyze verify --man=no %s.service\n", u.Name)
		switch u.Name {
		case "nginx":
			b.WriteString("install -d /run/nginx /var/lib/nginx /var/log/nginx\n" +
				"chown -R burbn:burbn /run/nginx /var/lib/nginx /var/log/nginx\n" + // as systemd does, where the package's owner is another
				"setpriv --reuid=burbn --regid=burbn --init-groups nginx -t -q -e stderr -c /etc/nginx/nginx.conf\n")
		case "prometheus":
			b.WriteString("promtool check config /etc/prometheus/prometheus.yml\n")
		case "alertmanager":
			b.WriteString("amtool check-config /etc/alertmanager/alertmanager.yml\n")
		}
	}
	for _, f := range img.Files {
		fmt.Fprintf(&b, "[ \"$(stat -c '%%a %%U' '%s')\" = '%o root' ]\n", f.Path, f.Mode)
	}
	return b.String()
}

// starts starts every unit as systemd would and waits until it is ready: the services,
// which find no stores here, until they say that they live.
func (r root) starts(img Image) string {
	var b strings.Builder
	b.WriteString(`set -eu
await() {
	for i in $(seq 150); do
		! ready || return 0
		kill -0 "$2" 2>/dev/null || break
		sleep 0.2
	done
	cat "/run/$1.log" >&2
	echo "$1 is not ready" >&2
	exit 1
}
`)
	for _, u := range img.Units {
		if slices.Contains([]string{"data", "journal", "journald", "journal-remote"}, u.Name) {
			continue // they are about a volume and a journal, which a folder has not
		}
		as := "setpriv --reuid=" + u.User + " --regid=" + u.User + " --init-groups --no-new-privs "
		fmt.Fprintf(&b, "install -d -m 0755 /run/credentials; install -d -m 0700 -o %s -g %s %s\n", u.User, u.User, u.CredentialsDir)
		for _, c := range u.Credentials {
			content, err := c.Fill(r.secrets())
			if err != nil {
				r.t.Fatal(err)
			}
			at := path.Join(u.CredentialsDir, c.Name)
			fmt.Fprintf(&b, "cat >%s <<'EOF'\n%s\nEOF\nchown %s %s\n", at, content, u.User, at)
		}
		for _, argv := range u.Setup {
			if path.Base(argv[0]) == "install" && slices.Contains(argv, "-d") {
				argv = slices.Insert(slices.Clone(argv), 1, "-o", u.User, "-g", u.User)
				fmt.Fprintf(&b, "%s\nchown -R %s:%s %s\n", strings.Join(argv, " "), u.User, u.User, argv[len(argv)-1])
				continue
			}
			fmt.Fprintf(&b, "CREDENTIALS_DIRECTORY=%s %s%s\n", u.CredentialsDir, as, strings.Join(argv, " "))
		}
		b.WriteString("( ulimit -n 8192; export CREDENTIALS_DIRECTORY=" + u.CredentialsDir)
		for k, v := range u.Env {
			fmt.Fprintf(&b, " '%s=%s'", k, v)
		}
		fmt.Fprintf(&b, "; exec %s%s ) >/run/%s.log 2>&1 &\n", as, strings.Join(u.Exec, " "), u.Name)
		fmt.Fprintf(&b, "ready() { %s >/dev/null 2>&1; }; await %s $!\n", alive(u.Ready), u.Name)
	}
	return b.String()
}

// secrets are those of every stack, in the shape that the services accept.
func (r root) secrets() map[string]string {
	s := maps.Clone(secrets())
	s["token-key"] = strings.Repeat("token-secret ", 3)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		r.t.Fatal(err)
	}
	s["apns-key"] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return s
}

// alive is a command that succeeds when a unit is ready, or, if it waits for the stores,
// when it lives.
func alive(r Ready) string {
	switch {
	case r.HTTP != "":
		if at, ok := strings.CutSuffix(r.HTTP, "/readyz"); ok {
			r.HTTP = at + "/healthz"
		}
		return "curl -f -o /dev/null --max-time 5 " + r.HTTP
	case r.TCP != "":
		host, port, _ := strings.Cut(r.TCP, ":")
		return fmt.Sprintf(`python3 -c 'import socket; socket.create_connection(("%s", %s), 2)'`, host, port)
	}
	return strings.Join(r.Exec, " ")
}

// debianRoot is Debian 12 in a folder, with the packages of every role. It is made once
// and kept in the checkout's .state, because it changes with Debian alone.
func debianRoot(t *testing.T) string {
	t.Helper()
	every, err := packages("base")
	if err != nil {
		t.Fatal(err)
	}
	include := strings.Join(append(debianPackages(), every...), ",")
	dir, err := filepath.Abs("../.state/debian-12")
	if err != nil {
		t.Fatal(err)
	}
	marker := dir + ".packages"
	if have, err := os.ReadFile(marker); err == nil && string(have) == include {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	asRoot(t, "", "rm", "-rf", dir, marker)
	// Of Debian's own mirror, with its updates: where mmdebstrap goes by itself.
	asRoot(t, "", "mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--include="+include,
		`--aptopt=Acquire::Languages "none"`, "--skip=cleanup/apt/lists", "bookworm", dir)
	if err := os.WriteFile(marker, []byte(include), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// built is a folder with the programs that the roots run. They are built as the tests
// of this machine are, so that the compiler has done most of it already: that a release
// is built for bare machines is for its own tests to prove.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), bakeTime)
	defer cancel()
	c := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", dir+"/", "../services/api", "../services/worker", "../services/push", "../services/machine")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	tool(t, dir, "memcached_exporter", "github.com/prometheus/memcached_exporter/cmd/memcached_exporter")
	return dir
}

// certificate is an authority's, one that this machine has.
func certificate(t *testing.T) string {
	t.Helper()
	b, err := fs.ReadFile(os.DirFS("/etc/ssl/certs"), "ca-certificates.crt")
	if err != nil {
		t.Fatal(err)
	}
	const end = "-----END CERTIFICATE-----\n"
	one, _, ok := strings.Cut(string(b), end)
	if !ok {
		t.Fatal("this machine has no authorities")
	}
	return one + end
}

// asRoot runs a command with an input, as root: a folder is entered by nobody else.
func asRoot(t *testing.T, input string, argv ...string) {
	t.Helper()
	if out, err := tryAsRoot(input, argv...); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, lastLines(out, 60))
	}
}

func tryAsRoot(input string, argv ...string) (string, error) {
	if os.Getuid() != 0 {
		argv = append([]string{"sudo", "-n", "--"}, argv...)
	}
	// Not the test's context: what cleans up runs when that has ended.
	ctx, cancel := context.WithTimeout(context.Background(), bakeTime)
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stdin = strings.NewReader(input)
	out, err := c.CombinedOutput()
	return string(out), err
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
