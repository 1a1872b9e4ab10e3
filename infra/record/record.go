// Package record says what the program of the target aws would provision, without a
// cloud, credentials or an engine.
package record

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/fake"
)

// Resource is a resource as the program registers it.
type Resource struct {
	Name     string // logical
	Type     string // "aws:ec2/vpc:Vpc"; a component's is "burbn:aws:Network"
	Custom   bool   // not a component
	Parent   string // logical name; empty: the stack
	Provider string // logical name
	// Inputs are plain values; a reference to another resource is made of its logical
	// name, as package fake makes ids and the like.
	Inputs resource.PropertyMap
	// What becomes of the resource when it is destroyed or replaced.
	Protect, RetainOnDelete, DeleteBeforeReplace bool
	IgnoreChanges                                []string
	DependsOn                                    []string // logical names
}

// Run runs the program and returns every resource, sorted by name.
func Run(p aws.Plan) ([]Resource, error) {
	r := &recorder{}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error { return aws.Deploy(ctx, p) }, pulumi.WithMocks("burbn", p.Stack, r), withSecrets)
	slices.SortFunc(r.resources, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return r.resources, err
}

// withSecrets stands in for what a stack's configuration holds besides its topology.
func withSecrets(info *pulumi.RunInfo) {
	info.Config = map[string]string{}
	for _, key := range []string{"burbn:apnsKey", "burbn:pagerKey", "burbn:sentryKey"} {
		info.Config[key] = "a secret of the configuration"
		info.ConfigSecretKeys = append(info.ConfigSecretKeys, key)
	}
}

// recorder answers registrations and keeps them.
type recorder struct {
	mu        sync.Mutex
	resources []Resource
}

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	rpc := args.RegisterRPC
	res := Resource{
		Name: args.Name, Type: args.TypeToken, Custom: args.Custom,
		Provider: logical(strings.Split(args.Provider, "::")),
		Inputs:   args.Inputs,
	}
	if rpc != nil {
		res.Parent = logical(strings.Split(rpc.GetParent(), "::"))
		res.Protect, res.RetainOnDelete = rpc.GetProtect(), rpc.GetRetainOnDelete()
		res.DeleteBeforeReplace, res.IgnoreChanges = rpc.GetDeleteBeforeReplace(), rpc.GetIgnoreChanges()
		for _, urn := range rpc.GetDependencies() {
			res.DependsOn = append(res.DependsOn, logical(strings.Split(urn, "::")))
		}
		if strings.HasPrefix(rpc.GetParent(), "urn:pulumi:") && strings.Contains(rpc.GetParent(), "pulumi:pulumi:Stack") {
			res.Parent = ""
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resources = append(r.resources, res)
	return fake.ID(args.Name), fake.Outputs(args.TypeToken, args.Name, args.Inputs), nil
}

func (r *recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return fake.Answer(args.Token, args.Args), nil
}

// logical is the name in an URN: urn:pulumi:<stack>::<project>::<type>::<name>.
func logical(urn []string) string {
	if len(urn) < 4 {
		return ""
	}
	return urn[3]
}
