package plan

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/burbn/burbn/infra/changes"
	"github.com/burbn/burbn/infra/record"
)

// Action is what becomes of a resource.
type Action string

const (
	Add     Action = "add"
	Change  Action = "change" // in place
	Replace Action = "replace"
	Remove  Action = "remove"
)

// Difference is what becomes of one resource.
type Difference struct {
	Action Action `json:"action"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	// HoldsData says that replacing or removing it would lose what cannot be made again.
	HoldsData bool `json:"holdsData,omitempty"`
	// Protected says that Pulumi refuses to replace or remove it.
	Protected bool `json:"protected,omitempty"`
	// Stays says that it is removed from the stack, and left where it is.
	Stays bool `json:"stays,omitempty"`
	// Interrupts says what replacing it does to whoever uses it.
	Interrupts string  `json:"interrupts,omitempty"`
	Inputs     []Input `json:"inputs,omitempty"`
}

// Input is an input of a resource that differs.
type Input struct {
	Path string `json:"path"`
	Old  string `json:"old,omitempty"` // empty: was not given
	New  string `json:"new,omitempty"` // empty: is not given any more
	// Lines are of a document or a list, instead of Old and New: "+added", "-removed".
	Lines []string `json:"lines,omitempty"`
	// Replaces says that this is why the resource is replaced.
	Replaces bool `json:"replaces,omitempty"`
	// Interrupts says what the change does to whoever uses the resource meanwhile.
	Interrupts string `json:"interrupts,omitempty"`
	// Unknown says that what the change does has not been looked up.
	Unknown bool `json:"unknown,omitempty"`
}

// Compare is what would become of every resource that differs: what goes first,
// then what is replaced, changed and added, each by name.
func Compare(old, now []record.Resource) []Difference {
	was, is := index(old), index(now)
	differences := map[key]*Difference{}
	for k := range union(was, is) {
		a, before := was[k]
		b, after := is[k]
		d := &Difference{Name: k.name, Type: k.typ}
		switch {
		case !before:
			d.Action = Add
		case !after:
			d.Action, d.Protected, d.Stays = Remove, a.Protect, a.RetainOnDelete
		default:
			d.Action = Change
			d.Inputs = append(inputs(k.typ, a.flat, b.flat, b.IgnoreChanges), options(a.Resource, b.Resource)...)
			if len(d.Inputs) == 0 {
				continue
			}
		}
		differences[k] = d
	}
	cascade(is, differences)
	all := []Difference{}
	for k, d := range differences {
		if d.replaced() {
			// The engine looks at both: protection can be taken away and the resource replaced
			// in one deployment.
			d.Action, d.Protected = Replace, was[k].Protect && is[k].Protect
			d.Interrupts = changes.Replaced(k.typ)
		}
		d.HoldsData = (d.Action == Replace || d.Action == Remove) && changes.HoldsData(k.typ)
		all = append(all, *d)
	}
	order := []Action{Remove, Replace, Change, Add}
	slices.SortFunc(all, func(a, b Difference) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Action), slices.Index(order, b.Action)),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return all
}

func (d *Difference) replaced() bool {
	return slices.ContainsFunc(d.Inputs, func(i Input) bool { return i.Replaces })
}

type key struct{ typ, name string }

// flattened is a resource with its inputs by path.
type flattened struct {
	record.Resource
	flat map[string]string
}

func index(rs []record.Resource) map[key]flattened {
	m := map[key]flattened{}
	for _, r := range rs {
		if r.Custom {
			m[key{r.Type, r.Name}] = flattened{r, r.Flat()}
		}
	}
	return m
}

// inputs are the inputs that differ, by path.
func inputs(typ string, was, is map[string]string, ignored []string) []Input {
	var list []Input
	for _, path := range slices.Sorted(maps.Keys(union(was, is))) {
		a, b := was[path], is[path]
		if a == b || ignores(ignored, withoutIndexes(path)) {
			continue
		}
		i := effect(typ, path, is)
		i.Old, i.New, i.Lines = values(path, a, b)
		if rolls(path, is) {
			i.Old, i.New = presentOne, newOne // a number that the cloud counts
		}
		list = append(list, i)
	}
	return list
}

// effect is an input of which only is known what a change of it does, where the
// resource becomes is.
func effect(typ, path string, is map[string]string) Input {
	p := withoutIndexes(path)
	if rolls(path, is) {
		p = "launchTemplate"
	}
	e := changes.Of(typ, p)
	return Input{Path: path, Replaces: e.Replace, Interrupts: e.Interrupts, Unknown: e.Unknown}
}

// rolledTag is the tag of a group by which the program rolls its machines, rather than
// by the launch template that the engine is told to ignore.
const rolledTag = "launch-template"

func rolls(path string, is map[string]string) bool {
	tag, ok := strings.CutSuffix(path, ".value")
	return ok && strings.HasPrefix(tag, "tags[") && is[tag+".key"] == rolledTag
}

// options are those of the engine that differ, which no input of the resource shows.
func options(a, b record.Resource) []Input {
	var list []Input
	for _, o := range []struct {
		name string
		a, b bool
	}{{"(pulumi protects it)", a.Protect, b.Protect}, {"(stays where pulumi removes it)", a.RetainOnDelete, b.RetainOnDelete}} {
		if o.a != o.b {
			list = append(list, Input{Path: o.name, Old: strconv.FormatBool(o.a), New: strconv.FormatBool(o.b)})
		}
	}
	return list
}

// ignores says whether the engine leaves the path as it finds it.
func ignores(ignored []string, path string) bool {
	return slices.ContainsFunc(ignored, func(i string) bool { return path == i || strings.HasPrefix(path, i+".") })
}

// withoutIndexes is ingress.cidrBlocks for ingress[0].cidrBlocks.
func withoutIndexes(path string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(path, "[") {
		if _, after, ok := strings.Cut(part, "]"); ok && b.Len() > 0 {
			part = after
		}
		b.WriteString(part)
	}
	return b.String()
}

func union[K comparable, V any](a, b map[K]V) map[K]V {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}
