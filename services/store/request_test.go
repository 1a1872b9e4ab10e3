package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/burbn/burbn/services/store"
)

func TestRequests(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	// age makes the claim of r older.
	age := func(t *testing.T, r store.Request, interval string) {
		t.Helper()
		value[int](t, r.User, `UPDATE shard.requests SET claimed_at = claimed_at - $3::interval WHERE user_id = $1 AND key = $2 RETURNING 1`, r.User, r.Key, interval)
	}
	claim := func(t *testing.T, r store.Request) store.Claim {
		t.Helper()
		c, err := s.ClaimRequest(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	refused := func(t *testing.T, r store.Request, want error) {
		t.Helper()
		_, err := s.ClaimRequest(ctx, r)
		expect(t, err, want)
	}
	request := func(t *testing.T) store.Request {
		return store.Request{User: databases.User(t).ID, Key: "a key", Fingerprint: []byte("what")}
	}

	t.Run("first, then answered", func(t *testing.T) {
		r := request(t)
		c := claim(t, r)
		if c.Status != 0 || c.Repeated {
			t.Fatalf("first claim = %+v", c)
		}
		refused(t, r, store.ErrUnderWay)
		if err := s.FinishRequest(ctx, r, c, 201, []byte("answer")); err != nil {
			t.Fatal(err)
		}
		age(t, r, "1 hour")
		for range 2 {
			if c := claim(t, r); c.Status != 201 || string(c.Answer) != "answer" {
				t.Errorf("afterwards = %+v", c)
			}
		}
	})
	t.Run("another request", func(t *testing.T) {
		r := request(t)
		c := claim(t, r)
		other := r
		other.Fingerprint = []byte("something else")
		refused(t, other, store.ErrOtherRequest)
		if err := s.FinishRequest(ctx, r, c, 204, nil); err != nil {
			t.Fatal(err)
		}
		refused(t, other, store.ErrOtherRequest)
		other.Key = "another key"
		claim(t, other)
		other.User, other.Key = databases.User(t).ID, r.Key
		claim(t, other)
	})
	t.Run("released", func(t *testing.T) {
		r := request(t)
		if err := s.ReleaseRequest(ctx, r, claim(t, r)); err != nil {
			t.Fatal(err)
		}
		if c := claim(t, r); c.Status != 0 || !c.Repeated {
			t.Errorf("afterwards = %+v", c)
		}
		refused(t, r, store.ErrUnderWay)
	})
	t.Run("cut off", func(t *testing.T) {
		r := request(t)
		first := claim(t, r)
		age(t, r, "29 seconds")
		refused(t, r, store.ErrUnderWay)
		age(t, r, "1 second")
		second := claim(t, r)
		if second.Status != 0 || !second.Repeated {
			t.Fatalf("second claim = %+v", second)
		}
		// The first was slow rather than dead: it has lost the claim.
		if err := s.FinishRequest(ctx, r, first, 500, []byte("late")); err != nil {
			t.Fatal(err)
		}
		refused(t, r, store.ErrUnderWay)
		if err := s.FinishRequest(ctx, r, second, 201, []byte("in time")); err != nil {
			t.Fatal(err)
		}
		if c := claim(t, r); string(c.Answer) != "in time" {
			t.Errorf("answer = %s", c.Answer)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		r := request(t)
		var mine atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				switch c, err := s.ClaimRequest(ctx, r); {
				case err == nil && c.Status == 0:
					mine.Add(1)
				case !errors.Is(err, store.ErrUnderWay):
					t.Errorf("claim = %+v, %v", c, err)
				}
			})
		}
		wg.Wait()
		if n := mine.Load(); n != 1 {
			t.Errorf("%d have the claim", n)
		}
	})
	t.Run("of nobody", func(t *testing.T) {
		r := store.Request{Key: databases.Name(), Fingerprint: []byte("a sign-up")}
		if err := s.FinishRequest(ctx, r, claim(t, r), 201, []byte("answer")); err != nil {
			t.Fatal(err)
		}
		if c := claim(t, r); c.Status != 201 {
			t.Errorf("afterwards = %+v", c)
		}
	})
	t.Run("forgotten after a day", func(t *testing.T) {
		r := request(t)
		var old []store.Request
		for i := range 5 {
			o := r
			o.Key = fmt.Sprint("old ", i)
			claim(t, o)
			old = append(old, o)
		}
		for _, o := range old {
			age(t, o, "25 hours")
		}
		claim(t, r) // forgets two
		// Forgets two more, but not its own, which was cut off.
		if c := claim(t, old[4]); c.Status != 0 || !c.Repeated {
			t.Errorf("own old claim = %+v", c)
		}
		if n := value[int](t, r.User, `SELECT count(*) FROM shard.requests WHERE user_id = $1`, r.User); n != 2 {
			t.Errorf("%d requests are kept, want 2", n)
		}
	})
	t.Run("of a shard that there is not", func(t *testing.T) {
		refused(t, store.Request{User: nowhere, Key: "k", Fingerprint: []byte("x")}, store.ErrNotFound)
	})
}
