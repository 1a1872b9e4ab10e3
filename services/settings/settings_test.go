package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/shard"
)

func sample() Worker {
	return Worker{
		Process: Process{Stack: "local", Machine: "worker-01", Release: "0123456789ab", Admin: "127.10.4.1:8081", Stop: Duration(25 * time.Second)},
		Stores: Stores{
			Shards: shard.Map{Count: 4, Databases: []shard.Database{{Name: "postgres-01", First: 0, Last: 3}}},
			Pooler: "127.10.4.1:6432", ConnectionsPerDatabase: 8, Redis: []string{"127.10.8.1:6379"},
			Storage: Storage{Endpoint: "http://127.10.10.1:9000", Region: "us-east-1", Uploads: "uploads", Media: "media", CDN: "http://127.10.11.1:8080"},
		},
		Slots: Slots{Photo: 2, FanOut: 1, Follow: 1, Index: 1, Share: 1, Delete: 1, Export: 1}, MaxPixels: 1000, FeedLength: 100, FanOutLimit: 1000,
		Share: Share{Facebook: "http://127.10.13.1:8090", Twitter: "http://127.10.13.1:8091"},
		Edge:  Edge{Purge: "http://127.10.11.1:8083/purge", From: "127.10.4.1"},
	}
}

func TestWhatIsRenderedIsLoaded(t *testing.T) {
	b, err := Render(sample())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "worker.json")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := Load[Worker](path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Render(d)
	if err != nil || string(again) != string(b) {
		t.Errorf("loaded and rendered again:\n%s%v\nwant\n%s", again, err, b)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"an unknown key", `"maxPixels"`, `"maxPixel"`, "maxPixel"},
		{"a value out of range", `"maxPixels": 1000`, `"maxPixels": 0`, "maxPixels: 0 is out of range: accepted is 1 to"},
		{"an address without a port", `"127.10.4.1:6432"`, `"127.10.4.1"`, `pooler: "127.10.4.1" is not host:port`},
		{"a URL that is none", `"http://127.10.11.1:8080"`, `"127.10.11.1:8080"`, "storage.cdn"},
		{"one bucket for both", `"media": "media"`, `"media": "uploads"`, "storage.media: is the bucket of the uploads too"},
		{"a shard without a database", `"last": 3`, `"last": 2`, "shards 3-3 are held by no database"},
		{"half of CloudWatch", `"namespace": ""`, `"namespace": "burbn"`, "cloudWatch: needs both region and namespace"},
		{"a name for a domain", `"redisTLSDomain": ""`, `"redisTLSDomain": "*.cache.amazonaws.com"`, "redisTLSDomain:"},
		{"a duration without a unit", `"25s"`, `"25"`, "missing unit"},
		{"no slots", `"photo": 2`, `"photo": 0`, "slots.photo: 0 is out of range: accepted is 1 to 1000"},
		{"no limit of fan-out", `"fanOutLimit": 1000`, `"fanOutLimit": 0`, "fanOutLimit: 0 is out of range: accepted is 1 to 10000000"},
		{"nowhere to share", `"facebook": "http://127.10.13.1:8090"`, `"facebook": ""`, "share.facebook:"},
		{"two edges", `"distribution": ""`, `"distribution": "cdn.production.burbn.internal"`, "edge: needs either purge and from or distribution and region"},
		{"no edge", `"purge": "http://127.10.11.1:8083/purge",
    "from": "127.10.4.1"`, `"purge": "",
    "from": ""`, "edge: needs either"},
		{"an edge that obeys nobody", `"from": "127.10.4.1"`, `"from": "worker-01"`, `edge.from: "worker-01" is not an IP address`},
		{"something after the document", "\n}\n", "\n}{}", "more after the document"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Render(sample())
			if err != nil {
				t.Fatal(err)
			}
			doc := strings.Replace(string(b), c.old, c.new, 1)
			if doc == string(b) {
				t.Fatalf("%s is not in\n%s", c.old, doc)
			}
			path := filepath.Join(t.TempDir(), "worker.json")
			if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Load[Worker](path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that names %s and says %q", err, path, c.want)
			}
		})
	}
}

