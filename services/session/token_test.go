package session

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
)

func newKeys(t testing.TB, key string) Keys {
	t.Helper()
	k, err := NewKeys(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestToken(t *testing.T) {
	k := newKeys(t, strings.Repeat("k", 32))
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	want := Token{User: 1 << 62, Session: 12345, Expires: now.Add(time.Hour).Local()}
	text := k.Sign(want)
	if len(text) != 76 {
		t.Errorf("a token has %d characters", len(text))
	}
	got, err := k.Verify(text, now)
	if err != nil || got.User != want.User || got.Session != want.Session || !got.Expires.Equal(want.Expires) {
		t.Errorf("verified %+v, %v; want %+v", got, err, want)
	}
	altered := func(i int) string {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		b[i] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	other := newKeys(t, strings.Repeat("o", 32))
	for _, tt := range []struct {
		name, text string
		at         time.Time
		want       error
	}{
		{"empty", "", now, ErrInvalid},
		{"not base64", strings.Repeat("!", 76), now, ErrInvalid},
		{"cut short", text[:75], now, ErrInvalid},
		{"too long", text + "A", now, ErrInvalid},
		{"with a line feed", text[:75] + "\n", now, ErrInvalid},
		{"another version", altered(0), now, ErrInvalid},
		{"another user", altered(8), now, ErrInvalid},
		{"another session", altered(16), now, ErrInvalid},
		{"another expiry", altered(24), now, ErrInvalid},
		{"another signature", altered(56), now, ErrInvalid},
		{"another key", other.Sign(want), now, ErrInvalid},
		{"expired", text, now.Add(time.Hour), ErrExpired},
		{"expired and altered", altered(8), now.Add(time.Hour), ErrInvalid},
	} {
		if _, err := k.Verify(tt.text, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("%s: error = %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := NewKeys(strings.Repeat("k", 31)); err == nil {
		t.Error("a short key is accepted")
	}
}

func FuzzVerify(f *testing.F) {
	k := newKeys(f, strings.Repeat("k", 32))
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	f.Add(k.Sign(Token{User: 1, Session: 2, Expires: now.Add(time.Hour)}))
	f.Add("")
	f.Add(strings.Repeat("A", 76))
	f.Fuzz(func(t *testing.T, text string) {
		token, err := k.Verify(text, now)
		if err != nil {
			return
		}
		// What is accepted is what we would have signed, to the letter.
		if again := k.Sign(token); again != text {
			t.Errorf("%q is accepted, %q is what we sign", text, again)
		}
	})
}

func FuzzSign(f *testing.F) {
	k := newKeys(f, strings.Repeat("k", 32))
	f.Add(int64(1), int64(2), int64(3))
	f.Fuzz(func(t *testing.T, user, session, expires int64) {
		if expires < 1 || expires > 1<<40 {
			return
		}
		want := Token{id.ID(user), id.ID(session), time.Unix(expires, 0)}
		got, err := k.Verify(k.Sign(want), time.Unix(expires-1, 0))
		if err != nil || got != want {
			t.Errorf("%+v comes back as %+v, %v", want, got, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	k := newKeys(b, strings.Repeat("k", 32))
	text := k.Sign(Token{User: 1, Session: 2, Expires: time.Now().Add(time.Hour)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Verify(text, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
