package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/burbn/burbn/infra/local/xmlrpc"
)

const (
	callTimeout     = 10 * time.Second // of a call that does not wait for a process
	shutdownTimeout = 90 * time.Second // of supervisord and all its programs
	orphanTimeout   = 30 * time.Second // that those of a killed supervisord take to end
	socketFile      = "supervisor.sock"
	// maxDir bounds the directory: a unix socket's path has at most 107 bytes, and
	// supervisord binds it under its name and ".<pid>" first.
	maxDir = 107 - len("/"+socketFile) - len(".4194304")
)

// unknown says whether supervisord's answer is that it has no program of that name.
func unknown(err error) bool {
	answer := new(xmlrpc.Fault)
	return errors.As(err, &answer) && answer.Code == 10 // BAD_NAME
}

// supervisord is the daemon in a directory: its socket, its pid file, its log, and in
// programs/ what it runs.
type supervisord struct{ dir string }

func (s supervisord) socket() string   { return filepath.Join(s.dir, socketFile) }
func (s supervisord) pidFile() string  { return filepath.Join(s.dir, "supervisord.pid") }
func (s supervisord) config() string   { return filepath.Join(s.dir, "supervisord.conf") }
func (s supervisord) programs() string { return filepath.Join(s.dir, "programs") }

func (s supervisord) call(ctx context.Context, method string, args ...any) (xmlrpc.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.wait(ctx, method, args...)
}

// wait is call for what takes as long as a process does; ctx must have a deadline.
func (s supervisord) wait(ctx context.Context, method string, args ...any) (xmlrpc.Value, error) {
	v, err := xmlrpc.Call(ctx, s.socket(), method, args...)
	for _, dead := range []error{fs.ErrNotExist, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.EOF} {
		if !errors.Is(err, dead) {
			continue
		}
		return v, s.dead()
	}
	return v, err
}

func (s supervisord) dead() error {
	return fmt.Errorf("supervisord in %s is not running (`pulumi up --refresh` starts it again): %w", s.dir, errDead)
}

var errDead = errors.New("nobody answers on its socket")

// alive says whether it answers; nobody there is no error.
func (s supervisord) alive(ctx context.Context) (bool, error) {
	_, err := s.call(ctx, "supervisor.getState")
	if errors.Is(err, errDead) {
		return false, nil
	}
	return err == nil, err
}

