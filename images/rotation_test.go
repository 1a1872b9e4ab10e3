package images

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/settings"
)

// authority is one of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// issue makes a certificate for a name, and its key.
func (a authority) issue(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, k.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// encrypted is the sample as AWS has it, where one database speaks TLS with a
// certificate for Amazon's name. It returns the database's machine.
func encrypted(t *testing.T) (Placement, Machine) {
	t.Helper()
	p := running(t)
	db := first(t, p, Postgres)
	amazon := newAuthority(t, "Amazon")
	cert, key := amazon.issue(t, "burbn-postgres-01.example.rds.amazonaws.com")
	at := func(name string) string { return db.Path("/etc/" + name) }
	write(t, db, at("server.pem"), cert, 0o644)
	write(t, db, at("server.key"), key, 0o600)
	write(t, db, at("ca.pem"), amazon.pem(), 0o644)

	server := install(t, db, p)["postgres"]
	for _, argv := range server.Setup {
		if out, err := command(t.Context(), server, argv).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", argv, err, out)
		}
	}
	// As RDS's master user, the owner may make roles.
	single := command(t.Context(), server, []string{"/usr/lib/postgresql/15/bin/postgres", "--single", "-D", db.Path("/var/lib/postgresql/data"), "template1"})
	single.Stdin = strings.NewReader("ALTER ROLE burbn_owner CREATEROLE\n")
	if out, err := single.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	hba := fmt.Sprintf("hostssl burbn burbn_owner,burbn_app,burbn_app_clone %s scram-sha-256\n", p.Network)
	write(t, db, db.Path("/etc/postgresql/pg_hba.conf"), hba, 0o644)
	server.Exec = append(server.Exec, "-c", "ssl=on", "-c", "ssl_cert_file="+at("server.pem"), "-c", "ssl_key_file="+at("server.key"))
	start(t, server)

	p.Target, p.TLS, p.PostgresCA = "aws", true, at("ca.pem")
	if p.RunAs == "" { // install -o wants a name
		u, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		p.RunAs = u.Username
	}
	return p, db
}

// installPooler lays a machine's PgBouncer, which runs as the test may.
func installPooler(t *testing.T, m Machine, p Placement) Unit {
	t.Helper()
	u := install(t, m, p)["pgbouncer"]
	u.User = account()
	return u
}

// refresh does what the machine in the cloud does with new secrets: it writes the
// credentials where systemd had them from and reloads the unit. What systemd gave to
// the unit stays as it was.
func (p *process) refresh(t *testing.T, m Machine, secrets map[string]string) {
	t.Helper()
	for _, c := range p.unit.Credentials {
		content, err := c.Fill(secrets)
		if err != nil {
			t.Fatal(err)
		}
		write(t, m, m.Path("/run/credstore/"+c.Name), content, 0o600)
	}
	text, err := os.ReadFile(m.Path(unitDir + "/" + p.unit.Name + ".service"))
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "ExecReload=+"); ok {
			check(t, strings.Fields(command)...)
			commands++
		}
	}
	if commands == 0 {
		t.Fatalf("%s does not take up credentials", p.unit.Name)
	}
	p.reload(t)
}

