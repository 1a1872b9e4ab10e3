package kv

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		use := func(err error) (asked bool) {
			if b.Allow() != nil {
				return false
			}
			b.ReportResult(err)
			return true
		}
		for n := range patience {
			if !use(io.EOF) {
				t.Fatalf("left alone after %d failures", n)
			}
		}
		if use(nil) {
			t.Error("asked although it has failed")
		}
		time.Sleep(pause)
		if b.Allow() != nil {
			t.Fatal("not tried again")
		}
		if err := b.Allow(); !errors.Is(err, errPaused) {
			t.Error("a second one tries at the same time")
		}
		b.ReportResult(io.EOF)
		if use(nil) {
			t.Error("asked although it has failed again")
		}
		time.Sleep(pause)
		if !use(redis.Nil) { // an answer
			t.Fatal("not tried again")
		}
		for range patience - 1 {
			use(io.EOF)
		}
		use(context.Canceled)
		if !use(nil) {
			t.Error("who gave up counts as a failure")
		}
	})
}