func TestAPIRefuses(t *testing.T) {
	good := API{
		Process: sample().Process, Stores: sample().Stores, Listen: "127.10.3.1:8080",
		Upload: Upload{MaxBytes: 1, Expires: 1}, Session: 1, FeedLength: 1, FanOutLimit: 1,
		RateLimits: RateLimits{Read: 1, Write: 1, Anonymous: 1},
		Origins:    []string{"https://www.example.com", "http://localhost:3000"},
	}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*API){
		"rateLimits.read: 0 is out of range":      func(d *API) { d.RateLimits.Read = 0 },
		"rateLimits.write: -1 is out of range":    func(d *API) { d.RateLimits.Write = -1 },
		"rateLimits.anonymous: 10000001 is out":   func(d *API) { d.RateLimits.Anonymous = 10_000_001 },
		"fanOutLimit: 0 is out of range":          func(d *API) { d.FanOutLimit = 0 },
		`origins: "*" is not an origin`:           func(d *API) { d.Origins = []string{"*"} },
		`origins: "https://a.com/" is not`:        func(d *API) { d.Origins = []string{"https://a.com/"} },
		`origins: "https://A.com" is not`:         func(d *API) { d.Origins = []string{"https://A.com"} },
		`origins: "https://u@a.com" is not`:       func(d *API) { d.Origins = []string{"https://u@a.com"} },
		`origins: "null" is not an origin`:        func(d *API) { d.Origins = []string{"null"} },
		`trustedProxies: "10.0.0.0" is not a net`: func(d *API) { d.TrustedProxies = []string{"10.0.0.0"} },
	} {
		d := good
		spoil(&d)
		if err := d.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %q", err, want)
		}
	}
}

func TestMigrateRefuses(t *testing.T) {
	shards := shard.Map{Count: 4, Databases: []shard.Database{{Name: "postgres-01", First: 0, Last: 3}}}
	for want, direct := range map[string]Direct{
		"":                                   {Name: "postgres-01", Addr: "127.10.6.1:5432"},
		"direct: lacks database postgres-01": {Name: "postgres-02", Addr: "127.10.6.1:5432"},
		`direct: "127.10.6.1" is not`:        {Name: "postgres-01", Addr: "127.10.6.1"},
	} {
		err := Migrate{Shards: shards, Direct: []Direct{direct}}.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Validate = %v, want %q", err, want)
		}
	}
}

// A database may be there before it holds a shard, but not twice.
func TestMigrateKnowsMoreDatabasesThanTheMap(t *testing.T) {
	m := Migrate{
		Shards: shard.Map{Count: 4, Databases: []shard.Database{{Name: "postgres-01", First: 0, Last: 3}}},
		Direct: []Direct{{Name: "postgres-01", Addr: "127.10.6.1:5432"}, {Name: "postgres-02", Addr: "127.10.6.2:5432"}},
	}
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
	m.Direct[1].Name = "postgres-01"
	if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "direct: names database postgres-01 twice") {
		t.Errorf("%v", err)
	}
}

func TestDSN(t *testing.T) {
	s := Stores{Pooler: "127.0.0.1:6432"}
	for got, want := range map[string]string{
		s.DSN("postgres-01"):                                                      "host=127.0.0.1 port=6432 dbname=postgres-01 user=burbn_app sslmode=disable connect_timeout=2",
		s.SessionDSN("postgres-01"):                                               "host=127.0.0.1 port=6432 dbname=postgres-01-session user=burbn_app sslmode=disable connect_timeout=2",
		Direct{Addr: "127.0.0.1:5432"}.DSN("burbn_owner"):                         "host=127.0.0.1 port=5432 dbname=burbn user=burbn_owner connect_timeout=5 sslmode=disable",
		Direct{Addr: "db.example.com:5432", CAFile: "/ca.pem"}.DSN("burbn_owner"): "host=db.example.com port=5432 dbname=burbn user=burbn_owner connect_timeout=5 sslmode=verify-full sslrootcert='/ca.pem'",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if err := os.WriteFile(filepath.Join(dir, "token-key"), []byte("s3cret\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	if got, err := Credential("token-key"); got != "s3cret" || err != nil {
		t.Errorf("Credential = %q, %v", got, err)
	}
	if _, err := Credential("other"); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("a credential that is not there: %v", err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := Credential("token-key"); err == nil || !strings.Contains(err.Error(), "CREDENTIALS_DIRECTORY") {
		t.Errorf("no directory: %v", err)
	}
}

// Whatever is in the file, Load answers; and what it accepts can be rendered.
func FuzzDecode(f *testing.F) {
	b, err := Render(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Worker
		if decode(b, &d) != nil {
			return
		}
		if _, err := Render(d); err != nil {
			t.Errorf("accepted and not rendered: %v", err)
		}
	})
}
