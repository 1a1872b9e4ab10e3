package provider

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Secret is made once and lives in Pulumi's state; a change of any input makes
// another. One with a path is kept there too, because what it opens outlives the
// stack: created anew, the secret is again what the file says.
type Secret struct{}

// SecretArgs are the inputs of Secret.
type SecretArgs struct {
	Kind   string   `pulumi:"kind"`
	Length *int     `pulumi:"length,optional"` // of a password
	Hosts  []string `pulumi:"hosts,optional"`  // of a tls certificate
	Path   *string  `pulumi:"path,optional"`   // deleted with the data beside it, not with the resource
}

// SecretState is what Pulumi keeps of a Secret.
type SecretState struct {
	SecretArgs
	Value  string `pulumi:"value"`
	Public string `pulumi:"public"`
}

const (
	password  = "password"
	symmetric = "key"
	ecP256    = "ec-p256"
	selfTLS   = "tls"

	defaultLength        = 32
	minLength, maxLength = 16, 128
	keyBytes             = 32 // AES-256's
	certificateLife      = 10 * 365 * 24 * time.Hour
)

// Annotate names the resource.
func (*Secret) Annotate(a infer.Annotator) { a.SetToken("index", "Secret") }

// WireDependencies keeps the value encrypted in the state and out of what is shown.
func (*Secret) WireDependencies(f infer.FieldSelector, _ *SecretArgs, state *SecretState) {
	f.OutputField(&state.Value).AlwaysSecret()
}

// Check refuses a kind that it does not know and inputs that are not the kind's.
func (*Secret) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[SecretArgs], error) {
	return check(ctx, req, func(args SecretArgs) (wrong []p.CheckFailure) {
		switch args.Kind {
		case password, symmetric, ecP256, selfTLS:
		default:
			wrong = append(wrong, failure("kind", "%q is none of %s, %s, %s, %s", args.Kind, password, symmetric, ecP256, selfTLS))
		}
		if args.Length != nil && (args.Kind != password || *args.Length < minLength || *args.Length > maxLength) {
			wrong = append(wrong, failure("length", "%d: a password alone has one, of %d to %d", *args.Length, minLength, maxLength))
		}
		if (len(args.Hosts) > 0) != (args.Kind == selfTLS) {
			wrong = append(wrong, failure("hosts", "%q: a tls certificate names at least one, and nothing else any", args.Hosts))
		}
		if args.Path != nil && !filepath.IsAbs(*args.Path) {
			wrong = append(wrong, failure("path", "%q is not absolute", *args.Path))
		}
		return wrong
	})
}

// Create makes the secret.
func (*Secret) Create(_ context.Context, req infer.CreateRequest[SecretArgs]) (infer.CreateResponse[SecretState], error) {
	resp := infer.CreateResponse[SecretState]{ID: req.Name, Output: SecretState{SecretArgs: req.Inputs}}
	if req.DryRun {
		return resp, nil
	}
	made, err := req.Inputs.keep()
	if err != nil {
		return resp, fmt.Errorf("make a secret of kind %s: %w", req.Inputs.Kind, err)
	}
	resp.Output.Value, resp.Output.Public = made.Value, made.Public
	return resp, nil
}

// kept is the content of a secret's file. What it was made for is part of it, so
// that a secret for another host is not taken for this one.
type kept struct {
	Kind   string   `json:"kind"`
	Length *int     `json:"length,omitempty"`
	Hosts  []string `json:"hosts,omitempty"`
	Value  string   `json:"value"`
	Public string   `json:"public,omitempty"`
}

// keep is the secret of the file, or a new one that it writes there.
func (args SecretArgs) keep() (kept, error) {
	fresh := kept{Kind: args.Kind, Length: args.Length, Hosts: args.Hosts}
	if args.Path != nil {
		b, err := os.ReadFile(*args.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return kept{}, err
		}
		if err == nil {
			var old kept
			if err := json.Unmarshal(b, &old); err != nil {
				return kept{}, fmt.Errorf("read %s: %w", *args.Path, err)
			}
			fresh.Value, fresh.Public = old.Value, old.Public
			if reflect.DeepEqual(fresh, old) {
				return old, nil
			}
		}
	}
	var err error
	if fresh.Value, fresh.Public, err = args.make(); err != nil || args.Path == nil {
		return fresh, err
	}
	b, err := json.Marshal(fresh)
	if err != nil {
		return kept{}, err
	}
	// The folder is private, what it lies in is for others, too.
	dir := filepath.Dir(*args.Path)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return kept{}, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return kept{}, err
	}
	// Whole or not at all: half a secret would lock the data for good.
	part := *args.Path + ".part"
	if err := os.WriteFile(part, b, 0o600); err != nil {
		return kept{}, err
	}
	return fresh, os.Rename(part, *args.Path)
}

func (args SecretArgs) make() (value, public string, err error) {
	switch args.Kind {
	case password:
		n := defaultLength
		if args.Length != nil {
			n = *args.Length
		}
		value, err = newPassword(n)
		return value, "", err
	case symmetric:
		b := make([]byte, keyBytes)
		rand.Read(b) // never fails
		return hex.EncodeToString(b), "", nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	value = encodePEM("PRIVATE KEY", private)
	if args.Kind == selfTLS {
		certificate, err := selfSigned(key, args.Hosts)
		return value, encodePEM("CERTIFICATE", certificate), err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return value, encodePEM("PUBLIC KEY", der), err
}

// newPassword is n letters and digits, which need no quoting anywhere.
func newPassword(n int) (string, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	letters := make([]byte, n)
	for i := range letters {
		at, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", err
		}
		letters[i] = alphabet[at.Int64()]
	}
	return string(letters), nil
}

// selfSigned is a certificate that its clients trust by having it, as there is no
// authority behind it.
func selfSigned(key *ecdsa.PrivateKey, hosts []string) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: hosts[0]},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(certificateLife),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	for _, host := range hosts {
		if addr, err := netip.ParseAddr(host); err == nil {
			template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
