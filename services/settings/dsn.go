package settings

import (
	"fmt"
	"net"
)

// SessionsPerDatabase is how many sessions a process that works queues has with each
// database: one listens, and each of a worker's seven queues can fetch and finish tasks
// without waiting for another's. Its pooler keeps as many.
const SessionsPerDatabase = 8

// SessionSuffix makes of a database's name, at the pooler, the one under which a
// client has its connection to PostgreSQL to itself, as LISTEN demands. Under the
// name alone it has it for the length of a transaction.
const SessionSuffix = "-session"

// DSN is how user connects to the database itself, without the password.
func (d Direct) DSN(user string) string {
	host, port, _ := net.SplitHostPort(d.Addr) // Validate has seen it
	dsn := fmt.Sprintf("host=%s port=%s dbname=burbn user=%s connect_timeout=5", host, port, user)
	if d.CAFile == "" {
		return dsn + " sslmode=disable"
	}
	return fmt.Sprintf("%s sslmode=verify-full sslrootcert='%s'", dsn, d.CAFile)
}

// DSN is how the services connect to a database through the pooler, for a
// transaction at a time, without the password.
func (s Stores) DSN(database string) string {
	host, port, _ := net.SplitHostPort(s.Pooler) // Validate has seen it
	return fmt.Sprintf("host=%s port=%s dbname=%s user=burbn_app sslmode=disable connect_timeout=2", host, port, database)
}

// SessionDSN is the same for a session.
func (s Stores) SessionDSN(database string) string { return s.DSN(database + SessionSuffix) }
