package enginetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// killEngine kills the one process that this one has started by the name of the engine.
func killEngine() error {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it is gone already
		}
		// "123 (pulumi) S 45 ...": the process, its name, its state and its parent.
		pid, _, _ := bytes.Cut(text, []byte(" "))
		_, rest, _ := bytes.Cut(text, []byte(") "))
		if fields := bytes.Fields(rest); !bytes.Contains(text, []byte("(pulumi)")) || len(fields) < 2 || string(fields[1]) != fmt.Sprint(os.Getpid()) {
			continue
		}
		n, err := strconv.Atoi(string(pid))
		if err != nil {
			return err
		}
		return syscall.Kill(n, syscall.SIGKILL)
	}
	return errors.New("there is no engine to kill")
}

// mend does by hand what an engine cannot that was killed while it wrote its state: in a
// folder that is not one step, as it is on S3. There are the state, the copy of the one
// before, and what the folder knows of each besides, which nobody needs.
func (s *stack) mend() error {
	files, err := filepath.Glob(filepath.Join(s.backend, ".pulumi", "stacks", "*", s.name+".json*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".attrs") {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	for _, file := range files { // the state first, by its name
		text, err := os.ReadFile(file)
		if state, _, _ := strings.Cut(file, ".json"); err == nil && json.Valid(text) {
			return os.WriteFile(state+".json", text, 0o600)
		}
	}
	return fmt.Errorf("none of %q is whole", files)
}
