package plan

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// How much is shown of a value, and of a document, without -all.
const (
	longest   = 100
	mostLines = 16
)

// write shows what would be added, changed, replaced and removed, and what that
// interrupts and costs.
func (a *Against) write(w io.Writer, all bool) {
	counts := map[Action]int{}
	for _, d := range a.Differences {
		counts[d.Action]++
	}
	fmt.Fprintf(w, "Against %s: %d to add, %d to change, %d to replace, %d to remove; %s a month\n",
		a.Revision, counts[Add], counts[Change], counts[Replace], counts[Remove], signed(a.Cost))
	for _, err := range a.Refused {
		fmt.Fprintf(w, "  REFUSED %s\n", err)
	}
	a.warn(w)
	for _, g := range groups(a.Differences) {
		g.write(w, all)
	}
	if len(a.Files) > 0 {
		fmt.Fprintln(w, "\n  Files of the machines")
	}
	for i, f := range a.Files {
		same := func(o File) bool { return o.Path == f.Path && slices.Equal(o.Lines, f.Lines) }
		if slices.ContainsFunc(a.Files[:i], same) {
			continue // shown with the first
		}
		var roles []string
		for _, o := range a.Files {
			if same(o) {
				roles = append(roles, string(o.Role))
			}
		}
		fmt.Fprintf(w, "  ~  %s: %s\n", strings.Join(roles, ", "), f.Path)
		lines(w, f.Lines, all)
	}
	if len(a.Systems) > 0 {
		fmt.Fprintf(w, "\n  Costs a month: %s; %s with every fleet at its largest\n", signed(a.Cost), signed(a.AtMost))
		t := table(w)
		for _, s := range a.Systems {
			fmt.Fprintf(t, "    %s\t%10s\n", s.System, signed(s.Month))
		}
		t.Flush()
	}
}

// warn says first what somebody may notice, or lose: each once, with all that it
// concerns.
func (a *Against) warn(w io.Writer) {
	var order []string
	names := map[string][]string{}
	add := func(what, name string) {
		if _, known := names[what]; !known {
			order = append(order, what)
		}
		if !slices.Contains(names[what], name) {
			names[what] = append(names[what], name)
		}
	}
	for _, d := range a.Differences {
		if d.HoldsData && !d.Stays {
			add("LOSES DATA: "+map[Action]string{Replace: "made anew, empty", Remove: "deleted"}[d.Action], d.Name)
		}
		if d.Interrupts != "" {
			add(d.Interrupts, d.Name)
		}
		for _, i := range d.Inputs {
			if i.Interrupts != "" && !i.Replaces {
				add(i.Interrupts, d.Name)
			}
			if i.Unknown {
				add("effect unknown: pulumi preview says whether it is replaced", d.Name)
			}
		}
	}
	if len(order) == 0 {
		if len(a.Differences) > 0 {
			fmt.Fprintln(w, "  Interrupts nothing")
		}
		return
	}
	fmt.Fprintln(w, "  Interrupts")
	for _, what := range order {
		fmt.Fprintf(w, "    %s: %s\n", ranges(names[what]), what)
	}
}

// group are differences that are told apart by nothing but their names.
type group struct {
	Difference
	names []string
}

// groups puts together what is done to resources of one type alike, in order.
func groups(ds []Difference) []group {
	var all []group
	at := map[string]int{}
	for _, d := range ds {
		k := fmt.Sprint(d.Action, d.Type, d.HoldsData, d.Protected, d.Stays)
		for _, i := range d.Inputs {
			k += anonymous(fmt.Sprint(i.Path, "\x00", i.Old, "\x00", i.New, "\x00", i.Lines), d.Name)
		}
		i, known := at[k]
		if !known {
			i = len(all)
			at[k] = i
			all = append(all, group{Difference: d})
		}
		all[i].names = append(all[i].names, d.Name)
	}
	return all
}

// anonymous is a text without the name, or its number, of the resource that it is of.
func anonymous(v, name string) string {
	v = strings.ReplaceAll(v, name, "*")
	if i := strings.LastIndex(name, "-"); i >= 0 && number(name[i+1:]) >= 0 {
		v = strings.ReplaceAll(v, name[i:], "-*")
	}
	return v
}

