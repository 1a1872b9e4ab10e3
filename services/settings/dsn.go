package settings

import (
	"fmt"
	"net"
)

// DSN is how user connects to the database itself, without the password.
func (d Direct) DSN(user string) string {
	mode := "disable" // loopback only
	if d.TLS {
		mode = "verify-full"
	}
	host, port, _ := net.SplitHostPort(d.Addr) // Validate has seen it
	return fmt.Sprintf("host=%s port=%s dbname=burbn user=%s sslmode=%s connect_timeout=5", host, port, user, mode)
}
