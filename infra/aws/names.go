package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// Names are inputs: what one system tells another is known before either exists.

// zone is the private zone in which every machine has the name that the settings use.
func zone(stack string) string { return stack + ".burbn.internal" }

// address is a name in the private zone: a machine's, or that of a fleet's balancer.
func address(stack, machine string) string { return machine + "." + zone(stack) }

// secretID is the name of a secret in Secrets Manager.
func secretID(stack, name string) string { return "burbn/" + stack + "/" + name }

// resourceName is what the account calls what belongs to a stack: "burbn-production-api".
func (p Plan) resourceName(part string) string { return "burbn-" + p.Stack + "-" + part }

// machine is the one machine that stands for a role's fleet.
func (p Plan) machine(role images.Role) images.Machine { return p.Placement.Of(role)[0] }

// nameOf is resourceName as an input.
func (p Plan) nameOf(part string) pulumi.String { return pulumi.String(p.resourceName(part)) }
