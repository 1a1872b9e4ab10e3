package kv

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// patience is how many failures in a row a node is forgiven.
	patience = 5
	// pause is how long a node is left alone after that. Then one request tries it,
	// while the others still pass it by.
	pause = time.Second
)

var errPaused = errors.New("the node has failed and is left alone for a while")

// breaker is the redis.Limiter of one node: a node that hangs costs its timeout to
// a few requests, not to each.
type breaker struct {
	failures atomic.Int32 // in a row
	retry    atomic.Int64 // when to try again, in Unix nanoseconds
}

func (b *breaker) Allow() error {
	if b.failures.Load() < patience {
		return nil
	}
	retry, now := b.retry.Load(), time.Now()
	if now.UnixNano() < retry || !b.retry.CompareAndSwap(retry, now.Add(pause).UnixNano()) {
		return errPaused
	}
	return nil
}

func (b *breaker) ReportResult(err error) {
	var answered redis.Error // whatever it says, the node is there
	switch {
	case err == nil, errors.As(err, &answered):
		b.failures.Store(0)
	case errors.Is(err, context.Canceled): // says nothing of the node
	default:
		b.failures.Add(1)
		b.retry.Store(time.Now().Add(pause).UnixNano())
	}
}
