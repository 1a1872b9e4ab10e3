//go:build local

package main

import (
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/topology"
)

// deployAWS refuses: whoever only wants this machine does not pay for compiling
// the AWS SDK.
func deployAWS(*pulumi.Context, topology.Topology) error {
	return errors.New("deploy to aws: this program was built with the tag local, which leaves the target aws out: build it without")
}
