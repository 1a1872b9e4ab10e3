package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is what /proc/PID/stat says of one process.
type process struct {
	pid, parent, group, session int
	name                        string
	zombie                      bool
}

// readProcess is false when there is no such process.
func readProcess(pid int) (process, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// "12 (name, with any characters) S 1 12 12 ..."
	open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
	if open < 0 || end < open {
		return process{}, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 4 {
		return process{}, false
	}
	proc := process{pid: pid, name: string(stat[open+1 : end]), zombie: fields[0] == "Z"}
	proc.parent, _ = strconv.Atoi(fields[1])
	proc.group, _ = strconv.Atoi(fields[2])
	proc.session, _ = strconv.Atoi(fields[3])
	return proc, true
}

// alive is false for a zombie: where nobody reaps, the dead stay listed.
func alive(pid int) bool {
	proc, ok := readProcess(pid)
	return ok && !proc.zombie
}

// descends says whether pid is ancestor or was started by it, directly or not.
func descends(pid, ancestor int) bool {
	for pid > 1 {
		if pid == ancestor {
			return true
		}
		proc, ok := readProcess(pid)
		if !ok {
			return false
		}
		pid = proc.parent
	}
	return false
}

// processes are those that live and that match.
func processes(match func(process) bool) []process {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var found []process
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if proc, ok := readProcess(pid); ok && !proc.zombie && match(proc) {
			found = append(found, proc)
		}
	}
	return found
}
