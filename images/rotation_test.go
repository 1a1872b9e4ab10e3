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
	"io"
	"math/big"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
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
// certificate for Amazon's name. It returns the database's machine, and its server.
func encrypted(t *testing.T) (Placement, Machine, *process) {
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
	running := start(t, server)

	p.Target, p.TLS, p.PostgresCA = "aws", true, at("ca.pem")
	p.Shards.Databases = []shard.Database{{Name: db.Name, First: 0, Last: 15}} // the other one is down
	if p.RunAs == "" {                                                         // install -o wants a name
		u, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		p.RunAs = u.Username
	}
	return p, db, running
}

// installPooler lays a machine's PgBouncer, which runs as the test may.
func installPooler(t *testing.T, m Machine, p Placement) Unit {
	t.Helper()
	u := install(t, m, p)["pgbouncer"]
	u.User = account()
	return u
}

// client is one of the services' that stays connected to a pooler.
type client struct {
	t   *testing.T
	say io.Writer
	out *bufio.Scanner
}

func connect(t *testing.T, addr, password, database string) client {
	t.Helper()
	host, port, _ := strings.Cut(addr, ":")
	c := exec.CommandContext(t.Context(), "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
		"--host="+host, "--port="+port, "--username=burbn_app", database)
	c.Env = []string{"PATH=/usr/bin:/bin", "PGPASSWORD=" + password}
	say, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = c.Stdout
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		say.Close()
		c.Wait()
	})
	return client{t, say, bufio.NewScanner(out)}
}

// hears is the first line that the client hears after a query.
func (c client) hears(query string) string {
	c.t.Helper()
	fmt.Fprintln(c.say, query)
	if !c.out.Scan() {
		c.t.Fatalf("the connection has ended: %v", c.out.Err())
	}
	return c.out.Text()
}

// refresh does what the machine in the cloud does with new secrets: it writes the
// credentials where systemd had them from and reloads the unit. What systemd gave to
// the unit stays as it was. It says how the reload has ended.
func (p *process) refresh(t *testing.T, m Machine, secrets map[string]string) <-chan error {
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
	pid := strconv.Itoa(p.cmd.Process.Pid)
	var commands []*exec.Cmd
	for line := range strings.Lines(string(text)) {
		if line, ok := strings.CutPrefix(strings.TrimSpace(line), "ExecReload="); ok {
			by := p.unit
			line, root := strings.CutPrefix(line, "+")
			if root {
				by.User = ""
			}
			c := command(t.Context(), by, strings.Fields(strings.ReplaceAll(line, "$MAINPID", pid)))
			c.Env = append(c.Env, "MAINPID="+pid)
			commands = append(commands, c)
		}
	}
	if len(commands) < 2 {
		t.Fatalf("%s does not take up credentials", p.unit.Name)
	}
	ended := make(chan error, 1)
	go func() {
		for _, c := range commands {
			if out, err := c.CombinedOutput(); err != nil {
				ended <- fmt.Errorf("%q: %w\n%s", c.Args, err, out)
				return
			}
		}
		ended <- nil
	}()
	return ended
}

