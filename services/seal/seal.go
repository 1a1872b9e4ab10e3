// Package seal encrypts what must not be read by who sees the database: the tokens of
// linked accounts, the answers to requests. What is sealed says what it belongs to and
// opens nowhere else.
//
// It deliberately knows one key and no rotation: what was sealed with another key does
// not open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrNotOurs says that something was not sealed with this key, or for something else,
// or was altered since.
var ErrNotOurs = errors.New("not sealed with this key for this purpose")

const (
	// minKey is the least length of a key: that of an AES-256 key.
	minKey   = 32
	saltSize = 32
)

// A Sealer seals with AES-256-GCM. Each message has a key of its own, derived by HKDF
// from the Sealer's and a random salt, so that a Sealer may seal any number of messages:
// GCM by itself bears some 2^32 random nonces. It may be used by many goroutines.
type Sealer struct {
	key []byte
}

// New takes a credential, of at least 32 bytes in whatever encoding.
func New(key string) (Sealer, error) {
	if len(key) < minKey {
		return Sealer{}, fmt.Errorf("sealing key of %d bytes: accepted are %d or more", len(key), minKey)
	}
	return Sealer{[]byte(key)}, nil
}

// Seal encrypts plain, which then opens with the same aad alone. It adds 48 bytes.
func (s Sealer) Seal(plain, aad []byte) []byte {
	salt := make([]byte, saltSize, saltSize+len(plain)+16)
	rand.Read(salt) // never fails
	gcm := s.cipher(salt)
	return gcm.Seal(salt, make([]byte, gcm.NonceSize()), plain, aad)
}

// Open decrypts what Seal made with the same aad; ErrNotOurs is its only error.
func (s Sealer) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < saltSize {
		return nil, ErrNotOurs
	}
	gcm := s.cipher(sealed[:saltSize])
	plain, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), sealed[saltSize:], aad)
	if err != nil {
		return nil, ErrNotOurs
	}
	return plain, nil
}

// cipher is that of one message. Its key is used once, so its nonce may be constant.
func (s Sealer) cipher(salt []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, s.key, salt, "burbn/seal", 32)
	if err != nil {
		panic(err) // only a longer key than HKDF can make
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only a key of another length
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only a block of another size
	}
	return gcm
}
