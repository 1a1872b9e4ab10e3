package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// packages are the Debian packages of programs that units run, and of those that
// the units' scripts and the provider run.
func packages() map[string]string {
	return map[string]string{
		"/usr/bin/memcached":                    "memcached",
		"/usr/bin/prometheus":                   "prometheus",
		"/usr/bin/prometheus-alertmanager":      "prometheus-alertmanager",
		"/usr/bin/prometheus-nginx-exporter":    "prometheus-nginx-exporter",
		"/usr/bin/prometheus-node-exporter":     "prometheus-node-exporter",
		"/usr/bin/prometheus-postgres-exporter": "prometheus-postgres-exporter",
		"/usr/bin/prometheus-redis-exporter":    "prometheus-redis-exporter",
		"/usr/bin/redis-cli":                    "redis-tools",
		"/usr/bin/redis-server":                 "redis-server",
		"/usr/bin/setpriv":                      "util-linux",
		"/usr/bin/supervisord":                  "supervisor",
		"/usr/lib/postgresql/15/bin/postgres":   "postgresql-15",
		"/usr/lib/postgresql/15/bin/psql":       "postgresql-client-15",
		"/usr/sbin/haproxy":                     "haproxy",
		"/usr/sbin/nginx":                       "nginx-light",
		"/usr/sbin/pgbouncer":                   "pgbouncer",
	}
}

func doctor(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	return func(ctx context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		s, err := open(*name)
		if err != nil {
			return err
		}
		problems := slices.Concat(s.missingPrograms(), s.missingAccount(), s.closedFolders(), s.takenPorts(ctx))
		if len(problems) == 0 {
			fmt.Fprintf(c.out, "nothing is missing: the stack %s can come up\n", *name)
			return nil
		}
		for _, p := range problems {
			fmt.Fprintln(c.out, p)
		}
		return fmt.Errorf("%d problems keep the stack %s from coming up", len(problems), *name)
	}
}

// missingPrograms names what is not installed, and how to install it.
func (s *stack) missingPrograms() []string {
	needed := packages()
	for _, img := range s.images {
		for _, u := range img.Units {
			for _, argv := range append(slices.Clone(u.Setup), u.Exec) {
				program := argv[0]
				if strings.HasPrefix(program, s.site.State) || needed[program] != "" {
					continue // our own, which come with the stack
				}
				needed[program] = ""
			}
		}
	}
	var problems, install []string
	for _, program := range slices.Sorted(maps.Keys(needed)) {
		if info, err := os.Stat(program); err == nil && info.Mode()&0o111 != 0 {
			continue
		}
		problems = append(problems, "missing program: "+program)
		if p := needed[program]; p != "" && !slices.Contains(install, p) {
			install = append(install, p)
		}
	}
	if len(install) > 0 {
		problems[len(problems)-1] += "\n  make setup, or: apt-get install --no-install-recommends " + strings.Join(install, " ")
	}
	return problems
}

func (s *stack) missingAccount() []string {
	if s.site.RunAs == "" {
		return nil
	}
	if _, err := user.Lookup(s.site.RunAs); err != nil {
		return []string{fmt.Sprintf("missing account: %s, which the processes run as: make setup adds it", s.site.RunAs)}
	}
	return nil
}

// closedFolders names the folders above the stack's that keep the processes'
// account out.
func (s *stack) closedFolders() []string {
	if s.site.RunAs == "" {
		return nil
	}
	for dir := s.site.State; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return []string{fmt.Sprintf("closed folder: %v", err)}
		case info.Mode()&0o001 == 0:
			return []string{fmt.Sprintf("closed folder: %s lets the account %s not through: chmod o+x, or choose another with BURBN_STATE", dir, s.site.RunAs)}
		}
	}
	return nil
}

// takenPorts names the addresses that the stack needs and somebody else holds.
func (s *stack) takenPorts(ctx context.Context) []string {
	running, _, err := programs(ctx, s.site.Socket())
	if err != nil {
		running = nil // the stack is down, so all of it must be free
	}
	var problems []string
	for _, m := range s.placement.Machines {
		for _, u := range s.images[m.Name].Units {
			if running[m.Name+"."+u.Name].PID != 0 {
				continue
			}
			for _, addr := range u.Listen {
				if err := free(addr); err != nil {
					problems = append(problems, fmt.Sprintf("taken address: %s, which %s of %s needs: %v", addr, u.Name, m.Name, err))
				}
			}
		}
	}
	return problems
}

// free says why an address cannot be bound.
func free(addr string) error {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		host, port, _ := net.SplitHostPort(addr) // Listen has read it
		return fmt.Errorf("somebody listens on port %s of %s or of every address: see ss -ltnp", port, host)
	case err != nil:
		return err
	}
	return l.Close()
}
