// Command standin stands in for the services of others where they cannot be
// reached: APNs, Facebook, Twitter/X and Sentry. It accepts and refuses as their
// documents say, down to the reasons that a client must tell apart, and lists on
// one page what it has received.
//
// It deliberately forwards nothing, keeps nothing on disk, and shares no code
// with the programs that talk to it: a misunderstanding of a protocol would
// otherwise agree with itself.
//
// What a test wants refused it asks for by the credential that it presents:
//
//	APNs      device token bad...     400 BadDeviceToken
//	          device token dead...    410 Unregistered
//	          device token 429429...  429 TooManyRequests
//	          device token 503503...  503 ServiceUnavailable
//	Facebook  access token bad...     OAuthException 190
//	          access token expired... OAuthException 190, subcode 463
//	          access token 429...     OAuthException 17, the user's limit
//	          access token 503...     503, OAuthException 2, transient
//	Twitter   bearer bad..., expired...  401
//	          bearer 429...           429
//	          bearer 503...           503
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/burbn/burbn/services/settings"
)

// stop is how long answers under way may take.
const stop = 5 * time.Second

func main() {
	file := flag.String("settings", "", "settings document of this process")
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("service", "standin")
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, *file, log); err != nil {
		log.Error("ended", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string, log *slog.Logger) error {
	doc, err := settings.Load[settings.Standin](file)
	if err != nil {
		return err
	}
	sec, err := readSecrets(doc.CertFile)
	if err != nil {
		return err
	}
	return serve(ctx, doc, sec, log)
}

// secrets are what the process knows of those who talk to it.
type secrets struct {
	cert   tls.Certificate // of APNs
	push   *ecdsa.PublicKey
	sentry string
}

func readSecrets(certFile string) (s secrets, err error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return s, fmt.Errorf("read certificate of APNs: %w", err)
	}
	tlsKey, err := settings.Credential("apns-tls-key")
	if err != nil {
		return s, err
	}
	if s.cert, err = tls.X509KeyPair(cert, []byte(tlsKey)); err != nil {
		return s, fmt.Errorf("read certificate %s and apns-tls-key: %w", certFile, err)
	}
	apnsKey, err := settings.Credential("apns-key")
	if err != nil {
		return s, err
	}
	if s.push, err = publicKey([]byte(apnsKey)); err != nil {
		return s, fmt.Errorf("read apns-key: %w", err)
	}
	s.sentry, err = settings.Credential("sentry-key")
	return s, err
}

// publicKey is the half of the provider's key that Apple keeps.
func publicKey(pkcs8 []byte) (*ecdsa.PublicKey, error) {
	block, _ := pem.Decode(pkcs8)
	if block == nil {
		return nil, errors.New("no PEM block in it")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%T: accepted is an elliptic curve key", key)
	}
	return &ec.PublicKey, nil
}

// serve answers on all addresses until ctx is done.
func serve(ctx context.Context, doc settings.Standin, sec secrets, log *slog.Logger) error {
	reg := prometheus.NewRegistry()
	rec := newReceived(reg)
	servers := []struct {
		name, addr string
		handler    http.Handler
	}{
		{"admin", doc.Admin, rec.page(reg)},
		{"apns", doc.APNs, rec.service("apns", newAPNs(doc, sec.push).answer)},
		{"facebook", doc.Facebook, rec.service("facebook", answerFacebook)},
		{"twitter", doc.Twitter, rec.service("twitter", answerTwitter)},
		{"sentry", doc.Sentry, rec.service("sentry", sentry{sec.sentry}.answer)},
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range servers {
		ln, err := net.Listen("tcp", s.addr)
		if err != nil {
			return fmt.Errorf("listen for %s: %w", s.name, err)
		}
		defer ln.Close()
		srv := &http.Server{
			Handler:           s.handler,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       10 * time.Minute, // Apple wants connections kept
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		}
		accept := srv.Serve
		if s.name == "apns" {
			srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{sec.cert}, MinVersion: tls.VersionTLS12}
			srv.Protocols = new(http.Protocols)
			srv.Protocols.SetHTTP2(true) // and nothing else, like Apple
			srv.ConnContext = withConnection
			accept = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
		}
		g.Go(func() error {
			if err := accept(ln); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", s.name, err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			end, cancel := context.WithTimeout(context.Background(), stop)
			defer cancel()
			if srv.Shutdown(end) != nil {
				srv.Close() // a client that will not let go must not keep us
			}
			return nil
		})
	}
	log.InfoContext(ctx, "started", "admin", doc.Admin)
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		log.WarnContext(ctx, "tell the service manager that the process is ready", "error", err)
	}
	return g.Wait()
}
