package main

import (
	"context"
	"fmt"
	"time"

	"github.com/burbn/burbn/infra/local/xmlrpc"
)

// program is what the supervisor says of a unit.
type program struct {
	Name    string // "api-01.pgbouncer"
	State   string
	PID     int
	Started int64 // seconds since 1970
	Problem string
}

// programs asks the supervisor that listens at socket for all its programs, by
// name, and for its own process.
func programs(ctx context.Context, socket string) (map[string]program, int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := xmlrpc.Call(ctx, socket, "supervisor.getAllProcessInfo")
	if err != nil {
		return nil, 0, fmt.Errorf("ask the supervisor: %w", err)
	}
	pid, err := xmlrpc.Call(ctx, socket, "supervisor.getPID")
	if err != nil {
		return nil, 0, fmt.Errorf("ask the supervisor: %w", err)
	}
	byName := map[string]program{}
	for _, v := range list.Array {
		p := program{
			Name: v.Field("name").String, State: v.Field("statename").String, PID: v.Field("pid").Number(),
			Started: int64(v.Field("start").Number()), Problem: v.Field("spawnerr").String,
		}
		byName[p.Name] = p
	}
	return byName, pid.Number(), nil
}
