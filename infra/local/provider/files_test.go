package provider_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/local/provider"
)

func TestArtifactLives(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	artifact := func(content, path string) provider.ArtifactArgs {
		t.Helper()
		source := e.dir + "/source"
		if err := os.WriteFile(source, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(content))
		return provider.ArtifactArgs{Source: source, SHA256: hex.EncodeToString(sum[:]), Path: e.dir + path}
	}
	args := artifact("one", "/releases/api-1")
	r := e.mustCreate("Artifact", "api", args)
	if content, err := os.ReadFile(args.Path); err != nil || string(content) != "one" {
		t.Errorf("content %q, %v", content, err)
	}
	if info, err := os.Stat(args.Path); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if now := e.refresh(r); now.id != r.id || e.diff(now, args) != "" {
		t.Errorf("untouched: %+v", now)
	}

	next := artifact("two", "/releases/api-2")
	if got, want := e.diff(r, next), "create, then delete"; got != want {
		t.Errorf("another path: %q, want %q", got, want)
	}
	next.Path = args.Path
	if got, want := e.diff(r, next), "update"; got != want {
		t.Errorf("another content: %q, want %q", got, want)
	}
	r = e.mustUpdate(r, next)
	if content, _ := os.ReadFile(args.Path); string(content) != "two" {
		t.Errorf("updated content %q", content)
	}

	if err := os.WriteFile(args.Path, []byte("by hand"), 0o755); err != nil {
		t.Fatal(err)
	}
	if now := e.refresh(r); now.id != "" {
		t.Error("a changed file goes unseen")
	}
	e.mustDelete(r)
	if now := e.refresh(r); now.id != "" {
		t.Error("a deleted file is said to be there")
	}
	e.mustDelete(r)

	wrong := artifact("three", "/releases/api-3")
	wrong.SHA256 = strings.Repeat("0", 64)
	_, err := e.create("Artifact", "api", wrong)
	wantError(t, err, "has changed since the update began")
	if left := list(t, e.dir+"/releases"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

func TestSecretKinds(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	length := 40
	r := e.mustCreate("Secret", "password", provider.SecretArgs{Kind: "password", Length: &length})
	if !r.state.Get("value").Secret() {
		t.Error("its value is not a secret in the state")
	}
	value := r.state.Get("value").AsString()
	if !regexp.MustCompile(`^[A-Za-z0-9]{40}$`).MatchString(value) {
		t.Errorf("password %q", value)
	}
	if now := e.refresh(r); now.state.Get("value").AsString() != value || !now.state.Get("value").Secret() {
		t.Error("a refresh changes it")
	}
	other := e.mustCreate("Secret", "password", provider.SecretArgs{Kind: "password"})
	if got := other.state.Get("value").AsString(); len(got) != 32 || got == value[:32] {
		t.Errorf("another password %q", got)
	}

	r = e.mustCreate("Secret", "symmetric", provider.SecretArgs{Kind: "key"})
	if b, err := hex.DecodeString(r.state.Get("value").AsString()); err != nil || len(b) != 32 {
		t.Errorf("a key of %d bytes, %v", len(b), err)
	}
	r = e.mustCreate("Secret", "key", provider.SecretArgs{Kind: "ec-p256"})
	key := parseKey(t, r)
	block, _ := pem.Decode([]byte(r.state.Get("public").AsString()))
	if public, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || !key.PublicKey.Equal(public) {
		t.Errorf("public key %v, %v", public, err)
	}
	if got := e.diff(r, provider.SecretArgs{Kind: "ec-p256"}); got != "" {
		t.Errorf("the same again: %q", got)
	}
	if got := e.diff(r, provider.SecretArgs{Kind: "password"}); got != "create, then delete" {
		t.Errorf("another kind: %q", got)
	}
}

// A stack that is destroyed and made again beside its data must open it again.
func TestSecretKeptBesideTheData(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	path := filepath.Join(e.dir, "secrets", "key")
	args := provider.SecretArgs{Kind: "password", Path: &path}
	first := e.mustCreate("Secret", "key", args)
	value := first.state.Get("value").AsString()
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v, want mode 0600", info, err)
	}
	e.mustDelete(first)
	if again := e.mustCreate("Secret", "key", args); again.state.Get("value").AsString() != value {
		t.Error("made again, the secret is another one")
	}
	other := e.mustCreate("Secret", "key", provider.SecretArgs{Kind: "ec-p256", Path: &path})
	if !strings.Contains(other.state.Get("value").AsString(), "PRIVATE KEY") {
		t.Error("a secret of another kind was taken for this one")
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.create("Secret", "key", args); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("half a file: error %v, want one that names %s", err, path)
	}
}

// Whoever has the certificate trusts whoever has the key, under the names that it was
// made for.
func TestSecretTLS(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	r := e.mustCreate("Secret", "tls", provider.SecretArgs{Kind: "tls", Hosts: []string{"127.77.0.1", "apns.test"}})
	certificate := r.state.Get("public").AsString()
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(r.state.Get("value").AsString()))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	for host, good := range map[string]bool{"127.77.0.1": true, "apns.test": true, "127.77.0.2": false} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); (err == nil) != good {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func parseKey(t *testing.T, r made) *ecdsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode([]byte(r.state.Get("value").AsString()))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*ecdsa.PrivateKey)
}

func TestSecretRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	short := 4
	for want, args := range map[string]provider.SecretArgs{
		`kind: "rsa" is none of password, key, ec-p256, tls`: {Kind: "rsa"},
		"length: 4: a password alone has one, of 16 to 128":  {Kind: "password", Length: &short},
		"hosts: []: a tls certificate names at least one":    {Kind: "tls"},
		`hosts: ["a"]: a tls certificate names at least one`: {Kind: "ec-p256", Hosts: []string{"a"}},
	} {
		_, err := e.create("Secret", "x", args)
		wantError(t, err, want)
	}
}

func TestTaskLives(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	root := e.dir + "/machine"
	runs := func() string {
		content, _ := os.ReadFile(root + "/runs")
		return string(content)
	}
	args := provider.TaskArgs{
		Home: provider.Home{
			Root:           root,
			Files:          map[string]provider.File{root + "/script": {Content: "#!/bin/sh\necho $1 $(cat $CREDENTIALS_DIRECTORY/key) >> runs; tail -n 1 runs; pwd", Mode: 0o755}},
			Credentials:    map[string]string{"key": "hunter2"},
			CredentialsDir: root + "/run/credentials",
		},
		Exec:           []string{root + "/script", "a"},
		TimeoutSeconds: 10,
	}
	r := e.mustCreate("Task", "migrate", args)
	if got, want := r.state.Get("output").AsString(), "a hunter2\n"+root; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	if _, err := os.Stat(args.CredentialsDir); !os.IsNotExist(err) {
		t.Errorf("its credentials outlive it: %v", err)
	}
	if got := e.diff(e.refresh(r), args); got != "" {
		t.Errorf("the same again: %q", got)
	}

	args.TimeoutSeconds = 20
	r = e.mustUpdate(r, args)
	if got := runs(); got != "a hunter2\n" {
		t.Errorf("another time limit ran it again: %q", got)
	}
	args.Triggers = []string{"release 2"}
	args.Exec = []string{root + "/script", "b"}
	if got := e.diff(r, args); got != "update" {
		t.Errorf("another trigger: %q", got)
	}
	r = e.mustUpdate(r, args)
	if got, want := runs(), "a hunter2\nb hunter2\n"; got != want {
		t.Errorf("runs %q, want %q", got, want)
	}
	e.mustDelete(r)
	if got, want := list(t, e.dir), root+"/runs\n"; got != want {
		t.Errorf("files left:\n%swant\n%s", got, want)
	}
}

func TestTaskRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for name, test := range map[string]struct {
		exec []string
		want []string
	}{
		"fails":   {[]string{"/bin/sh", "-c", "seq 100; exit 9"}, []string{"run /bin/sh", "exit status 9", "\n  81\n", "\n  100"}},
		"slow":    {[]string{"/bin/sh", "-c", "sleep 50; true"}, []string{"not done after 1s"}},
		"missing": {[]string{"/no-such"}, []string{"no such program /no-such"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := provider.TaskArgs{Home: provider.Home{Root: e.dir + "/machine"}, Exec: test.exec, TimeoutSeconds: 1}
			_, err := e.create("Task", name, args)
			wantError(t, err, test.want...)
			if left := processesOf(t, e.dir); len(left) > 0 {
				t.Errorf("processes are left: %v", left)
			}
		})
	}
}
