// Package provider is a Pulumi provider for the processes, files and secrets of one
// Linux machine. supervisord holds the processes, so that they outlive both Pulumi
// and this provider and are restarted when they die.
//
// It knows nothing of what the processes are for, keeps no state but what Pulumi
// and the file system keep, installs no packages, and never removes what a process
// has written.
//
// All of it works as root, which may run each process as an account of its own, and
// as an ordinary user, who runs everything as himself.
package provider

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Version of the provider, as Pulumi records it in a stack's state.
const Version = "1.0.0"

// Provider is the provider host with its five resources.
func Provider() p.Provider {
	provider := infer.Provider(infer.Options{
		Resources: []infer.InferredResource{
			infer.Resource(&Supervisor{}),
			infer.Resource(&Artifact{}),
			infer.Resource(&Secret{}),
			infer.Resource(&Process{}),
			infer.Resource(&Task{}),
		},
	})
	diff := provider.Diff
	provider.Diff = func(ctx context.Context, req p.DiffRequest) (p.DiffResponse, error) {
		resp, err := diff(ctx, req)
		// What replaces a process needs its name, its port and its files.
		resp.DeleteBeforeReplace = req.Urn.Type().Name() == "Process"
		return resp, err
	}
	return provider
}
