//go:build !local

package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/topology"
)

// deployAWS is where the target aws joins the program.
func deployAWS(ctx *pulumi.Context, t topology.Topology) error {
	return aws.Deploy(ctx, aws.Place(t, ctx.Stack()))
}
