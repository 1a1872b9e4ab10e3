package kv

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// below accepts the servers whose certificate is signed, at the end of its chain, by
// one of roots (nil: the system's) for a name below domain.
//
// The usual check wants the name that was dialled. The settings' name is one of our
// private zone, which is known before there is a cluster and leads to Amazon's; the
// certificate bears Amazon's, "*.burbn-production.a1b2c3.use1.cache.amazonaws.com". Who
// can get a certificate for such a name from an authority that the system trusts is
// Amazon, and whose cluster it is the password says.
func below(domain string, roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// It switches off the usual check, of the chain too; VerifyConnection takes its
		// place, on every handshake, a resumed one too.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
			for _, c := range s.PeerCertificates[1:] {
				o.Intermediates.AddCert(c)
			}
			leaf := s.PeerCertificates[0] // a client always sees one
			if _, err := leaf.Verify(o); err != nil {
				return fmt.Errorf("verify the certificate of Redis: %w", err)
			}
			if !slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.HasSuffix(n, "."+domain) }) {
				return fmt.Errorf("verify the certificate of Redis: it is for %q, not for a name below %s", leaf.DNSNames, domain)
			}
			return nil
		},
	}
}
