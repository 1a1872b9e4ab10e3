// Package plan says, without a cloud, credentials or an engine, what the program would
// make of a stack on AWS: its resources, whether the guard-rails hold, what it costs a
// month, and against another revision of the stack's file what an edit would add,
// change, replace and remove, what that interrupts and costs more.
//
// It knows what the stack's file says, not what runs: what somebody changed by hand is
// for pulumi preview to find.
package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/guard"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// Report is what a stack becomes. It is also the JSON that -json prints.
type Report struct {
	Stack      string            `json:"stack"`
	Region     string            `json:"region"`
	Systems    []System          `json:"systems"`
	Drawing    string            `json:"-"`
	Resources  []Type            `json:"resources"`
	Rules      int               `json:"rules"` // guard-rails that were checked
	Violations []guard.Violation `json:"violations"`
	Cost       Estimate          `json:"cost"`
	Against    *Against          `json:"against,omitempty"`

	topology topology.Topology
	plan     aws.Plan
	recorded []record.Resource
}

// System is a row of the table.
type System struct {
	Name  string `json:"name"`
	Count string `json:"count"` // "25 to 50"
	Class string `json:"class"` // "c7g.xlarge"
	What  string `json:"what"`
}

// Type is the resources of one type, by logical name.
type Type struct {
	Type  string   `json:"type"`
	Names []string `json:"names"`
}

// Against is what an edit does.
type Against struct {
	Revision    string       `json:"revision"`
	Differences []Difference `json:"differences"`
	Files       []File       `json:"files"`
	// Refused is what the program refuses to do to a stack that runs as the revision says.
	Refused []string `json:"refused"`
	Cost    float64  `json:"cost"`   // USD a month more
	AtMost  float64  `json:"atMost"` // with every fleet at its largest
	Systems []Dearer `json:"systems"`
}

// Dearer is a system that costs more, or less.
type Dearer struct {
	System string  `json:"system"`
	Month  float64 `json:"month"` // USD more
}

// File is a file of a role's machines that differs.
type File struct {
	Role  images.Role `json:"role"`
	Path  string      `json:"path"`
	Lines []string    `json:"lines"` // "+added", "-removed"
}

// Make plans a stack. The services are not built for it: their addresses are zeros.
func Make(stack string, t topology.Topology) (Report, error) {
	if t.Target != topology.AWS {
		return Report{}, fmt.Errorf("plan %s: its target is %s: accepted is a stack of the target %s", stack, t.Target, topology.AWS)
	}
	p, err := aws.NewPlan(t, stack, release.Unknown())
	if err != nil {
		return Report{}, fmt.Errorf("plan %s: %w", stack, err)
	}
	rs, err := record.Run(p)
	if err != nil {
		return Report{}, fmt.Errorf("plan %s: %w", stack, err)
	}
	cost, err := estimate(t, rs)
	if err != nil {
		return Report{}, fmt.Errorf("plan %s: %w", stack, err)
	}
	return Report{
		Stack: stack, Region: t.AWS.Region,
		Systems: systems(t), Drawing: drawing(t), Resources: types(rs),
		Rules: len(guard.Rules()), Violations: append([]guard.Violation{}, guard.Check(stack, t, rs)...), Cost: cost,
		topology: t, plan: p, recorded: rs,
	}, nil
}

// Compare adds to the report what an edit of the stack that old is does.
func (r *Report) Compare(revision string, old topology.Topology) error {
	before, err := Make(r.Stack, old)
	if err != nil {
		return fmt.Errorf("at %s: %w", revision, err)
	}
	a := &Against{
		Revision:    revision,
		Differences: Compare(before.recorded, r.recorded),
		Files:       files(before.plan, r.plan),
		Cost:        r.Cost.Total - before.Cost.Total,
		AtMost:      r.Cost.AtMost - before.Cost.AtMost,
		Systems:     dearer(before.Cost, r.Cost),
		Refused:     []string{},
	}
	if err := topology.Refuse(old.Facts(), r.topology); err != nil {
		a.Refused = strings.Split(err.Error(), "\n")
	}
	for _, d := range a.Differences {
		if d.Protected {
			a.Refused = append(a.Refused, fmt.Sprintf("%s (%s) is protected: pulumi does not %s it", d.Name, d.Type, d.Action))
		}
	}
	r.Against = a
	return nil
}

// Total is how many resources there are.
func (r Report) Total() int {
	n := 0
	for _, t := range r.Resources {
		n += len(t.Names)
	}
	return n
}

// Bad says that the stack must not be brought up as it is.
func (r Report) Bad() bool {
	return len(r.Violations) > 0 || r.Against != nil && len(r.Against.Refused) > 0
}

