package images

import (
	"slices"
	"strings"
	"testing"
)

func TestBakeRefusesWhatHasNoImage(t *testing.T) {
	for _, tt := range []struct {
		role Role
		arch string
		want string
	}{
		{Postgres, "arm64", "has no machine image: accepted is one of"},
		{"database", "arm64", "has no machine image"},
		{API, "arm", `architecture "arm": accepted is amd64 or arm64`},
	} {
		if _, err := Bake(tt.role, tt.arch); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: error %v, want one that says %q", tt.role, tt.arch, err, tt.want)
		}
	}
}

func TestARecipeIsKnownByItsContent(t *testing.T) {
	ids := map[string]Role{}
	for _, role := range baked() {
		for _, arch := range []string{"amd64", "arm64"} {
			r, err := Bake(role, arch)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Bake(role, arch)
			if err != nil || again.ID() != r.ID() {
				t.Errorf("%s: %s, and then %s, %v", role, r.ID(), again.ID(), err)
			}
			if other, ok := ids[r.ID()]; ok {
				t.Errorf("%s and %s have one id", role, other)
			}
			ids[r.ID()] = role
			changed := r
			changed.Files = slices.Clone(r.Files)
			changed.Files[0].Content += "\n"
			if changed.ID() == r.ID() {
				t.Errorf("%s: another file, the same id", role)
			}
		}
	}
}

func TestARecipeHasWhatItsRoleNeeds(t *testing.T) {
	for role, want := range map[Role][]string{
		Nginx:      {"nginx-light", "prometheus-nginx-exporter", "prometheus-node-exporter"},
		API:        {"pgbouncer", "prometheus-node-exporter"},
		Worker:     {"pgbouncer", "prometheus-node-exporter"},
		Push:       {"pgbouncer", "prometheus-node-exporter"},
		Monitoring: {"prometheus", "prometheus-alertmanager", "prometheus-postgres-exporter", "prometheus-redis-exporter"},
	} {
		r, err := Bake(role, "arm64")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range append(want, "ca-certificates", "chrony", "cloud-init") {
			if !slices.Contains(r.Packages, p) || !strings.Contains(r.Script, " "+p) || !strings.Contains(r.Verify, " "+p) {
				t.Errorf("%s: %s is not installed and verified", role, p)
			}
		}
		if role != Nginx && slices.Contains(r.Packages, "nginx-light") {
			t.Errorf("%s has nginx", role)
		}
		for _, f := range []string{"/etc/systemd/system/boot.service", "/etc/systemd/system/credentials.timer", "/etc/chrony/chrony.conf"} {
			if !slices.ContainsFunc(r.Files, func(file File) bool { return file.Path == f }) {
				t.Errorf("%s: %s is not baked", role, f)
			}
		}
	}
}
