package images

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseUnit(t *testing.T) {
	const text = `[Unit]
Description=A unit
[Service]
Type=notify
User=burbn
ExecStartPre=/root/x/prepare now
ExecStart=/usr/bin/x -a b
ExecReload=+/usr/bin/install a b
ExecReload=/bin/kill -HUP $MAINPID
Environment=A=b=c
WorkingDirectory=/root/x
StateDirectory=x
RuntimeDirectory=x
LoadCredential=plain
LoadCredential=made.conf
KillSignal=SIGINT
TimeoutStopSec=5
LimitNOFILE=1024
ProtectSystem=strict
[X-Burbn]
Listen=127.0.0.1:80 127.0.0.1:81
ReadyExec=/usr/bin/true
ReadyTimeout=30
`
	got, err := parseUnit(text, "x", Machine{Root: "/root/x"}, map[string]string{"made.conf": "pass {{plain}}"})
	if err != nil {
		t.Fatal(err)
	}
	want := Unit{
		Name: "x",
		Exec: []string{"/usr/bin/x", "-a", "b"},
		Setup: [][]string{
			{"/usr/bin/install", "-d", "-m", "0700", "/root/x/var/lib/x"},
			{"/usr/bin/install", "-d", "-m", "0700", "/root/x/run/x"},
			{"/root/x/prepare", "now"},
		},
		User:           "burbn",
		Env:            map[string]string{"A": "b=c"},
		Dir:            "/root/x",
		Credentials:    []Credential{{"plain", "{{plain}}"}, {"made.conf", "pass {{plain}}"}},
		CredentialsDir: "/root/x/run/credentials/x.service",
		StopSignal:     "INT",
		StopTimeout:    5 * time.Second,
		ReloadSignal:   "HUP",
		OpenFiles:      1024,
		Listen:         []string{"127.0.0.1:80", "127.0.0.1:81"},
		Ready:          Ready{Exec: []string{"/usr/bin/true"}, Timeout: 30 * time.Second},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseUnitRefuses(t *testing.T) {
	const good = "[Service]\nType=exec\nExecStart=/usr/bin/x\nTimeoutStopSec=5\n[X-Burbn]\nReadyTCP=127.0.0.1:80\nReadyTimeout=5\n"
	if _, err := parseUnit(good, "x", Machine{Root: "/"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"an unknown key", "[X-Burbn]", "CPUQuota=50%\n[X-Burbn]", "[Service] CPUQuota=50%: the key is neither obeyed nor known"},
		{"a key in the wrong section", "Type=exec", "Type=exec\nListen=127.0.0.1:80", "[Service] Listen="},
		{"a type that forks", "Type=exec", "Type=forking", "accepted is notify, exec or oneshot"},
		{"no program", "ExecStart=/usr/bin/x\n", "", "ExecStart is missing"},
		{"a relative program", "/usr/bin/x", "x", "not absolute"},
		{"a variable", "/usr/bin/x", "/usr/bin/x $HOME", "$ and % are not accepted"},
		{"a specifier", "/usr/bin/x", "/usr/bin/x %n", "$ and % are not accepted"},
		{"quotes", "/usr/bin/x", `/usr/bin/x "a b"`, "quotes"},
		{"a line that goes on", "/usr/bin/x", "/usr/bin/x \\\n -a", "backslashes"},
		{"no stop timeout", "TimeoutStopSec=5\n", "", "TimeoutStopSec is missing"},
		{"a stop timeout with a unit", "TimeoutStopSec=5", "TimeoutStopSec=5min", "positive number of seconds"},
		{"no readiness", "ReadyTCP=127.0.0.1:80\n", "", "one of ReadyHTTP, ReadyTCP and ReadyExec is needed, not 0"},
		{"two", "ReadyTCP", "ReadyHTTP=http://127.0.0.1/\nReadyTCP", "one of ReadyHTTP, ReadyTCP and ReadyExec is needed, not 2"},
		{"no ready timeout", "ReadyTimeout=5\n", "", "ReadyTimeout is missing"},
		{"a task that listens for readiness", "Type=exec", "Type=oneshot", "a oneshot is ready when it exits"},
		{"a reload that is no signal", "[X-Burbn]", "ExecReload=/usr/sbin/nginx -s reload\n[X-Burbn]", "accepted is /bin/kill -SIGNAL $MAINPID"},
		{"a reload as root with a variable", "[X-Burbn]", "ExecReload=+/bin/kill $MAINPID\n[X-Burbn]", "$ and % are not accepted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseUnit(strings.Replace(good, tt.old, tt.new, 1), "x", Machine{Root: "/"}, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	if _, err := parseUnit(good, "x", Machine{Root: "/"}, map[string]string{"a.conf": "x"}); err == nil || !strings.Contains(err.Error(), "LoadCredential=a.conf is missing") {
		t.Errorf("a credential that is never loaded: got %v", err)
	}
}

func TestCredentialFill(t *testing.T) {
	c := Credential{Name: "a.conf", Template: "user {{a-user}} {{a-password}} {{a-user}}\n"}
	if got := c.Secrets(); !reflect.DeepEqual(got, []string{"a-user", "a-password", "a-user"}) {
		t.Errorf("secrets: %q", got)
	}
	// A secret is not a template.
	got, err := c.Fill(map[string]string{"a-user": "{{a-password}}", "a-password": `$1 "`})
	if want := "user {{a-password}} $1 \" {{a-password}}\n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := c.Fill(map[string]string{"a-user": "x"}); err == nil || err.Error() != `credential a.conf: there is no secret "a-password"` {
		t.Errorf("a missing secret: got %v", err)
	}
	if _, err := (Credential{Name: "b", Template: "{{a"}).Fill(nil); err == nil {
		t.Error("an open template was accepted")
	}
}