func types(rs []record.Resource) []Type {
	byType := map[string][]string{}
	for _, r := range rs {
		if r.Custom {
			byType[r.Type] = append(byType[r.Type], r.Name)
		}
	}
	var all []Type
	for _, t := range slices.Sorted(maps.Keys(byType)) {
		all = append(all, Type{t, slices.Sorted(slices.Values(byType[t]))})
	}
	return all
}

// service is the resources of one of Amazon's services.
type service struct {
	name  string
	count int
	types string
}

// services are the types, put together: "ec2  34  subnet 9, route 3 ...".
func (r Report) services() []service {
	byName := map[string]*service{}
	var all []*service
	for _, t := range r.Resources {
		pkg, kind, _ := strings.Cut(t.Type, ":")
		module, _, _ := strings.Cut(kind, "/")
		name := module
		if pkg != "aws" {
			name = pkg
		}
		s := byName[name]
		if s == nil {
			s = &service{name: name}
			byName[name] = s
			all = append(all, s)
		}
		s.count += len(t.Names)
		if s.types != "" {
			s.types += ", "
		}
		s.types += fmt.Sprintf("%s %d", t.Type[strings.LastIndex(t.Type, ":")+1:], len(t.Names))
	}
	slices.SortFunc(all, func(a, b *service) int { return cmp.Compare(a.name, b.name) })
	var list []service
	for _, s := range all {
		list = append(list, *s)
	}
	return list
}

// systems is the table of the topology.
func systems(t topology.Topology) []System {
	c := t.AWS
	fleet := func(name string, count int, f topology.Fleet, what string) System {
		return System{name, upTo(count, f.Max), f.Instance, what}
	}
	databases := len(t.Databases)
	storage := fmt.Sprintf("PostgreSQL %s, %d GB each", c.Postgres.Version, c.Postgres.StorageGB)
	if c.Postgres.MultiAZ {
		storage += ", with a standby"
	}
	var zones []string
	for _, z := range c.Network.Zones {
		zones = append(zones, z.Name)
	}
	gateways := 1
	if c.Network.NAT == "zone" {
		gateways = len(zones)
	}
	all := []System{
		{"load balancer", "1", "ALB", c.Domains.API},
		fleet("nginx", t.Nginx.Count, c.Nginx, "in front of the API"),
		fleet("api", t.API.Count, c.API, fmt.Sprintf("held at %d %% CPU", c.API.CPUPercent)),
		fleet("worker", t.Worker.Count, c.Worker, fmt.Sprintf("%d tasks at once on each, held at tasks of %d s", t.Worker.Slots.All(), c.Worker.OldestSeconds)),
		fleet("push", t.Push.Count, c.Push, fmt.Sprintf("%d pushes at once on each", t.Push.Slots)),
		{"postgres", fmt.Sprint(databases), c.Postgres.Class, storage},
		{"replica", fmt.Sprint(databases * t.Postgres.Replicas), c.Postgres.Class, "each in another zone than its primary"},
		{"redis", fmt.Sprintf("%d x %d", t.Redis.Masters, 1+c.Redis.Replicas), c.Redis.Node, fmt.Sprintf("%s %s, masters x copies", c.Redis.Engine, c.Redis.Version)},
		{"memcached", fmt.Sprint(t.Memcached.Count), c.Memcached.Node, "memcached " + c.Memcached.Version},
		{"storage", "4", "S3", strings.Join([]string{c.Buckets.Uploads, c.Buckets.Media, c.Buckets.Artifacts, c.Buckets.Logs}, ", ")},
		{"cdn", "1", "CloudFront", c.Domains.Media},
		{"monitoring", "1", c.Monitoring.Instance, fmt.Sprintf("%d GB of graphs and logs", c.Monitoring.DataGB)},
		{"network", "1", "VPC", c.Network.CIDR + ": " + strings.Join(zones, ", ")},
		{"NAT", fmt.Sprint(gateways), "gateway", fmt.Sprintf("for %d zones", len(zones))},
	}
	return slices.DeleteFunc(all, func(s System) bool { return s.Count == "0" })
}

// files are the files of every role's machines that differ.
func files(before, after aws.Plan) []File {
	all := []File{}
	for _, m := range after.Placement.Machines {
		was, is := contents(before.Images[m.Name]), contents(after.Images[m.Name])
		for _, path := range slices.Sorted(maps.Keys(union(was, is))) {
			if was[path] == is[path] {
				continue
			}
			all = append(all, File{Role: m.Role, Path: path, Lines: changed(was[path], is[path])})
		}
	}
	return all
}

func contents(img images.Image) map[string]string {
	m := map[string]string{}
	for _, f := range img.Files {
		m[f.Path] = f.Content
	}
	return m
}
