package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/burbn/burbn/services/settings"
)

const (
	checkTime  = 2 * time.Second // of one look at a unit
	checkEvery = 200 * time.Millisecond
	stopWait   = 5 * time.Second // of a command whose time is up
)

// start starts a unit and waits until it is ready. A unit that runs already is left
// alone, unless it has yet to read its credentials.
func (m *machine) start(ctx context.Context, u settings.MachineUnit) error {
	ctx, cancel := context.WithTimeoutCause(ctx, u.Timeout.Std(), fmt.Errorf("it is not ready after %s", u.Timeout.Std()))
	defer cancel()
	verb := "start"
	if m.pending(u.Name) {
		verb = "reload-or-restart" // which starts what does not run
	}
	began := time.Now()
	err := systemctl(ctx, verb, u.Name+".service")
	if u.Once && err != nil {
		return fmt.Errorf("run %s: %w", u.Name, err)
	}
	// A service may fall over and be restarted until what it needs is there, so what
	// counts is whether it becomes ready.
	if notReady := await(ctx, u); notReady != nil {
		return fmt.Errorf("start %s: %w", u.Name, errors.Join(notReady, err))
	}
	m.log.InfoContext(ctx, "unit ready", "unit", u.Name, "seconds", time.Since(began).Seconds())
	return m.done(u.Name)
}

// await returns when the unit is ready or the context ends.
func await(ctx context.Context, u settings.MachineUnit) error {
	for {
		err := check(ctx, u)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(checkEvery):
		}
	}
}

// check is nil when the unit is ready.
func check(ctx context.Context, u settings.MachineUnit) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	switch {
	case u.HTTP != "":
		return answers(ctx, u.HTTP)
	case u.TCP != "":
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.TCP)
		if err != nil {
			return err
		}
		return c.Close()
	case len(u.Exec) > 0:
		return command(ctx, u.Exec...)
	}
	return ctx.Err() // a task has run to its end
}

func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
	return fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(said)))
}

func systemctl(ctx context.Context, args ...string) error {
	return command(ctx, append([]string{"systemctl", "--no-ask-password", "--quiet"}, args...)...)
}

func command(ctx context.Context, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.WaitDelay = stopWait
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// lastWords are the last lines of a unit's journal: with the machine goes its disk,
// and what it says on the console stays for an hour.
func lastWords(ctx context.Context, unit string) string {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "--unit="+unit+".service", "--boot", "--lines=20", "--no-pager", "--output=cat").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("its journal cannot be read: %v", err)
	}
	return string(out)
}
