package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/kolo/xmlrpc"
)

// program is what the supervisor says of a unit.
type program struct {
	Name    string `xmlrpc:"name"` // "api-01.pgbouncer"
	State   string `xmlrpc:"statename"`
	PID     int    `xmlrpc:"pid"`
	Started int64  `xmlrpc:"start"` // seconds since 1970
	Problem string `xmlrpc:"spawnerr"`
}

// programs asks the supervisor that listens at socket for all its programs, by
// name, and for its own process.
func programs(socket string) (map[string]program, int, error) {
	client, err := xmlrpc.NewClient("http://supervisor/RPC2", &http.Transport{
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: 5 * time.Second,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", socket)
		},
	})
	if err != nil {
		return nil, 0, fmt.Errorf("ask the supervisor: %w", err)
	}
	defer client.Close()
	var list []program
	if err := client.Call("supervisor.getAllProcessInfo", nil, &list); err != nil {
		return nil, 0, fmt.Errorf("ask the supervisor: %w", err)
	}
	var pid int
	if err := client.Call("supervisor.getPID", nil, &pid); err != nil {
		return nil, 0, fmt.Errorf("ask the supervisor: %w", err)
	}
	byName := map[string]program{}
	for _, p := range list {
		byName[p.Name] = p
	}
	return byName, pid, nil
}
