package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// families lists the processes of this machine by parent.
type families map[int][]int

func readFamilies() families {
	f := families{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return f // only of a malformed pattern
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// "12 (any name) S 1 ...": the name may hold anything, so count from its end.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		pid, perr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(fields) < 2 || perr != nil {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			f[parent] = append(f[parent], pid)
		}
	}
	return f
}

// memory is the proportional set size, in bytes, of a process and all its
// descendants: what is shared counts for each its share. A process that ended
// meanwhile, or that the caller may not look at, counts nothing.
func (f families) memory(pid int) int64 {
	sum := pss(pid)
	for _, child := range f[pid] {
		sum += f.memory(child)
	}
	return sum
}

func pss(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if kb, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
