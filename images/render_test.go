package images

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden shows what a change does to the machines of both targets. After a
// change that is meant: go test ./images -run Golden -update.
func TestGolden(t *testing.T) {
	for dir, p := range map[string]Placement{"local": sample("/state", "127.10"), "aws": sampleAWS()} {
		for _, m := range p.Machines {
			if m.Managed() || m.Index != 1 {
				continue
			}
			t.Run(dir+"/"+m.Name, func(t *testing.T) {
				img, err := Render(m, p)
				if err != nil {
					t.Fatal(err)
				}
				got := txtar.Format(archive(t, img))
				golden := filepath.Join("testdata", dir, m.Name+".txtar")
				if *update {
					if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) {
					t.Errorf("%s differs; see it with -update and git diff", golden)
				}
			})
		}
	}
}

// archive is an image as text: the units as the local target gets them, the
// credentials' templates, and the files, but for those that no template touches.
func archive(t *testing.T, img Image) *txtar.Archive {
	t.Helper()
	a := &txtar.Archive{}
	for _, u := range img.Units {
		credentials := u.Credentials
		u.Credentials = nil
		b, err := json.MarshalIndent(u, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		a.Files = append(a.Files, txtar.File{Name: "unit " + u.Name, Data: append(b, '\n')})
		for _, c := range credentials {
			a.Files = append(a.Files, txtar.File{Name: "credential " + u.Name + " " + c.Name, Data: []byte(c.Template)})
		}
	}
	for _, f := range img.Files {
		if !strings.Contains(f.Path, staticDir) {
			a.Files = append(a.Files, txtar.File{Name: fmt.Sprintf("%s %o", f.Path, f.Mode), Data: []byte(f.Content)})
		}
	}
	return a
}

func TestEveryFileBelongsToOneUnit(t *testing.T) {
	for _, p := range []Placement{sample("/state", "127.10"), sampleRoot(), sampleAWS()} {
		for _, m := range p.Machines {
			if m.Managed() {
				continue
			}
			img, err := Render(m, p)
			if err != nil {
				t.Fatal(err)
			}
			owners := map[string][]string{}
			names := map[string]bool{}
			listens := map[string]string{}
			for _, u := range img.Units {
				if names[u.Name] {
					t.Errorf("%s has two units %s", m.Name, u.Name)
				}
				names[u.Name] = true
				for _, f := range u.Files {
					owners[f] = append(owners[f], u.Name)
				}
				for _, l := range u.Listen {
					if listens[l] != "" {
						t.Errorf("%s: %s is bound by %s and %s", m.Name, l, listens[l], u.Name)
					}
					listens[l] = u.Name
				}
			}
			for _, f := range img.Files {
				if len(owners[f.Path]) != 1 {
					t.Errorf("%s: %s belongs to %q, want one unit", m.Name, f.Path, owners[f.Path])
				}
				delete(owners, f.Path)
			}
			if len(owners) > 0 {
				t.Errorf("%s: units name files that are not there: %v", m.Name, owners)
			}
		}
	}
}

func TestNoSecretEndsUpInAFile(t *testing.T) {
	for _, p := range []Placement{sample("/state", "127.10"), sampleAWS()} {
		noSecretEndsUpInAFile(t, p)
	}
}

func noSecretEndsUpInAFile(t *testing.T, p Placement) {
	for _, m := range p.Machines {
		if m.Managed() {
			continue
		}
		img, err := Render(m, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range img.Files {
			if strings.Contains(f.Content, "{{") && !strings.Contains(f.Path, staticDir) {
				t.Errorf("%s: %s holds a place for a secret", m.Name, f.Path)
			}
		}
		for _, u := range img.Units {
			for _, c := range u.Credentials {
				if len(c.Secrets()) == 0 {
					t.Errorf("%s: credential %s holds no secret: it is a file", u.Name, c.Name)
				}
				if _, err := c.Fill(secrets()); err != nil {
					t.Errorf("%s: %v", u.Name, err)
				}
			}
		}
	}
}

// An added API machine changes the files of those that have to know it, and no others.
func TestAddedMachineChangesOnlyItsNeighbours(t *testing.T) {
	before := sample("/state", "127.10")
	after := before
	after.Machines = append(slices.Clone(before.Machines), Machine{Name: "api-03", Role: API, Index: 3, Addr: "127.10.3.3", Root: "/state/api-03"})
	var changed []string
	for _, m := range before.Machines {
		a, err := Render(m, before)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Render(m, after)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range a.Files {
			if f != b.Files[i] {
				changed = append(changed, f.Path)
			}
		}
		for i, u := range a.Units {
			if !slices.Equal(u.Exec, b.Units[i].Exec) {
				t.Errorf("%s.%s is started differently: it would be restarted", m.Name, u.Name)
			}
		}
	}
	want := []string{
		"/state/nginx-01/etc/nginx/nginx.conf",
		"/state/nginx-02/etc/nginx/nginx.conf",
		"/state/monitoring-01/etc/prometheus/prometheus.yml",
	}
	if !slices.Equal(changed, want) {
		t.Errorf("changed %q, want %q", changed, want)
	}
}

func TestPoolersTakeLessThanDatabasesAccept(t *testing.T) {
	for machines := 1; machines <= 60; machines++ {
		p := Placement{PostgresConnections: 200}
		for i := range machines {
			p.Machines = append(p.Machines, Machine{Role: []Role{API, Worker, Push}[i%3]})
		}
		if taken := p.PoolSize() * machines; taken > p.PostgresConnections*3/4 {
			t.Errorf("%d poolers of %d take %d of %d", machines, p.PoolSize(), taken, p.PostgresConnections)
		}
	}
}

// A fleet counts as the most that it may grow to.
func TestPoolersOfAFleetAreCounted(t *testing.T) {
	p := Placement{PostgresConnections: 400, Machines: []Machine{
		{Role: API, Fleet: 12}, {Role: Worker, Fleet: 3}, {Role: Push}, {Role: Nginx, Fleet: 50},
	}}
	if got, want := p.PoolSize(), 400*3/4/16; got != want {
		t.Errorf("each pooler holds %d, want %d: 12 + 3 + 1 of them share 300", got, want)
	}
}

// On EC2 units listen where others reach them only for what others ask.
func TestUnitsOfAFleetListenForOthersOrForThemselves(t *testing.T) {
	p := sampleAWS()
	public := map[string]bool{}
	for _, port := range []Port{PortHTTP, PortAdmin, PortStatus, PortNodeExporter, PortNginxExporter, PortJournal} {
		public[fmt.Sprint("0.0.0.0:", int(port))] = true
	}
	for _, m := range p.Machines {
		if m.Managed() {
			continue
		}
		img, err := Render(m, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range img.Units {
			for _, l := range u.Listen {
				if !public[l] && !strings.HasPrefix(l, "127.0.0.1:") {
					t.Errorf("%s of %s listens at %s", u.Name, m.Name, l)
				}
			}
			if ready := u.Ready.HTTP + u.Ready.TCP; ready != "" && !strings.Contains(ready, "127.0.0.1:") {
				t.Errorf("%s of %s is asked whether it is ready at %s", u.Name, m.Name, ready)
			}
		}
		for _, f := range img.Files {
			if strings.Contains(f.Path, ".wants/") || strings.Contains(f.Path, ".requires/") {
				t.Errorf("%s: %s starts a unit before its secrets are there", m.Name, f.Path)
			}
		}
	}
}

func TestMoreConnectionsThanDatabasesAccept(t *testing.T) {
	for _, tt := range []struct {
		accepted, workers int
		want              string
	}{
		{accepted: 200, workers: 8},
		{accepted: 40, workers: 3, want: "a database accepts 40 connections: 4 machines with 3 each, 32 sessions of workers and 10 to spare are 54"},
	} {
		p := sampleAWS()
		p.PostgresConnections = tt.accepted
		p.Machines = slices.DeleteFunc(p.Machines, func(m Machine) bool {
			return m.worksQueues() || m.Role == API
		})
		worker := Machine{Name: "worker", Role: Worker, Index: 1, Addr: "worker.sample.internal", Root: "/", Interface: "0.0.0.0", Fleet: tt.workers}
		push := Machine{Name: "push", Role: Push, Index: 1, Addr: "push.sample.internal", Root: "/", Interface: "0.0.0.0", Fleet: 1}
		p.Machines = append(p.Machines, worker, push)
		_, err := Render(worker, p)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%d workers, %d accepted: %v, want %q", tt.workers, tt.accepted, err, tt.want)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    Machine
		p    Placement
		want string
	}{
		{"a managed machine", Machine{Name: "postgres-01", Role: Postgres}, Placement{}, "render machine postgres-01: the cloud runs it"},
		{"an unknown role", Machine{Name: "x", Role: "mail", Root: "/"}, Placement{}, `role "mail" is unknown: accepted is one of ["loadbalancer" "nginx"`},
		{"a root with a space", Machine{Name: "x", Role: Nginx, Root: "/home/a b"}, Placement{}, `root "/home/a b": accepted is an absolute path`},
		{"a relative root", Machine{Name: "x", Role: Nginx, Root: "state"}, Placement{}, `root "state": accepted is an absolute path`},
		{"a replica of nothing", Machine{Name: "x", Role: Replica, Index: 1, Root: "/x"}, Placement{}, "replica x has no primary"},
		{"an incomplete placement", Machine{Name: "x", Role: API, Index: 1, Root: "/x"}, Placement{}, "stack: is missing"},
		{"no volume", Machine{Name: "x", Role: Monitoring, Root: "/"}, Placement{Target: "aws", LogDays: 30}, "a volume of 0 GB and 30 days of logs: accepted is"},
		{"no retention", Machine{Name: "x", Role: Monitoring, Root: "/"}, Placement{Target: "aws", DataGB: 10}, "a volume of 10 GB and 0 days of logs: accepted is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Render(tt.m, tt.p)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
