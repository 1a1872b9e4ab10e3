package main

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/topology"
)

// factsOutput is the stack's output that keeps what was deployed for the next time.
const factsOutput = "facts"

// holdAgainstLast refuses a topology that would lose data of what the stack deployed
// last, before anything is touched. What that was stands in the outputs of the stack
// itself, which the engine keeps until an up has succeeded; a stack that has not been
// deployed yet has none.
func holdAgainstLast(ctx *pulumi.Context, t topology.Topology) error {
	name := ctx.Organization() + "/" + ctx.Project() + "/" + ctx.Stack()
	last, err := pulumi.NewStackReference(ctx, "last", &pulumi.StackReferenceArgs{Name: pulumi.String(name)})
	if err != nil {
		return fmt.Errorf("read the last deployment of %s: %w", name, err)
	}
	output, err := last.GetOutputDetails(factsOutput)
	if err != nil {
		return fmt.Errorf("read the last deployment of %s: %w", name, err)
	}
	if output.Value == nil {
		return nil
	}
	text, ok := output.Value.(string)
	if !ok {
		return fmt.Errorf("read the last deployment of %s: output %s is a %T, not a text", name, factsOutput, output.Value)
	}
	var old topology.Facts
	if err := json.Unmarshal([]byte(text), &old); err != nil {
		return fmt.Errorf("read the last deployment of %s: output %s: %w", name, factsOutput, err)
	}
	if err := topology.Refuse(old, t); err != nil {
		return fmt.Errorf("stack %s cannot change like this:\n%w", ctx.Stack(), err)
	}
	return nil
}

// remember exports what the next deployment is held against.
func remember(ctx *pulumi.Context, t topology.Topology) error {
	b, err := json.Marshal(t.Facts())
	if err != nil {
		return fmt.Errorf("note what is deployed: %w", err)
	}
	ctx.Export(factsOutput, pulumi.String(b))
	return nil
}
