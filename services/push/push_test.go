package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
	"github.com/burbn/burbn/services/telemetry"
)

// patience is how long a push may take to arrive.
const patience = 30 * time.Second

var databases storetest.Databases

func TestMain(m *testing.M) { os.Exit(databases.Run(m)) }

// standin is the real stand-in of APNs, in a process of its own.
type standin struct {
	settings.Standin
	key []byte // the provider's
}

func newStandin(t *testing.T) *standin {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "standin")
	if out, err := exec.Command("go", "build", "-o", program, "../standin").CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in: %v\n%s", err, out)
	}
	s := &standin{key: processtest.PKCS8(t, processtest.Key(t))}
	cert, tlsKey := processtest.SelfSigned(t)
	for name, content := range map[string][]byte{"apns-key": s.key, "apns-tls-key": tlsKey, "apns-tls-cert": cert, "sentry-key": []byte("key")} {
		processtest.Write(t, filepath.Join(dir, name), content)
	}
	s.Standin = settings.Standin{
		Admin: processtest.FreeAddr(t), APNs: processtest.FreeAddr(t), Facebook: processtest.FreeAddr(t), Twitter: processtest.FreeAddr(t), Sentry: processtest.FreeAddr(t),
		TeamID: "TEAM123456", KeyID: "KEY1234567", Topic: "com.example.burbn", CertFile: filepath.Join(dir, "apns-tls-cert"),
	}
	doc, err := settings.Render(s.Standin)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "standin.json")
	processtest.Write(t, file, doc)
	cmd := exec.Command(program, "-settings", file)
	cmd.Env = append(os.Environ(), "CREDENTIALS_DIRECTORY="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the stand-in ended with %v", err)
		}
	})
	processtest.Until(t, patience, func() error {
		_, err := s.received(store.Media{})
		return err
	})
	return s
}

// receipt is what the stand-in lists of one push.
type receipt struct {
	Path    string
	Headers map[string]string
	Body    string
	Status  int
	Answer  string
}

// received are the pushes for likes of a photo, newest first. There may be others:
// tests share the queue.
func (s *standin) received(photo store.Media) (rs []receipt, err error) {
	r, err := http.Get("http://" + s.Admin + "/received.json?service=apns")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	err = json.NewDecoder(r.Body).Decode(&rs)
	return slices.DeleteFunc(rs, func(r receipt) bool { return r.Headers["Apns-Collapse-Id"] != "like-"+photo.ID.String() }), err
}

// settings are those of a push process that talks to the stand-in.
func (s *standin) settings(t *testing.T) settings.Push {
	stores := databases.Stores(t)
	stores.Redis = []string{"127.0.0.1:1"} // which this command does not touch
	stores.Storage = settings.Storage{Region: "us-east-1", Uploads: "uploads", Media: "media", CDN: "http://127.0.0.1:1"}
	return settings.Push{
		Process: settings.Process{Stack: "test", Machine: "push-01", Release: "test", Admin: processtest.FreeAddr(t), Stop: settings.Duration(10 * time.Second)},
		Stores:  stores,
		Slots:   4,
		APNs:    settings.APNs{URL: "https://" + s.APNs, CAFile: s.CertFile, TeamID: s.TeamID, KeyID: s.KeyID, Topic: s.Topic},
	}
}

// start runs a push process until the test ends.
func (s *standin) start(t *testing.T) *push {
	t.Helper()
	doc := s.settings(t)
	process, err := telemetry.New("push", doc.Process, "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	p, err := open(t.Context(), doc, secrets{Postgres: storetest.AppPassword, APNs: string(s.key)}, process)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the queues ended with %v", err)
		}
		p.close()
	})
	return p
}

