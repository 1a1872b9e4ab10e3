package enginetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/changes"
)

// operation is what the engine asked of the cloud.
type operation struct {
	verb      string // "create", "update", "delete"
	typ, name string
}

func (o operation) String() string { return o.verb + " " + o.typ + " " + o.name }

// unharmed says that nothing that holds data is deleted or made a second time, of what
// is done and of what a preview says.
func unharmed(t *testing.T, done []operation) {
	t.Helper()
	for _, o := range done {
		if changes.HoldsData(o.typ) && o.verb != "create" && o.verb != "update" {
			t.Errorf("%s: it holds data", o)
		}
	}
}

// foretold says that what was done is what the preview said.
func foretold(t *testing.T, said, done []operation) {
	t.Helper()
	verbs := map[string]string{"create-replacement": "create", "delete-replaced": "delete"}
	left := map[operation]int{}
	for _, o := range said {
		if o.verb != "forget" {
			o.verb = cmp.Or(verbs[o.verb], o.verb)
			left[o]++
		}
	}
	for _, o := range done {
		left[o]--
	}
	for o, n := range left {
		switch {
		case n > 0:
			t.Errorf("the preview says %s, which is not done", o)
		case n < 0:
			t.Errorf("%s: the preview does not say so", o)
		}
	}
}

// only says that no other operations were done than those that match one of the
// patterns: "update aws:ec2/launchTemplate:LaunchTemplate api", where a trailing *
// stands for anything.
func only(t *testing.T, done []operation, patterns ...string) {
	t.Helper()
	matched := make([]bool, len(patterns))
	for _, o := range done {
		known := false
		for i, p := range patterns {
			if o.matches(p) {
				matched[i], known = true, true
			}
		}
		if !known {
			t.Errorf("unexpected: %s", o)
		}
	}
	for i, p := range patterns {
		if !matched[i] {
			t.Errorf("not done: %s", p)
		}
	}
}

// matches says whether an operation is one of a pattern, where a trailing * stands for
// anything: "create aws:ec2/launchTemplate:LaunchTemplate api*".
func (o operation) matches(pattern string) bool {
	prefix, any := strings.CutSuffix(pattern, "*")
	return o.String() == pattern || any && strings.HasPrefix(o.String(), prefix)
}

// after says that the first operation of one pattern came after the last of another.
func after(t *testing.T, done []operation, late, early string) {
	t.Helper()
	first := slices.IndexFunc(done, func(o operation) bool { return o.matches(late) })
	last := -1
	for i, o := range done {
		if o.matches(early) {
			last = i
		}
	}
	switch {
	case first < 0:
		t.Errorf("there is no %s", late)
	case last < 0:
		t.Errorf("there is no %s", early)
	case first < last:
		t.Errorf("%s came before %s", done[first], done[last])
	}
}

func count(done []operation, verb, typ string) int {
	n := 0
	for _, o := range done {
		if o.verb == verb && o.typ == typ {
			n++
		}
	}
	return n
}

// tally counts operations by verb: "create 301, delete 2".
func tally(log []operation) string {
	n := map[string]int{}
	for _, o := range log {
		n[o.verb]++
	}
	var parts []string
	for _, verb := range []string{"create", "update", "delete"} {
		if n[verb] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", verb, n[verb]))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing")
}
