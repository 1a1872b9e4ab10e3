package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/burbn/burbn/services/id"
)

var (
	// ErrInvalid says that a token is none of ours: malformed, altered or signed with
	// another key.
	ErrInvalid = errors.New("the token is not valid")
	// ErrExpired says that a token was ours and that its life is over.
	ErrExpired = errors.New("the token has expired")
)

// A Token says who sends a request and in which session. To clients it is opaque.
type Token struct {
	User    id.ID
	Session id.ID
	Expires time.Time // to the second
}

const (
	version  = 1
	claims   = 1 + 3*8 // version, user, session, expiry
	tokenLen = claims + sha256.Size
)

// encoding is strict, so that a token has one text.
func encoding() *base64.Encoding { return base64.RawURLEncoding.Strict() }

// Keys sign and verify tokens, offline. They may be used by many goroutines.
type Keys struct {
	key []byte
}

// minKey is the least length of a signing key: the strength of its hash.
const minKey = 32

// NewKeys takes the credential token-key, of at least 32 bytes.
func NewKeys(key string) (Keys, error) {
	if len(key) < minKey {
		return Keys{}, fmt.Errorf("token key of %d bytes: accepted are %d or more", len(key), minKey)
	}
	return Keys{[]byte(key)}, nil
}

// Sign returns the text of a token, 76 characters of base64url.
func (k Keys) Sign(t Token) string {
	b := make([]byte, 0, tokenLen)
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(t.User))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Session))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Expires.Unix()))
	return encoding().EncodeToString(k.sum(b))
}

// Verify reads what Sign wrote: ErrInvalid or ErrExpired. It asks nobody whether
// the session still lasts.
func (k Keys) Verify(text string, now time.Time) (Token, error) {
	if len(text) != encoding().EncodedLen(tokenLen) {
		return Token{}, ErrInvalid
	}
	b, err := encoding().DecodeString(text)
	if err != nil || !hmac.Equal(b, k.sum(b[:claims:claims])) || b[0] != version {
		return Token{}, ErrInvalid
	}
	t := Token{
		User:    id.ID(binary.BigEndian.Uint64(b[1:])),
		Session: id.ID(binary.BigEndian.Uint64(b[9:])),
		Expires: time.Unix(int64(binary.BigEndian.Uint64(b[17:])), 0),
	}
	if !now.Before(t.Expires) {
		return Token{}, ErrExpired
	}
	return t, nil
}

// sum appends the authentication code of b to it.
func (k Keys) sum(b []byte) []byte {
	mac := hmac.New(sha256.New, k.key)
	mac.Write(b)
	return mac.Sum(b)
}
