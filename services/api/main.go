// Command api is what the apps on phones talk to: accounts, follows, uploads,
// photos, likes and feeds, as JSON over HTTP. routes.go is its table of contents.
//
// It holds no state: any number of its processes may run, come and go. It
// deliberately carries no photo's bytes and terminates no TLS; those are for storage
// and for the proxies in front.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/telemetry"
)

func main() {
	path := flag.String("settings", "/etc/burbn/api.json", "`file` with the settings of this process")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// What lives is little and what a request leaves behind is much: collected four times
	// as rarely as by default, garbage costs a quarter of it.
	debug.SetGCPercent(400)
	log := telemetry.NewLines(os.Stdout)
	err := run(ctx, *path, log)
	if err = errors.Join(err, log.Flush()); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path string, log io.Writer) error {
	doc, err := settings.Load[settings.API](path)
	if err != nil {
		return err
	}
	secrets, err := loadSecrets(doc)
	if err != nil {
		return err
	}
	process, err := telemetry.New("api", doc.Process, secrets.Sentry, log)
	if err != nil {
		return err
	}
	kv.LogTo(process.Log)
	a, err := open(ctx, doc, secrets, process)
	if err != nil {
		return err
	}
	defer a.close()
	ln, err := net.Listen("tcp", doc.Listen)
	if err != nil {
		return fmt.Errorf("listen for requests: %w", err)
	}
	return process.Run(ctx, process.Serve("http", a.server(), ln))
}
