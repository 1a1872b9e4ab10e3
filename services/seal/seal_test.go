package seal_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/seal"
)

func sealer(t testing.TB, key string) seal.Sealer {
	t.Helper()
	s, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal(t *testing.T) {
	s := sealer(t, strings.Repeat("0f", 32))
	for _, plain := range []string{"", "EAAG-token", strings.Repeat("x", 1<<16)} {
		sealed := s.Seal([]byte(plain), []byte("user 1 facebook"))
		if len(plain) > 0 && bytes.Contains(sealed, []byte(plain)) {
			t.Errorf("%q can be read in %x", plain, sealed)
		}
		if bytes.Equal(sealed, s.Seal([]byte(plain), []byte("user 1 facebook"))) {
			t.Error("sealed twice alike")
		}
		got, err := s.Open(sealed, []byte("user 1 facebook"))
		if err != nil || string(got) != plain {
			t.Errorf("Open = %q, %v, want %q", got, err, plain)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	s := sealer(t, strings.Repeat("0f", 32))
	aad := []byte("user 1 facebook")
	sealed := s.Seal([]byte("EAAG-token"), aad)
	for name, open := range map[string]func() ([]byte, error){
		"for something else": func() ([]byte, error) { return s.Open(sealed, []byte("user 2 facebook")) },
		"of another key":     func() ([]byte, error) { return sealer(t, strings.Repeat("f0", 32)).Open(sealed, aad) },
		"cut short":          func() ([]byte, error) { return s.Open(sealed[:len(sealed)-1], aad) },
		"nothing":            func() ([]byte, error) { return s.Open(nil, aad) },
	} {
		t.Run(name, func(t *testing.T) {
			if plain, err := open(); !errors.Is(err, seal.ErrNotOurs) {
				t.Errorf("Open = %q, %v, want ErrNotOurs", plain, err)
			}
		})
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if _, err := s.Open(altered, aad); !errors.Is(err, seal.ErrNotOurs) {
			t.Errorf("opens with byte %d altered: %v", i, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := seal.New(strings.Repeat("k", 31)); err == nil || !strings.Contains(err.Error(), "31") {
		t.Errorf("New of 31 bytes = %v, want an error that says so", err)
	}
}