func TestLikeIsPushed(t *testing.T) {
	s := newStandin(t)
	p := s.start(t)
	owner, fan := databases.User(t), databases.User(t)
	photo := post(t, owner)
	devices := []string{device("aa"), device("dead"), device("dead01"), device("bad")}
	for _, d := range devices {
		register(t, owner, d)
	}
	// Apple knows since an hour that it is dead. The other one was registered since.
	age(t, owner, `UPDATE shard.devices SET registered_at = now() - interval '2 hours' WHERE user_id = $1 AND token = '`+devices[1]+`'`)
	like(t, photo, fan)

	processtest.Until(t, patience, func() error {
		left, err := databases.Store(t).Devices(t.Context(), owner.ID)
		if err == nil && !slices.Equal(left, []string{devices[2], devices[0]}) {
			err = fmt.Errorf("devices are %q, want those that are gone forgotten", left)
		}
		return err
	})
	pushes, err := s.received(photo)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]receipt{}
	for _, r := range pushes {
		answers[r.Answer] = r
	}
	if len(pushes) != 4 || len(answers) != 3 {
		t.Fatalf("the stand-in received %+v, want a push to each device", pushes)
	}
	got, ok := answers["accepted"]
	if !ok || got.Path != "/3/device/"+devices[0] {
		t.Fatalf("accepted is %+v", got)
	}
	var body struct {
		APS struct {
			Alert struct {
				Body    string   `json:"body"`
				LocKey  string   `json:"loc-key"`
				LocArgs []string `json:"loc-args"`
			} `json:"alert"`
			Thread   string `json:"thread-id"`
			Category string `json:"category"`
			Sound    string `json:"sound"`
			Badge    int    `json:"badge"`
		} `json:"aps"`
		Kind  string `json:"kind"`
		Media string `json:"media"`
		Actor string `json:"actor"`
	}
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
		t.Fatal(err)
	}
	if body.APS.Alert.Body != fan.Name+" liked your photo." || body.APS.Alert.LocKey != "LIKE" || len(body.APS.Alert.LocArgs) != 1 ||
		body.APS.Thread != "like-"+photo.ID.String() || body.APS.Category != "LIKE" || body.APS.Sound != "default" || body.APS.Badge != 1 || body.Kind != "like" || body.Media != photo.ID.String() || body.Actor != fan.ID.String() {
		t.Errorf("payload is %s", got.Body)
	}
	if h := got.Headers; h["Apns-Collapse-Id"] != "like-"+photo.ID.String() || h["Apns-Push-Type"] != "alert" || h["Apns-Priority"] != "10" || len(h["Apns-Id"]) != 36 || h["Apns-Expiration"] == "" {
		t.Errorf("headers are %v", h)
	}
	for result, want := range map[result]float64{sent: 1, forgotten: 3, refused: 0} {
		if got := testutil.ToFloat64(p.pushes.WithLabelValues(string(result))); got != want {
			t.Errorf("%v pushes are counted as %s, want %v", got, result, want)
		}
	}
}

// A retry must be the same push.
func TestBusyAPNsIsAskedAgain(t *testing.T) {
	s := newStandin(t)
	s.start(t)
	owner := databases.User(t)
	photo := post(t, owner)
	register(t, owner, device("429429"))
	like(t, photo, databases.User(t))
	var pushes []receipt
	processtest.Until(t, patience, func() (err error) {
		if pushes, err = s.received(photo); err == nil && len(pushes) < 2 {
			err = fmt.Errorf("%d pushes, want a retry", len(pushes))
		}
		return err
	})
	if pushes[0].Headers["Apns-Id"] != pushes[1].Headers["Apns-Id"] || pushes[0].Body != pushes[1].Body {
		t.Errorf("the retry is another push: %+v", pushes)
	}
	// The device stays.
	if left, err := databases.Store(t).Devices(t.Context(), owner.ID); len(left) != 1 || err != nil {
		t.Errorf("devices are %q, %v", left, err)
	}
}

