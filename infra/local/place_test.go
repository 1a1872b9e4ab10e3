package local_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/local"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
	"github.com/burbn/burbn/services/shard"
)

// read is the topology of a stack file.
func read(t testing.TB, stack string) topology.Topology {
	t.Helper()
	top, err := topology.ParseFile("../../stacks/Pulumi." + stack + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return top
}

func site() local.Site {
	return local.Site{Stack: "local", State: "/var/lib/burbn/local", RunAs: "burbn"}
}

func place(t topology.Topology) images.Placement { return local.Place(t, site(), release.Unknown()) }

func TestAddressesAreTheMachinesOwn(t *testing.T) {
	for _, stack := range []string{"local", "local-full"} {
		top := read(t, stack)
		seen := map[string]string{}
		for _, m := range place(top).Machines {
			if other := seen[m.Addr]; other != "" {
				t.Errorf("%s and %s share %s", m.Name, other, m.Addr)
			}
			seen[m.Addr] = m.Name
			if !strings.HasPrefix(m.Addr, top.Loopback+".") {
				t.Errorf("%s is at %s, outside %s", m.Name, m.Addr, top.Loopback)
			}
			if m.Root != filepath.Join("/var/lib/burbn/local", m.Name) {
				t.Errorf("%s lies in %s", m.Name, m.Root)
			}
		}
	}
}

func TestMachinesStandInOrder(t *testing.T) {
	machines := place(read(t, "local-full")).Machines
	order := func(a, b images.Machine) int {
		if a.Role != b.Role {
			return slices.Index(images.Roles, a.Role) - slices.Index(images.Roles, b.Role)
		}
		return a.Index - b.Index
	}
	if !slices.IsSortedFunc(machines, order) {
		t.Errorf("machines are not in the order of roles and numbers: %v", machines)
	}
}

// A database that takes over shards in the middle moves nobody's address or data.
func TestADatabaseBetweenTwoMovesNeither(t *testing.T) {
	top := read(t, "local")
	before := place(top)
	top.Shards.Databases = []shard.Database{
		{Name: "postgres-01", First: 0, Last: 63}, {Name: "postgres-03", First: 64, Last: 127}, {Name: "postgres-02", First: 128, Last: 255},
	}
	top.Databases = []string{"postgres-01", "postgres-02", "postgres-03"}
	after := place(top)
	for _, role := range []images.Role{images.Postgres, images.Replica} {
		if got := after.Of(role); !slices.Equal(got[:2], before.Of(role)) || len(got) != 3 {
			t.Errorf("%v became %v", before.Of(role), got)
		}
	}
}

func TestWithoutReplicas(t *testing.T) {
	top := read(t, "local")
	top.Postgres.Replicas = 0
	if got := place(top).Of(images.Replica); len(got) != 0 {
		t.Errorf("placed %v", got)
	}
}

func TestStateIsWhereItIsAsked(t *testing.T) {
	t.Setenv("BURBN_STATE", "/srv/b")
	if got := local.Here("/checkout", "local").State; got != "/srv/b/local" {
		t.Errorf("BURBN_STATE is not obeyed: %s", got)
	}
}

// A database that holds no shard yet is a machine like the others, with its replica and
// its poolers, and what everybody is told is accepted by whoever loads it.
func TestADatabaseThatHoldsNothingIsPlaced(t *testing.T) {
	top := read(t, "local")
	top.Databases = append(top.Databases, "postgres-03")
	p := place(top)
	if _, err := local.Render(p); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range append(p.Of(images.Postgres), p.Of(images.Replica)...) {
		names = append(names, m.Name)
	}
	if want := []string{"postgres-01", "postgres-02", "postgres-03", "replica-01", "replica-02", "replica-03"}; !slices.Equal(names, want) {
		t.Errorf("placed %v, want %v", names, want)
	}
}
