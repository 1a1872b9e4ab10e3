// Command migrate brings the databases to what this release expects; see
// store.Migrate. It runs to the end before the services of a release start, and
// does nothing where there is nothing to do.
//
//	migrate -settings FILE
//
// The settings are a settings.Migrate, the password of burbn_owner is the
// credential postgres-owner-password.
//
// Where AWS Lambda runs it, it is told by an event instead, and makes the roles too
// that a database which a cloud runs lacks; see handle.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
)

func main() {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(func(ctx context.Context, input json.RawMessage) (result, error) {
			return handle(ctx, input, time.Minute, os.Stdout)
		})
		return
	}
	file := flag.String("settings", "", "`FILE` with the settings")
	wait := flag.Duration("wait", time.Minute, "how long to wait for a database that does not accept connections")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *file, *wait, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string, wait time.Duration, out io.Writer) error {
	m, err := settings.Load[settings.Migrate](file)
	if err != nil {
		return err
	}
	password, err := settings.Credential("postgres-owner-password")
	if err != nil {
		return err
	}
	return store.Migrate(ctx, m, password, wait, progress(out))
}

// progress tells of each database when it begins, when it ends, and every five
// seconds in between.
func progress(out io.Writer) func(store.Progress) {
	var mu sync.Mutex
	told := map[string]time.Time{}
	return func(p store.Progress) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case p.Steps == 0:
			fmt.Fprintf(out, "%s: up to date\n", p.Database)
		case p.Done == 0, p.Done == p.Steps, time.Since(told[p.Database]) > 5*time.Second:
			fmt.Fprintf(out, "%s: %d of %d steps\n", p.Database, p.Done, p.Steps)
			told[p.Database] = time.Now()
		}
	}
}