func (g group) write(w io.Writer, all bool) {
	mark := map[Action]string{Add: "+", Change: "~", Replace: "+-", Remove: "-"}[g.Action]
	notes := ""
	if g.HoldsData {
		notes += "  HOLDS DATA"
	}
	if g.Protected {
		notes += "  protected: pulumi refuses"
	}
	if g.Stays {
		notes += "  stays in the account"
	}
	count := ""
	if len(g.names) > 1 {
		count = fmt.Sprintf("%d x ", len(g.names))
	}
	fmt.Fprintf(w, "  %-2s %s%s%s\n", mark, count, g.Type, notes)
	names := ranges(g.names)
	if all {
		names = strings.Join(g.names, ", ")
	}
	for _, l := range wrapped(names, longest) {
		fmt.Fprintf(w, "       %s\n", l)
	}
	for _, in := range g.Inputs {
		if in.Lines == nil {
			fmt.Fprintf(w, "         %s: %s -> %s%s\n", in.Path, shorten(in.Old, all), shorten(in.New, all), in.note())
			continue
		}
		fmt.Fprintf(w, "         %s:%s\n", in.Path, in.note())
		lines(w, in.Lines, all)
	}
}

// addresses are those of contents, SHA-256 in hex, of which the beginning is enough.
var addresses = regexp.MustCompile(`\b([0-9a-f]{12})[0-9a-f]{52}\b`)

func lines(w io.Writer, ls []string, all bool) {
	for i, l := range ls {
		if i == mostLines && !all {
			fmt.Fprintf(w, "           ... and %d lines: -all shows them\n", len(ls)-i)
			return
		}
		fmt.Fprintf(w, "           %s\n", shorten(l, all))
	}
}

func (i Input) note() string {
	switch {
	case i.Replaces:
		return "  (replaces it)"
	case i.Unknown:
		return "  (effect unknown)"
	default:
		return ""
	}
}

func shorten(v string, all bool) string {
	if v == "" {
		return "(none)"
	}
	v = strings.ReplaceAll(v, "\n", " ")
	if !all {
		v = addresses.ReplaceAllString(v, "$1...")
	}
	if runes := []rune(v); !all && len(runes) > longest {
		return string(runes[:longest]) + "..."
	}
	return v
}

// ranges are names with those of consecutive numbers put together: postgres-01 to
// postgres-12.
func ranges(names []string) string {
	var parts []string
	sorted := slices.SortedFunc(slices.Values(names), func(a, b string) int {
		return cmp.Or(cmp.Compare(stem(a), stem(b)), cmp.Compare(a, b))
	})
	for i := 0; i < len(sorted); {
		last := i
		for last+1 < len(sorted) && follows(sorted[last], sorted[last+1]) {
			last++
		}
		if last > i+1 {
			parts = append(parts, sorted[i]+" to "+sorted[last])
			i = last + 1
			continue
		}
		parts = append(parts, sorted[i])
		i++
	}
	return strings.Join(parts, ", ")
}

// follows says whether b is the name of the number after a's: alarms-postgres-02-cpu
// after alarms-postgres-01-cpu.
func follows(a, b string) bool {
	x, y := strings.Split(a, "-"), strings.Split(b, "-")
	if len(x) != len(y) {
		return false
	}
	steps := 0
	for i := range x {
		if x[i] == y[i] {
			continue
		}
		if len(x[i]) != len(y[i]) || number(x[i]) < 0 || number(y[i]) != number(x[i])+1 {
			return false
		}
		steps++
	}
	return steps == 1
}

// stem is a name without its numbers.
func stem(name string) string {
	parts := strings.Split(name, "-")
	for i, p := range parts {
		if number(p) >= 0 {
			parts[i] = ""
		}
	}
	return strings.Join(parts, "-")
}

// number is that of a part of a name, or -1. The digits of an address of content are
// none.
func number(s string) int {
	if s == "" || len(s) > 4 {
		return -1
	}
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
