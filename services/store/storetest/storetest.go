// Package storetest gives tests the databases that production has: two PostgreSQL
// servers, each with a part of the logical shards, PgBouncer before them, SCRAM
// passwords and the roles of the images, migrated. They belong to one test
// binary, start when the first test asks and end with it, however it ends.
//
//	var databases storetest.Databases
//
//	func TestMain(m *testing.M) { os.Exit(databases.Run(m)) }
//
//	func TestIt(t *testing.T) {
//		s := databases.Store(t)
//		user := databases.User(t)
//		...
//
// Tests share the rows, so each makes its own users. Durability is switched off.
package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// The passwords of burbn_app, burbn_owner and monitor.
const (
	AppPassword     = "app'password"
	OwnerPassword   = "owner password"
	MonitorPassword = "monitor-password"
)

// limit bounds every wait for a database of a test.
const limit = time.Minute

// Databases are the databases of one test binary. The zero value is ready for use.
type Databases struct {
	once sync.Once
	err  error
	root string
	stop []func()
	// endPooler ends PgBouncer.
	endPooler func()
	stores    settings.Stores
	direct    []settings.Direct
	servers   map[string]*server
	store     *store.Store
	names     atomic.Int64
}

// Run runs the tests, ends the databases if a test began them, and returns what
// TestMain exits with.
func (d *Databases) Run(m *testing.M) int {
	defer d.end()
	return m.Run()
}

// Store is a store on the databases.
func (d *Databases) Store(t testing.TB) *store.Store {
	t.Helper()
	d.begin(t)
	return d.store
}

// Stores are the settings of a store on the databases; what other settings a
// process needs besides, the test adds.
func (d *Databases) Stores(t testing.TB) settings.Stores {
	t.Helper()
	d.begin(t)
	return d.stores
}

// Direct are the databases themselves.
func (d *Databases) Direct(t testing.TB) []settings.Direct {
	t.Helper()
	d.begin(t)
	return d.direct
}

// Name is a user name that nobody has yet, in lower case.
func (d *Databases) Name() string { return fmt.Sprintf("user.%d", d.names.Add(1)) }

// User makes a user of such a name. Its shard is any.
func (d *Databases) User(t testing.TB) store.User {
	t.Helper()
	u, err := d.Store(t).CreateUser(t.Context(), store.NewUser{
		Name:         d.Name(),
		FullName:     "Test",
		Email:        "test@example.com",
		PasswordHash: "$test$",
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Owner is a connection to the database of that name as burbn_owner, to look at
// what the store has no operation for.
func (d *Databases) Owner(t testing.TB, name string) *pgx.Conn {
	t.Helper()
	d.begin(t)
	return Connect(t, settings.Direct{Name: name, Addr: d.servers[name].addr}, "burbn_owner", OwnerPassword)
}

// Down takes the named database down until the test ends.
func (d *Databases) Down(t testing.TB, database string) {
	t.Helper()
	d.begin(t)
	s := d.servers[database]
	s.end()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
		defer cancel()
		err := s.start(ctx)
		if err == nil {
			err = until(ctx, func() error { return d.store.Ping(ctx) })
		}
		if err != nil {
			t.Errorf("start database %s again: %v", database, err)
		}
	})
}

// RestartPooler ends PgBouncer, with every connection through it, and starts it again.
func (d *Databases) RestartPooler(t testing.TB) {
	t.Helper()
	d.begin(t)
	d.endPooler()
	var err error
	if d.endPooler, err = startPooler(d.root, d.stores.Pooler, d.direct); err != nil {
		t.Fatal(err)
	}
}

// Blank is a server of the name that nobody has migrated yet, for this test alone.
func Blank(t testing.TB, name string) settings.Direct { return blank(t, name, ours()) }

// Managed is such a server as a cloud makes it: there is a database, and no role but
// burbn_owner's, which may make others.
func Managed(t testing.TB, name string) settings.Direct { return blank(t, name, theirs()) }

func blank(t testing.TB, name string, statements []string) settings.Direct {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	root, err := os.MkdirTemp("", "storetest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := give(root); err != nil {
		t.Fatal(err)
	}
	s, err := newServer(ctx, filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	if err := s.do(ctx, statements); err != nil {
		t.Fatal(err)
	}
	return settings.Direct{Name: name, Addr: s.addr}
}

// Connect is a connection to a database as that user; the test closes it by ending.
func Connect(t testing.TB, d settings.Direct, user, password string) *pgx.Conn {
	t.Helper()
	c, err := pgx.ParseConfig(d.DSN(user))
	if err != nil {
		t.Fatal(err)
	}
	c.Password = password
	conn, err := pgx.ConnectConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func (d *Databases) begin(t testing.TB) {
	t.Helper()
	d.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
		defer cancel()
		d.err = d.start(ctx)
	})
	if d.err != nil {
		t.Fatalf("start databases: %v", d.err)
	}
}

func (d *Databases) start(ctx context.Context) error {
	// Not t.TempDir: PostgreSQL's account must be able to enter it.
	root, err := os.MkdirTemp("", "storetest")
	if err != nil {
		return err
	}
	d.root = root
	if err := give(root); err != nil {
		return err
	}
	shards := shard.Map{Count: 8, Databases: []shard.Database{{Name: "postgres-01", First: 0, Last: 3}, {Name: "postgres-02", First: 4, Last: 7}}}
	pooler, err := freeAddr()
	if err != nil {
		return err
	}
	d.stores = settings.Stores{Shards: shards, Pooler: pooler, ConnectionsPerDatabase: 8}
	d.servers = map[string]*server{}
	for _, db := range shards.Databases {
		s, err := newServer(ctx, filepath.Join(root, db.Name))
		if err != nil {
			return fmt.Errorf("%s: %w", db.Name, err)
		}
		if err := s.do(ctx, ours()); err != nil {
			return fmt.Errorf("%s: %w", db.Name, err)
		}
		d.servers[db.Name] = s
		d.stop = append(d.stop, func() { s.end() }) // whichever Down has started
		d.direct = append(d.direct, settings.Direct{Name: db.Name, Addr: s.addr})
	}
	if err := store.Migrate(ctx, settings.Migrate{Shards: shards, Direct: d.direct}, OwnerPassword, limit, func(store.Progress) {}); err != nil {
		return err
	}
	if d.endPooler, err = startPooler(root, pooler, d.direct); err != nil {
		return err
	}
	d.stop = append(d.stop, func() { d.endPooler() }) // whichever RestartPooler has started
	if d.store, err = store.Open(context.Background(), d.stores, AppPassword); err != nil {
		return err
	}
	d.stop = append(d.stop, d.store.Close)
	return until(ctx, func() error { return d.store.Ping(ctx) })
}

func (d *Databases) end() {
	for i := len(d.stop) - 1; i >= 0; i-- {
		d.stop[i]()
	}
	if d.root != "" {
		os.RemoveAll(d.root)
	}
}

// until asks again until there is no error or ctx is done.
func until(ctx context.Context, ask func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
