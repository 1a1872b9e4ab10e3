package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/token"

	"github.com/burbn/burbn/services/settings"
)

// pushTimeout bounds one push: a user's ten fit into a task's minute.
const pushTimeout = 5 * time.Second

// result is what became of one push, as the metric has it.
type result string

// answer is a result, and for a device that is gone since when Apple knows that it is: one
// registered later is another's, or back. Zero: it never was one.
type answer struct {
	result
	since time.Time
}

const (
	sent      result = "sent"
	forgotten result = "forgotten" // the device is gone, or was never one
	retry     result = "retry"
	refused   result = "refused" // and will be refused again
)

// apns is Apple's push service, or what stands in for it. Many pushes share a
// connection. Its methods may be called by many goroutines.
type apns struct {
	client *apns2.Client
	topic  string
}

func newAPNs(doc settings.APNs, key string) (*apns, error) {
	authKey, err := token.AuthKeyFromBytes([]byte(key))
	if err != nil {
		return nil, fmt.Errorf("read apns-key: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if doc.CAFile != "" {
		pem, err := os.ReadFile(doc.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read certificate of APNs: %w", err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read certificate of APNs %s: no certificate in it", doc.CAFile)
		}
	}
	transport := &http.Transport{
		DialContext:     (&net.Dialer{Timeout: pushTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		Protocols:       new(http.Protocols),
		// A connection that died unseen is found before the next push needs it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: pushTimeout},
	}
	transport.Protocols.SetHTTP2(true)
	client := apns2.NewTokenClient(&token.Token{AuthKey: authKey, KeyID: doc.KeyID, TeamID: doc.TeamID})
	client.Host = strings.TrimSuffix(doc.URL, "/")
	client.HTTPClient = &http.Client{Transport: transport, Timeout: pushTimeout}
	return &apns{client: client, topic: doc.Topic}, nil
}

func (a *apns) close() { a.client.CloseIdleConnections() }

// send pushes one notification. The error, which every result but sent comes
// with, says what Apple said.
func (a *apns) send(ctx context.Context, n *apns2.Notification) (answer, error) {
	n.Topic = a.topic
	res, err := a.client.PushWithContext(ctx, n)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // the URL is the device's token, which is for no log
		}
		return answer{result: retry}, fmt.Errorf("push %s: %w", n.ApnsID, err)
	}
	err = fmt.Errorf("push %s: APNs answers %d %s", n.ApnsID, res.StatusCode, res.Reason)
	switch {
	case res.Sent():
		return answer{result: sent}, nil
	case res.StatusCode == http.StatusGone:
		return answer{forgotten, res.Timestamp.Time}, err
	case res.Reason == apns2.ReasonBadDeviceToken, res.Reason == apns2.ReasonDeviceTokenNotForTopic:
		return answer{result: forgotten}, err
	case res.StatusCode == http.StatusForbidden, res.StatusCode == http.StatusTooManyRequests, res.StatusCode >= 500:
		// Of a provider that is not let in, too: that is put right without us.
		return answer{result: retry}, err
	}
	return answer{result: refused}, err
}
