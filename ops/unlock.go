package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lock is what Pulumi writes beside a state that lies in files while it works on it.
type lock struct {
	PID       int       `json:"pid"`
	Username  string    `json:"username"`
	Hostname  string    `json:"hostname"`
	Timestamp time.Time `json:"timestamp"`
}

func unlock(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	return func(_ context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		root, _, err := locate(*name)
		if err != nil {
			return err
		}
		backend := os.Getenv("PULUMI_BACKEND_URL")
		if backend == "" {
			backend = "file://" + filepath.Join(root, ".state", "pulumi")
		}
		dir, files := strings.CutPrefix(backend, "file://")
		if !files {
			return fmt.Errorf("unlock the state at %s: accepted is a state in files; for any other there is pulumi cancel", backend)
		}
		locks, err := filepath.Glob(filepath.Join(dir, ".pulumi/locks/*/*", *name, "*.json"))
		if err != nil {
			return fmt.Errorf("find the locks in %s: %w", dir, err)
		}
		for _, path := range locks {
			if err := removeStale(c, path); err != nil {
				return err
			}
		}
		return removeHalfWritten(dir, *name)
	}
}

// removeHalfWritten removes what Pulumi had only begun to note beside a state when it
// was killed, which keeps the next one from reading the state. The state itself it
// writes whole, and does without the notes.
func removeHalfWritten(dir, stack string) error {
	notes, err := filepath.Glob(filepath.Join(dir, ".pulumi/stacks/*", stack+".json*.attrs"))
	if err != nil {
		return fmt.Errorf("find the notes in %s: %w", dir, err)
	}
	for _, path := range notes {
		b, err := os.ReadFile(path)
		if err == nil && !json.Valid(b) {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("mend the state: %w", err)
		}
	}
	return nil
}

// removeStale removes a lock whose holder has ended.
func removeStale(c console, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read lock: %w", err)
	}
	var l lock
	if err := json.Unmarshal(b, &l); err != nil {
		return fmt.Errorf("read lock %s: %w", path, err)
	}
	since := l.Timestamp.Format(time.DateTime)
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("judge lock %s: %w", path, err)
	}
	if l.Hostname != host {
		return fmt.Errorf("the stack is locked since %s by %s on %s, which cannot be asked from here: if nothing works on it there, pulumi cancel", since, l.Username, l.Hostname)
	}
	// A number alone proves nothing: it may have been given to another since.
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", l.PID))
	if err == nil && strings.HasPrefix(string(name), "pulumi") {
		return fmt.Errorf("the stack is locked since %s by %s's pulumi, which works on it: wait for process %d, or end it", since, l.Username, l.PID)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove lock: %w", err)
	}
	fmt.Fprintf(c.err, "removed the lock that process %d of %s left at %s\n", l.PID, l.Username, since)
	return nil
}
