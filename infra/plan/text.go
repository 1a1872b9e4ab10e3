package plan

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write is the report for people. all names every resource and shows every value whole.
func (r Report) Write(w io.Writer, all bool) {
	fmt.Fprintf(w, "%s on AWS, %s\n\n", r.Stack, r.Region)
	r.topologyTo(w)
	fmt.Fprintln(w)
	r.resourcesTo(w, all)
	fmt.Fprintln(w)
	r.guards(w)
	fmt.Fprintln(w)
	r.Cost.write(w)
	if r.Against != nil {
		fmt.Fprintln(w)
		r.Against.write(w, all)
	}
}

func (r Report) topologyTo(w io.Writer) {
	fmt.Fprintln(w, "Topology")
	t := table(w)
	fmt.Fprintln(t, "  \tcount\tclass\twhat")
	for _, s := range r.Systems {
		what := wrapped(s.What, 70)
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", s.Name, s.Count, s.Class, what[0])
		for _, line := range what[1:] {
			fmt.Fprintf(t, "  \t\t\t%s\n", line)
		}
	}
	t.Flush()
	fmt.Fprintf(w, "\n%s", r.Drawing)
}

func (r Report) resourcesTo(w io.Writer, all bool) {
	fmt.Fprintf(w, "Resources: %d of %d types\n", r.Total(), len(r.Resources))
	if all {
		for _, c := range r.Resources {
			fmt.Fprintf(w, "  %s\n", c.Type)
			for _, n := range c.Names {
				fmt.Fprintf(w, "    %s\n", n)
			}
		}
		return
	}
	t := table(w)
	for _, g := range r.services() {
		types := wrapped(g.types, 90)
		fmt.Fprintf(t, "  %s\t%d\t%s\n", g.name, g.count, types[0])
		for _, line := range types[1:] {
			fmt.Fprintf(t, "  \t\t%s\n", line)
		}
	}
	t.Flush()
}

func (r Report) guards(w io.Writer) {
	if len(r.Violations) == 0 {
		fmt.Fprintf(w, "Guard-rails: all %d hold\n", r.Rules)
		return
	}
	fmt.Fprintf(w, "Guard-rails: %d of %d rules; VIOLATED:\n", len(r.Violations), r.Rules)
	for _, v := range r.Violations {
		fmt.Fprintf(w, "  %s\n", v)
	}
}

func (e Estimate) write(w io.Writer) {
	fmt.Fprintf(w, "Cost: %s a month, %s with every fleet at its largest; the budget is %s\n", usd(e.Total), usd(e.AtMost), usd(e.Budget))
	if e.AtMost > e.Budget {
		fmt.Fprintln(w, "  THE BUDGET IS LESS than what the stack may grow to")
	}
	t := table(w)
	for _, i := range e.Items {
		fmt.Fprintf(t, "  %s\t%g x\t%s\t%12s\n", i.System, i.Count, i.What, usd(i.Month))
	}
	t.Flush()
	fmt.Fprintf(w, "  %s. Not included:\n", e.Prices)
	for _, n := range e.NotIncluded {
		fmt.Fprintf(w, "  - %s\n", n)
	}
}

func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// wrapped is a list, "a, b, c", on lines of a width.
func wrapped(list string, width int) []string {
	var lines []string
	line := ""
	for part := range strings.SplitSeq(list, ", ") {
		switch {
		case line == "":
			line = part
		case len(line)+2+len(part) > width:
			lines = append(lines, line+",")
			line = part
		default:
			line += ", " + part
		}
	}
	return append(lines, line)
}
