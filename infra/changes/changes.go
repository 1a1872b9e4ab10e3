// Package changes says what it does to a running stack when an input of a resource
// changes: whether the resource is made anew, and what a change in place interrupts.
//
// What forces a new resource is as the Terraform provider for AWS has it, which
// Pulumi's is made of (https://registry.terraform.io/providers/hashicorp/aws/latest/docs,
// version 5, "Forces new resource"); what interrupts is as Amazon's user guides say.
// The provider itself has the last word: pulumi preview asks it.
package changes

import (
	"maps"
	"slices"
	"strings"
)

// Effect is what a change of one input does.
type Effect struct {
	// Replace says that the resource is made anew and the old one deleted.
	Replace bool
	// Interrupts says in a few words what a change in place does to those who use the
	// resource; empty: nothing.
	Interrupts string
	// Unknown says that the type is not in the table.
	Unknown bool
}

// Of is the effect of a change of an input, by the path of the property without
// indexes: "launchTemplate.version". A property of a known type that the table does
// not name is changed in place and interrupts nobody.
func Of(typ, path string) Effect {
	k, ok := kinds()[typ]
	if !ok {
		return Effect{Unknown: true}
	}
	// The longest prefix of the path that is in the table decides.
	for p := path; p != ""; {
		if slices.Contains(k.replaces, p) {
			return Effect{Replace: true}
		}
		if what, ok := k.interrupts[p]; ok {
			return Effect{Interrupts: what}
		}
		i := strings.LastIndex(p, ".")
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return Effect{Replace: slices.Contains(k.replaces, "*")}
}

// HoldsData says that a resource of the type holds what cannot be made again.
func HoldsData(typ string) bool { return kinds()[typ].data }

// Types are the types in the table, sorted.
func Types() []string { return slices.Sorted(maps.Keys(kinds())) }

// kind is a type of resource.
type kind struct {
	data       bool
	replaces   []string          // paths; "*": every one
	interrupts map[string]string // by path
}
