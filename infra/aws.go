//go:build !local

package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// deployAWS is where the target aws joins the program.
func deployAWS(ctx *pulumi.Context, t topology.Topology, r release.Release) error {
	p, err := aws.NewPlan(t, ctx.Stack(), r)
	if err != nil {
		return err
	}
	return aws.Deploy(ctx, p)
}

// earlierRelease is the release that a stack on AWS goes back to.
func earlierRelease(ctx *pulumi.Context, t topology.Topology) (release.Release, error) {
	return aws.Earlier(ctx, t)
}
