package kv

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/settings"
)

const (
	domain   = "cache.amazonaws.com"
	password = "a password of tests"
)

// issue writes a certificate for a name and its key to files. A nil parent makes an
// authority.
func issue(t *testing.T, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (cert *x509.Certificate, key *ecdsa.PrivateKey, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	if parent == nil {
		tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, parentKey = tmpl, key
	} else {
		tmpl.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(file, kind string, b []byte) string {
		file = filepath.Join(dir, file)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return cert, key, write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private)
}

// serve starts a Redis cluster of one node that speaks TLS alone.
func serve(t *testing.T, certFile, keyFile string) (addr string) {
	t.Helper()
	addr = processtest.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	_, busPort, _ := net.SplitHostPort(processtest.FreeAddr(t))
	c := exec.Command("redis-server", "--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "",
		"--cluster-enabled", "yes", "--cluster-port", busPort, "--tls-cluster", "yes", "--requirepass", password,
		"--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile, "--tls-auth-clients", "no")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	processtest.Until(t, 20*time.Second, func() error {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	return addr
}

// TestTLS: whoever has a certificate of a trusted authority for a name below the
// domain is asked, by whatever name; nobody else is.
func TestTLS(t *testing.T) {
	trusted, trustedKey, authorities, _ := issue(t, "Trusted", nil, nil)
	somebody, somebodyKey, _, _ := issue(t, "Somebody", nil, nil)
	t.Setenv("SSL_CERT_FILE", authorities) // read once in a process; no other test here verifies
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	open := func(t *testing.T, addr string) *redis.ClusterClient {
		c := Open(settings.Stores{Redis: []string{addr}, RedisTLSDomain: domain}, password)
		t.Cleanup(func() { c.Close() })
		return c
	}

	t.Run("Amazon's", func(t *testing.T) {
		_, _, cert, key := issue(t, "*.burbn.a1b2c3.use1."+domain, trusted, trustedKey)
		addr := serve(t, cert, key)
		node := redis.NewClient(&redis.Options{Addr: addr, Password: password, TLSConfig: below(domain, nil)})
		defer node.Close()
		if err := node.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
			t.Fatal(err)
		}
		c := open(t, addr)
		processtest.Until(t, 20*time.Second, func() error { return c.Set(ctx, "key", "value", 0).Err() })
		if v, err := c.Get(ctx, "key").Result(); v != "value" || err != nil {
			t.Errorf("read %q, %v", v, err)
		}
		plain := Open(settings.Stores{Redis: []string{addr}}, password)
		defer plain.Close()
		if err := Ping(ctx, plain); err == nil {
			t.Error("the node is asked without TLS")
		}
	})
	for _, tt := range []struct {
		name, certificate string
		parent            *x509.Certificate
		key               *ecdsa.PrivateKey
		want              string
	}{
		{"somebody's for Amazon's name", "a." + domain, somebody, somebodyKey, "unknown authority"},
		{"another name", "cache.example.com", trusted, trustedKey, "not for a name below " + domain},
		{"a name that only ends alike", "evil" + domain, trusted, trustedKey, "not for a name below " + domain},
		{"the domain itself", domain, trusted, trustedKey, "not for a name below " + domain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, cert, key := issue(t, tt.certificate, tt.parent, tt.key)
			if err := Ping(ctx, open(t, serve(t, cert, key))); err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Ping = %v, want %q", err, tt.want)
			}
		})
	}
}
