package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/argon2"
)

// ErrBusy says that too many passwords were being hashed for one more to be in
// time.
var ErrBusy = errors.New("too many passwords are being checked")

// The parameters of argon2id that OWASP recommends with 19 MiB of memory.
const (
	memory  = 19 * 1024 // KiB
	passes  = 2
	lanes   = 1
	saltLen = 16
	hashLen = 32
)

// format is the usual text of such a hash, which tells its parameters.
const format = "$argon2id$v=%d$m=%d,t=%d,p=%d$"

// Passwords hashes and checks passwords, a few at a time: each takes 19 MiB and a
// core for some 25 ms, so a rush of log-ins waits in line, and not for long. It
// may be used by many goroutines.
type Passwords struct {
	slots chan struct{}
	wait  time.Duration
	decoy string
}

// NewPasswords hashes at most atOnce passwords at a time and lets others wait for
// wait, then answers ErrBusy.
func NewPasswords(atOnce int, wait time.Duration) *Passwords {
	p := &Passwords{slots: make(chan struct{}, atOnce), wait: wait}
	p.decoy = hash(rand.Text(), make([]byte, saltLen))
	return p
}

// Hash is what to keep of a password.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLen)
	rand.Read(salt)
	var text string
	err := p.inLine(ctx, func() error { text = hash(password, salt); return nil })
	return text, err
}

// Matches says whether password is the one that hash was kept of. An empty hash,
// which is nobody's, takes as long to say no.
func (p *Passwords) Matches(ctx context.Context, password, kept string) (ok bool, err error) {
	nobody := kept == ""
	if nobody {
		kept = p.decoy
	}
	err = p.inLine(ctx, func() error {
		salt, err := saltOf(kept)
		if err != nil {
			return err
		}
		ok = subtle.ConstantTimeCompare([]byte(hash(password, salt)), []byte(kept)) == 1
		return nil
	})
	return ok && !nobody, err
}

func (p *Passwords) inLine(ctx context.Context, f func() error) error {
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		return f()
	case <-timer.C:
		return ErrBusy
	case <-ctx.Done():
		return fmt.Errorf("hash password: %w", ctx.Err())
	}
}

func hash(password string, salt []byte) string {
	sum := argon2.IDKey([]byte(password), salt, passes, memory, lanes, hashLen)
	return fmt.Sprintf(format+"%s$%s", argon2.Version, memory, passes, lanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

// saltOf reads the salt of a kept hash, which must be of today's parameters: there
// have been no others.
func saltOf(kept string) ([]byte, error) {
	prefix := fmt.Sprintf(format, argon2.Version, memory, passes, lanes)
	width := base64.RawStdEncoding.EncodedLen(saltLen)
	if len(kept) < len(prefix)+width || kept[:len(prefix)] != prefix {
		return nil, errors.New("read password hash: it is not of the form " + prefix)
	}
	salt, err := base64.RawStdEncoding.DecodeString(kept[len(prefix):][:width])
	if err != nil {
		return nil, fmt.Errorf("read password hash: %w", err)
	}
	return salt, nil
}
