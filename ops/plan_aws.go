//go:build !local

package main

import (
	"context"
	"encoding/json"

	planned "github.com/burbn/burbn/infra/plan"
	"github.com/burbn/burbn/infra/topology"
)

// plan prints what a topology becomes on AWS, and where a revision is given what the
// edit of the one that it had does.
func plan(_ context.Context, c console, o planOptions, t, old topology.Topology) error {
	report, err := planned.Make(*o.stack, t)
	if err != nil {
		return err
	}
	if *o.against != "" {
		if err := report.Compare(*o.against, old); err != nil {
			return err
		}
	}
	switch {
	case *o.json:
		out := json.NewEncoder(c.out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(report)
	case *o.markdown:
		report.Markdown(c.out, *o.all)
	default:
		report.Write(c.out, *o.all)
	}
	if err == nil && report.Bad() {
		return errSaid
	}
	return err
}
