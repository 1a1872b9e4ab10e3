// Command buckets makes the buckets of an object store of our own, and lets
// everyone read the one that the CDN serves and the stack's origins upload from a
// browser. It may run any number of times. On
// AWS the buckets belong to the infrastructure and this command is not run.
//
//	buckets -settings FILE
//
// The settings are a settings.API, of which the storage and the origins are used; the
// keys are the credentials storage-access-key and storage-secret-key.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/settings"
)

// timeout bounds the whole run.
const timeout = 30 * time.Second

func main() {
	file := flag.String("settings", "", "`FILE` with the settings")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *file); err != nil {
		fmt.Fprintln(os.Stderr, "buckets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	doc, err := settings.Load[settings.API](file)
	if err != nil {
		return err
	}
	access, err := settings.Credential("storage-access-key")
	if err != nil {
		return err
	}
	secret, err := settings.Credential("storage-secret-key")
	if err != nil {
		return err
	}
	objects, err := media.NewObjects(doc.Storage, access, secret)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := objects.EnsureBuckets(ctx); err != nil {
		return err
	}
	return objects.AllowOrigins(ctx, doc.Origins)
}
