package kv

import (
	"context"
	"runtime"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Gatherer sends what concurrent requests ask of Redis as one pipeline: under load a
// system call, on both sides, carries the commands of several requests, and one that is
// alone waits for nobody. A request whose pipeline meets a node that hangs waits with it,
// until the node's breaker opens. So it is for what is asked often and answered at once.
type Gatherer struct {
	redis *redis.ClusterClient
	mu    sync.Mutex
	next  *gathering // nil: whoever comes begins one
}

type gathering struct {
	pipe redis.Pipeliner
	sent chan struct{}
}

// Gather returns a Gatherer for c.
func Gather(c *redis.ClusterClient) *Gatherer { return &Gatherer{redis: c} }

// Ask adds commands to the next pipeline and returns when they are answered; each carries
// its error.
func (g *Gatherer) Ask(ctx context.Context, add func(redis.Pipeliner)) {
	g.mu.Lock()
	mine := g.next
	first := mine == nil
	if first {
		mine = &gathering{pipe: g.redis.Pipeline(), sent: make(chan struct{})}
		g.next = mine
	}
	add(mine.pipe)
	g.mu.Unlock()
	if !first {
		<-mine.sent // bounded by the client's timeouts
		return
	}
	defer close(mine.sent)
	runtime.Gosched() // whoever is about to ask too goes along
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	// The others wait for it, too.
	mine.pipe.Exec(context.WithoutCancel(ctx))
}
