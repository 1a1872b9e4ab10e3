package images

// job is a scrape job of Prometheus. Its targets are listed, or found: the running
// machines of a fleet through EC2, the nodes of the cloud's Redis through the DNS.
type job struct {
	Name    string
	Path    string
	Targets []target
	// Via is the exporter that is asked on behalf of the targets.
	Via string
	// Roles are the fleets whose machines answer at Port.
	Roles []Role
	Port  Port
	// SRV is the name of the record that lists the nodes of the fleet named Name, and
	// Scheme what the exporter wants before each.
	SRV, Scheme string
}

type target struct{ Addr, Machine, Role string }

// Jobs are what Prometheus scrapes: every machine that we run ourselves, and
// through exporters on the monitoring machine what speaks another protocol.
func (v view) Jobs() []job {
	var jobs []job
	own := func(port Port, roles ...Role) {
		for _, role := range roles {
			j := job{Name: string(role), Path: "/metrics", Port: port}
			j.add(port, v.Of(role)...)
			if j.Targets != nil || j.Roles != nil {
				jobs = append(jobs, j)
			}
		}
	}
	via := func(j job, port, exporter Port, role Role) {
		j.Path, j.Via = "/scrape", v.Self(exporter)
		if j.SRV == "" {
			for _, m := range v.Of(role) {
				j.Targets = append(j.Targets, target{j.Scheme + m.At(port), m.Name, string(role)})
			}
		}
		if j.Targets != nil || j.SRV != "" {
			jobs = append(jobs, j)
		}
	}
	own(PortBalancerStatus, LoadBalancer)
	own(PortNginxExporter, Nginx, CDN)
	own(PortAdmin, API, Worker, Push, Standin)
	scheme := "redis://"
	if v.TLS {
		scheme = "rediss://"
	}
	via(job{Name: "redis", SRV: v.RedisNodes(), Scheme: scheme}, PortRedis, PortRedisExporter, Redis)
	via(job{Name: "memcached"}, PortMemcached, PortMemcachedExporter, Memcached)
	self := func(name string, port Port) {
		jobs = append(jobs, job{Name: name, Path: "/metrics", Targets: []target{{v.Self(port), v.Name, string(v.Role)}}})
	}
	self("postgres", PortPostgresExporter)
	self("alertmanager", PortAlertmanager)
	self("prometheus", PortPrometheus)
	node := job{Name: "node", Path: "/metrics", Port: PortNodeExporter}
	for _, m := range v.Machines {
		if m.Root == "/" || m.Role == Monitoring {
			node.add(PortNodeExporter, m)
		}
	}
	// Whoever asks itself needs no way through the network.
	for i := range node.Targets {
		if node.Targets[i].Machine == v.Name {
			node.Targets[i].Addr = v.Self(PortNodeExporter)
		}
	}
	return append(jobs, node)
}

// add has the job ask machines at a port. Those of a fleet come and go.
func (j *job) add(port Port, machines ...Machine) {
	for _, m := range machines {
		switch {
		case m.Managed():
		case m.Fleet > 0:
			j.Roles = append(j.Roles, m.Role)
		default:
			j.Targets = append(j.Targets, target{m.At(port), m.Name, string(m.Role)})
		}
	}
}
