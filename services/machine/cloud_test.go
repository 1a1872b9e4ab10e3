package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/burbn/burbn/services/media/mediatest"
	"github.com/burbn/burbn/services/settings"
)

// cloud is what a machine asks: a real object store, and stand-ins that speak the
// protocols of the metadata service, Secrets Manager and Auto Scaling.
type cloud struct {
	t       *testing.T
	objects *s3.Client
	root    string // of the machine
	file    string // its user data
	calls   string // what systemctl was told, a line each

	mu      sync.Mutex
	secrets map[string]string
	told    []string // what the Auto Scaling group was told
	refuse  string   // what it answers instead of accepting
	broken  int      // requests to Secrets Manager that fail before one succeeds
	asked   int      // requests to Secrets Manager
}

const bucket = "artifacts"

// program is what the sample installs.
const program = "#!/bin/sh\nexit 0\n"

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, root: t.TempDir(), secrets: map[string]string{
		"burbn/sample/redis":           `{"password":"redis-secret","port":6379}`,
		"burbn/sample/postgres-01/app": `{"username":"burbn_app","password":"app {{secret}}"}`,
	}}
	c.file = filepath.Join(t.TempDir(), "boot.json")
	storage := mediatest.NewStorage(t)
	c.objects = s3.New(s3.Options{
		Region: storage.Region, BaseEndpoint: aws.String(storage.Endpoint), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(mediatest.AccessKey, mediatest.SecretKey, ""),
	})
	if _, err := c.objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	services := http.NewServeMux()
	services.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		io.WriteString(w, "token")
	})
	services.HandleFunc("GET /latest/meta-data/", c.metadata)
	services.HandleFunc("POST /secrets/", c.secret)
	services.HandleFunc("POST /groups/", c.group)
	server := httptest.NewServer(services)
	t.Cleanup(server.Close)

	bin := t.TempDir()
	c.calls = filepath.Join(bin, "calls")
	// The stand-in of systemctl notes what it is told, fails where a file says so, and
	// kills who calls it at the call that another one counts down to.
	c.script(bin, "systemctl", `echo "$*" | sed 's/--no-ask-password --quiet //' >>`+c.calls+`
if [ -e `+bin+`/kill ]; then
	n=$(($(cat `+bin+`/kill) - 1)); echo $n >`+bin+`/kill
	[ $n != 0 ] || kill -KILL $PPID
fi
case " $* " in *" $(cat `+bin+`/fails 2>/dev/null || echo none) "*) echo "Job failed." >&2; exit 1;; esac`)
	c.script(bin, "journalctl", `echo "the last words of $1"`)
	for k, v := range map[string]string{
		"PATH":                              bin + ":/usr/sbin:/usr/bin:/sbin:/bin",
		"AWS_ENDPOINT_URL_S3":               storage.Endpoint,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER":  server.URL + "/secrets/",
		"AWS_ENDPOINT_URL_AUTO_SCALING":     server.URL + "/groups/",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL,
		"AWS_CONFIG_FILE":                   "/nonexistent",
		"AWS_SHARED_CREDENTIALS_FILE":       "/nonexistent",
		"AWS_ACCESS_KEY_ID":                 "",
		"AWS_SECRET_ACCESS_KEY":             "",
	} {
		t.Setenv(k, v)
	}
	return c
}

func (c *cloud) script(dir, name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		c.t.Fatal(err)
	}
}

// set writes a file beside the stand-in of systemctl: "fails" or "kill".
func (c *cloud) set(name, content string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(c.calls), name), []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) metadata(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token" {
		http.Error(w, "version 2 alone is answered", http.StatusUnauthorized)
		return
	}
	switch strings.TrimPrefix(r.URL.Path, "/latest/meta-data/") {
	case "instance-id":
		io.WriteString(w, "i-0123456789abcdef0")
	case "iam/security-credentials/":
		io.WriteString(w, "the-role")
	case "iam/security-credentials/the-role":
		json.NewEncoder(w).Encode(map[string]string{
			"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": mediatest.AccessKey, "SecretAccessKey": mediatest.SecretKey,
			"LastUpdated": time.Now().UTC().Format(time.RFC3339), "Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		})
	default:
		http.NotFound(w, r)
	}
}

func (c *cloud) secret(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var in struct{ SecretId string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
		c.t.Errorf("Secrets Manager is asked %q: %v", r.Header.Get("X-Amz-Target"), err)
	}
	c.asked++
	if c.broken > 0 {
		c.broken--
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"AccessDeniedException","Message":"not authorized"}`)
		return
	}
	s, ok := c.secrets[in.SecretId]
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}`)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"Name": in.SecretId, "SecretString": s, "VersionStages": []string{"AWSCURRENT"}})
}

