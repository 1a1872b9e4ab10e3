package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// program is a Process as supervisord is told of it.
type program struct {
	ProcessArgs
	who        account
	supervisor supervisord
}

// keepTime is how long a program that already runs as it should may take to answer
// before it is started anew.
const keepTime = 3 * time.Second

func newProgram(args ProcessArgs) (*program, error) {
	who, err := lookupAccount(args.User)
	if err != nil {
		return nil, err
	}
	return &program{args, who, supervisord{args.Supervisor}}, nil
}

func (p *program) configFile() string {
	return filepath.Join(p.supervisor.programs(), p.Name+".conf")
}

func (p *program) scriptFile() string {
	return filepath.Join(p.supervisor.programs(), p.Name+".run")
}

// config is the program's section. It holds numbers and plain paths alone: the
// command stands in the script, because supervisord would expand and cut it.
func (p *program) config() string {
	var limit []string
	if p.OpenFiles > 0 {
		limit = []string{"/usr/bin/prlimit", fmt.Sprintf("--nofile=%d:%[1]d", openFiles(p.OpenFiles))}
	}
	command := slices.Concat(limit, p.who.prefix(p.stopSignal()), []string{"/bin/sh", p.scriptFile()})
	return fmt.Sprintf(`[program:%s]
command=%s
autorestart=true
startretries=1000
stopsignal=%s
stopwaitsecs=%d
killasgroup=true
redirect_stderr=true
stdout_logfile=%s
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
`, p.Name, strings.Join(command, " "), p.stopSignal(), int(math.Ceil(p.stopTimeout().Seconds())), p.Log)
}

// script starts the program in its directory, with its environment and no other.
func (p *program) script() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n# Written by the Pulumi provider host: how supervisord starts %s.\n", p.Name)
	fmt.Fprintf(&b, leftovers, quote(p.groupFile()))
	fmt.Fprintf(&b, "cd %s || exit\nexec env -i", quote(p.workingDir()))
	for _, pair := range p.environ(p.who) {
		fmt.Fprintf(&b, " \\\n\t%s", quote(pair))
	}
	b.WriteString(" \\\n\t")
	for i, arg := range p.Exec {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quote(arg))
	}
	b.WriteByte('\n')
	return b.String()
}

// leftovers ends the children of a predecessor that was killed: they still hold its
// ports, and systemd would have ended them with the unit. The kernel gives nobody
// else their process group while one of them lives.
const leftovers = `group=%s
boot=$(cat /proc/sys/kernel/random/boot_id)
if read -r old when <"$group" && [ "$when" = "$boot" ] && [ "$old" != $$ ]; then
	kill -s KILL -- "-$old"
fi 2>/dev/null
echo "$$ $boot" >"$group"
`

// groupFile names the process group of the program as it was started last.
func (p *program) groupFile() string { return filepath.Join(p.Root, "run", p.Name+".group") }

// quote is s as a word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (p *program) stopSignal() string {
	if p.StopSignal == "" {
		return "TERM"
	}
	return p.StopSignal
}

