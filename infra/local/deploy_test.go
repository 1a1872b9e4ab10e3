package local_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/local"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// registered is what a program asked of the engine.
type registered struct {
	mu     sync.Mutex
	inputs map[string]resource.PropertyMap // by "type name"
	needs  map[string][]string             // names of resources, by name
}

func (r *registered) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inputs[args.TypeToken+" "+args.Name] = args.Inputs
	for _, urn := range args.RegisterRPC.GetDependencies() {
		r.needs[args.Name] = append(r.needs[args.Name], urn[strings.LastIndex(urn, "::")+2:])
	}
	outputs := args.Inputs.Copy()
	if args.TypeToken == "host:index:Secret" {
		outputs["value"] = resource.MakeSecret(resource.NewProperty("private-" + args.Name))
		outputs["public"] = resource.NewProperty("public-" + args.Name)
	}
	return args.Name + "_id", outputs, nil
}

func (r *registered) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return resource.PropertyMap{}, nil
}

// of is the part of the names that begin so.
func (r *registered) of(kind string) []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(r.inputs)) {
		if name, ok := strings.CutPrefix(key, kind+" "); ok {
			names = append(names, name)
		}
	}
	return names
}

const (
	process = "host:index:Process"
	task    = "host:index:Task"
)

// deploy runs the program against an engine that only listens.
func deploy(t *testing.T, top topology.Topology) (*registered, images.Placement) {
	t.Helper()
	placement := local.Place(top, site(), release.Unknown())
	imgs, err := local.Render(placement)
	if err != nil {
		t.Fatal(err)
	}
	r := &registered{inputs: map[string]resource.PropertyMap{}, needs: map[string][]string{}}
	err = pulumi.RunErr(func(ctx *pulumi.Context) error {
		return local.Deploy(ctx, site(), placement, imgs, release.Unknown())
	}, pulumi.WithMocks("burbn", "local", r))
	if err != nil {
		t.Fatal(err)
	}
	return r, placement
}

func TestEveryUnitIsRegisteredOnce(t *testing.T) {
	r, placement := deploy(t, read(t, "local"))
	var want []string
	imgs, err := local.Render(placement)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range placement.Machines {
		for _, u := range imgs[m.Name].Units {
			want = append(want, m.Name+"."+u.Name)
		}
	}
	slices.Sort(want)
	got := append(r.of(process), r.of(task)...)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("registered\n%v\nwant\n%v", got, want)
	}
	if got := r.of("burbn:local:Machine"); len(got) != len(placement.Machines) {
		t.Errorf("%d components for %d machines", len(got), len(placement.Machines))
	}
	if want := []string{"redis-01.redis-cluster", "worker-01.buckets", "worker-01.migrate"}; !slices.Equal(r.of(task), want) {
		t.Errorf("tasks %v, want %v", r.of(task), want)
	}
}

func TestOrder(t *testing.T) {
	r, _ := deploy(t, read(t, "local"))
	tests := []struct {
		unit  string
		after []string
	}{
		{"replica-01.postgres", []string{"postgres-01.postgres"}},
		{"worker-01.migrate", []string{"postgres-01.postgres", "postgres-02.postgres", "migrate"}},
		{"worker-01.buckets", []string{"storage-01.storage", "buckets"}},
		{"redis-01.redis-cluster", []string{"redis-01.redis", "redis-02.redis", "redis-03.redis"}},
		{"storage-01.storage", []string{"supervisor", "versitygw"}},
		{"api-01.api", []string{"api", "api-01.pgbouncer", "worker-01.migrate", "worker-01.buckets", "redis-01.redis-cluster", "memcached-02.memcached", "standin-01.standin"}},
		{"worker-01.worker", []string{"worker", "worker-01.pgbouncer", "worker-01.migrate"}},
		{"push-01.push", []string{"push", "push-01.pgbouncer", "standin-01.standin"}},
		{"nginx-01.nginx", []string{"api-01.api", "api-02.api"}},
		{"loadbalancer-01.haproxy", []string{"nginx-01.nginx", "nginx-02.nginx", "nginx-03.nginx"}},
		{"monitoring-01.prometheus", []string{"loadbalancer-01.haproxy", "worker-01.worker"}},
	}
	for _, tt := range tests {
		for _, need := range tt.after {
			if !slices.Contains(r.needs[tt.unit], need) {
				t.Errorf("%s does not wait for %s but for %v", tt.unit, need, r.needs[tt.unit])
			}
		}
	}
	// Databases, caches and stores come up side by side.
	for _, unit := range []string{"postgres-01.postgres", "redis-01.redis", "memcached-01.memcached", "api-01.pgbouncer"} {
		for _, need := range r.needs[unit] {
			if strings.Contains(need, ".") {
				t.Errorf("%s waits for %s", unit, need)
			}
		}
	}
}

