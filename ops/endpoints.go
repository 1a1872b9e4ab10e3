package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"text/tabwriter"

	"github.com/burbn/burbn/infra/local"
)

func endpoints(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	asJSON := flags.Bool("json", false, "as JSON")
	return func(_ context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		s, err := open(*name)
		if err != nil {
			return err
		}
		es := local.Endpoints(s.placement)
		if *asJSON {
			enc := json.NewEncoder(c.out)
			enc.SetIndent("", "  ")
			return enc.Encode(es)
		}
		table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		api := ""
		for _, e := range es {
			fmt.Fprintf(table, "%s\t%s\t%s\n", e.Name, e.URL, e.What)
			if e.Name == "api" {
				api = e.URL
			}
		}
		if err := table.Flush(); err != nil {
			return fmt.Errorf("write the endpoints: %w", err)
		}
		fmt.Fprintf(c.out, `
Try next:
  curl -s %s/v1/users -H 'Content-Type: application/json' -d '{"name":"maya","password":"a long enough one","email":"maya@example.com"}'
  bin/burbn status -stack %s
  bin/burbn logs -stack %[2]s -role api -f
`, api, *name)
		return nil
	}
}
