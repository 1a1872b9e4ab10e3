package images

import "time"

// Image is everything that a machine of a role contains beyond its packages.
type Image struct {
	Files []File // by path
	Units []Unit // in the order in which they start
}

// File is a file of a machine.
type File struct {
	Path    string // absolute, below the machine's Root
	Mode    uint32 // 0644
	Content string
}

// Unit is a process of a machine, as its systemd unit file says. systemd runs that
// file on EC2; on one machine the local target obeys the same file, so what is
// tested there is what runs here.
type Unit struct {
	Name string // "pgbouncer"
	// Files are the paths of what the unit reads; a change of theirs reloads or
	// restarts it. The unit file itself is among them.
	Files []string
	Exec  []string   // ExecStart
	Setup [][]string // ExecStartPre: each may run any number of times
	User  string     // User; empty: whoever provisions
	Env   map[string]string
	Dir   string // WorkingDirectory
	// Credentials are LoadCredential=: files in $CREDENTIALS_DIRECTORY.
	Credentials []Credential
	StopSignal  string        // KillSignal: "TERM"
	StopTimeout time.Duration // TimeoutStopSec
	// ReloadSignal is what ExecReload sends the main process ("HUP"); empty: a
	// change of files restarts the unit.
	ReloadSignal string
	OpenFiles    int // LimitNOFILE; 0: as inherited
	// Listen are the host:port pairs that the unit binds.
	Listen []string
	Ready  Ready
}

// Ready says when a unit is up. One of HTTP and TCP is set.
type Ready struct {
	HTTP    string // URL that answers 2xx
	TCP     string // host:port that accepts
	Exec    []string // command that exits 0
	Timeout time.Duration
}

// Credential is a secret as a unit reads it.
type Credential struct {
	Name string // file name in $CREDENTIALS_DIRECTORY
	// Template is the file's content with each {{name}} standing for the secret of
	// that name: "requirepass {{redis-password}}\n".
	Template string
}