// What an SRE changes at 3 a.m. touches what it must and nothing else.
func TestAnEditTouchesOnlyWhatItMust(t *testing.T) {
	tests := []struct {
		name string
		edit func(*topology.Topology)
		// touched is by prefix of the resource's name.
		touched []string
	}{
		{"two more APIs", func(t *topology.Topology) { t.API.Count = 4 },
			[]string{"api-03", "api-04", "nginx-01.nginx", "nginx-02.nginx", "nginx-03.nginx", "monitoring-01.prometheus"}},
		{"one more nginx", func(t *topology.Topology) { t.Nginx.Count = 4 },
			[]string{"nginx-04", "loadbalancer-01.haproxy", "monitoring-01.prometheus"}},
		{"one more worker", func(t *topology.Topology) { t.Worker.Count = 2 },
			[]string{"worker-02", "cdn-01.cdn", "monitoring-01.prometheus"}}, // the edge obeys workers alone
		{"more slots for photos", func(t *topology.Topology) { t.Worker.Slots.Photo = 4 },
			[]string{"worker-01.worker"}},
		{"longer feeds", func(t *topology.Topology) { t.Feed.Length = 900 },
			[]string{"api-01.api", "api-02.api", "worker-01.worker", "worker-01.buckets"}},
		{"larger uploads", func(t *topology.Topology) { t.Upload.MaxBytes *= 2 },
			[]string{"api-01.api", "api-02.api", "worker-01.buckets"}},
		{"a browser's origin", func(t *topology.Topology) { t.Origins = []string{"https://www.example.com"} },
			[]string{"api-01.api", "api-02.api", "worker-01.buckets"}},
		{"another scrape interval", func(t *topology.Topology) { t.Monitoring.ScrapeInterval *= 2 },
			[]string{"monitoring-01."}},
	}
	before, _ := deploy(t, read(t, "local"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			top := read(t, "local")
			tt.edit(&top)
			after, _ := deploy(t, top)
			touched := map[string]bool{}
			for key, inputs := range after.inputs {
				if old, ok := before.inputs[key]; !ok || !old.DeepEquals(inputs) {
					_, name, _ := strings.Cut(key, " ")
					touched[name] = true
				}
			}
			for name := range touched {
				if !slices.ContainsFunc(tt.touched, func(p string) bool { return strings.HasPrefix(name, p) }) {
					t.Errorf("%s is touched", name)
				}
			}
			for _, p := range tt.touched {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(touched)), func(n string) bool { return strings.HasPrefix(n, p) }) {
					t.Errorf("%s is not touched", p)
				}
			}
		})
	}
}

func TestSecretsAreCredentialsAlone(t *testing.T) {
	r, _ := deploy(t, read(t, "local"))
	found := 0
	for key, inputs := range r.inputs {
		for name, v := range inputs {
			if !strings.Contains(v.String(), "private-") {
				continue
			}
			found++
			if name != "credentials" || !v.IsSecret() && !v.ContainsSecrets() {
				t.Errorf("%s of %s shows a secret: %v", name, key, v)
			}
		}
	}
	if found == 0 {
		t.Error("no unit was given a secret")
	}
}
