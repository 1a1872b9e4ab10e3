// Command infra is the Pulumi program: it reads what runs from the stack's
// configuration and deploys it to the stack's target. Pulumi runs it; the whole
// topology is code, and this is its table of contents.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/local"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error { return program(ctx, ctx.RootDirectory()) })
}

// program parses, places, renders and deploys. Until deploy nothing is touched but
// the checkout's bin folder.
func program(ctx *pulumi.Context, checkout string) error {
	doc, ok := ctx.GetConfig(topology.Key)
	if !ok {
		return fmt.Errorf("the configuration of stack %s has no %s", ctx.Stack(), topology.Key)
	}
	t, err := topology.Parse([]byte(doc))
	if err != nil {
		return fmt.Errorf("the configuration of stack %s is not accepted:\n%w", ctx.Stack(), err)
	}
	switch t.Target {
	case topology.Local:
		built, err := release.Build(ctx.Context(), checkout, func(packages int) {
			// Nothing but a message, which the next one replaces.
			_ = ctx.Log.Info(fmt.Sprintf("building the services: %d packages", packages), &pulumi.LogArgs{Ephemeral: true})
		})
		if err != nil {
			return err
		}
		site := local.Here(checkout, ctx.Stack())
		placement := local.Place(t, site, built)
		images, err := local.Render(placement)
		if err != nil {
			return err
		}
		return local.Deploy(ctx, site, placement, images, built)
	case topology.AWS:
		return deployAWS(ctx, t)
	default:
		return fmt.Errorf("target %q: accepted is %s or %s", t.Target, topology.Local, topology.AWS)
	}
}
