package storetest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/burbn/burbn/services/settings"
)

// postgresBin is where Debian's postgresql-15 puts the programs.
const postgresBin = "/usr/lib/postgresql/15/bin"

// command is a program that runs as an account which PostgreSQL accepts (it
// refuses root) and gets the signal when the test binary ends, even when that was killed.
func command(ctx context.Context, signal syscall.Signal, name string, args ...string) *exec.Cmd {
	prefix := []string{"--pdeathsig", strings.TrimPrefix(unix.SignalName(signal), "SIG")}
	if os.Getuid() == 0 {
		prefix = append(prefix, "--reuid=postgres", "--regid=postgres", "--init-groups", "--inh-caps=-all")
	}
	c := exec.CommandContext(ctx, "setpriv", append(append(prefix, name), args...)...)
	c.Dir = "/"
	return c
}

// give lets the account of command write to dir.
func give(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return os.Chown(dir, uid, gid)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// launch starts a program whose output goes to log, and returns what ends it by
// the signal and waits until it is gone.
func launch(signal syscall.Signal, log, name string, args ...string) (end func(), err error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	c := command(context.Background(), signal, name, args...)
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		return nil, err
	}
	return func() {
		late := time.AfterFunc(limit, func() { c.Process.Kill() })
		defer late.Stop()
		c.Process.Signal(signal)
		c.Wait()
	}, nil
}

// immediately stops a PostgreSQL server without a checkpoint, as a crash would,
// but gives back its shared memory.
const immediately = syscall.SIGQUIT

// server is one PostgreSQL server.
type server struct {
	dir, addr string
	end       func()
}

func newServer(ctx context.Context, dir string) (*server, error) {
	s := &server{dir: dir, end: func() {}}
	init := command(ctx, syscall.SIGKILL, postgresBin+"/initdb", "--pgdata="+dir, "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions", "--wal-segsize=1")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	// Only the superuser is trusted, so that the tests meet the passwords.
	hba := "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(dir, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		return nil, err
	}
	var err error
	if s.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

func (s *server) start(ctx context.Context) (err error) {
	host, port, _ := net.SplitHostPort(s.addr)
	log := s.dir + ".log"
	args := []string{"-D", s.dir}
	for _, setting := range []string{
		"listen_addresses=" + host, "port=" + port, "unix_socket_directories=", "max_connections=200",
		"fsync=off", "full_page_writes=off", "shared_buffers=32MB", "huge_pages=off", "jit=off",
	} {
		args = append(args, "-c", setting)
	}
	if s.end, err = launch(immediately, log, postgresBin+"/postgres", args...); err != nil {
		return err
	}
	err = until(ctx, func() error {
		c, err := s.connect(ctx, "postgres", "", "postgres")
		if err != nil {
			return err
		}
		return c.Close(ctx)
	})
	if err != nil {
		out, _ := os.ReadFile(log)
		return fmt.Errorf("start PostgreSQL: %w\n%s", err, out)
	}
	return nil
}

func (s *server) connect(ctx context.Context, user, password, database string) (*pgx.Conn, error) {
	host, port, _ := net.SplitHostPort(s.addr)
	c, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable connect_timeout=5", host, port, user, database))
	if err != nil {
		return nil, err
	}
	c.Password = password
	return pgx.ConnectConfig(ctx, c)
}

// theirs is what a cloud makes of its own: the master user and the database.
func theirs() []string {
	return []string{
		"CREATE ROLE burbn_owner LOGIN CREATEROLE PASSWORD " + quote(OwnerPassword),
		"CREATE DATABASE burbn OWNER burbn_owner",
	}
}

// ours is what the image of a PostgreSQL machine makes.
func ours() []string {
	return []string{
		"CREATE ROLE burbn_owner LOGIN PASSWORD " + quote(OwnerPassword),
		"CREATE ROLE burbn_app LOGIN PASSWORD " + quote(AppPassword),
		"CREATE ROLE monitor LOGIN PASSWORD " + quote(MonitorPassword) + " IN ROLE pg_monitor",
		"CREATE DATABASE burbn OWNER burbn_owner",
	}
}

func (s *server) do(ctx context.Context, statements []string) error {
	c, err := s.connect(ctx, "postgres", "", "postgres")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make roles: %w", err)
		}
	}
	return nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// startPooler starts PgBouncer before the databases.
func startPooler(root, addr string, direct []settings.Direct) (end func(), err error) {
	host, port, _ := net.SplitHostPort(addr)
	var b bytes.Buffer
	fmt.Fprintln(&b, "[databases]")
	for _, d := range direct {
		h, p, _ := net.SplitHostPort(d.Addr)
		fmt.Fprintf(&b, "%s = host=%s port=%s dbname=burbn\n", d.Name, h, p)
		fmt.Fprintf(&b, "%s%s = host=%s port=%s dbname=burbn pool_mode=session\n", d.Name, settings.SessionSuffix, h, p)
	}
	fmt.Fprintf(&b, `[pgbouncer]
listen_addr = %s
listen_port = %s
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s/users.txt
pool_mode = transaction
server_reset_query = DISCARD ALL
ignore_startup_parameters = extra_float_digits
max_client_conn = 500
default_pool_size = 40
server_login_retry = 0
`, host, port, root)
	users := fmt.Sprintf("%q %q\n", "burbn_app", AppPassword)
	if err := os.WriteFile(filepath.Join(root, "users.txt"), []byte(users), 0o644); err != nil {
		return nil, err
	}
	ini := filepath.Join(root, "pgbouncer.ini")
	if err := os.WriteFile(ini, b.Bytes(), 0o644); err != nil {
		return nil, err
	}
	return launch(syscall.SIGTERM, filepath.Join(root, "pgbouncer.log"), "/usr/sbin/pgbouncer", ini)
}
