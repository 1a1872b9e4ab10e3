// Package guard says what must hold of everything that the target aws provisions, as
// rules that are checked before anything is provisioned.
//
// A rule reads what the program would register (see infra/record) and judges it by
// what is written here alone: it shares no table with infra/aws, so that a mistake
// there is not a mistake here. It repairs nothing, asks no cloud, and does not know
// what an account's own policies forbid or allow besides.
package guard

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/topology"
)

// Rule is something that must hold.
type Rule struct {
	ID   string // "encrypted"
	Says string // what must hold
	Why  string // what happens where it does not

	check func(s *State, refuse refuse)
}

// refuse notes what breaks the rule that is being checked.
type refuse func(r Resource, format string, args ...any)

// Violation is a resource that breaks a rule.
type Violation struct {
	Rule     string `json:"rule"`     // ID
	Resource string `json:"resource"` // logical name; empty: the stack itself
	Type     string `json:"type"`
	Says     string `json:"says"` // what is wrong, and what is accepted
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s (%s): %s", v.Rule, v.Resource, v.Type, v.Says)
}

// Rules are all rules, in the order in which they are checked.
func Rules() []Rule {
	var rules []Rule
	for _, part := range [][]Rule{publicRules(), storeRules(), machineRules(), policyRules(), secretRules(), flowRules(), edgeRules(), nameRules(), orderRules(), watchRules()} {
		rules = append(rules, part...)
	}
	return rules
}

// Check holds what a stack would register against every rule.
func Check(stack string, t topology.Topology, rs []record.Resource) []Violation {
	s := read(stack, t, rs)
	var vs []Violation
	for _, rule := range Rules() {
		rule.check(s, func(r Resource, format string, args ...any) {
			vs = append(vs, Violation{Rule: rule.ID, Resource: r.Name, Type: r.Type, Says: fmt.Sprintf(format, args...)})
		})
	}
	slices.SortStableFunc(vs, func(a, b Violation) int { return cmp.Compare(a.Resource, b.Resource) })
	return vs
}