// TestPasswordsRotateUnderLoad: while clients work, the services' role and password
// change again and again, as Secrets Manager's rotation for alternating users does it.
// No transaction fails, and a session that waits for notices keeps its connection.
func TestPasswordsRotateUnderLoad(t *testing.T) {
	t.Parallel()
	p, db, _ := encrypted(t)
	s := secrets()
	owner := func(query string) string {
		t.Helper()
		return ask(t, db.At(PortPostgres), "burbn_owner", s["postgres-owner-password"], "burbn", query)
	}
	owner(`CREATE TABLE counts (n bigint); INSERT INTO counts VALUES (0); GRANT SELECT, UPDATE ON counts TO burbn_app`)
	owner(`ALTER ROLE burbn_app PASSWORD '` + s["postgres-01-app-password"] + `'`) // not what clients give the pooler

	worker := first(t, p, Worker)
	pooler := start(t, installPooler(t, worker, p))
	// Somebody waits for a notice.
	listener := connect(t, worker.Self(PortPgBouncer), s["postgres-app-password"], "postgres-01"+settings.SessionSuffix)
	session := listener.hears("LISTEN news; SELECT pg_backend_pid();")

	script := filepath.Join(t.TempDir(), "transaction.sql")
	if err := os.WriteFile(script, []byte("BEGIN;\nSELECT pg_sleep(0.003);\nUPDATE counts SET n = n + 1;\nEND;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(worker.Self(PortPgBouncer), ":")
	load := exec.CommandContext(t.Context(), "/usr/lib/postgresql/15/bin/pgbench", "--no-vacuum", "--client=8", "--time=300", "--file="+script, "--progress=1",
		"--host="+host, "--port="+port, "--username=burbn_app", "postgres-01")
	load.Env = []string{"PATH=/usr/bin:/bin", "PGPASSWORD=" + s["postgres-app-password"]}
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
		if err := <-pooler.refresh(t, worker, s); err != nil {
			t.Fatal(err)
		}
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
	if got := listener.hears("SELECT pg_backend_pid();"); got != session {
		t.Errorf("the session went on as process %s, want %s", got, session)
	}
	if got := listener.hears(""); !strings.Contains(got, `"news" received`) {
		t.Errorf("the session heard %q, want the notice", got)
	}
}

// TestPasswordsRotateDuringLogin: a rotation that meets the pooler while it logs in at
// a database fails no transaction. A database that is slow to let anybody in makes sure
// that they meet.
func TestPasswordsRotateDuringLogin(t *testing.T) {
	t.Parallel()
	p, db, server := encrypted(t)
	s := secrets()
	ask(t, db.At(PortPostgres), "burbn_owner", s["postgres-owner-password"], "burbn", `
		ALTER ROLE burbn_app PASSWORD '`+s["postgres-01-app-password"]+`';
		CREATE ROLE burbn_app_clone LOGIN PASSWORD 'rotated' IN ROLE burbn_app`)
	api := first(t, p, API)
	pooler := start(t, installPooler(t, api, p))
	at, password := api.Self(PortPgBouncer), s["postgres-app-password"]

	client := connect(t, at, password, "postgres-01")
	if got := client.hears("BEGIN; SELECT current_user;"); got != "burbn_app" {
		t.Fatalf("the client is %s", got)
	}
	if err := server.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.cmd.Process.Signal(syscall.SIGCONT) }) // or it would not stop
	// Somebody makes the pooler log in, and gets the connection that is free before.
	other := connect(t, at, password, "postgres-01")
	fmt.Fprintln(other.say, "SELECT 'served';")
	pooler.await(t, "logging in", func(context.Context) error {
		servers := ask(t, at, "monitor", s["postgres-monitor-password"], "pgbouncer", "SHOW SERVERS")
		if !strings.Contains(servers, "|new|") {
			return errors.New(servers)
		}
		return nil
	})
	fmt.Fprintln(client.say, "COMMIT;")
	if got := other.hears(""); got != "served" {
		t.Fatalf("the other client hears %q", got)
	}

	s["postgres-01-app-username"], s["postgres-01-app-password"] = "burbn_app_clone", "rotated"
	reloaded := pooler.refresh(t, api, s)
	pooler.await(t, "reloading", func(context.Context) error {
		if said := pooler.output(t); !strings.Contains(said, "got SIGHUP") {
			return errors.New(said)
		}
		return nil
	})
	fmt.Fprintln(client.say, "SELECT current_user;")
	if err := server.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if got := client.hears(""); got != "burbn_app_clone" {
		t.Errorf("a transaction after the rotation: got %q, want one of burbn_app_clone", got)
	}
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
}

// TestPoolerKnowsItsDatabases: PgBouncer speaks TLS with a database whose certificate
// is signed by Amazon's authorities, and with no other.
func TestPoolerKnowsItsDatabases(t *testing.T) {
	t.Parallel()
	p, db, _ := encrypted(t)
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