func (c *cloud) group(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := r.ParseForm(); err != nil || r.Form.Get("Action") != "CompleteLifecycleAction" {
		c.t.Errorf("Auto Scaling is asked %q: %v", r.Form.Get("Action"), err)
	}
	w.Header().Set("Content-Type", "text/xml")
	if c.refuse != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>%s</Message></Error></ErrorResponse>`, c.refuse)
		return
	}
	c.told = append(c.told, strings.Join([]string{
		r.Form.Get("LifecycleActionResult"), r.Form.Get("AutoScalingGroupName"), r.Form.Get("LifecycleHookName"), r.Form.Get("InstanceId"),
	}, " "))
	io.WriteString(w, `<CompleteLifecycleActionResponse><CompleteLifecycleActionResult/></CompleteLifecycleActionResponse>`)
}

// put uploads an object.
func (c *cloud) put(key, content string) settings.Object {
	c.t.Helper()
	if _, err := c.objects.PutObject(c.t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(content),
	}); err != nil {
		c.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	return settings.Object{Bucket: bucket, Key: key, SHA256: hex.EncodeToString(sum[:])}
}

// manifest is a sample: a task and two services, of which the second reads what
// rotates.
func (c *cloud) manifest() settings.Manifest {
	return settings.Manifest{
		Programs: []settings.Installed{{Object: c.put("programs/api-1", program), Path: "/usr/local/lib/burbn/api-1"}},
		Credentials: []settings.MachineCredential{
			{
				Name: "redis-password", Template: "{{redis-password}}", Units: []string{"api"},
				Secrets: map[string]settings.SecretRef{"redis-password": {ID: "burbn/sample/redis", Key: "password"}},
			},
			{
				Name: "databases.ini", Template: "user={{user}} password='{{password}}'\n", Units: []string{"pgbouncer"},
				Secrets: map[string]settings.SecretRef{
					"user": {ID: "burbn/sample/postgres-01/app", Key: "username"}, "password": {ID: "burbn/sample/postgres-01/app", Key: "password"},
				},
			},
		},
		Units: []settings.MachineUnit{
			{Name: "prepare", Once: true, Timeout: settings.Duration(10 * time.Second)},
			{Name: "pgbouncer", Exec: []string{"/bin/true"}, Timeout: settings.Duration(10 * time.Second)},
			{Name: "api", Exec: []string{"/bin/true"}, Timeout: settings.Duration(10 * time.Second)},
		},
	}
}

// born uploads a bundle and writes the user data of a machine that has it.
func (c *cloud) born(m settings.Manifest) {
	c.t.Helper()
	b, err := settings.Render(m)
	if err != nil {
		c.t.Fatal(err)
	}
	o := c.put("bundles/api.tar.gz", pack(c.t,
		entry{name: "etc/burbn/api.json", content: "{}"},
		entry{name: "usr/lib/burbn/api", mode: 0o755, content: "#!/bin/sh\n"},
		entry{name: settings.ManifestPath[1:], content: string(b)},
	))
	c.userData(settings.Machine{Stack: "sample", Role: "api", Region: "us-east-1", Bundle: o, Group: "burbn-sample-api", Hook: "ready"})
}

func (c *cloud) userData(d settings.Machine) {
	c.t.Helper()
	b, err := settings.Render(d)
	if err == nil {
		err = os.WriteFile(c.file, b, 0o644)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// run runs a command of the machine and returns its exit code and its log.
func (c *cloud) run(command string) (int, string) {
	var log bytes.Buffer
	code := run(c.t.Context(), []string{command, "-settings", c.file, "-root", c.root}, &log)
	return code, log.String()
}

// systemctl is what systemctl has been told since the last time.
func (c *cloud) systemctl() []string {
	b, _ := os.ReadFile(c.calls)
	os.Remove(c.calls)
	return slices.DeleteFunc(strings.Split(string(b), "\n"), func(s string) bool { return s == "" })
}

// expect compares files of the machine: by path, the mode and the content.
func (c *cloud) expect(want map[string]string) {
	c.t.Helper()
	for path, want := range want {
		at := filepath.Join(c.root, path)
		b, err := os.ReadFile(at)
		if err != nil {
			c.t.Error(err)
			continue
		}
		info, err := os.Stat(at)
		if err != nil {
			c.t.Fatal(err)
		}
		if got := fmt.Sprintf("%o %s", info.Mode().Perm(), b); got != want {
			c.t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// entry is an entry of a bundle.
type entry struct {
	name, content, link string
	mode                int64
	kind                byte
}

func pack(t testing.TB, entries ...entry) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	a := tar.NewWriter(z)
	for _, e := range entries {
		if e.mode == 0 {
			e.mode = 0o644
		}
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if err := a.WriteHeader(&tar.Header{Name: e.name, Mode: e.mode, Typeflag: e.kind, Linkname: e.link, Size: int64(len(e.content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(a, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
