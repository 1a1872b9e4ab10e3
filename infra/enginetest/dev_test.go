package enginetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// TestDev is the stack that comes and goes: a creation that fails is resumed, and a
// destroy leaves nothing.
func TestDev(t *testing.T) {
	s := newStack(t, "dev")
	t.Run("a creation that failed is resumed", func(t *testing.T) {
		s.replan(t)
		s.cloud.failures[failing] = errOnce
		first, err := s.tryUp(t)
		if err == nil || !strings.Contains(err.Error(), errOnce.Error()) {
			t.Fatalf("the first up ends with %v", err)
		}
		second := s.up(t)
		t.Logf("first %s, then %s", tally(first), tally(second))
		made := map[string]int{}
		for _, o := range append(first, second...) {
			if o.verb != "create" {
				t.Errorf("unexpected: %s", o)
			}
			made[o.String()]++
		}
		for o, n := range made {
			if n != 1 {
				t.Errorf("%s: %d times", o, n)
			}
		}
		if n := count(second, "create", group); n == 0 {
			t.Error("the first up did not wait for what failed")
		}
	})
	if done := s.up(t); len(done) > 0 {
		t.Fatalf("a third up did something: %v", done)
	}
	t.Run("a destroy leaves nothing", func(t *testing.T) {
		if _, err := s.Destroy(t.Context(), optdestroy.SuppressOutputs()); err != nil {
			t.Fatal(err)
		}
		for key := range s.cloud.resources {
			t.Errorf("left: %s", key)
		}
	})
}

// TestKilled is a creation in whose midst the engine is killed, as when the laptop's
// lid is closed on it.
func TestKilled(t *testing.T) {
	s := newStackWith(t, "dev", nil)
	const making, typ = "network-vpc", "aws:ec2/vpc:Vpc" // early: every step before it writes the state
	begun := make(chan struct{})
	s.cloud.hanging[making] = begun
	killed := make(chan error, 1)
	go func() {
		select {
		case <-begun:
			killed <- killEngine()
		case <-t.Context().Done():
			killed <- t.Context().Err()
		}
	}()
	first, err := s.tryUp(t)
	if err == nil {
		t.Fatal("an up whose engine is killed ends well")
	}
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	if err := s.mend(); err != nil {
		t.Fatal(err)
	}
	if err := s.Cancel(t.Context()); err != nil { // the lock that the dead leave
		t.Fatal(err)
	}
	state, err := s.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var deployment struct {
		PendingOperations []struct {
			Type     string
			Resource struct{ URN resource.URN }
		} `json:"pending_operations"`
	}
	if err := json.Unmarshal(state.Deployment, &deployment); err != nil {
		t.Fatal(err)
	}
	pending := map[string]bool{}
	for _, p := range deployment.PendingOperations {
		pending[fmt.Sprintf("create %s %s", p.Resource.URN.Type(), p.Resource.URN.Name())] = p.Type == "creating"
	}
	if !pending["create "+typ+" "+making] {
		t.Errorf("the state does not say that %s was being made, but of %v", making, pending)
	}
	if err := s.Workspace().SetEnvVars(seldom()); err != nil {
		t.Fatal(err)
	}
	second := s.up(t)
	t.Logf("first %s, then %s; pending %d", tally(first), tally(second), len(pending))
	made := map[string]int{}
	for _, o := range append(first, second...) {
		made[o.String()]++
	}
	for o, n := range made {
		// Amazon has what was in the making, and the state says which: to be deleted there
		// or imported. Of all else there is one.
		if n > 1 && !pending[o] {
			t.Errorf("%s: %d times", o, n)
		}
	}
}

// failing is a resource that everything else of a stack waits for.
const failing = "postgres-01"
