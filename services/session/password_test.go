package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPasswords(t *testing.T) {
	p := NewPasswords(2, time.Minute)
	ctx := t.Context()
	kept, err := p.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kept, "$argon2id$v=19$m=19456,t=2,p=1$") || len(kept) > 128 {
		t.Errorf("kept %s", kept)
	}
	if again, _ := p.Hash(ctx, "correct horse"); again == kept {
		t.Error("two hashes of one password are the same")
	}
	for _, tt := range []struct {
		name, password, kept string
		want                 bool
	}{
		{"right", "correct horse", kept, true},
		{"wrong", "correct horsf", kept, false},
		{"empty", "", kept, false},
		{"nobody's", "correct horse", "", false},
	} {
		if ok, err := p.Matches(ctx, tt.password, tt.kept); ok != tt.want || err != nil {
			t.Errorf("%s: %t, %v", tt.name, ok, err)
		}
	}
	if _, err := saltOf(p.decoy); err != nil {
		t.Errorf("nobody's password costs another effort: %v", err)
	}
	for _, kept := range []string{"x", "$argon2id$v=19$m=1,t=1,p=1$AAAA$AAAA", kept[:40]} {
		if _, err := p.Matches(ctx, "correct horse", kept); err == nil {
			t.Errorf("a hash like %q is no error", kept)
		}
	}
}

// Who waits in line too long is told so, and who gives up leaves it.
func TestPasswordsInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords(1, 2*time.Second)
		p.slots <- struct{}{} // somebody hashes for ever
		began := time.Now()
		if _, err := p.Hash(t.Context(), "a password"); !errors.Is(err, ErrBusy) {
			t.Errorf("error = %v", err)
		}
		if waited := time.Since(began); waited != 2*time.Second {
			t.Errorf("waited %s", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Matches(ctx, "a password", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
		<-p.slots
		if _, err := p.Hash(t.Context(), "a password"); err != nil {
			t.Errorf("with the line empty: %v", err)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	p := NewPasswords(1, time.Minute)
	for b.Loop() {
		if _, err := p.Hash(b.Context(), "correct horse"); err != nil {
			b.Fatal(err)
		}
	}
}
