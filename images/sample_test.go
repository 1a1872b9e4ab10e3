package images

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/burbn/burbn/services/shard"
)

// sample is a placement with two machines of most roles, all below root, on
// addresses of network: "127.10".
func sample(root, network string) Placement {
	p := Placement{
		Stack:  "sample",
		Target: "local",
		Shards: shard.Map{Count: 16, Databases: []shard.Database{
			{Name: "postgres-01", First: 0, Last: 7},
			{Name: "postgres-02", First: 8, Last: 15},
		}},
		Programs: Programs{
			API: "/opt/burbn/api", Worker: "/opt/burbn/worker", Push: "/opt/burbn/push",
			Migrate: "/opt/burbn/migrate", Buckets: "/opt/burbn/buckets", Standin: "/opt/burbn/standin",
			S3: "/opt/burbn/versitygw", MemcachedExporter: "/opt/burbn/memcached_exporter",
		},
		WorkerSlots:         Slots{Photo: 2, FanOut: 8, Follow: 8, Index: 4, Share: 4, Delete: 2, Export: 1},
		PushSlots:           8,
		MaxUploadBytes:      20 << 20,
		UploadExpires:       15 * time.Minute,
		Session:             720 * time.Hour,
		MaxPixels:           50_000_000,
		FeedLength:          800,
		FanOutLimit:         100_000,
		RateLimits:          RateLimits{Read: 3000, Write: 600, Anonymous: 60},
		Origins:             []string{"https://www.example.com"},
		MemcachedMB:         64,
		RedisMB:             64,
		PostgresConnections: 200,
		ScrapeInterval:      5 * time.Second,
		Region:              "us-east-1",
		Buckets:             Buckets{Uploads: "sample-uploads", Media: "sample-media"},
		APNs:                APNs{URL: fmt.Sprintf("https://%s.13.1:8443", network), TeamID: "TEAM000001", KeyID: "KEY0000001", Topic: "com.burbn.app"},
		Share:               Share{Facebook: fmt.Sprintf("http://%s.13.1:8090", network), Twitter: fmt.Sprintf("http://%s.13.1:8091", network)},
		SentryDSN:           fmt.Sprintf("http://%s.13.1:8092/1", network),
		Network:             "127.0.0.0/8",
	}
	count := map[Role]int{LoadBalancer: 1, Storage: 1, CDN: 1, Monitoring: 1, Standin: 1, Redis: 3}
	for i, role := range Roles {
		n, ok := count[role]
		if !ok {
			n = 2
		}
		for index := 1; index <= n; index++ {
			name := fmt.Sprintf("%s-%02d", role, index)
			p.Machines = append(p.Machines, Machine{
				Name: name, Role: role, Index: index,
				Addr: fmt.Sprintf("%s.%d.%d", network, i+1, index),
				Root: filepath.Join(root, name),
			})
		}
	}
	return p
}

// sampleAWS is the same topology where the cloud runs the stores and the edge, and a
// fleet is one machine.
func sampleAWS() Placement {
	p := sample("/", "10.0")
	p.Target, p.Network, p.TLS, p.RunAs = "aws", "10.0.0.0/16", true, "burbn"
	p.PostgresCA = "/usr/share/burbn/rds-ca.pem"
	p.CDN = "https://media.example.com"
	p.Programs.Migrate, p.Programs.Buckets, p.Programs.Standin, p.Programs.S3 = "", "", "", ""
	p.APNs.URL, p.SentryDSN = "https://api.push.apple.com", "https://sentry.example.com/1"
	p.Share = Share{Facebook: "https://graph.facebook.com", Twitter: "https://api.x.com"}
	p.Pager, p.PostgresConnections = "https://events.pagerduty.com/v2/enqueue", 300
	p.PostgresCA, p.DataGB, p.LogDays = "/usr/share/burbn/rds-ca.pem", 100, 30
	var ms []Machine
	for _, m := range p.Machines {
		switch m.Role {
		case Standin, Storage, CDN, LoadBalancer:
			continue
		case Postgres, Replica, Memcached:
			m.Root = ""
		case Redis:
			m.Root, m.Name, m.Least = "", string(m.Role), 3
		case Nginx, API, Worker, Push:
			m.Root, m.Interface, m.Name, m.Least, m.Fleet = "/", "0.0.0.0", string(m.Role), 2, 6
		case Monitoring:
			m.Root, m.Interface, m.Name = "/", "0.0.0.0", string(m.Role)
		}
		if m.Name == string(m.Role) && m.Index > 1 {
			continue
		}
		m.Addr = m.Name + ".sample.burbn.internal"
		ms = append(ms, m)
	}
	p.Machines = ms
	return p
}

// sampleRoot is the sample with every machine at "/", as if each role, those of
// the cloud too, were a machine of its own.
func sampleRoot() Placement {
	p := sample("/", "127.10")
	p.RunAs = "burbn"
	for i := range p.Machines {
		p.Machines[i].Root = "/"
	}
	return p
}

// running is a sample that can run here: below a folder of the test, on a network
// that no stack and no other test binary uses, by whom PostgreSQL accepts.
func running(t *testing.T) Placement {
	t.Helper()
	root := t.TempDir()
	give(t, filepath.Dir(root), root)
	p := sample(root, network(t))
	p.RunAs = account()
	p.ScrapeInterval = time.Second
	p.Programs.S3 = tool(t, root, "versitygw", "github.com/versity/versitygw/cmd/versitygw")
	p.Programs.MemcachedExporter = tool(t, root, "memcached_exporter", "github.com/prometheus/memcached_exporter/cmd/memcached_exporter")
	return p
}

// network is a loopback network that is the test's own while it runs: whoever
// holds a port of its last address.
func network(t *testing.T) string {
	t.Helper()
	for n := 250; n >= 128; n-- {
		l, err := net.Listen("tcp", fmt.Sprintf("127.%d.255.254:10001", n))
		if err == nil {
			t.Cleanup(func() { l.Close() })
			return fmt.Sprintf("127.%d", n)
		}
	}
	t.Fatal("no loopback network is free")
	return ""
}

// tool puts a program of the checkout where the units' account can reach it, which a
// checkout in somebody's home is not.
func tool(t *testing.T, dir, name, pkg string) string {
	t.Helper()
	built, path := filepath.Join("../bin", name), filepath.Join(dir, name)
	if os.Link(built, path) == nil {
		return path
	}
	b, err := os.ReadFile(built)
	if err != nil {
		t.Fatalf("%v: go build -modfile=tools/go.mod -o bin/%s %s", err, name, pkg)
	}
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// first is the first machine of a role.
func first(t *testing.T, p Placement, role Role) Machine {
	t.Helper()
	ms := p.Of(role)
	if len(ms) == 0 {
		t.Fatalf("the sample has no %s", role)
	}
	return ms[0]
}
