package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
)

// inTime is how long before Lambda cuts the function off it gives up by itself, so
// that the caller hears why.
const inTime = 10 * time.Second

// event is what the function is called with, for one database.
type event struct {
	// Settings hold the whole shard map, but reach the one database alone.
	Settings settings.Migrate `json:"settings"`
	// Owner, App and Monitor are secrets, by name or ARN, each an object with username
	// and password. Owner's is the master user's.
	Owner   string `json:"owner"`
	App     string `json:"app"`
	Monitor string `json:"monitor"`
	// Release is the program's content address. It is not read: who calls calls again
	// when it has changed.
	Release string `json:"release"`
}

// validate says what is wrong with the event, key by key.
func (e event) validate() error {
	var errs []error
	if err := e.Settings.Shards.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("settings.shards: %w", err))
	}
	if n := len(e.Settings.Direct); n != 1 {
		errs = append(errs, fmt.Errorf("settings.direct: names %d databases, accepted is one", n))
	}
	for key, id := range map[string]string{"owner": e.Owner, "app": e.App, "monitor": e.Monitor} {
		if id == "" {
			errs = append(errs, fmt.Errorf("%s: is missing", key))
		}
	}
	return errors.Join(errs...)
}

// result is what the caller is told.
type result struct {
	Database string `json:"database"`
	Steps    int    `json:"steps"` // 0: it was up to date
}

// handle prepares and migrates one database. Progress is told to out, which is the
// function's log.
func handle(ctx context.Context, input json.RawMessage, wait time.Duration, out io.Writer) (result, error) {
	var e event
	dec := json.NewDecoder(bytes.NewReader(input))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return result{}, fmt.Errorf("read event: %w", err)
	}
	if err := e.validate(); err != nil {
		return result{}, fmt.Errorf("read event: %w", err)
	}
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-inTime))
		defer cancel()
	}
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return result{}, fmt.Errorf("configure AWS: %w", err)
	}
	secrets := secretsmanager.NewFromConfig(c)
	var owner, app, monitor store.Login
	for id, to := range map[string]*store.Login{e.Owner: &owner, e.App: &app, e.Monitor: &monitor} {
		if err := read(ctx, secrets, id, to); err != nil {
			return result{}, err
		}
	}
	if monitor.User == "" {
		monitor.User = "monitor" // whose secret is the same for every database
	}
	d := e.Settings.Direct[0]
	if err := store.Prepare(ctx, d, owner, app, monitor, wait); err != nil {
		return result{}, err
	}
	r := result{Database: d.Name}
	tell := progress(out)
	var mu sync.Mutex
	err = store.Migrate(ctx, e.Settings, owner.Password, wait, func(p store.Progress) {
		mu.Lock()
		r.Steps = max(r.Steps, p.Done)
		mu.Unlock()
		tell(p)
	})
	return r, err
}

// read reads a secret. Its value ends in no error.
func read(ctx context.Context, from *secretsmanager.Client, id string, to *store.Login) error {
	v, err := from.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
	if err != nil {
		return fmt.Errorf("read secret %s: %w", id, err)
	}
	if json.Unmarshal([]byte(aws.ToString(v.SecretString)), to) != nil {
		return fmt.Errorf("read secret %s: it is no JSON object with username and password", id)
	}
	return nil
}
