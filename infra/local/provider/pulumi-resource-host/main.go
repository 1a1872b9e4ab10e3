// Command pulumi-resource-host is the Pulumi plugin of the provider host.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/burbn/burbn/infra/local/provider"
)

func main() {
	// Pulumi ends a plugin by closing it and by signals; a running operation learns
	// of a cancelled update through its own context.
	go leaveAfter(os.Getppid())
	if err := provider.Provider().Run(context.Background(), "host", provider.Version); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tidying is how long operations have to end that a killed Pulumi has left behind.
const tidying = 30 * time.Second

// leaveAfter ends this process some time after its parent, which when it is killed
// has no chance to end it.
func leaveAfter(pulumi int) {
	for os.Getppid() == pulumi {
		time.Sleep(time.Second)
	}
	time.Sleep(tidying)
	os.Exit(1)
}
