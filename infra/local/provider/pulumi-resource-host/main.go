// Command pulumi-resource-host is the Pulumi plugin of the provider host.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/burbn/burbn/infra/local/provider"
)

func main() {
	// Pulumi ends a plugin by closing it and by signals; a running operation learns
	// of a cancelled update through its own context.
	if err := provider.Provider().Run(context.Background(), "host", provider.Version); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
