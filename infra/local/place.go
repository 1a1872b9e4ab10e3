package local

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/placement"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// Site is where on this machine a stack lives.
type Site struct {
	Stack string
	// State is the folder of everything that the stack stores: one folder for each
	// machine, beside the programs and the supervisor's own.
	State string
	// RunAs is the account of the processes; empty: whoever provisions.
	RunAs string
}

// Here is the site of a stack for whoever asks: $BURBN_STATE/<stack>, or else
// /var/lib/burbn/<stack> for root and .state/<stack> in the checkout for anyone
// else. Root's processes run as the account burbn, because PostgreSQL refuses
// root and nothing else needs it.
func Here(checkout, stack string) Site {
	s := Site{Stack: stack, State: filepath.Join(checkout, ".state", stack)}
	if os.Geteuid() == 0 {
		s.State, s.RunAs = filepath.Join("/var/lib/burbn", stack), "burbn"
	}
	if dir := os.Getenv("BURBN_STATE"); dir != "" {
		s.State = filepath.Join(dir, stack)
	}
	return s
}

// Supervisor is the folder of the supervisor: its configuration, log and socket.
func (s Site) Supervisor() string { return filepath.Join(s.State, "supervisor") }

// Socket is where the supervisor listens.
func (s Site) Socket() string { return filepath.Join(s.Supervisor(), "supervisor.sock") }

// secret is where a secret is kept for as long as the data is.
func (s Site) secret(name string) string { return filepath.Join(s.State, "secrets", name) }

// program is where a program of a release is installed.
func (s Site) program(p release.Program) string {
	return filepath.Join(s.State, "releases", p.FileName())
}

// Place gives every machine of the topology its name, address and folder. An
// address is <loopback>.<role>.<number>, so a machine keeps its own whatever
// becomes of the others. Place is pure: it asks nothing of this machine.
func Place(t topology.Topology, s Site, r release.Release) images.Placement {
	p := placement.Of(t, s.Stack)
	p.Region = "us-east-1" // a name and no more; the object server signs with it
	p.Buckets = images.Buckets{Uploads: "burbn-uploads", Media: "burbn-media"}
	p.RunAs = s.RunAs
	// A client that binds no address of its own comes from 127.0.0.1.
	p.Network = "127.0.0.0/8"
	for _, program := range r {
		path := s.program(program)
		switch program.Name {
		case "api":
			p.Programs.API = path
		case "worker":
			p.Programs.Worker = path
		case "push":
			p.Programs.Push = path
		case "migrate":
			p.Programs.Migrate = path
		case "buckets":
			p.Programs.Buckets = path
		case "standin":
			p.Programs.Standin = path
		case "versitygw":
			p.Programs.S3 = path
		case "memcached_exporter":
			p.Programs.MemcachedExporter = path
		}
	}

	add := func(role images.Role, index int) images.Machine {
		name := fmt.Sprintf("%s-%02d", role, index)
		m := images.Machine{
			Name: name, Role: role, Index: index,
			Addr: fmt.Sprintf("%s.%d.%d", t.Loopback, octet(role), index),
			Root: filepath.Join(s.State, name),
		}
		p.Machines = append(p.Machines, m)
		return m
	}
	var databases []int
	for _, name := range t.Databases {
		databases = append(databases, topology.DatabaseIndex(name))
	}
	for _, role := range images.Roles {
		switch role {
		case images.Postgres:
			for _, i := range databases {
				add(role, i)
			}
		case images.Replica:
			for _, i := range databases {
				for range t.Postgres.Replicas { // 0 or 1: a replica has its primary's number
					add(role, i)
				}
			}
		case images.Standin:
			m := add(role, 1)
			p.APNs = images.APNs{
				URL:    "https://" + m.Addr + ":8443",
				TeamID: t.APNs.TeamID, KeyID: t.APNs.KeyID, Topic: t.APNs.Topic,
			}
			p.Share = images.Share{Facebook: "http://" + m.At(images.PortFacebook), Twitter: "http://" + m.At(images.PortTwitter)}
			p.SentryDSN = "http://" + m.Addr + ":8092/1"
		default:
			for i := range count(t, role) {
				add(role, i+1)
			}
		}
	}
	return p
}

// count is how many machines of a role there are, but for the databases.
func count(t topology.Topology, role images.Role) int {
	switch role {
	case images.Nginx:
		return t.Nginx.Count
	case images.API:
		return t.API.Count
	case images.Worker:
		return t.Worker.Count
	case images.Push:
		return t.Push.Count
	case images.Redis:
		return t.Redis.Masters
	case images.Memcached:
		return t.Memcached.Count
	default:
		return 1
	}
}

// octet is the role's part of an address. It is fixed for ever: data lives at it.
func octet(role images.Role) int {
	switch role {
	case images.LoadBalancer:
		return 1
	case images.Nginx:
		return 2
	case images.API:
		return 3
	case images.Worker:
		return 4
	case images.Push:
		return 5
	case images.Postgres:
		return 6
	case images.Replica:
		return 7
	case images.Redis:
		return 8
	case images.Memcached:
		return 9
	case images.Storage:
		return 10
	case images.CDN:
		return 11
	case images.Monitoring:
		return 12
	case images.Standin:
		return 13
	default:
		panic("no address for the role " + string(role))
	}
}
