package aws

import (
	"fmt"
	"path"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/placement"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// programs is where a machine in the cloud has its programs.
const programs = "/usr/local/lib/burbn"

// Place gives the topology its names in the cloud. It is pure. A fleet is one machine,
// because all of its machines are told the same; its name leads to the balancer in
// front of it. What Amazon runs is a machine without a root, only a name to the others.
func Place(t topology.Topology, stack string, r release.Release) images.Placement {
	p := placement.Of(t, stack)
	p.Region = t.AWS.Region
	p.Buckets = images.Buckets{Uploads: t.AWS.Buckets.Uploads, Media: t.AWS.Buckets.Media}
	p.CDN = "https://" + t.AWS.Domains.Media
	p.TLS = true
	// Baked into every machine: Amazon's authorities for RDS are in no system's store.
	p.PostgresCA = images.RDSAuthorities
	p.APNs = images.APNs{URL: "https://api.push.apple.com", TeamID: t.APNs.TeamID, KeyID: t.APNs.KeyID, Topic: t.APNs.Topic}
	p.Share = images.Share(t.Share)
	p.SentryDSN = t.SentryDSN
	p.RunAs = "burbn"
	p.Network = t.AWS.Network.CIDR
	p.Pager = t.AWS.Alerts.Pager
	p.DataGB = t.AWS.Monitoring.DataGB
	p.LogDays = t.AWS.Logs.Days
	for _, program := range r {
		at := path.Join(programs, program.FileName())
		switch program.Name {
		case "api":
			p.Programs.API = at
		case "worker":
			p.Programs.Worker = at
		case "push":
			p.Programs.Push = at
		case "memcached_exporter":
			p.Programs.MemcachedExporter = at
		}
	}

	add := func(role images.Role, index int, name, root string, least, fleet int) {
		m := images.Machine{Name: name, Role: role, Index: index, Addr: address(stack, name), Root: root, Fleet: fleet, Least: least}
		if root != "" {
			m.Interface = "0.0.0.0"
		}
		p.Machines = append(p.Machines, m)
	}
	numbered := func(role images.Role, index int) { add(role, index, fmt.Sprintf("%s-%02d", role, index), "", 0, 0) }
	var databases []int
	for _, name := range t.Databases {
		databases = append(databases, topology.DatabaseIndex(name))
	}
	for _, role := range images.Roles {
		switch role {
		case images.Nginx:
			add(role, 1, string(role), "/", t.Nginx.Count, t.AWS.Nginx.Max)
		case images.API:
			add(role, 1, string(role), "/", t.API.Count, t.AWS.API.Max)
		case images.Worker:
			add(role, 1, string(role), "/", t.Worker.Count, t.AWS.Worker.Max)
		case images.Push:
			add(role, 1, string(role), "/", t.Push.Count, t.AWS.Push.Max)
		case images.Monitoring:
			add(role, 1, string(role), "/", 0, 0)
		case images.Postgres:
			for _, i := range databases {
				numbered(role, i)
			}
		case images.Replica:
			for _, i := range databases {
				for range t.Postgres.Replicas {
					numbered(role, i)
				}
			}
		case images.Redis:
			// The cluster's configuration endpoint; a client asks it for the masters.
			add(role, 1, string(role), "", t.Redis.Masters, 0)
		case images.Memcached:
			for i := range t.Memcached.Count {
				numbered(role, i+1)
			}
		}
	}
	return p
}

// NewPlan places the topology and renders its machines.
func NewPlan(t topology.Topology, stack string, r release.Release) (Plan, error) {
	p := Plan{Stack: stack, Topology: t, Placement: Place(t, stack, r), Images: map[string]images.Image{}, Release: r}
	for _, m := range p.Placement.Machines {
		if m.Managed() {
			continue
		}
		img, err := images.Render(m, p.Placement)
		if err != nil {
			return Plan{}, err
		}
		p.Images[m.Name] = img
	}
	return p, nil
}
