package topology_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/topology"
)

func production(t *testing.T) topology.Topology {
	t.Helper()
	top, err := topology.Parse([]byte(value(t, "production")))
	if err != nil {
		t.Fatal(err)
	}
	return top
}

func TestFactsSurviveAsJSON(t *testing.T) {
	facts := production(t).Facts()
	b, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	var back topology.Facts
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(facts, back) {
		t.Errorf("%v: read back %+v, want %+v", err, back, facts)
	}
	v := reflect.ValueOf(facts)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s of the stack production is nothing", v.Type().Field(i).Name)
		}
	}
}

func TestWhatGrowsIsAccepted(t *testing.T) {
	for name, edit := range map[string]func(*topology.Topology){
		"nothing":    func(*topology.Topology) {},
		"a database": func(t *topology.Topology) { t.Databases = append(t.Databases, "postgres-13") },
		"a zone": func(t *topology.Topology) {
			t.AWS.Network.Zones = append(t.AWS.Network.Zones, topology.Zone{Name: "us-east-1d"})
		},
		"masters":          func(t *topology.Topology) { t.Redis.Masters++ },
		"storage":          func(t *topology.Topology) { t.AWS.Postgres.StorageGB, t.AWS.Monitoring.DataGB = 1000, 300 },
		"a newer version":  func(t *topology.Topology) { t.AWS.Postgres.Version, t.AWS.Redis.Version = "15.18", "7.2" },
		"another engine":   func(t *topology.Topology) { t.AWS.Redis.Engine, t.AWS.Redis.Version = "valkey", "7.0" },
		"fewer machines":   func(t *topology.Topology) { t.API.Count, t.Memcached.Count, t.Worker.Count = 1, 1, 1 },
		"another class":    func(t *topology.Topology) { t.AWS.Postgres.Class = "db.r6g.large" },
		"other protection": func(t *topology.Topology) { t.AWS.Protect, t.Postgres.Replicas = false, 0 },
	} {
		top := production(t)
		old := production(t).Facts()
		edit(&top)
		if err := topology.Refuse(old, top); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatLosesDataIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*topology.Topology)
		want []string // all of it
	}{
		"another target": {func(t *topology.Topology) { t.Target, t.Redis.Masters = topology.Local, 1 }, []string{
			"target: aws becomes local: what stands there would be forgotten, not moved; give the other target a stack of its own"}},
		"another count": {func(t *topology.Topology) { t.Shards.Count, t.Shards.Databases[11].Last = 8192, 8191 }, []string{
			"shards: 4096 becomes 8192: every id carries the number of its shard, so that the count is fixed for ever"}},
		"shards that move": {func(t *topology.Topology) {
			t.Databases = append(t.Databases, "postgres-13")
			t.Shards.Databases = append(t.Shards.Databases, t.Shards.Databases[11])
			t.Shards.Databases[12].Name, t.Shards.Databases[12].First, t.Shards.Databases[11].Last = "postgres-13", 3926, 3925
		}, []string{"postgres.databases: shards 3926-4095 move from postgres-12 to postgres-13: their rows would stay behind; moving rows is not built, keep them where they are"}},
		"databases that change places": {func(t *topology.Topology) {
			d := t.Shards.Databases
			d[0].Name, d[1].Name = d[1].Name, d[0].Name
		}, []string{
			"postgres.databases: shards 0-340 move from postgres-01 to postgres-02: their rows would stay behind; moving rows is not built, keep them where they are",
			"postgres.databases: shards 341-681 move from postgres-02 to postgres-01: their rows would stay behind; moving rows is not built, keep them where they are"}},
		"a database removed": {func(t *topology.Topology) {
			t.Databases = t.Databases[:11]
			t.Shards.Databases = t.Shards.Databases[:11]
			t.Shards.Databases[10].Last = 4095
		}, []string{
			"postgres.databases: postgres-12 is removed: its rows would be lost; keep it",
			"postgres.databases: shards 3754-4095 move from postgres-12 to postgres-11: their rows would stay behind; moving rows is not built, keep them where they are"}},
		"fewer masters": {func(t *topology.Topology) { t.Redis.Masters = 2 }, []string{
			"redis.masters: 3 becomes 2: taking one away is not built; accepted is 3 masters or more"}},
		"another region": {func(t *topology.Topology) { t.AWS.Region = "eu-west-1" }, []string{
			"aws.region: us-east-1 becomes eu-west-1: everything would be made anew there, empty; give the other region a stack of its own"}},
		"another network": {func(t *topology.Topology) { t.AWS.Network.CIDR = "10.99.0.0/16" }, []string{
			"aws.network.cidr: 10.20.0.0/16 becomes 10.99.0.0/16: everything stands in this network and would be made anew"}},
		"a zone removed": {func(t *topology.Topology) { t.AWS.Network.Zones = t.AWS.Network.Zones[:2] }, []string{
			"aws.network.zones: us-east-1c is removed: the databases, caches and machines in it would be lost"}},
		"zones that change places": {func(t *topology.Topology) {
			z := t.AWS.Network.Zones
			z[1], z[2] = z[2], z[1]
		}, []string{
			"aws.network.zones[2]: us-east-1b was zone 2 and is zone 3: databases are dealt out in the order of the zones; new ones come last",
			"aws.network.zones[1]: us-east-1c was zone 3 and is zone 2: databases are dealt out in the order of the zones; new ones come last"}},
		"other subnets": {func(t *topology.Topology) {
			z := &t.AWS.Network.Zones[0]
			z.Public, z.App, z.Data = "a", "b", "c"
		}, []string{
			"aws.network.zones[0].public: 10.20.0.0/24 becomes a: a subnet with something in it cannot be replaced; new addresses come with a new zone",
			"aws.network.zones[0].app: 10.20.16.0/20 becomes b: a subnet with something in it cannot be replaced; new addresses come with a new zone",
			"aws.network.zones[0].data: 10.20.8.0/24 becomes c: a subnet with something in it cannot be replaced; new addresses come with a new zone"}},
		"other buckets": {func(t *topology.Topology) {
			t.AWS.Buckets = topology.Buckets{Uploads: "u", Media: "m", Artifacts: "a", Logs: "l"}
		}, []string{
			"aws.buckets.uploads: example-burbn-production-uploads becomes u: a bucket has its name for ever, and what it holds would stay behind",
			"aws.buckets.media: example-burbn-production-media becomes m: a bucket has its name for ever, and what it holds would stay behind",
			"aws.buckets.artifacts: example-burbn-production-artifacts becomes a: a bucket has its name for ever, and what it holds would stay behind",
			"aws.buckets.logs: example-burbn-production-logs becomes l: a bucket has its name for ever, and what it holds would stay behind"}},
		"less storage": {func(t *topology.Topology) { t.AWS.Postgres.StorageGB, t.AWS.Monitoring.DataGB = 400, 100 }, []string{
			"aws.postgres.storageGB: 500 becomes 400: RDS cannot shrink a database's storage; accepted is 500 GB or more",
			"aws.monitoring.dataGB: 200 becomes 100: a volume cannot shrink; accepted is 200 GB or more"}},
		"older versions": {func(t *topology.Topology) { t.AWS.Postgres.Version, t.AWS.Redis.Version = "15.9", "7.0" }, []string{
			"aws.postgres.version: 15.17 becomes 15.9: an engine never goes back; accepted is 15.17 or newer",
			"aws.redis.version: 7.1 becomes 7.0: an engine never goes back; accepted is 7.1 or newer"}},
	} {
		t.Run(name, func(t *testing.T) {
			top, old := production(t), production(t).Facts()
			tt.edit(&top)
			err := topology.Refuse(old, top)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := strings.Split(strings.ReplaceAll(err.Error(), topology.Key+".", ""), "\n"); !slices.Equal(got, tt.want) {
				t.Errorf("refused\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestADatabaseThatNeverHeldAnythingMayGo(t *testing.T) {
	old := production(t)
	old.Databases = append(old.Databases, "postgres-13")
	if err := topology.Refuse(old.Facts(), production(t)); err != nil {
		t.Error(err)
	}
}

func TestValkeyNeverGoesBack(t *testing.T) {
	old := production(t)
	old.AWS.Redis.Engine, old.AWS.Redis.Version = "valkey", "8.0"
	err := topology.Refuse(old.Facts(), production(t))
	if err == nil || !strings.Contains(err.Error(), "aws.redis.engine: valkey becomes redis: ElastiCache knows no way back") || strings.Contains(err.Error(), "version") {
		t.Errorf("error: %v", err)
	}
}

// What counts on this machine counts there too; what is Amazon's does not.
func TestRefusalsOnThisMachine(t *testing.T) {
	top, err := topology.Parse([]byte(value(t, "local")))
	if err != nil {
		t.Fatal(err)
	}
	old := top.Facts()
	if err := topology.Refuse(old, top); err != nil {
		t.Error(err)
	}
	top.Shards.Count = 512
	if err := topology.Refuse(old, top); err == nil || !strings.Contains(err.Error(), "shards: 256 becomes 512") {
		t.Errorf("error: %v", err)
	}
}
