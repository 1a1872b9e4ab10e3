package guard

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/topology"
)

// State is what a stack would register, read for the rules.
type State struct {
	stack    string
	topology topology.Topology
	all      []Resource
	byType   map[string][]Resource
	byRef    map[string]Resource // by what other resources name them by: id, ARN, physical name
	byName   map[string]Resource
}

// Resource is a resource with plain inputs.
type Resource struct {
	record.Resource
	in map[string]any
}

func read(stack string, t topology.Topology, rs []record.Resource) *State {
	s := &State{stack: stack, topology: t, byType: map[string][]Resource{}, byRef: map[string]Resource{}, byName: map[string]Resource{}}
	for _, rr := range rs {
		in, _ := plain(resource.NewProperty(rr.Inputs)).(map[string]any)
		r := Resource{Resource: rr, in: in}
		s.all = append(s.all, r)
		s.byType[r.Type] = append(s.byType[r.Type], r)
		s.byName[r.Name] = r
		if !r.Custom {
			continue
		}
		outputs := fake.Outputs(r.Type, r.Name, r.Inputs)
		for _, k := range []resource.PropertyKey{"identifier", "bucket", "name"} {
			if v := outputs[k]; v.IsString() {
				s.byRef[r.Type+" "+v.StringValue()] = r
			}
		}
		// A topic's policy has the ARN of the topic as its input.
		if arn := outputs["arn"]; arn.IsString() && r.in["arn"] == nil {
			s.byRef[arn.StringValue()] = r
		}
		s.byRef[fake.ID(r.Name)] = r
	}
	return s
}

// of are the resources of a type.
func (s *State) of(typ string) []Resource { return s.byType[typ] }

// ref is the resource of a type that a value refers to.
func (s *State) ref(typ, value string) (Resource, bool) {
	if r, ok := s.byRef[value]; ok && r.Type == typ {
		return r, true
	}
	r, ok := s.byRef[typ+" "+value]
	return r, ok
}

// plain is a value without what Pulumi knows besides: a secret is what it hides, what
// cannot be known is nil.
func plain(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return plain(v.SecretValue().Element)
	case v.IsOutput():
		return plain(v.OutputValue().Element)
	case v.IsArray():
		list := make([]any, 0, len(v.ArrayValue()))
		for _, e := range v.ArrayValue() {
			list = append(list, plain(e))
		}
		return list
	case v.IsObject():
		m := make(map[string]any, len(v.ObjectValue()))
		for k, e := range v.ObjectValue() {
			m[string(k)] = plain(e)
		}
		return m
	case v.IsString():
		return v.StringValue()
	case v.IsBool():
		return v.BoolValue()
	case v.IsNumber():
		return v.NumberValue()
	default:
		return nil
	}
}

// at is the value at a path of keys such as "launchTemplate.version"; of a list on
// the way the first element counts.
func (r Resource) at(path string) any { return at(r.in, path) }

func at(v any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		if list, ok := v.([]any); ok {
			if len(list) == 0 {
				return nil
			}
			v = list[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// text is the string at a path, or "".
func (r Resource) text(path string) string { return text(r.in, path) }

func text(v any, path string) string {
	s, _ := at(v, path).(string)
	return s
}

// number is the number at a path, or 0.
func (r Resource) number(path string) float64 {
	n, _ := r.at(path).(float64)
	return n
}

// on says that a path holds true.
func (r Resource) on(path string) bool { return on(r.in, path) }

// on says that a path holds true, be it as a boolean or as the text that some
// resources of Amazon's take instead.
func on(v any, path string) bool {
	switch b := at(v, path).(type) {
	case bool:
		return b
	case string:
		return b == "true"
	default:
		return false
	}
}

// list is the list at a path; a single value is a list of one.
func (r Resource) list(path string) []any { return list(r.at(path)) }

func list(v any) []any {
	switch l := v.(type) {
	case nil:
		return nil
	case []any:
		return l
	default:
		return []any{l}
	}
}

// texts are the strings of the list at a path.
func (r Resource) texts(path string) []string { return texts(r.at(path)) }

func texts(v any) []string {
	var ts []string
	for _, e := range list(v) {
		if t, ok := e.(string); ok {
			ts = append(ts, t)
		}
	}
	return ts
}

// protected says that the stack's data may not be destroyed.
func (s *State) protected() bool { return s.topology.AWS.Protect }
