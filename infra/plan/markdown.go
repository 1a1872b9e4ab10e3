package plan

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Markdown is the report as a comment on a pull request: what has to be seen first,
// the rest behind its headlines.
func (r Report) Markdown(w io.Writer, all bool) {
	fmt.Fprintf(w, "### `%s` on AWS: %s a month, %s at most\n\n", r.Stack, usd(r.Cost.Total), usd(r.Cost.AtMost))
	section := func(open bool, write func(io.Writer)) {
		var b bytes.Buffer
		write(&b)
		headline, rest, _ := strings.Cut(strings.TrimLeft(b.String(), "\n"), "\n")
		state := ""
		if open {
			state = " open"
		}
		// A fence longer than any that the text could hold.
		fmt.Fprintf(w, "<details%s><summary>%s</summary>\n\n`````text\n%s\n`````\n\n</details>\n\n", state, headline, strings.TrimRight(rest, "\n"))
	}
	if r.Against != nil {
		section(true, func(w io.Writer) { r.Against.write(w, all) })
	}
	section(len(r.Violations) > 0, r.guards)
	section(false, r.Cost.write)
	section(false, func(w io.Writer) { r.topologyTo(w) })
	section(false, func(w io.Writer) { r.resourcesTo(w, all) })
}
