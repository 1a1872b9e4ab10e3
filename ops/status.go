package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/burbn/burbn/images"
)

// report is what status says of a stack.
type report struct {
	Stack    string          `json:"stack"`
	Healthy  bool            `json:"healthy"`
	Memory   int64           `json:"memory"` // bytes, with the supervisor's own
	Machines []machineReport `json:"machines"`
}

// machineReport is what status says of a machine.
type machineReport struct {
	Name    string       `json:"name"`
	Role    images.Role  `json:"role"`
	Addr    string       `json:"addr"`
	Healthy bool         `json:"healthy"`
	Memory  int64        `json:"memory"` // bytes
	Uptime  float64      `json:"uptime"` // seconds, of the unit that started last
	Units   []unitReport `json:"units"`
}

// unitReport is what status says of a unit.
type unitReport struct {
	Name    string  `json:"name"`
	Healthy bool    `json:"healthy"`
	Problem string  `json:"problem,omitempty"`
	PID     int     `json:"pid,omitempty"`
	Memory  int64   `json:"memory"`
	Uptime  float64 `json:"uptime"`
}

const (
	// checkTimeout bounds one readiness check.
	checkTimeout = 3 * time.Second
	// checksAtOnce bounds how many run side by side.
	checksAtOnce = 32
)

// inspect asks the supervisor and every unit itself.
func inspect(ctx context.Context, s *stack) report {
	running, supervisor, err := programs(ctx, s.site.Socket())
	f := readFamilies()
	r := report{Stack: s.placement.Stack, Healthy: true, Machines: make([]machineReport, len(s.placement.Machines))}
	if supervisor != 0 {
		r.Memory = pss(supervisor)
	}
	var checks sync.WaitGroup
	turn := make(chan struct{}, checksAtOnce)
	for i, m := range s.placement.Machines {
		mr := &r.Machines[i]
		mr.Name, mr.Role, mr.Addr = m.Name, m.Role, m.Addr
		for _, u := range s.images[m.Name].Units {
			if !u.Once {
				mr.Units = append(mr.Units, unitReport{Name: u.Name})
			}
		}
		next := 0
		for _, u := range s.images[m.Name].Units {
			if u.Once {
				continue
			}
			ur := &mr.Units[next]
			next++
			p, known := running[m.Name+"."+u.Name]
			switch {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
				ur.Problem = "the stack's supervisor does not run"
			case err != nil:
				ur.Problem = err.Error()
			case !known:
				ur.Problem = "is not deployed"
			case p.PID == 0: // one that is starting is asked as well
				ur.Problem = strings.TrimSpace("is " + strings.ToLower(p.State) + " " + p.Problem)
			default:
				ur.PID, ur.Memory, ur.Uptime = p.PID, f.memory(p.PID), time.Since(time.Unix(p.Started, 0)).Seconds()
				checks.Go(func() {
					turn <- struct{}{}
					defer func() { <-turn }()
					ctx, cancel := context.WithTimeout(ctx, checkTimeout)
					defer cancel()
					if err := check(ctx, u.Ready); err != nil {
						ur.Problem = err.Error()
					}
				})
			}
		}
	}
	checks.Wait()
	for i := range r.Machines {
		r.Machines[i].sum()
		r.Healthy = r.Healthy && r.Machines[i].Healthy
		r.Memory += r.Machines[i].Memory
	}
	return r
}

// sum makes a machine's figures from its units'.
func (m *machineReport) sum() {
	m.Healthy = true
	for i := range m.Units {
		u := &m.Units[i]
		u.Healthy = u.Problem == ""
		m.Healthy = m.Healthy && u.Healthy
		m.Memory += u.Memory
		if i == 0 || u.Uptime < m.Uptime {
			m.Uptime = u.Uptime
		}
	}
}

// problem is the first thing that is wrong with the machine, or "".
func (m machineReport) problem() string {
	for _, u := range m.Units {
		if !u.Healthy {
			return u.Name + ": " + u.Problem
		}
	}
	return ""
}

// check asks a unit the question by which its start is awaited.
func check(ctx context.Context, r images.Ready) error {
	if r.HTTP != "" {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.HTTP, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			why, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // the status says enough without
			return fmt.Errorf("%s: %s: %s", r.HTTP, resp.Status, strings.Join(strings.Fields(string(why)), " "))
		}
	}
	if r.TCP != "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.TCP)
		if err != nil {
			return err
		}
		conn.Close()
	}
	if len(r.Exec) > 0 {
		if out, err := exec.CommandContext(ctx, r.Exec[0], r.Exec[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", r.Exec[0], err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

func status(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	asJSON := flags.Bool("json", false, "as JSON")
	return func(ctx context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		s, err := open(*name)
		if err != nil {
			return err
		}
		r := inspect(ctx, s)
		if *asJSON {
			enc := json.NewEncoder(c.out)
			enc.SetIndent("", "  ")
			err = enc.Encode(r)
		} else {
			err = r.write(c.out)
		}
		if err != nil {
			return fmt.Errorf("write the status: %w", err)
		}
		return r.err()
	}
}

// err is nil if every machine is healthy.
func (r report) err() error {
	n := 0
	for _, m := range r.Machines {
		if !m.Healthy {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d machines of the stack %s are not healthy", n, len(r.Machines), r.Stack)
}

func (r report) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MACHINE\tROLE\tADDRESS\tHEALTH\tMEMORY\tUP\tUNITS")
	for _, m := range r.Machines {
		health, units := "ok", make([]string, len(m.Units))
		if !m.Healthy {
			health = "DOWN"
		}
		for i, u := range m.Units {
			units[i] = u.Name
		}
		last := strings.Join(units, " ")
		if p := m.problem(); p != "" {
			last = p
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.Role, m.Addr, health, mib(m.Memory), ago(m.Uptime), last)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d machines, %s of memory\n", len(r.Machines), mib(r.Memory))
	return err
}

func mib(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// ago is a time in its two largest units.
func ago(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	d := time.Duration(seconds * float64(time.Second))
	switch days := int(d.Hours()) / 24; {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, int(d.Hours())%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
}

func wait(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	timeout := flags.Duration("timeout", time.Minute, "give up after this long")
	return func(ctx context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		s, err := open(*name)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		return awaitHealth(ctx, c, s)
	}
}

// awaitHealth inspects until all is well, and says what it waits for whenever that
// changes.
func awaitHealth(ctx context.Context, c console, s *stack) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	said := -1
	for {
		r := inspect(ctx, s)
		healthy, first := 0, ""
		for _, m := range r.Machines {
			if m.Healthy {
				healthy++
			} else if first == "" {
				first = m.Name + ": " + m.problem()
			}
		}
		if r.Healthy {
			fmt.Fprintf(c.err, "all %d machines of the stack %s are healthy\n", len(r.Machines), r.Stack)
			return nil
		}
		if healthy != said {
			fmt.Fprintf(c.err, "%d of %d machines are healthy; %s\n", healthy, len(r.Machines), first)
			said = healthy
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait: %w: %w: %s", ctx.Err(), r.err(), first)
		case <-tick.C:
		}
	}
}
