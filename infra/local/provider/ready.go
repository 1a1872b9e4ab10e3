package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Ready says when a process is up: when all that is set holds, or when it has run
// for a second.
type Ready struct {
	HTTP           string   `pulumi:"http"`          // URL that answers 2xx
	TCP            string   `pulumi:"tcp"`           // host:port that accepts
	Exec           []string `pulumi:"exec,optional"` // command that exits 0
	TimeoutSeconds float64  `pulumi:"timeoutSeconds"`
}

// probeTimeout bounds one attempt.
const probeTimeout = 5 * time.Second

func (r Ready) String() string {
	var waits []string
	if r.HTTP != "" {
		waits = append(waits, r.HTTP)
	}
	if r.TCP != "" {
		waits = append(waits, r.TCP)
	}
	if len(r.Exec) > 0 {
		waits = append(waits, strings.Join(r.Exec, " "))
	}
	if len(waits) == 0 {
		return "its first second"
	}
	return strings.Join(waits, ", ")
}

// probe is nil when the program, which is in the given state, is up.
func (p *program) probe(ctx context.Context, is status) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if p.Ready.HTTP != "" {
		if err := get(ctx, p.Ready.HTTP); err != nil {
			return err
		}
	}
	if p.Ready.TCP != "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Ready.TCP)
		if err != nil {
			return err
		}
		conn.Close()
	}
	if len(p.Ready.Exec) > 0 {
		if _, err := p.run(ctx, p.who, p.Ready.Exec); err != nil {
			return err
		}
	}
	if p.Ready.HTTP+p.Ready.TCP != "" || len(p.Ready.Exec) > 0 {
		return nil
	}
	now, err := p.supervisor.status(ctx, p.Name)
	if err == nil && (now.name != "RUNNING" || now.pid != is.pid) {
		err = errors.New("it has not run for a second")
	}
	return err
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// No proxy: what is asked runs here.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}
