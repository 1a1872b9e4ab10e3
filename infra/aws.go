//go:build !local

package main

import (
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// deployAWS is where the target aws joins the program.
func deployAWS(*pulumi.Context, topology.Topology, release.Release) error {
	return errors.New("deploy to aws: the only target so far is local")
}
