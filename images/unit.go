package images

import (
	"fmt"
	"time"

	"github.com/burbn/burbn/services/settings"
)

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
	// Once says that the unit is a task: it has done its work when it exits 0, may
	// run any number of times, and is given Ready.Timeout for it.
	Once bool
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
	// CredentialsDir is $CREDENTIALS_DIRECTORY. The unit's files name it too.
	CredentialsDir string
	StopSignal     string        // KillSignal: "TERM"
	StopTimeout    time.Duration // TimeoutStopSec
	// ReloadSignal is what ExecReload sends the main process ("HUP"); empty: a
	// change of files restarts the unit.
	ReloadSignal string
	OpenFiles    int // LimitNOFILE; 0: as inherited
	// Listen are the host:port pairs that the unit binds.
	Listen []string
	Ready  Ready
}

// Ready says when a unit is up. One of HTTP, TCP and Exec is set, none for a unit
// that runs once.
type Ready struct {
	HTTP    string   // URL that answers 2xx
	TCP     string   // host:port that accepts
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

// Secrets are the names of the secrets that the credential is made of.
func (c Credential) Secrets() []string {
	var names []string
	// What is wrong with a template is said when it is filled.
	_, _ = c.expand(func(name string) (string, error) {
		names = append(names, name)
		return "", nil
	})
	return names
}

// Fill is the credential's content, given the secrets by name. A secret that is
// not there is an error.
func (c Credential) Fill(secrets map[string]string) (string, error) {
	return c.expand(func(name string) (string, error) {
		s, ok := secrets[name]
		if !ok {
			return "", fmt.Errorf("there is no secret %q", name)
		}
		return s, nil
	})
}

func (c Credential) expand(secret func(name string) (string, error)) (string, error) {
	content, err := settings.Fill(c.Template, secret)
	if err != nil {
		return "", fmt.Errorf("credential %s: %w", c.Name, err)
	}
	return content, nil
}