func (p *program) stopTimeout() time.Duration {
	if p.StopTimeoutSeconds == 0 {
		return 10 * time.Second
	}
	return seconds(p.StopTimeoutSeconds)
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// lock keeps everyone else from changing the program of that name.
func (p *program) lock(ctx context.Context) (release func(), err error) {
	release, err = lock(ctx, filepath.Join(p.supervisor.programs(), p.Name+".lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, p.supervisor.dead()
	}
	return release, err
}

// startable finds what would keep the program from starting, before anything is
// touched.
func (p *program) startable(ctx context.Context) error {
	for _, argv := range append([][]string{p.Exec}, p.Setup...) {
		if _, ours := p.Files[argv[0]]; ours {
			continue
		}
		if err := executable(argv[0]); err != nil {
			return err
		}
	}
	is, err := p.supervisor.status(ctx, p.Name)
	if err != nil {
		return err
	}
	return portsFree(p.Listen, is.pid)
}

// running says whether the program runs under exactly this definition, files aside.
func (p *program) running(ctx context.Context) (bool, error) {
	is, err := p.supervisor.status(ctx, p.Name)
	if err != nil || !is.up() {
		return false, err
	}
	config, _ := os.ReadFile(p.configFile())
	script, _ := os.ReadFile(p.scriptFile())
	return string(config) == p.config() && string(script) == p.script() &&
		maps.Equal(p.Home.onDisk().Credentials, p.Credentials), nil
}

// bring makes the program run as defined, and waits until it is up. sameFiles says
// that what runs, if it does, has read the files as they are to be.
func (p *program) bring(ctx context.Context, sameFiles bool, say func(string)) error {
	timeout := seconds(p.Ready.TimeoutSeconds)
	notReady := fmt.Errorf("not ready after %v", timeout)

	kept, err := p.running(ctx)
	if err != nil {
		return err
	}
	logStart := p.logSize()
	if kept && !sameFiles {
		if kept = p.ReloadSignal != ""; kept {
			if err := p.reload(ctx, say); err != nil {
				return err
			}
		}
	}
	if kept {
		ctx, cancel := context.WithTimeoutCause(ctx, min(timeout, keepTime), notReady)
		defer cancel()
		if p.awaitReady(ctx, logStart, say) == nil {
			return nil
		}
	}
	if err := p.stop(ctx, say); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, notReady)
	defer cancel()
	if err := p.start(ctx, say); err != nil {
		return err
	}
	return p.awaitReady(ctx, logStart, say)
}

// start brings files and credentials to what they should be, sets up, and has
// supervisord start the program. Its time ends with ctx.
func (p *program) start(ctx context.Context, say func(string)) error {
	if err := poll(ctx, func() error { return portsFree(p.Listen, 0) }); err != nil {
		return fmt.Errorf("wait for what was stopped to let go: %w", err)
	}
	root, err := p.open(p.who)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := errors.Join(root.writeFiles(), root.writeCredentials(), root.mkdir("run", 0o755), p.makeLog(root)); err != nil {
		return err
	}
	for _, argv := range p.Setup {
		say("setting up: " + filepath.Base(argv[0]))
		if _, err := p.run(ctx, p.who, argv); err != nil {
			return err
		}
	}
	return p.add(ctx)
}

// makeLog makes the directory of the log, in the account's name.
func (p *program) makeLog(root *tree) error {
	rel, err := p.below(p.Log)
	if err != nil {
		return err
	}
	return root.mkdir(filepath.Dir(rel), 0o755)
}

// add has supervisord read the program's definition and start it.
func (p *program) add(ctx context.Context) error {
	if err := os.WriteFile(p.scriptFile(), []byte(p.script()), 0o644); err != nil {
		return fmt.Errorf("define the program: %w", err)
	}
	if err := os.WriteFile(p.configFile(), []byte(p.config()), 0o644); err != nil {
		return fmt.Errorf("define the program: %w", err)
	}
	defined, err := os.Stat(p.configFile())
	if err != nil {
		return fmt.Errorf("define the program: %w", err)
	}
	release, err := lock(ctx, filepath.Join(p.supervisor.programs(), ".lock"))
	if err != nil {
		return err
	}
	defer release()
	// supervisord reads all definitions at once, which takes it a millisecond each: of
	// many programs that wait here, the first has them read for all.
	stamp := filepath.Join(p.supervisor.programs(), ".read")
	if read, err := os.Stat(stamp); err != nil || !read.ModTime().After(defined.ModTime()) {
		if err := os.WriteFile(stamp, []byte("The definitions were last read after this was written.\n"), 0o644); err != nil {
			return fmt.Errorf("stamp the definitions: %w", err)
		}
		if _, err := p.supervisor.call(ctx, "supervisor.reloadConfig"); err != nil {
			return errors.Join(err, os.Remove(stamp))
		}
	}
	_, err = p.supervisor.call(ctx, "supervisor.addProcessGroup", p.Name)
	return err
}

// reload writes the files and tells the program to read them again.
func (p *program) reload(ctx context.Context, say func(string)) error {
	say("reloading")
	root, err := p.open(p.who)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.writeFiles(); err != nil {
		return err
	}
	_, err = p.supervisor.call(ctx, "supervisor.signalProcess", p.Name, p.ReloadSignal)
	return err
}

// stop ends the program and takes it from supervisord. It first forgets how it is
// defined, so that nobody takes half a change for a whole one.
func (p *program) stop(ctx context.Context, say func(string)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	for _, file := range []string{p.configFile(), p.scriptFile()} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the program's definition: %w", err)
		}
	}
	is, err := p.supervisor.status(ctx, p.Name)
	if err != nil {
		return err
	}
	if is.name != "" {
		say("stopping")
		if err := p.supervisor.remove(ctx, p.Name, p.stopTimeout()); err != nil {
			return err
		}
	}
	return p.forgetGroup()
}

