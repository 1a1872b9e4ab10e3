// Package processtest gives the tests of processes what a process is given: addresses,
// files, keys of its own, and time. It starts none; storetest, cachetest and mediatest
// start the servers that processes talk to.
package processtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

// FreeAddr is an address of 127.0.0.1 that nobody listens on. Its port is below those
// that the kernel deals out, or a connection of another test's would take it meanwhile.
func FreeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+mrand.N(20000))
		if ln, err := net.Listen("tcp", addr); err == nil {
			ln.Close()
			return addr
		}
	}
	t.Fatal("no port of 127.0.0.1 is free")
	return ""
}

// Proxy leads to an address. What a client says goes through forward, which ends when the
// connection does, or is to; what the server says is passed on.
func Proxy(t testing.TB, to string, forward func(server io.Writer, client net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				io.Copy(client, server)
				client.Close()
			}()
			go func() {
				defer server.Close()
				forward(server, client)
			}()
		}
	}()
	return l.Addr().String()
}

// Write writes a file that its owner alone reads.
func Write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Until asks again until there is no error. With the patience at its end, the last
// error ends the test.
func Until(t *testing.T, patience time.Duration, ask func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline.C:
			t.Fatal(err)
		}
	}
}

// Key is a new P-256 key.
func Key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// PKCS8 is the key as PEM.
func PKCS8(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// SelfSigned is a certificate for 127.0.0.1, good for an hour and its own authority,
// and its key, both as PEM.
func SelfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	k := Key(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), PKCS8(t, k)
}
