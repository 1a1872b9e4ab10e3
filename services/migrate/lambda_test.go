package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store/storetest"
)

// TestMain is the program itself where Lambda's runtime is said to be.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// secretsManager stands in for Secrets Manager and makes it the test's own.
func secretsManager(t *testing.T, secrets map[string]string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct{ SecretId string }
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
			t.Errorf("%s: %v", r.Header.Get("X-Amz-Target"), err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		value, ok := secrets[ask.SecretId]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"ResourceNotFoundException","message":"Secrets Manager can't find the specified secret."}`)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"SecretString": value})
	}))
	t.Cleanup(s.Close)
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", s.URL)
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
}

func login(user, password string) string {
	b, _ := json.Marshal(map[string]string{"username": user, "password": password, "engine": "postgres"})
	return string(b)
}

// calling is the event for one of two databases, and its server.
func calling(t *testing.T) (event, settings.Direct) {
	d := storetest.Managed(t, "postgres-01")
	return event{
		Settings: settings.Migrate{
			Shards: shard.Map{Count: 8, Databases: []shard.Database{{Name: d.Name, Last: 3}, {Name: "postgres-02", First: 4, Last: 7}}},
			Direct: []settings.Direct{d},
		},
		Owner: "rds!db-1", App: "burbn/test/postgres-01/app", Monitor: "burbn/test/monitor", Release: "0123456789ab",
	}, d
}

func input(t *testing.T, e event) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHandle(t *testing.T) {
	e, d := calling(t)
	secrets := map[string]string{
		e.Owner: login("burbn_owner", storetest.OwnerPassword),
		e.App:   login("burbn_app", storetest.AppPassword),
		// Of what is the same for every database there is no user.
		e.Monitor: fmt.Sprintf(`{"password": %q}`, storetest.MonitorPassword),
	}
	secretsManager(t, secrets)
	for _, want := range []result{{"postgres-01", 16}, {"postgres-01", 0}} {
		if got, err := handle(t.Context(), input(t, e), time.Minute, io.Discard); got != want || err != nil {
			t.Fatalf("handle = %+v, %v, want %+v", got, err, want)
		}
	}

	app := storetest.Connect(t, d, "burbn_app", storetest.AppPassword)
	if _, err := app.Exec(t.Context(), `SELECT count(*) FROM shard_0003.users`); err != nil {
		t.Error(err)
	}
	monitor := storetest.Connect(t, d, "monitor", storetest.MonitorPassword)
	if _, err := monitor.Exec(t.Context(), `SELECT count(*) FROM river.river_job, pg_stat_replication`); err != nil {
		t.Error(err)
	}

	// As Secrets Manager's rotation does it: the other user, with a password of its own.
	owner := storetest.Connect(t, d, "burbn_owner", storetest.OwnerPassword)
	for _, sql := range []string{`CREATE ROLE burbn_app_clone WITH LOGIN PASSWORD 'rotated'`, `GRANT burbn_app TO burbn_app_clone`, `ALTER ROLE burbn_app PASSWORD 'rotated too'`} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	secrets[e.App] = login("burbn_app_clone", "of another day")
	if _, err := handle(t.Context(), input(t, e), time.Minute, io.Discard); err != nil {
		t.Fatal(err)
	}
	clone := storetest.Connect(t, d, "burbn_app_clone", "rotated")
	if _, err := clone.Exec(t.Context(), `INSERT INTO shard_0003.sessions VALUES (1, 1, now(), now())`); err != nil {
		t.Error(err)
	}
	storetest.Connect(t, d, "burbn_app", "rotated too")
	if _, err := clone.Exec(t.Context(), `CREATE SCHEMA mine`); err == nil {
		t.Error("burbn_app_clone may make schemas")
	}
}

func TestHandleMakesWhatARotatedSecretNames(t *testing.T) {
	e, d := calling(t)
	secretsManager(t, map[string]string{
		e.Owner: login("burbn_owner", storetest.OwnerPassword), e.App: login("burbn_app_clone", "rotated"), e.Monitor: login("monitor", "m"),
	})
	if _, err := handle(t.Context(), input(t, e), time.Minute, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := storetest.Connect(t, d, "burbn_app_clone", "rotated").Exec(t.Context(), `SELECT count(*) FROM shard_0003.users`); err != nil {
		t.Error(err)
	}
}

func TestHandleSaysWhy(t *testing.T) {
	e, _ := calling(t)
	secretsManager(t, map[string]string{
		e.Owner: login("burbn_owner", "wrong, and not to be told"), e.App: login("burbn_app", "a"), e.Monitor: login("monitor", "m"),
		"no object": "word", "stranger": login("postgres", "p"), "empty": login("burbn_app", ""),
	})
	for _, tt := range []struct {
		name  string
		spoil func(*event)
		left  time.Duration
		want  string
	}{
		{"a wrong password", func(*event) {}, time.Hour, "prepare postgres-01"},
		{"no secret", func(e *event) { e.App = "nothing" }, time.Hour, "read secret nothing"},
		{"a secret that is none", func(e *event) { e.App = "no object" }, time.Hour, "read secret no object: it is no JSON object"},
		{"a role that is not ours", func(e *event) { e.App = "stranger" }, time.Hour, `the user of secret app is "postgres": accepted is burbn_app or burbn_app_clone`},
		{"no password", func(e *event) { e.App = "empty" }, time.Hour, "the password of secret app is empty"},
		{"no owner", func(e *event) { e.Owner = "" }, time.Hour, "owner: is missing"},
		{"all databases", func(e *event) { e.Settings.Direct = append(e.Settings.Direct, e.Settings.Direct[0]) }, time.Hour, "settings.direct: names 2 databases"},
		{"no shards", func(e *event) { e.Settings.Shards.Count = 0 }, time.Hour, "settings.shards"},
		{"no time", func(*event) {}, inTime, "deadline exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := e
			tt.spoil(&e)
			ctx, cancel := context.WithTimeout(t.Context(), tt.left)
			defer cancel()
			_, err := handle(ctx, input(t, e), 200*time.Millisecond, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "not to be told") || ctx.Err() != nil {
				t.Errorf("handle = %v, want %q in time", err, tt.want)
			}
		})
	}
	if _, err := handle(t.Context(), json.RawMessage(`{"setting": {}}`), time.Second, io.Discard); err == nil || !strings.Contains(err.Error(), `unknown field "setting"`) {
		t.Errorf("an unknown key: %v", err)
	}
}

// TestLambda runs the program as Lambda does: it asks the runtime for one event after
// the other and answers each.
func TestLambda(t *testing.T) {
	e, _ := calling(t)
	secretsManager(t, map[string]string{
		e.Owner: login("burbn_owner", storetest.OwnerPassword), e.App: login("burbn_app", "a"), e.Monitor: login("monitor", "m"),
	})
	answers := make(chan string, 2)
	events := make(chan json.RawMessage, 2)
	events <- input(t, e)
	events <- json.RawMessage(`{}`)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case in := <-events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "id")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(15*time.Minute).UnixMilli()))
			w.Write(in)
		case <-r.Context().Done(): // as Lambda freezes a function that has nothing to do
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/id/{kind}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answers <- r.PathValue("kind") + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	})
	runtime := httptest.NewServer(mux)
	defer runtime.Close()

	var log bytes.Buffer
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(runtime.URL, "http://"))
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`response {"database":"postgres-01","steps":16}`, `error {"errorMessage":"read event: settings.shards:`} {
		select {
		case got := <-answers:
			if !strings.HasPrefix(got, want) {
				t.Errorf("answered %s, want %s", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no answer %s", want)
		}
	}
	c.Process.Kill()
	c.Wait()
	if !strings.Contains(log.String(), "postgres-01: 16 of 16 steps\n") {
		t.Errorf("the log is\n%s", &log)
	}
}
