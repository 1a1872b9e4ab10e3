package session_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

var databases storetest.Databases

func TestMain(m *testing.M) { os.Exit(databases.Run(m)) }

func newSessions(t *testing.T) (*session.Sessions, *redis.ClusterClient, *cachetest.Redis) {
	t.Helper()
	servers := cachetest.NewRedis(t, 1)
	r := kv.Open(settings.Stores{Redis: servers.Addrs}, servers.Password)
	t.Cleanup(func() { r.Close() })
	keys, err := session.NewKeys(strings.Repeat("k", 32))
	if err != nil {
		t.Fatal(err)
	}
	return session.New(keys, r, databases.Store(t), time.Hour), r, servers
}

func TestSessions(t *testing.T) {
	s, r, _ := newSessions(t)
	ctx := t.Context()
	begin := func(t *testing.T) (string, session.Token) {
		t.Helper()
		text, token, err := s.Begin(ctx, databases.User(t).ID, "phone", netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		return text, token
	}
	t.Run("begin and end", func(t *testing.T) {
		text, token := begin(t)
		if got, err := s.Verify(text, time.Now()); err != nil || got.User != token.User || got.Session != token.Session {
			t.Fatalf("verified %+v, %v", got, err)
		}
		if life := time.Until(token.Expires); life < 59*time.Minute || life > time.Hour {
			t.Errorf("it lasts %s", life)
		}
		if err := s.Check(ctx, token); err != nil {
			t.Errorf("check: %v", err)
		}
		for range 2 { // the second time as after a lost answer
			if err := s.End(ctx, token); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(ctx, token); !errors.Is(err, session.ErrEnded) {
				t.Errorf("check = %v", err)
			}
		}
	})
	t.Run("Redis has lost it", func(t *testing.T) {
		_, token := begin(t)
		if err := r.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(ctx, token); err != nil {
			t.Fatalf("check: %v", err)
		}
		// It was put back: Redis answers even when the row is gone.
		if err := databases.Store(t).EndSession(ctx, token.Session); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(ctx, token); err != nil {
			t.Errorf("check by Redis alone: %v", err)
		}
	})
	t.Run("Redis has lost the end of it", func(t *testing.T) {
		_, token := begin(t)
		if err := s.End(ctx, token); err != nil {
			t.Fatal(err)
		}
		if err := r.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(ctx, token); !errors.Is(err, session.ErrEnded) {
			t.Errorf("check = %v", err)
		}
	})
	t.Run("never begun", func(t *testing.T) {
		token := session.Token{User: databases.User(t).ID, Session: id.Make(time.Now(), 1, 1), Expires: time.Now().Add(time.Hour)}
		if err := s.Check(ctx, token); !errors.Is(err, session.ErrEnded) {
			t.Errorf("check = %v", err)
		}
	})
}

// With Redis away the rows answer, and a log-out that Redis was not told of is an
// error, because Redis may come back and know better.
func TestSessionsWithoutRedis(t *testing.T) {
	s, _, servers := newSessions(t)
	ctx := t.Context()
	user := databases.User(t).ID
	_, before, err := s.Begin(ctx, user, "", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	servers.Masters[0].Kill()
	_, after, err := s.Begin(ctx, user, "", netip.Addr{})
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	for _, token := range []session.Token{before, after} {
		if err := s.Check(ctx, token); err != nil {
			t.Errorf("check: %v", err)
		}
	}
	if err := s.End(ctx, after); err == nil {
		t.Error("end is no error")
	}
	if _, err := databases.Store(t).Session(ctx, after.Session); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the row after its end: %v", err)
	}
	if err := s.Check(ctx, after); !errors.Is(err, session.ErrEnded) {
		t.Errorf("check after the end = %v", err)
	}
}
