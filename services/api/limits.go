package main

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/limit"
	"github.com/burbn/burbn/services/settings"
)

// mostGuesses is how often a minute one address may name a password of one account. It
// holds without Redis too.
const mostGuesses = 10

// policies are the limits, as the settings have them.
type policies struct {
	read, write, anonymous, guess limit.Policy
}

func newPolicies(doc settings.RateLimits) policies {
	return policies{
		read:      limit.Policy{Name: "read", Quota: doc.Read},
		write:     limit.Policy{Name: "write", Quota: doc.Write},
		anonymous: limit.Policy{Name: "anonymous", Quota: doc.Anonymous},
		guess:     limit.Policy{Name: "guess", Quota: mostGuesses, Guarded: true},
	}
}

// asked is what Redis was asked of who sends a request.
type asked struct {
	session *redis.StringCmd // nil: nothing, they were let in before
	limit   limit.Question
}

// ask adds to a pipeline of Redis what allow needs to know: whether the session of the
// request lasts, and how many requests there were before it. Both keys lie in the slot of
// the user's feed. Handlers of verified operations use it, each once.
func (a *api) ask(ctx context.Context, pipe redis.Pipeliner) asked {
	r := requestOf(ctx)
	if r.allowed {
		return asked{}
	}
	p := a.policies.write
	if r.reads {
		p = a.policies.read
	}
	return asked{
		session: a.sessions.Ask(ctx, pipe, r.who),
		limit:   a.limits.Ask(ctx, pipe, p, strconv.FormatInt(int64(r.who.User), 36)),
	}
}

// allow says why the request is not to be served, if so, after its pipeline.
func (a *api) allow(ctx context.Context, q asked) error {
	r := requestOf(ctx)
	if r.allowed {
		return nil
	}
	if c, ok := a.limits.Answer(q.limit); ok {
		if err := r.count(c); err != nil {
			return err
		}
	}
	err := a.sessions.Answer(ctx, r.who, q.session)
	r.allowed = err == nil
	return err
}

// allowAddress counts a request of somebody who is not logged in.
func (a *api) allowAddress(ctx context.Context) error {
	r := requestOf(ctx)
	if c, ok := a.limits.Count(ctx, a.policies.anonymous, network(r.client)); ok {
		return r.count(c)
	}
	return nil
}

// allowGuess counts an attempt to name the password of an account, which goes by its
// name or its id.
func (a *api) allowGuess(ctx context.Context, account string) error {
	r := requestOf(ctx)
	if c, ok := a.limits.Count(ctx, a.policies.guess, network(r.client)+" "+strings.ToLower(account)); ok {
		return r.count(c)
	}
	return nil
}

// network is whom an address stands for: an IPv6 customer has all addresses of a /64.
func network(client string) string {
	addr, err := netip.ParseAddr(client)
	if err != nil || !addr.Is6() || addr.Is4In6() {
		return client
	}
	prefix, _ := addr.WithZone("").Prefix(64) // an IPv6 address has one
	return prefix.String()
}

// count tells the client how far a limit is used up, and refuses what exceeds it.
func (r *request) count(c limit.Count) error {
	r.counts = append(r.counts, c)
	policy, state := limit.Headers(r.counts)
	r.header.Set("RateLimit-Policy", policy)
	r.header.Set("RateLimit", state)
	if c.Exceeded() {
		p := tooMany
		p.retryAfter = limit.Seconds(c.Reset)
		return p
	}
	return nil
}
