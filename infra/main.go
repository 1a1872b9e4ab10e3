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

// program parses, refuses what would lose data of the last deployment, places, renders
// and deploys. Until deploy nothing is touched but the checkout's bin folder.
func program(ctx *pulumi.Context, checkout string) error {
	doc, ok := ctx.GetConfig(topology.Key)
	if !ok {
		return fmt.Errorf("the configuration of stack %s has no %s", ctx.Stack(), topology.Key)
	}
	t, err := topology.Parse([]byte(doc))
	if err != nil {
		return fmt.Errorf("the configuration of stack %s is not accepted:\n%w", ctx.Stack(), err)
	}
	if err := holdAgainstLast(ctx, t); err != nil {
		return err
	}
	built, err := programs(ctx, checkout, t)
	if err != nil {
		return err
	}
	if err := remember(ctx, t); err != nil {
		return err
	}
	switch t.Target {
	case topology.Local:
		site := local.Here(checkout, ctx.Stack())
		placement := local.Place(t, site, built)
		images, err := local.Render(placement)
		if err != nil {
			return err
		}
		return local.Deploy(ctx, site, placement, images, built)
	case topology.AWS:
		return deployAWS(ctx, t, built)
	default:
		return fmt.Errorf("target %q: accepted is %s or %s", t.Target, topology.Local, topology.AWS)
	}
}

// programs are what the stack runs: built from the checkout, or those of the earlier
// release that it goes back to.
func programs(ctx *pulumi.Context, checkout string, t topology.Topology) (release.Release, error) {
	progress := func(packages int) {
		// Nothing but a message, which the next one replaces.
		_ = ctx.Log.Info(fmt.Sprintf("building the services: %d packages", packages), &pulumi.LogArgs{Ephemeral: true})
	}
	if t.Target != topology.AWS || !t.AWS.Pinned() {
		return release.Build(ctx.Context(), checkout, platform(t), progress)
	}
	earlier, err := earlierRelease(ctx, t)
	if err != nil {
		return nil, err
	}
	machine, err := release.Machine(ctx.Context(), checkout, platform(t), progress)
	return append(earlier, machine), err
}

// platform is what the stack's machines run.
func platform(t topology.Topology) release.Platform {
	if t.Target == topology.AWS {
		return release.Linux(t.AWS.Architecture)
	}
	return release.Host()
}
