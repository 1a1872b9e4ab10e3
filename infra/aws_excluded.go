//go:build local

package main

import (
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// deployAWS refuses: whoever only wants this machine does not pay for compiling
// the AWS SDK.
func deployAWS(*pulumi.Context, topology.Topology, release.Release) error {
	return errors.New("deploy to aws: this program was built with the tag local, which leaves the target aws out: build it without")
}

// earlierRelease refuses, too: only that target has earlier releases.
func earlierRelease(ctx *pulumi.Context, t topology.Topology) (release.Release, error) {
	return nil, deployAWS(ctx, t, nil)
}
