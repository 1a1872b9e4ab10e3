//go:build !local

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// systemsManager answers as SSM does: two machines, of which one has not been handed the
// command when it is asked first, and fails later.
type systemsManager struct {
	mu        sync.Mutex
	asked     int
	sent      map[string]any
	cancelled bool
	never     bool // the machine never answers
	nobody    bool // no machine has the role
	onAsked   func()
}

func (s *systemsManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in map[string]any
	json.NewDecoder(r.Body).Decode(&in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.") {
	case "SendCommand":
		s.sent = in
		fmt.Fprint(w, `{"Command":{"CommandId":"0000-1"}}`)
	case "ListCommands":
		s.asked++
		if s.onAsked != nil {
			s.onAsked()
		}
		switch {
		case s.nobody:
			fmt.Fprint(w, `{"Commands":[{"Status":"Success","StatusDetails":"NoInstancesInTag","TargetCount":0}]}`)
		case s.asked == 1:
			fmt.Fprint(w, `{"Commands":[]}`) // it was sent a moment ago
		case s.never || s.asked < 4:
			fmt.Fprint(w, `{"Commands":[{"Status":"InProgress","TargetCount":2}]}`)
		default:
			fmt.Fprint(w, `{"Commands":[{"Status":"Failed","TargetCount":2}]}`)
		}
	case "ListCommandInvocations":
		switch {
		case s.never || s.nobody:
			fmt.Fprint(w, `{"CommandInvocations":[]}`)
		case s.asked == 1:
			fmt.Fprint(w, `{"CommandInvocations":[{"InstanceId":"i-01","Status":"Success"}]}`)
		case s.asked == 2:
			fmt.Fprint(w, `{"CommandInvocations":[{"InstanceId":"i-01","Status":"Success"},{"InstanceId":"i-02","Status":"InProgress"}]}`)
		default:
			fmt.Fprint(w, `{"CommandInvocations":[{"InstanceId":"i-01","Status":"Success"},{"InstanceId":"i-02","Status":"Failed"}]}`)
		}
	case "GetCommandInvocation":
		fmt.Fprintf(w, `{"StandardOutputContent":"up of %s\nline 2\n","StandardErrorContent":""}`, in["InstanceId"])
	case "CancelCommand":
		s.cancelled = true
		fmt.Fprint(w, `{}`)
	default:
		http.Error(w, "unknown", http.StatusBadRequest)
	}
}

func (s *systemsManager) client(t *testing.T) *ssm.Client {
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return ssm.New(ssm.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), Credentials: credentials.NewStaticCredentialsProvider("id", "key", ""),
	})
}

func chose(role, machine string) choice {
	stack := "production"
	return choice{stack: &stack, role: &role, machine: &machine}
}

func TestRunOnAWS(t *testing.T) {
	s := &systemsManager{}
	var out, errOut bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := send(ctx, console{&out, &errOut}, s.client(t), chose("api", ""), []string{"echo", "it's", "$HOME"})
	if err == nil || !strings.Contains(err.Error(), "i-02: Failed") {
		t.Errorf("error %v", err)
	}
	if want := "i-01 | up of i-01\ni-01 | line 2\ni-02 | up of i-02\ni-02 | line 2\n"; out.String() != want {
		t.Errorf("printed\n%s", out.String())
	}
	if want := "2 machines: 1 ok, 1 failed\n"; errOut.String() != want {
		t.Errorf("said %q", errOut.String())
	}
	sent, _ := json.Marshal(s.sent["Targets"])
	if want := `[{"Key":"tag:stack","Values":["production"]},{"Key":"tag:role","Values":["api"]}]`; string(sent) != want {
		t.Errorf("sent to %s", sent)
	}
	lines, _ := json.Marshal(s.sent["Parameters"].(map[string]any)["commands"])
	if !strings.Contains(string(lines), `'echo' 'it'\\''s' '$HOME'`) {
		t.Errorf("sent %s", lines)
	}
}

func TestRunOnAWSIsCancelled(t *testing.T) {
	late, stopLate := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stopLate()
	interrupted, interrupt := context.WithTimeout(t.Context(), time.Minute)
	interrupt()
	for _, test := range []struct {
		name string
		ctx  context.Context
		sent bool
		want string
	}{
		{"too late", late, true, "stopped: it took longer than -timeout"},
		{"interrupted before it was sent", interrupted, false, "context canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &systemsManager{never: true}
			var out, errOut bytes.Buffer
			err := send(test.ctx, console{&out, &errOut}, s.client(t), chose("", "i-0123456789abcdef0"), []string{"true"})
			if err == nil || !strings.Contains(err.Error(), test.want) || s.cancelled != test.sent {
				t.Errorf("error %v, cancelled %t", err, s.cancelled)
			}
		})
	}
}

func TestRunOnAWSIsInterrupted(t *testing.T) {
	s := &systemsManager{never: true}
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	s.onAsked = interrupt // as by Ctrl-C while it waits
	var out, errOut bytes.Buffer
	err := send(ctx, console{&out, &errOut}, s.client(t), chose("api", ""), []string{"true"})
	if err == nil || !strings.Contains(err.Error(), "stopped: ") || !s.cancelled {
		t.Errorf("error %v, cancelled %t", err, s.cancelled)
	}
}

func TestRunOnAWSWithoutMachines(t *testing.T) {
	var out, errOut bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := &systemsManager{nobody: true}
	err := send(ctx, console{&out, &errOut}, s.client(t), chose("push", ""), []string{"true"})
	if err == nil || !strings.Contains(err.Error(), "there is no such machine (NoInstancesInTag)") {
		t.Errorf("error %v", err)
	}
}

func TestWhereToRunOnAWS(t *testing.T) {
	for _, test := range []struct{ role, machine, want string }{
		{"api", "", ""},
		{"", "i-0123456789abcdef0", ""},
		{"", "i-01234567", ""},
		{"postgres", "", `the role "postgres" has no machine of ours on AWS: accepted is api, monitoring, nginx, push, worker`},
		{"", "api-01", `the machine "api-01": accepted on AWS is the id of an instance`},
	} {
		err := onAWS(chose(test.role, test.machine))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("-role %q -machine %q: error %v", test.role, test.machine, err)
		}
	}
}
