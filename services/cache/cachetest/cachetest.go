// Package cachetest starts real Redis clusters and memcached nodes for tests, on
// free ports, and stops them with the test.
package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long a server may take to start.
const patience = 20 * time.Second

// A Server is one process, which a test may kill and start again.
type Server struct {
	Addr string // "127.0.0.1:43117"

	argv []string
	cmd  *exec.Cmd
	log  bytes.Buffer
	done chan struct{} // closed when cmd has ended
}

// start runs the server and waits until it accepts connections.
func (s *Server) start() error {
	s.cmd = exec.Command(s.argv[0], s.argv[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	// A test binary that is killed takes its servers with it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.argv[0], err)
	}
	done := make(chan struct{})
	s.done = done
	go func() {
		s.cmd.Wait()
		close(done)
	}()
	return until(func() error {
		select {
		case <-done:
			return fmt.Errorf("%s ended: %s", s.argv[0], s.log.String())
		default:
		}
		c, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// Kill ends the server with SIGKILL; what it held in memory is gone.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.done
}

// Freeze stops the server's process without ending it: connections are accepted
// and nothing answers. Thaw lets it go on.
func (s *Server) Freeze() { s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *Server) Thaw()   { s.cmd.Process.Signal(syscall.SIGCONT) }

// Restart starts a killed server again at the same address.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.start(); err != nil {
		tb.Fatal(err)
	}
}

// Redis is a cluster, ready for use.
type Redis struct {
	Addrs    []string // of the masters, for settings.Stores.Redis
	Password string
	Masters  []*Server

	dir string
}

// StartRedis starts a cluster of masters, for a TestMain that shares one among
// its tests; a fresh cluster takes two seconds to accept writes.
func StartRedis(masters int) (*Redis, error) {
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		return nil, err
	}
	r := &Redis{Password: "a password of tests", dir: dir}
	for range masters {
		addr, bus, err := freePorts()
		if err != nil {
			return nil, errors.Join(err, r.Stop())
		}
		_, port, _ := net.SplitHostPort(addr)
		s := &Server{Addr: addr, argv: []string{
			"redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no",
			"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-config-file", "nodes-" + port + ".conf",
			"--requirepass", r.Password, "--masterauth", r.Password,
			"--hash-max-listpack-entries", "1024", "--zset-max-listpack-entries", "1024",
		}}
		r.Masters = append(r.Masters, s)
		r.Addrs = append(r.Addrs, addr)
		if err := s.start(); err != nil {
			return nil, errors.Join(err, r.Stop())
		}
	}
	if err := r.join(); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// join gives every master its share of the slots and waits until each knows all.
func (r *Redis) join() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nodes := make([]*redis.Client, len(r.Addrs))
	for i, addr := range r.Addrs {
		nodes[i] = redis.NewClient(&redis.Options{Addr: addr, Password: r.Password})
		defer nodes[i].Close()
	}
	const slots = 16384
	for i, n := range nodes {
		first, last := slots*i/len(nodes), slots*(i+1)/len(nodes)-1
		if err := n.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return fmt.Errorf("give slots to %s: %w", r.Addrs[i], err)
		}
		if i == 0 {
			continue
		}
		host, port, _ := net.SplitHostPort(r.Addrs[i])
		bus, err := n.ConfigGet(ctx, "cluster-port").Result()
		if err != nil {
			return fmt.Errorf("ask %s for its bus: %w", r.Addrs[i], err)
		}
		if err := nodes[0].Do(ctx, "cluster", "meet", host, port, bus["cluster-port"]).Err(); err != nil {
			return fmt.Errorf("introduce %s: %w", r.Addrs[i], err)
		}
	}
	want := fmt.Appendf(nil, "cluster_known_nodes:%d", len(nodes))
	return until(func() error {
		for i, n := range nodes {
			info, err := n.ClusterInfo(ctx).Bytes()
			if err != nil {
				return err
			}
			if !bytes.Contains(info, []byte("cluster_state:ok")) || !bytes.Contains(info, want) {
				return fmt.Errorf("redis %s is not ready: %s", r.Addrs[i], info)
			}
		}
		return nil
	})
}

// Stop ends the cluster and removes what it wrote.
func (r *Redis) Stop() error {
	for _, s := range r.Masters {
		if s.cmd != nil && s.cmd.Process != nil {
			s.Kill()
		}
	}
	return os.RemoveAll(r.dir)
}

// NewRedis starts a cluster of its own for one test.
func NewRedis(tb testing.TB, masters int) *Redis {
	tb.Helper()
	r, err := StartRedis(masters)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return r
}

// NewMemcached starts memcached nodes.
func NewMemcached(tb testing.TB, nodes int) []*Server {
	tb.Helper()
	var servers []*Server
	for range nodes {
		addr, _, err := freePorts()
		if err != nil {
			tb.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(addr)
		s := &Server{Addr: addr, argv: []string{"memcached", "-l", host, "-p", port, "-U", "0", "-m", "64", "-t", "2"}}
		if os.Geteuid() == 0 {
			s.argv = append(s.argv, "-u", "nobody") // memcached refuses to be root
		}
		if err := s.start(); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(s.Kill)
		servers = append(servers, s)
	}
	return servers
}

// freePorts finds an address and a second port that nobody listens on.
func freePorts() (addr, second string, err error) {
	var addrs [2]string
	for i := range addrs {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer ln.Close()
		addrs[i] = ln.Addr().String()
	}
	_, second, _ = net.SplitHostPort(addrs[1])
	return addrs[0], second, nil
}

// until retries f until it succeeds or patience ends, and returns its last error.
func until(f func() error) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-deadline.C:
			return fmt.Errorf("after %s: %w", patience, err)
		case <-tick.C:
		}
	}
}