// forgetGroup removes the name of a process group that has ended, before it can
// become someone else's.
func (p *program) forgetGroup() error {
	if err := os.Remove(p.groupFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the process group: %w", err)
	}
	return nil
}

// remove stops the program and removes its files and credentials. That supervisord
// itself is gone is no error: so is the program.
func (p *program) remove(ctx context.Context, say func(string)) error {
	if err := p.stop(ctx, say); err != nil && !errors.Is(err, errDead) {
		return err
	}
	return errors.Join(p.forgetGroup(), removeHome(p.Home))
}

// awaitReady waits until the program is up, ctx ends, or it has died three times.
// Errors carry what it printed after logStart.
func (p *program) awaitReady(ctx context.Context, logStart int64, say func(string)) error {
	say("waiting for " + p.Ready.String())
	var (
		is    status
		died  = map[int]bool{} // by time of start
		cause error
	)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if is.pid == 0 || !alive(is.pid) {
			var err error
			if is, err = p.supervisor.status(ctx, p.Name); err != nil && ctx.Err() == nil {
				return err
			}
			if is.name == "BACKOFF" || is.name == "EXITED" || is.name == "FATAL" {
				died[is.start] = true
			}
			if len(died) == 3 || is.name == "FATAL" {
				return fmt.Errorf("%s ends as soon as it is started%s", p.Name, p.lastWords(is, logStart))
			}
		}
		if is.up() && alive(is.pid) {
			if cause = p.probe(ctx, is); cause == nil {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			err := context.Cause(ctx)
			if cause != nil {
				err = fmt.Errorf("%w: %w", err, cause)
			}
			return fmt.Errorf("%s: %w%s", p.Name, err, p.lastWords(is, logStart))
		}
	}
}

// lastWords are the end of what the program printed.
func (p *program) lastWords(is status, logStart int64) string {
	words := is.spawn
	if log, err := os.Open(p.Log); err == nil {
		defer log.Close()
		if info, err := log.Stat(); err == nil && info.Size() < logStart {
			logStart = 0 // rotated
		}
		const enough = 16 << 10
		if info, err := log.Stat(); err == nil {
			logStart = max(logStart, info.Size()-enough)
		}
		if content, err := io.ReadAll(io.NewSectionReader(log, logStart, enough)); err == nil && len(content) > 0 {
			words = tail(string(content))
		}
	}
	if words == "" {
		return "; it printed nothing to " + p.Log
	}
	return "; the end of " + p.Log + ":" + indent(words)
}

// logSize is where what the program prints next will begin.
func (p *program) logSize() int64 {
	info, err := os.Stat(p.Log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// openFiles is as many of the open files asked for as this machine grants: in a
// container not even root may raise the hard limit.
func openFiles(asked int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return asked
	}
	return int(min(uint64(asked), limit.Max))
}
