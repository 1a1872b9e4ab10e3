// Command machine makes a machine in the cloud what its role says, and keeps its
// secrets up to date. It is baked into every machine image; all else is fetched.
//
//	machine boot          at every boot: fetch and unpack the role's bundle, start its units
//	machine credentials   from time to time: write what has been rotated, reload who reads it
//
// What it is to do stands in a settings.Machine, its user data, and in the
// settings.Manifest of the bundle. Both commands may be killed at any point and run
// again.
//
// It deliberately knows nothing of roles, installs no packages and never replaces a
// running release: a new release is a new machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/burbn/burbn/services/settings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

// run is the exit code of a command line: 2 for one that is not understood.
func run(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("machine", flag.ContinueOnError)
	flags.SetOutput(out)
	file := flags.String("settings", settings.MachinePath, "`FILE` that says where the bundle is")
	root := flags.String("root", "/", "`DIR` to install into")
	flags.Usage = func() {
		fmt.Fprintln(out, "usage: machine boot|credentials [-settings FILE] [-root DIR]")
		flags.PrintDefaults()
	}
	var command string
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	do := map[string]func(*machine, context.Context) error{"boot": (*machine).boot, "credentials": (*machine).credentials}[command]
	if do == nil {
		fmt.Fprintf(out, "machine: command %q: accepted is boot or credentials\n", command)
		flags.Usage()
		return 2
	}
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(out, "machine: argument %q: none is accepted\n", flags.Arg(0))
		return 2
	}
	log := slog.New(slog.NewTextHandler(out, nil)).With("service", "machine", "command", command)
	m, err := open(ctx, *file, *root, log)
	if err == nil {
		err = do(m, ctx)
		m.close()
	}
	if err != nil {
		log.ErrorContext(ctx, "gave up", "error", err)
		return 1
	}
	return 0
}
