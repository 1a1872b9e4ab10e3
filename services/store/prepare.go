package store

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/burbn/burbn/services/settings"
)

// Login is a role of the database with its password.
type Login struct {
	User     string `json:"username"`
	Password string `json:"password"`
}

// The roles. Whoever rotates the services' password makes cloneRole, a member of
// appRole, and lets the two take turns.
const (
	ownerRole   = "burbn_owner"
	appRole     = "burbn_app"
	cloneRole   = "burbn_app_clone"
	monitorRole = "monitor"
)

// Prepare makes in a database that a cloud runs what the image of our own makes when
// it is born: the roles of the services and of monitoring, and nobody else's way in.
// owner is the master user, who has made the database. A role that is there keeps the
// password that it has, because that may have been rotated since. It may run again,
// and at the same time as Migrate.
func Prepare(ctx context.Context, d settings.Direct, owner, app, monitor Login, wait time.Duration) error {
	if err := prepare(ctx, d, owner, app, monitor, wait); err != nil {
		return fmt.Errorf("prepare %s: %w", d.Name, err)
	}
	return nil
}

func prepare(ctx context.Context, d settings.Direct, owner, app, monitor Login, wait time.Duration) error {
	roles, err := wanted(owner, app, monitor)
	if err != nil {
		return err
	}
	c, err := pgxpool.ParseConfig(d.DSN(ownerRole))
	if err != nil {
		return err
	}
	c.ConnConfig.Password = owner.Password
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return err
	}
	defer pool.Close()
	conn, err := connect(ctx, pool, wait)
	if err != nil {
		return err
	}
	defer conn.Release()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrateLock); err != nil {
			return fmt.Errorf("wait for another migration to end: %w", err)
		}
		for _, r := range roles {
			var there bool
			if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, r.name).Scan(&there); err != nil {
				return fmt.Errorf("look for role %s: %w", r.name, err)
			}
			if there {
				continue
			}
			if _, err := tx.Exec(ctx, r.sql); err != nil {
				return fmt.Errorf("make role %s: %w", r.name, err)
			}
		}
		if _, err := tx.Exec(ctx, `
			REVOKE ALL ON DATABASE burbn FROM PUBLIC;
			GRANT CONNECT ON DATABASE burbn TO burbn_app, monitor`); err != nil {
			return fmt.Errorf("say who may connect: %w", err)
		}
		return nil
	})
}

type role struct{ name, sql string }

// wanted are the roles in the order in which they are made.
func wanted(owner, app, monitor Login) ([]role, error) {
	for _, l := range []struct {
		what, user string
		accepted   []string
	}{
		{"owner", owner.User, []string{ownerRole}},
		{"app", app.User, []string{appRole, cloneRole}},
		{"monitor", monitor.User, []string{monitorRole}},
	} {
		ok := false
		for _, a := range l.accepted {
			ok = ok || l.user == a
		}
		if !ok {
			return nil, fmt.Errorf("the user of secret %s is %q: accepted is %s", l.what, l.user, strings.Join(l.accepted, " or "))
		}
	}
	for what, l := range map[string]Login{"owner": owner, "app": app, "monitor": monitor} {
		if l.Password == "" {
			return nil, fmt.Errorf("the password of secret %s is empty", what)
		}
	}
	appVerifier, err := verifier(app.Password)
	if err != nil {
		return nil, err
	}
	monitorVerifier, err := verifier(monitor.Password)
	if err != nil {
		return nil, err
	}
	var roles []role
	if app.User == cloneRole {
		// A secret that was rotated already, and a database that is new: the other one
		// gets its password by the next rotation.
		roles = []role{
			{appRole, `CREATE ROLE burbn_app LOGIN`},
			{cloneRole, `CREATE ROLE burbn_app_clone LOGIN IN ROLE burbn_app PASSWORD '` + appVerifier + `'`},
		}
	} else {
		roles = []role{{appRole, `CREATE ROLE burbn_app LOGIN PASSWORD '` + appVerifier + `'`}}
	}
	return append(roles, role{monitorRole, `CREATE ROLE monitor LOGIN IN ROLE pg_monitor PASSWORD '` + monitorVerifier + `'`}), nil
}

// verifier is what PostgreSQL keeps of a password (RFC 5803). It is made here, because
// a password that stands in a statement may end in a log.
func verifier(password string) (string, error) {
	const rounds = 4096 // PostgreSQL's own
	salt := make([]byte, 16)
	rand.Read(salt)
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("make the verifier of a password: %w", err)
	}
	sign := func(message string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(message))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64(salt), b64(stored[:]), b64(sign("Server Key"))), nil
}