// start starts the daemon, with nothing to run.
func (s supervisord) start(ctx context.Context) error {
	program, err := exec.LookPath("supervisord")
	if err != nil {
		return errors.New("no such program supervisord: is its package installed?")
	}
	if err := s.sweep(ctx); err != nil {
		return err
	}
	// What an earlier one ran died with it; each is started again by its own resource,
	// in the stack's order.
	if err := s.clear(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.programs(), 0o755); err != nil {
		return fmt.Errorf("make supervisord's directory: %w", err)
	}
	if err := os.WriteFile(s.config(), []byte(s.render()), 0o644); err != nil {
		return fmt.Errorf("configure supervisord: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "-c", s.config())
	cmd.Dir = "/"
	// Pulumi's environment, with its passphrase, is none of the processes' business.
	cmd.Env = []string{"PATH=" + searchPath, "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("start supervisord: %w%s", err, indent(tail(output.String())))
	}
	return poll(ctx, func() error {
		answers, err := s.alive(ctx)
		if err == nil && !answers {
			err = fmt.Errorf("start supervisord: it does not answer; see %s", filepath.Join(s.dir, "supervisord.log"))
		}
		return err
	})
}

// render is its configuration. Paths are relative: they pass through supervisord's
// own expansions.
func (s supervisord) render() string {
	user := ""
	if os.Geteuid() == 0 {
		user = "user=root\n" // else it warns that it runs as root
	}
	return `; Written by the Pulumi provider host.
[supervisord]
` + user + `logfile=%(here)s/supervisord.log
logfile_maxbytes=10MB
logfile_backups=2
pidfile=%(here)s/supervisord.pid
minfds=4096

[unix_http_server]
file=%(here)s/` + socketFile + `
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

; For whoever wants to look past the provider: supervisorctl -c this-file status
[supervisorctl]
serverurl=unix://%(here)s/` + socketFile + `

[include]
files=programs/*.conf
`
}

// stop ends the daemon and all its programs, and removes what it leaves.
func (s supervisord) stop(ctx context.Context) error {
	answers, err := s.alive(ctx)
	if err != nil {
		return err
	}
	if answers {
		ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
		defer cancel()
		pid, err := s.call(ctx, "supervisor.getPID")
		if err != nil {
			return err
		}
		// By itself it would stop one after the other.
		if _, err := s.wait(ctx, "supervisor.stopAllProcesses"); err != nil {
			return err
		}
		if _, err := s.call(ctx, "supervisor.shutdown"); err != nil {
			return err
		}
		err = poll(ctx, func() error {
			if alive(pid.Number()) {
				return fmt.Errorf("stop supervisord in %s: it still runs (pid %d)", s.dir, pid.Number())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := s.sweep(ctx); err != nil {
		return err
	}
	if err := s.clear(); err != nil {
		return err
	}
	for _, file := range []string{s.config(), filepath.Join(s.dir, "supervisord.log")} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what supervisord left: %w", err)
		}
	}
	return nil
}

// clear removes what a daemon that is not running has left behind.
func (s supervisord) clear() error {
	return errors.Join(os.RemoveAll(s.programs()), os.RemoveAll(s.socket()), os.RemoveAll(s.pidFile()))
}

// sweep waits until the programs of a supervisord that was killed are gone: they were
// sent their stop signal when it died, and hold ports and data until they obey.
func (s supervisord) sweep(ctx context.Context) error {
	content, err := os.ReadFile(s.pidFile())
	if err != nil {
		return nil // it ended in order, or never ran
	}
	session, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return nil // it was killed before it had written it, and had started nothing
	}
	ctx, cancel := context.WithTimeout(ctx, 2*orphanTimeout)
	defer cancel()
	patience := time.Now().Add(orphanTimeout)
	return poll(ctx, func() error {
		// A process that is about to end has no command line any more.
		leader, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", session))
		if len(leader) > 0 && !bytes.Contains(leader, []byte(s.config())) {
			return nil // the number has gone to someone else
		}
		orphans := processes(func(proc process) bool { return proc.session == session })
		if len(orphans) == 0 {
			return nil
		}
		for _, orphan := range orphans {
			if time.Now().After(patience) {
				_ = syscall.Kill(orphan.pid, syscall.SIGKILL) // it may just have ended
			}
		}
		return fmt.Errorf("wait for the programs of the supervisord that died: %s (pid %d) still runs", orphans[0].name, orphans[0].pid)
	})
}

// status is what supervisord says of a program.
type status struct {
	name  string // "RUNNING"; empty: supervisord does not know it
	pid   int    // 0: not running
	start int    // of its last start, Unix time
	spawn string // why it could not be started
}

// up says whether the program is supposed to run and does.
func (s status) up() bool { return s.pid != 0 && (s.name == "RUNNING" || s.name == "STARTING") }

func (s supervisord) status(ctx context.Context, program string) (status, error) {
	v, err := s.call(ctx, "supervisor.getProcessInfo", program)
	if err != nil {
		if unknown(err) {
			err = nil
		}
		return status{}, err
	}
	return status{
		name:  v.Field("statename").String,
		pid:   v.Field("pid").Number(),
		start: v.Field("start").Number(),
		spawn: v.Field("spawnerr").String,
	}, nil
}

// remove stops a program, kills it when it has not ended after patience, and forgets
// it. One that supervisord does not know is no error.
func (s supervisord) remove(ctx context.Context, program string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience+callTimeout)
	defer cancel()
	impatient := time.Now().Add(patience)
	group := 0 // its leader is the program
	return poll(ctx, func() error {
		if group != 0 && alive(group) {
			if time.Now().After(impatient) {
				_ = syscall.Kill(-group, syscall.SIGKILL) // it may just have ended
			}
			return fmt.Errorf("stop %s: it still runs (pid %d)", program, group)
		}
		// As under systemd, the children that it leaves behind end with it.
		var left []process
		if group != 0 {
			left = processes(func(proc process) bool { return proc.group == group })
		}
		if len(left) > 0 {
			_ = syscall.Kill(-group, syscall.SIGKILL)
			return fmt.Errorf("stop %s: its child %s still runs (pid %d)", program, left[0].name, left[0].pid)
		}
		is, err := s.status(ctx, program)
		if err != nil || is.name == "" {
			return err
		}
		if group = is.pid; group == 0 {
			_, err := s.call(ctx, "supervisor.removeProcessGroup", program)
			if err == nil || unknown(err) {
				return nil
			}
		}
		// Not asked to wait, supervisord answers at once; its own wait looks up but once
		// a second.
		if _, err := s.call(ctx, "supervisor.stopProcessGroup", program, false); err != nil && !unknown(err) {
			return err
		}
		return fmt.Errorf("stop %s: supervisord has not let go of it", program)
	})
}

// poll tries until attempt succeeds or ctx ends, and then answers its last error.
func poll(ctx context.Context, attempt func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := attempt()
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
