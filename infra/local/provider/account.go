package provider

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// account is whom a command runs as.
type account struct {
	name, home string
	uid, gid   int
	// other is set when it is not whom the provider itself runs as.
	other bool
}

func lookupAccount(name string) (account, error) {
	self, err := user.Current()
	if err != nil {
		return account{}, fmt.Errorf("look up who runs the provider: %w", err)
	}
	who := self
	if name != "" && name != self.Username {
		if os.Geteuid() != 0 {
			return account{}, fmt.Errorf("user %q: only root may run a process as another user, and this is %s", name, self.Username)
		}
		if who, err = user.Lookup(name); err != nil {
			return account{}, fmt.Errorf("user %q: %w", name, err)
		}
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		return account{}, fmt.Errorf("user %q: uid %q: %w", who.Username, who.Uid, err)
	}
	gid, err := strconv.Atoi(who.Gid)
	if err != nil {
		return account{}, fmt.Errorf("user %q: gid %q: %w", who.Username, who.Gid, err)
	}
	return account{name: who.Username, home: who.HomeDir, uid: uid, gid: gid, other: who != self}, nil
}

// prefix is what a command line begins with to run as the account, and to be sent
// signal when whoever started it dies: a process must not outlive its supervisor,
// which alone can stop it.
func (a account) prefix(signal string) []string {
	args := []string{"/usr/bin/setpriv", "--pdeathsig", signal}
	if a.other {
		args = append(args, "--reuid="+strconv.Itoa(a.uid), "--regid="+strconv.Itoa(a.gid),
			"--init-groups", "--inh-caps=-all", "--no-new-privs")
	}
	return args
}

// environ is all that a command finds in its environment besides what it is given.
func (a account) environ() map[string]string {
	return map[string]string{
		"PATH":    searchPath,
		"LANG":    "C.UTF-8",
		"HOME":    a.home,
		"USER":    a.name,
		"LOGNAME": a.name,
	}
}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