func TestLikesThatAreNotTold(t *testing.T) {
	s := newStandin(t)
	owner, fan := databases.User(t), databases.User(t)
	photo := post(t, owner)
	register(t, owner, device("aa"))
	like(t, photo, owner) // one's own
	like(t, photo, fan)   // and taken back, before the process even starts
	if changed, err := databases.Store(t).Unlike(t.Context(), photo.ID, fan.ID); !changed || err != nil {
		t.Fatal(changed, err)
	}
	s.start(t)
	c := databases.Owner(t, databaseOf(t, photo))
	processtest.Until(t, patience, func() error {
		var left int
		err := c.QueryRow(t.Context(), `SELECT count(*) FROM river.river_job WHERE args->>'media' = $1 AND kind = $2 AND finalized_at IS NULL`,
			photo.ID.String(), queue.Notify{}.Kind()).Scan(&left)
		if err == nil && left > 0 {
			err = fmt.Errorf("%d tasks left", left)
		}
		return err
	})
	if pushes, err := s.received(photo); len(pushes) > 0 || err != nil {
		t.Errorf("pushed were %+v, %v", pushes, err)
	}
}

// The process as it is started: settings and credentials from files.
func TestRun(t *testing.T) {
	s := newStandin(t)
	doc := s.settings(t)
	dir := t.TempDir()
	b, err := settings.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "push.json")
	processtest.Write(t, file, b)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for _, missing := range []string{"postgres-app-password", "apns-key"} {
		if err := run(t.Context(), file); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without credential %s: %v", missing, err)
		}
	}
	processtest.Write(t, filepath.Join(dir, "postgres-app-password"), []byte(storetest.AppPassword))
	processtest.Write(t, filepath.Join(dir, "apns-key"), []byte("nonsense"))
	if err := run(t.Context(), file); err == nil || !strings.Contains(err.Error(), "apns-key") {
		t.Errorf("with a broken key: %v", err)
	}
	processtest.Write(t, filepath.Join(dir, "apns-key"), s.key)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, file) }()
	processtest.Until(t, patience, func() error {
		r, err := http.Get("http://" + doc.Admin + "/readyz")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err == nil && r.StatusCode != http.StatusOK {
			err = fmt.Errorf("not ready: %s", body)
		}
		return err
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestNewAPNsRefuses(t *testing.T) {
	key := processtest.PKCS8(t, processtest.Key(t))
	file := filepath.Join(t.TempDir(), "ca")
	processtest.Write(t, file, []byte("nonsense"))
	for name, c := range map[string]struct {
		doc  settings.APNs
		key  []byte
		want string
	}{
		"no key":              {settings.APNs{}, nil, "apns-key"},
		"no certificate file": {settings.APNs{CAFile: file + "x"}, key, file + "x"},
		"no certificate":      {settings.APNs{CAFile: file}, key, file},
	} {
		if _, err := newAPNs(c.doc, string(c.key)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want one that names %s", name, err, c.want)
		}
	}
}

func post(t *testing.T, user store.User) store.Media {
	t.Helper()
	db := databases.Store(t)
	u, err := db.CreateUpload(t.Context(), user.ID, "image/jpeg", 1, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m, err := db.Publish(t.Context(), user.ID, u.ID, store.NewMedia{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.MarkReady(t.Context(), m.ID, 4, 3, ""); err != nil {
		t.Fatal(err)
	}
	return m
}

func databaseOf(t *testing.T, m store.Media) string {
	shards := databases.Stores(t).Shards
	return shards.Databases[shards.Database(shard.Of(m.ID))].Name
}

func like(t *testing.T, m store.Media, user store.User) {
	t.Helper()
	if changed, err := databases.Store(t).Like(t.Context(), m.ID, user.ID); !changed || err != nil {
		t.Fatal(changed, err)
	}
}

// age runs a statement about user, as if time had passed.
func age(t *testing.T, user store.User, sql string) {
	t.Helper()
	c := databases.Owner(t, databaseOf(t, store.Media{ID: user.ID}))
	if _, err := c.Exec(t.Context(), strings.ReplaceAll(sql, "shard.", shard.Of(user.ID).Schema()+"."), user.ID); err != nil {
		t.Fatal(err)
	}
}

func register(t *testing.T, user store.User, token string) {
	t.Helper()
	if err := databases.Store(t).RegisterDevice(t.Context(), user.ID, token); err != nil {
		t.Fatal(err)
	}
}

// device is the token of a device, which begins as given.
func device(prefix string) string {
	return prefix + strings.Repeat("0", 64-len(prefix))
}
