// Command push tells people's devices what others did, through Apple's push service: not
// of each like, but of what came together since the phone rang last.
//
// It holds no state: any number of its processes may run. A push may arrive
// twice, with the same apns-id and replacing the first. The command deliberately
// registers no devices, which is the API's, and keeps no history of what it sent.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/telemetry"
)

func main() {
	file := flag.String("settings", "/etc/burbn/push.json", "`file` with the settings of this process")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *file); err != nil {
		fmt.Fprintln(os.Stderr, "push:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	doc, err := settings.Load[settings.Push](file)
	if err != nil {
		return err
	}
	secrets, err := loadSecrets(doc)
	if err != nil {
		return err
	}
	process, err := telemetry.New("push", doc.Process, secrets.Sentry, os.Stdout)
	if err != nil {
		return err
	}
	p, err := open(ctx, doc, secrets, process)
	if err != nil {
		return err
	}
	defer p.close()
	return process.Run(ctx, telemetry.Task{Name: "queues", Run: p.run})
}
