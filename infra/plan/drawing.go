package plan

import (
	"fmt"
	"strings"

	"github.com/burbn/burbn/infra/topology"
)

// row is a line of the drawing: what the way of a request has, what that of a photo
// has, and the rail on which renditions go back to their bucket.
type row struct {
	left, right string
	rail        rune // '|'; '+' where it begins and ends, with a line to it; 0: there is none
}

// drawing is the way of a request, on the left, and of a photo through the stack.
func drawing(t topology.Topology) string {
	c := t.AWS
	gate := "ALB"
	if c.WAF.RequestsPer5Minutes > 0 {
		gate = "ALB, WAF"
	}
	cache := fmt.Sprintf("%s x %d", c.Redis.Engine, t.Redis.Masters)
	if c.Redis.Replicas > 0 {
		cache += fmt.Sprintf(", replica x %d", t.Redis.Masters*c.Redis.Replicas)
	}
	databases := fmt.Sprintf("postgres x %d", len(t.Databases))
	if c.Postgres.MultiAZ {
		databases += ", standby each"
	}
	if t.Postgres.Replicas > 0 {
		databases += fmt.Sprintf(" -> replica x %d", len(t.Databases)*t.Postgres.Replicas)
	}
	fleet := func(name string, count int, f topology.Fleet) string { return name + " x " + upTo(count, f.Max) }
	return draw([]row{
		{"phone", "phone", 0},
		{"  | https://" + c.Domains.API, "  | https://" + c.Domains.Media, 0},
		{gate, "CloudFront", 0},
		{"  |", "  |", 0},
		{fleet("nginx", t.Nginx.Count, c.Nginx), "S3 media <", '+'},
		{"  | NLB", "", '|'},
		{fleet("api", t.API.Count, c.API), "S3 uploads <- phone, signed by api", '|'},
		{"  |", "  |", '|'},
		{fmt.Sprintf("  +- memcached x %d", t.Memcached.Count), fleet("worker", t.Worker.Count, c.Worker) + " ", '+'},
		{"  +- " + cache, fmt.Sprintf("  | %d tasks at once on each", t.Worker.Slots.All()), 0},
		{"  |", "  |", 0},
		{"PgBouncer on the machine", "PgBouncer on the machine", 0},
		{"  |", "  |", 0},
		{databases, "the same databases", 0},
		{"", "  |", 0},
		{"", fleet("push", t.Push.Count, c.Push) + " -> APNs", 0},
	})
}

// upTo is how many machines a fleet has, and may have.
func upTo(count, most int) string {
	if most > count {
		return fmt.Sprintf("%d to %d", count, most)
	}
	return fmt.Sprint(count)
}

func draw(rows []row) string {
	left, right := 0, 0
	for _, r := range rows {
		left = max(left, len(r.left))
		if r.rail != 0 {
			right = max(right, len(r.right))
		}
	}
	var s strings.Builder
	for _, r := range rows {
		line := fmt.Sprintf("  %-*s   %s", left, r.left, r.right)
		switch r.rail {
		case '+':
			line += strings.Repeat("-", right+2-len(r.right)) + "+"
		case '|':
			line += strings.Repeat(" ", right+2-len(r.right)) + "|"
		}
		s.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return s.String()
}
