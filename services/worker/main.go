// Command worker does what an answer to a phone does not wait for: it makes the
// renditions of photos, puts them into the feeds of followers and writes the other
// side of follows. There is one file for each kind of task.
//
// It holds no state: any number of its processes may run, and be killed at any
// moment. Every task is safe to repeat. It deliberately serves no phone and talks
// to no other company; pushes are the push command's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/telemetry"
)

func main() {
	file := flag.String("settings", "/etc/burbn/worker.json", "`file` with the settings of this process")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *file); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	doc, err := settings.Load[settings.Worker](file)
	if err != nil {
		return err
	}
	secrets, err := loadSecrets(doc)
	if err != nil {
		return err
	}
	process, err := telemetry.New("worker", doc.Process, secrets.Sentry, os.Stdout)
	if err != nil {
		return err
	}
	kv.LogTo(process.Log)
	w, err := open(ctx, doc, secrets, process)
	if err != nil {
		return err
	}
	defer w.close()
	tasks := []telemetry.Task{{Name: "queues", Run: w.run}}
	if doc.CloudWatch != (settings.CloudWatch{}) {
		tasks = append(tasks, newWaiting(w).task())
	}
	return process.Run(ctx, tasks...)
}
