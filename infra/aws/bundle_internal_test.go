package aws

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/services/settings"
)

// small is a plan of one machine, whose unit runs a program and loads two credentials.
func small() Plan {
	r := release.Unknown()
	var api string
	for _, p := range r {
		if p.Name == "api" {
			api = programs + "/" + p.FileName()
		}
	}
	return Plan{
		Stack: "production", Release: r,
		Placement: images.Placement{Machines: []images.Machine{{Name: "api", Role: images.API, Root: "/"}}},
		Images: map[string]images.Image{"api": {
			Files: []images.File{{Path: "/usr/lib/burbn/api", Mode: 0o755, Content: "#!/bin/sh\n"}, {Path: "/etc/burbn/api.json", Mode: 0o644, Content: "{}\n"}},
			Units: []images.Unit{
				{
					Name: "pgbouncer", Exec: []string{"/usr/sbin/pgbouncer"}, Ready: images.Ready{TCP: "127.0.0.1:6432", Timeout: time.Minute},
					Credentials: []images.Credential{{Name: "redis-password", Template: "{{redis-password}}"}},
				},
				{
					Name: "api", Setup: [][]string{{"/usr/bin/install", "-d", "/x"}}, Exec: []string{"/usr/bin/nice", api}, Ready: images.Ready{HTTP: "http://127.0.0.1:8081/readyz", Timeout: time.Minute},
					Credentials: []images.Credential{{Name: "redis-password", Template: "{{redis-password}}"}, {Name: "userlist.txt", Template: "a {{redis-password}}\n"}},
				},
			},
		}},
	}
}

func TestABundleIsOfItsContentAlone(t *testing.T) {
	p := small()
	one, manifest, err := p.bundle(images.API)
	if err != nil {
		t.Fatal(err)
	}
	files := p.Images["api"].Files
	slices.Reverse(files)
	if other, _, err := p.bundle(images.API); err != nil || !bytes.Equal(one, other) {
		t.Errorf("the same files in another order are another bundle (%v)", err)
	}
	if want := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0}; !bytes.HasPrefix(one, want) {
		t.Errorf("the header is %x: a name or a time is in it", one[:10])
	}
	zip, err := gzip.NewReader(bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d:%d, time %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		names = append(names, h.FileInfo().Mode().String()+" "+h.Name)
		if "/"+h.Name == settings.ManifestPath {
			var read settings.Manifest
			d := json.NewDecoder(archive)
			d.DisallowUnknownFields()
			if err := d.Decode(&read); err != nil || len(read.Units) != len(manifest.Units) {
				t.Errorf("the manifest is read as %+v (%v)", read, err)
			}
		}
	}
	if want := []string{"-rw-r--r-- etc/burbn/api.json", "-rw-r--r-- etc/burbn/machine.json", "-rwxr-xr-x usr/lib/burbn/api"}; !slices.Equal(names, want) {
		t.Errorf("it contains %q, not %q", names, want)
	}
}

func TestAManifestIsReadOutOfTheUnits(t *testing.T) {
	m, err := small().manifest(images.API)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Programs) != 1 || !strings.HasPrefix(m.Programs[0].Key, "programs/api-") || m.Programs[0].Path != "/usr/local/lib/burbn/api-000000000000" {
		t.Errorf("programs: %+v", m.Programs)
	}
	if len(m.Units) != 2 || m.Units[0].Name != "pgbouncer" || m.Units[0].TCP != "127.0.0.1:6432" || m.Units[1].HTTP == "" || m.Units[1].Timeout != settings.Duration(time.Minute) {
		t.Errorf("units: %+v", m.Units)
	}
	if len(m.Credentials) != 2 || !slices.Equal(m.Credentials[0].Units, []string{"pgbouncer", "api"}) || !slices.Equal(m.Credentials[1].Units, []string{"api"}) {
		t.Errorf("credentials: %+v", m.Credentials)
	}
	if id := m.Credentials[1].Secrets["redis-password"].ID; id != "burbn/production/redis" {
		t.Errorf("the password of Redis is looked for at %q", id)
	}
}

func TestWhatNoMachineCouldDoIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		breakIt func(*Plan)
		says    string
	}{
		"program of another release": {
			func(p *Plan) { p.Images["api"].Units[1].Exec = []string{programs + "/api-ffffffffffff"} },
			"/usr/local/lib/burbn/api-ffffffffffff is no program of release",
		},
		"credential of two minds": {
			func(p *Plan) { p.Images["api"].Units[1].Credentials[0].Template = "x" },
			`credential redis-password is written otherwise for ["pgbouncer"]`,
		},
		"one path twice": {
			func(p *Plan) { p.Images["api"].Files[0].Path = p.Images["api"].Files[1].Path },
			"two files have the path",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := small()
			p.Topology.AWS.Release = "build"
			c.breakIt(&p)
			if _, _, err := p.bundle(images.API); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestUserData(t *testing.T) {
	m := settings.Machine{
		Stack: "production", Role: "api", Region: "us-east-1", Group: "burbn-production-api", Hook: "boot",
		Bundle: settings.Object{Bucket: "example-artifacts", Key: "bundles/api-0123.tar.gz", SHA256: strings.Repeat("0123", 16)},
	}
	got, err := userData(m)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/user-data.yaml", got)

	m.Stack = strings.Repeat("x", maxUserData)
	if _, err := userData(m); err == nil || !strings.Contains(err.Error(), "user data of api: 16") {
		t.Errorf("more than EC2 accepts: %v", err)
	}
}
