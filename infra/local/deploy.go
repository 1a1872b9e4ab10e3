// Package local is the target that is this machine: every machine of a topology
// becomes a folder, a loopback address of its own and the processes that its units
// say, under one supervisor.
//
// Place decides where everything lies and is pure; Deploy registers it with Pulumi.
// How a process is started, watched and stopped is not here but in the provider.
package local

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/local/host"
	"github.com/burbn/burbn/infra/release"
)

// deployment is one run of Deploy.
type deployment struct {
	ctx        *pulumi.Context
	site       Site
	images     map[string]images.Image // by machine
	placement  images.Placement
	supervisor *host.Supervisor
	artifacts  map[string]pulumi.Resource // by path
	secrets    pulumi.StringMap
	machines   map[string]pulumi.Resource // components, by machine
	started    map[string]pulumi.Resource // by logical name: "api-01.pgbouncer"
}

// Render is the image of every machine, by name.
func Render(p images.Placement) (map[string]images.Image, error) {
	all := map[string]images.Image{}
	for _, m := range p.Machines {
		img, err := images.Render(m, p)
		if err != nil {
			return nil, err
		}
		all[m.Name] = img
	}
	return all, nil
}

// Deploy registers the placement's machines, each with its units as processes and
// tasks. Units start in parallel as far as what they need lets them; a unit whose
// own files stay the same is left alone, whatever becomes of the units it needs.
func Deploy(ctx *pulumi.Context, s Site, p images.Placement, imgs map[string]images.Image, r release.Release) error {
	d := &deployment{
		ctx: ctx, site: s, images: imgs, placement: p,
		artifacts: map[string]pulumi.Resource{}, machines: map[string]pulumi.Resource{}, started: map[string]pulumi.Resource{},
	}
	for _, step := range []func() error{
		d.supervise, func() error { return d.install(r) }, d.makeSecrets, d.makeMachines, d.start,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	d.export()
	return nil
}

func (d *deployment) supervise() (err error) {
	d.supervisor, err = host.NewSupervisor(d.ctx, "supervisor", &host.SupervisorArgs{Dir: d.site.Supervisor()})
	return err
}

// install copies every program to where the processes' account can run it, which
// it cannot do in somebody's home.
func (d *deployment) install(r release.Release) error {
	for _, p := range r {
		path := d.site.program(p)
		a, err := host.NewArtifact(d.ctx, p.Name, &host.ArtifactArgs{Source: p.Path, SHA256: p.SHA256, Path: path})
		if err != nil {
			return err
		}
		d.artifacts[path] = a
	}
	return nil
}

func (d *deployment) makeMachines() error {
	for _, m := range d.placement.Machines {
		c := &struct{ pulumi.ResourceState }{}
		if err := d.ctx.RegisterComponentResource("burbn:local:Machine", m.Name, c); err != nil {
			return err
		}
		d.machines[m.Name] = c
	}
	return nil
}

// start is the order in which everything starts, and backwards the order in which
// it goes.
func (d *deployment) start() error {
	var errs []error
	units := func(role images.Role, unit string, after ...[]pulumi.Resource) []pulumi.Resource {
		rs, err := d.units(role, unit, slices.Concat(after...))
		errs = append(errs, err)
		return rs
	}
	const services = "" // every unit that is no task and has not been started yet

	postgres := units(images.Postgres, services)
	redis := units(images.Redis, services)
	memcached := units(images.Memcached, services)
	storage := units(images.Storage, services)
	standin := units(images.Standin, services)
	units(images.Replica, services, postgres)

	ready := slices.Concat(memcached, standin,
		units(images.Worker, "migrate", postgres),
		units(images.Worker, "buckets", storage),
		units(images.Redis, "redis-cluster", redis),
		units(images.API, "pgbouncer"), units(images.Worker, "pgbouncer"), units(images.Push, "pgbouncer"))
	push := units(images.Push, services, ready)
	worker := units(images.Worker, services, ready)
	api := units(images.API, services, ready)
	nginx := units(images.Nginx, services, api)
	balancer := units(images.LoadBalancer, services, nginx)
	cdn := units(images.CDN, services, storage)
	units(images.Monitoring, services, push, worker, balancer, cdn)

	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for _, m := range d.placement.Machines {
		for _, u := range d.images[m.Name].Units {
			if name := logical(m, u); d.started[name] == nil {
				return fmt.Errorf("start %s: no step of the order starts it", name)
			}
		}
	}
	return nil
}

// units registers one unit of every machine of a role, or all of them.
func (d *deployment) units(role images.Role, unit string, after []pulumi.Resource) ([]pulumi.Resource, error) {
	var rs []pulumi.Resource
	for _, m := range d.placement.Of(role) {
		for _, u := range d.images[m.Name].Units {
			if unit == "" && (u.Once || d.started[logical(m, u)] != nil) || unit != "" && unit != u.Name {
				continue
			}
			r, err := d.register(m, u, after)
			if err != nil {
				return nil, fmt.Errorf("register %s: %w", logical(m, u), err)
			}
			d.started[logical(m, u)] = r
			rs = append(rs, r)
		}
	}
	return rs, nil
}

func (d *deployment) register(m images.Machine, u images.Unit, after []pulumi.Resource) (pulumi.Resource, error) {
	opts := []pulumi.ResourceOption{
		pulumi.Parent(d.machines[m.Name]),
		pulumi.DependsOn(append(slices.Clone(after), d.programs(m, u)...)),
	}
	home, err := d.home(m, u)
	if err != nil {
		return nil, err
	}
	if u.Once {
		return host.NewTask(d.ctx, logical(m, u), &host.TaskArgs{Home: home, Exec: u.Exec, Timeout: u.Ready.Timeout}, opts...)
	}
	return host.NewProcess(d.ctx, logical(m, u), &host.ProcessArgs{
		Home:       home,
		Supervisor: d.supervisor.Dir,
		Name:       logical(m, u),
		Exec:       u.Exec,
		Setup:      u.Setup,
		Listen:     u.Listen,
		Ready: host.Ready{
			HTTP: u.Ready.HTTP, TCP: u.Ready.TCP, Exec: u.Ready.Exec, Timeout: u.Ready.Timeout,
		},
		StopSignal:   u.StopSignal,
		StopTimeout:  u.StopTimeout,
		ReloadSignal: u.ReloadSignal,
		OpenFiles:    u.OpenFiles,
		Log:          Log(m, u.Name),
	}, opts...)
}

func (d *deployment) home(m images.Machine, u images.Unit) (host.Home, error) {
	h := host.Home{
		Root: m.Root, User: d.placement.RunAs, Dir: u.Dir, Env: u.Env,
		Files: map[string]host.File{}, CredentialsDir: u.CredentialsDir,
	}
	if u.User != "" {
		h.User = u.User
	}
	for _, f := range d.images[m.Name].Files {
		if slices.Contains(u.Files, f.Path) {
			h.Files[f.Path] = host.File{Content: f.Content, Mode: f.Mode}
		}
	}
	credentials, err := d.credentials(u)
	h.Credentials = credentials
	return h, err
}

// programs are the artifacts that a unit runs, itself or through one of its files.
func (d *deployment) programs(m images.Machine, u images.Unit) []pulumi.Resource {
	texts := slices.Clone(u.Exec)
	for _, f := range d.images[m.Name].Files {
		if slices.Contains(u.Files, f.Path) {
			texts = append(texts, f.Content)
		}
	}
	var rs []pulumi.Resource
	for path, a := range d.artifacts {
		if slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(t, path) }) {
			rs = append(rs, a)
		}
	}
	return rs
}

// logical is the name of a unit among all: "api-01.pgbouncer".
func logical(m images.Machine, u images.Unit) string { return m.Name + "." + u.Name }

// Log is the file of what a unit of a machine prints.
func Log(m images.Machine, unit string) string {
	return filepath.Join(m.Root, "var/log", unit+".log")
}
