package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/burbn/burbn/infra/changes"
	"github.com/burbn/burbn/infra/fake"
)

// cascade carries every replacement to what refers to the replaced, whose id will be
// another one, and on to what refers to that.
func cascade(is map[key]flattened, differences map[key]*Difference) {
	var replaced []key
	for k, d := range differences {
		if d.replaced() {
			replaced = append(replaced, k)
		}
	}
	order := slices.SortedFunc(maps.Keys(is), byName)
	slices.SortFunc(replaced, byName)
	for len(replaced) > 0 {
		from := replaced[0]
		replaced = replaced[1:]
		identities := identities(is[from])
		for _, k := range order {
			d := differences[k]
			if k == from || d != nil && d.Action == Add {
				continue
			}
			before := d != nil && d.replaced()
			for _, path := range slices.Sorted(maps.Keys(is[k].flat)) {
				v := is[k].flat[path]
				if !slices.ContainsFunc(identities, func(id string) bool { return refers(v, id) }) || ignores(is[k].IgnoreChanges, withoutIndexes(path)) {
					continue
				}
				if d == nil {
					d = &Difference{Action: Change, Name: k.name, Type: k.typ}
					differences[k] = d
				}
				if slices.ContainsFunc(d.Inputs, func(i Input) bool { return i.Path == path }) {
					continue
				}
				i := effect(k.typ, path, is[k].flat)
				i.Old, i.New = "of the present "+from.name, "of the new "+from.name
				d.Inputs = append(d.Inputs, i)
			}
			if d != nil && !before && d.replaced() {
				replaced = append(replaced, k)
			}
		}
	}
}

func byName(a, b key) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.typ, b.typ)) }

// identities are the values by which others refer to a resource and which are others
// once it is made anew: its id, and what the cloud makes up for it, unless that follows
// from its name.
func identities(r flattened) []string {
	ids := []string{fake.ID(r.Name)}
	if changes.NamedByUs(r.Type) {
		return ids
	}
	called := cmp.Or(r.flat["name"], r.flat["bucket"], r.flat["identifier"], r.Name)
	outputs := r.Resource
	outputs.Inputs = fake.Outputs(r.Type, r.Name, r.Inputs)
	for path, v := range outputs.Flat() {
		_, given := r.flat[path]
		if !given && len(v) > len(called) && (strings.Contains(v, called) || strings.Contains(v, r.Name)) {
			ids = append(ids, v)
		}
	}
	return ids
}

// refers says whether a value holds an id that is not a part of a longer one.
func refers(value, id string) bool {
	const inNames = "abcdefghijklmnopqrstuvwxyz0123456789"
	for rest := value; ; {
		i := strings.Index(rest, id)
		if i < 0 {
			return false
		}
		end := i + len(id)
		if (i == 0 || !strings.ContainsRune(inNames+"-", rune(rest[i-1]))) && (end == len(rest) || !strings.ContainsRune(inNames, rune(rest[end]))) {
			return true
		}
		rest = rest[end:]
	}
}
