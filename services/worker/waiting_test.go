package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/burbn/burbn/services/media/mediatest"
	"github.com/burbn/burbn/services/settings"
)

// cloudWatch stands in for CloudWatch: it hands on what PutMetricData is sent, and
// answers with a fault while down.
func cloudWatch(t *testing.T) (told <-chan string, down *atomic.Bool, options func(*cloudwatch.Options)) {
	t.Helper()
	mediatest.NewRole(t)
	values := make(chan string, 100)
	down = &atomic.Bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		v, err := decode(r)
		switch {
		case err != nil || !strings.HasSuffix(r.URL.Path, "/operation/PutMetricData") || !strings.Contains(r.Header.Get("Authorization"), "Credential="+mediatest.RoleKey+"/"):
			t.Errorf("%s by %s: %v", r.URL, r.Header.Get("Authorization"), err)
			w.WriteHeader(http.StatusBadRequest)
		case down.Load():
			w.WriteHeader(http.StatusForbidden)
		default:
			values <- describe(v)
			w.Write([]byte{0xa0}) // an empty map
		}
	}))
	t.Cleanup(s.Close)
	return values, down, func(o *cloudwatch.Options) { o.BaseEndpoint = aws.String(s.URL) }
}

// decode reads a request, which the SDK compresses.
func decode(r *http.Request) (cbor.Value, error) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	return cbor.Decode(body)
}

// describe says what is told: "burbn OldestTaskSeconds Stack=test 7 Seconds".
func describe(v cbor.Value) string {
	at := func(v cbor.Value, key string) cbor.Value { m, _ := v.(cbor.Map); return m[key] }
	first := func(v cbor.Value) cbor.Value {
		if l, _ := v.(cbor.List); len(l) == 1 {
			return l[0]
		}
		return nil
	}
	text := func(v cbor.Value) string { s, _ := v.(cbor.String); return string(s) }
	datum := first(at(v, "MetricData"))
	dimension := first(at(datum, "Dimensions"))
	value, _ := at(datum, "Value").(cbor.Float64)
	return strings.Join([]string{
		text(at(v, "Namespace")), text(at(datum, "MetricName")), text(at(dimension, "Name")) + "=" + text(at(dimension, "Value")),
		time.Duration(float64(value) * float64(time.Second)).String(), text(at(datum, "Unit")),
	}, " ")
}

func TestTellsCloudWatchHowLongTasksWait(t *testing.T) {
	told, down, options := cloudWatch(t)
	var log bytes.Buffer
	w := newWaiting(&worker{
		doc: settings.Worker{
			Process:    settings.Process{Stack: "test"},
			CloudWatch: settings.CloudWatch{Region: "eu-west-1", Namespace: "burbn"},
		},
		log: slog.New(slog.NewTextHandler(&log, nil)),
	}, options, func(o *cloudwatch.Options) { o.RetryMaxAttempts = 1 })
	asked := make(chan struct{})
	w.oldest = func(context.Context) (time.Duration, error) {
		asked <- struct{}{}
		return 7 * time.Second, errors.New("postgres-02 does not answer")
	}
	w.every = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	down.Store(true)
	go func() { ended <- w.task().Run(ctx) }()
	for range 3 {
		<-asked
	}
	down.Store(false)
	for begin := time.Now(); len(told) == 0; <-asked {
		if time.Since(begin) > patience {
			t.Fatalf("CloudWatch is not told:\n%s", &log)
		}
	}
	if got := <-told; got != "burbn OldestTaskSeconds Stack=test 7s Seconds" {
		t.Errorf("told %q", got)
	}
	cancel()
	for running := true; running; {
		select {
		case <-asked:
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			running = false
		}
	}
	// It failed from beginning to end: first CloudWatch, then a database.
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "403") {
		t.Errorf("logged %d lines, want one of the first failure:\n%s", n, &log)
	}
}

func TestOldestTaskOfTheWorkersQueues(t *testing.T) {
	w := wire(t)
	if _, err := newWaiting(w).oldest(t.Context()); err != nil {
		t.Error(err)
	}
}