// TestPasswordsRotateUnderLoad: while clients work, the services' role and password
// change again and again, as Secrets Manager's rotation for alternating users does it.
// No transaction fails, and a session that waits for notices keeps its connection.
func TestPasswordsRotateUnderLoad(t *testing.T) {
	t.Parallel()
	p, db := encrypted(t)
	s := secrets()
	owner := func(query string) string {
		t.Helper()
		return ask(t, db.At(PortPostgres), "burbn_owner", s["postgres-owner-password"], "burbn", query)
	}
	owner(`CREATE TABLE counts (n bigint); INSERT INTO counts VALUES (0); GRANT SELECT, UPDATE ON counts TO burbn_app`)
	owner(`ALTER ROLE burbn_app PASSWORD '` + s["postgres-01-app-password"] + `'`) // not what clients give the pooler

	worker := first(t, p, Worker)
	pooler := start(t, installPooler(t, worker, p))
	host, port, _ := strings.Cut(worker.Self(PortPgBouncer), ":")
	client := func(ctx context.Context, program, database string, args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, program, append(args, "--host="+host, "--port="+port, "--username=burbn_app", database)...)
		c.Env = []string{"PATH=/usr/bin:/bin", "PGPASSWORD=" + s["postgres-app-password"]}
		return c
	}

	// Somebody waits for a notice.
	listener := client(t.Context(), "psql", "postgres-01"+settings.SessionSuffix, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align")
	say, err := listener.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := listener.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		say.Close()
		listener.Wait()
	})
	lines := bufio.NewScanner(out)
	// hears is the first line that the listener says after a query.
	hears := func(query string) string {
		t.Helper()
		fmt.Fprintln(say, query)
		if !lines.Scan() {
			t.Fatalf("the session has ended: %v", lines.Err())
		}
		return lines.Text()
	}
	session := hears("LISTEN news; SELECT pg_backend_pid();")

	script := filepath.Join(t.TempDir(), "transaction.sql")
	if err := os.WriteFile(script, []byte("BEGIN;\nSELECT pg_sleep(0.003);\nUPDATE counts SET n = n + 1;\nEND;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	load := client(t.Context(), "/usr/lib/postgresql/15/bin/pgbench", "postgres-01", "--no-vacuum", "--client=8", "--time=300", "--file="+script, "--progress=1")
	var said bytes.Buffer
	load.Stdout, load.Stderr = &said, &said
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- load.Wait() }()

	connections := func(user string) string {
		return owner(`SELECT count(*) FROM pg_stat_activity WHERE usename = '` + user + `' AND pid <> ` + session)
	}
	counted := func() string { return owner(`SELECT n FROM counts`) }
	used, next := "burbn_app", "burbn_app_clone"
	for i := range 4 {
		before := counted()
		pooler.await(t, "under load", func(context.Context) error {
			if counted() == before || connections(used) == "0" {
				return fmt.Errorf("nothing is counted as %s", used)
			}
			return nil
		})
		password := fmt.Sprintf("rotated %d", i)
		if i == 0 {
			owner(`CREATE ROLE burbn_app_clone LOGIN PASSWORD '` + password + `'`)
			owner(`GRANT burbn_app TO burbn_app_clone`)
		} else {
			owner(`ALTER ROLE ` + next + ` PASSWORD '` + password + `'`)
		}
		s["postgres-01-app-username"], s["postgres-01-app-password"] = next, password
		pooler.refresh(t, worker, s)
		pooler.await(t, "following", func(context.Context) error {
			if was, is := connections(used), connections(next); was != "0" || is == "0" {
				return fmt.Errorf("%s connections of %s, %s of %s", was, used, is, next)
			}
			return nil
		})
		used, next = next, used
	}
	before := counted()
	pooler.await(t, "under load", func(context.Context) error {
		if counted() == before {
			return errors.New("nothing is counted any more")
		}
		return nil
	})
	select {
	case err := <-ended:
		t.Fatalf("the clients gave up: %v\n%s", err, &said)
	default:
	}
	load.Process.Kill()
	<-ended
	if strings.Contains(said.String(), "ERROR") || strings.Contains(said.String(), "aborted") {
		t.Errorf("transactions failed:\n%s", &said)
	}

	owner(`NOTIFY news`)
	if got := hears("SELECT pg_backend_pid();"); got != session {
		t.Errorf("the session went on as process %s, want %s", got, session)
	}
	if got := hears(""); !strings.Contains(got, `"news" received`) {
		t.Errorf("the session heard %q, want the notice", got)
	}
}

// TestPoolerKnowsItsDatabases: PgBouncer speaks TLS with a database whose certificate
// is signed by Amazon's authorities, and with no other.
func TestPoolerKnowsItsDatabases(t *testing.T) {
	t.Parallel()
	p, db := encrypted(t)
	s := secrets()
	ask(t, db.At(PortPostgres), "burbn_owner", s["postgres-owner-password"], "burbn", `ALTER ROLE burbn_app PASSWORD '`+s["postgres-01-app-password"]+`'`)
	api := first(t, p, API)
	start(t, installPooler(t, api, p))
	if got := ask(t, api.Self(PortPgBouncer), "burbn_app", s["postgres-app-password"], "postgres-01",
		"SELECT current_user || ' ' || ssl || ' ' || version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); got != "burbn_app true TLSv1.3" {
		t.Errorf("user, TLS, version: got %s", got)
	}
	if _, err := psql(t.Context(), api.Self(PortPgBouncer), "burbn_app", s["postgres-app-password"], "postgres-01"+settings.SessionSuffix, "SELECT 1"); err == nil {
		t.Error("a machine that works no queue has sessions")
	}

	p.PostgresCA = db.Path("/etc/other.pem")
	write(t, db, p.PostgresCA, newAuthority(t, "Somebody").pem(), 0o644)
	other := p.Of(API)[1]
	distrustful := start(t, installPooler(t, other, p))
	if out, err := psql(t.Context(), other.Self(PortPgBouncer), "burbn_app", s["postgres-app-password"], "postgres-01", "SELECT 1"); err == nil {
		t.Errorf("a certificate of somebody else's was accepted: %s", out)
	}
	if said := distrustful.output(t); !strings.Contains(said, "certificate verify failed") {
		t.Errorf("PgBouncer said\n%s", said)
	}
}
