package provider

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portTaken says who listens where a process wants to.
type portTaken struct {
	addr   string
	holder process // zero where /proc does not tell
}

func (e *portTaken) Error() string {
	if e.holder.pid == 0 {
		return e.addr + " is already in use by a process of another user"
	}
	return fmt.Sprintf("%s is already in use by %s (pid %d)", e.addr, e.holder.name, e.holder.pid)
}

// portsFree is an error, a *portTaken, when anyone but owner or a process that it
// started listens on one of addrs; owner 0 is nobody.
func portsFree(addrs []string, owner int) error {
	if len(addrs) == 0 {
		return nil
	}
	inodes, err := listening()
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		want, err := netip.ParseAddrPort(addr)
		if err != nil {
			return fmt.Errorf("listen %q: %w", addr, err)
		}
		for held, inode := range inodes {
			if held.Port() != want.Port() || (held.Addr() != want.Addr() && !held.Addr().IsUnspecified()) {
				continue
			}
			pid := holder(inode)
			if pid != 0 && owner != 0 && descends(pid, owner) {
				continue
			}
			proc, _ := readProcess(pid)
			return &portTaken{addr, proc}
		}
	}
	return nil
}

// listening are the sockets of this network namespace that accept connections.
func listening() (map[netip.AddrPort]string, error) {
	inodes := map[netip.AddrPort]string{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list the ports in use: %w", err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != "0A" {
				continue
			}
			if addr, ok := parseAddr(fields[1]); ok {
				inodes[addr] = fields[9]
			}
		}
		err = lines.Err()
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("list the ports in use: %w", err)
		}
	}
	return inodes, nil
}

// parseAddr reads "0100007F:1F90": 32-bit words in the machine's byte order, then
// the port.
func parseAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	n, perr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || perr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := raw; len(word) > 0; word = word[4:] {
		binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}

// holder is the process that has a socket open, the oldest of several; 0 where that
// is not ours to see.
func holder(inode string) int {
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0
	}
	oldest := 0
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(fd, "/")[2])
		if err == nil && (oldest == 0 || pid < oldest) {
			oldest = pid
		}
	}
	return oldest
}
