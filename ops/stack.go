package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/local"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// stack is a stack as its file says it should be.
type stack struct {
	site      local.Site
	placement images.Placement
	images    map[string]images.Image // by machine
}

// stackFlag declares -stack.
func stackFlag(flags *flag.FlagSet) *string {
	return flags.String("stack", "local", "`name` of the stack, as in stacks/Pulumi.<name>.yaml")
}

// locate is the checkout and where on this machine a stack lives, whatever its file
// says.
func locate(name string) (root string, site local.Site, err error) {
	root, err = checkout()
	if err != nil {
		return "", local.Site{}, err
	}
	if known := stacks(root); !slices.Contains(known, name) {
		return "", local.Site{}, fmt.Errorf("the stack %q is unknown: accepted is %s", name, strings.Join(known, ", "))
	}
	return root, local.Here(root, name), nil
}

// open reads a stack's file and places and renders what it says, as the Pulumi
// program does. What runs is not looked at.
func open(name string) (*stack, error) {
	root, site, err := locate(name)
	if err != nil {
		return nil, err
	}
	t, err := topology.ParseFile(file(root, name))
	if err != nil {
		return nil, err
	}
	if t.Target != topology.Local {
		return nil, fmt.Errorf("the stack %q runs on %s, where this command does not look: accepted is a stack of the target %s", name, t.Target, topology.Local)
	}
	s := &stack{site: site, placement: local.Place(t, site, release.Unknown())}
	s.images, err = local.Render(s.placement)
	return s, err
}

func file(root, stack string) string { return filepath.Join(root, "stacks", "Pulumi."+stack+".yaml") }

// stacks are the names of all stack files.
func stacks(root string) []string {
	files, err := filepath.Glob(file(root, "*"))
	if err != nil {
		return nil // only of a malformed pattern
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "Pulumi."), ".yaml")
	}
	return files
}

// checkout is the folder of Pulumi.yaml: here, above, or where this program was built.
func checkout() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for _, start := range []string{here, filepath.Dir(self)} {
		for dir := start; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "Pulumi.yaml")); err == nil {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("find the checkout: there is no Pulumi.yaml in %s or above", here)
}

// choice is which machines a command is for.
type choice struct{ stack, role, machine *string }

func chooseFlags(flags *flag.FlagSet) choice {
	return choice{
		stack:   stackFlag(flags),
		role:    flags.String("role", "", "every machine of this `role`: api, nginx, postgres ..."),
		machine: flags.String("machine", "", "this machine alone, by `name`: api-01"),
	}
}

// topology is what the file of the stack says.
func (c choice) topology() (topology.Topology, error) {
	root, _, err := locate(*c.stack)
	if err != nil {
		return topology.Topology{}, err
	}
	return topology.ParseFile(file(root, *c.stack))
}

// open is the stack with the machines chosen; neither flag chooses all.
func (c choice) open() (*stack, []images.Machine, error) {
	s, err := open(*c.stack)
	if err != nil {
		return nil, nil, err
	}
	var chosen []images.Machine
	var roles, names []string
	for _, m := range s.placement.Machines {
		if len(roles) == 0 || roles[len(roles)-1] != string(m.Role) {
			roles = append(roles, string(m.Role))
		}
		if *c.role != "" && *c.role != string(m.Role) {
			continue
		}
		names = append(names, m.Name)
		if *c.machine == "" || *c.machine == m.Name {
			chosen = append(chosen, m)
		}
	}
	switch {
	case len(names) == 0:
		return nil, nil, fmt.Errorf("the role %q is unknown: accepted is %s", *c.role, strings.Join(roles, ", "))
	case len(chosen) == 0:
		return nil, nil, fmt.Errorf("the machine %q is unknown: accepted is %s", *c.machine, strings.Join(names, ", "))
	}
	return s, chosen, nil
}
