package store_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

func TestCreateUser(t *testing.T) {
	s := databases.Store(t)
	begin := time.Now().Add(-time.Second)
	lower := databases.Name() + "_s"
	mixed := "U" + lower[1:]
	made, err := s.CreateUser(t.Context(), store.NewUser{Name: mixed, FullName: "Kevin \U0001F4F7", PasswordHash: "$argon2id$"})
	if err != nil {
		t.Fatal(err)
	}
	if made.ID.Time().Before(begin) || made.CreatedAt.Before(begin) || made.CreatedAt.After(time.Now().Add(time.Second)) {
		t.Errorf("made at %s, %s, want now", made.ID.Time(), made.CreatedAt)
	}
	if want := s.Shards().ForName(lower); shard.Of(made.ID) != want {
		t.Errorf("on shard %d, want that of the name, %d", shard.Of(made.ID), want)
	}
	if made.Name != mixed || made.FullName != "Kevin \U0001F4F7" {
		t.Errorf("made %+v, want the names as they were written", made)
	}
	if got, err := s.User(t.Context(), made.ID); err != nil || got != made {
		t.Errorf("User = %+v, %v, want %+v", got, err, made)
	}
	for _, name := range []string{mixed, lower, strings.ToUpper(lower)} {
		if got, err := s.UserByName(t.Context(), name); err != nil || got != made {
			t.Errorf("UserByName(%s) = %+v, %v, want %+v", name, got, err, made)
		}
		if c, err := s.Credentials(t.Context(), name); err != nil || c != (store.Credentials{User: made.ID, Hash: "$argon2id$", State: store.Active}) {
			t.Errorf("Credentials(%s) = %+v, %v", name, c, err)
		}
		_, err := s.CreateUser(t.Context(), store.NewUser{Name: name})
		expect(t, err, store.ErrNameTaken)
	}
	_, err = s.UserByName(t.Context(), "nobody")
	expect(t, err, store.ErrNotFound)
	_, err = s.Credentials(t.Context(), "nobody")
	expect(t, err, store.ErrNotFound)
}

// TestBounds: what is too long or ill-formed makes no row, even when a caller
// forgets to ask first.
func TestBounds(t *testing.T) {
	s := databases.Store(t)
	for name, n := range map[string]store.NewUser{
		"no name":        {Name: ""},
		"long name":      {Name: strings.Repeat("n", 31)},
		"odd name":       {Name: "kevin!"},
		"injection":      {Name: "x'; DROP TABLE shard.users --"},
		"long full name": {Name: "bounds", FullName: strings.Repeat("é", 65)},
	} {
		if u, err := s.CreateUser(t.Context(), n); err == nil {
			t.Errorf("%s: made %+v", name, u)
		}
	}
	if _, err := s.UserByName(t.Context(), "bounds"); err == nil {
		t.Error("a refused user left a name behind")
	}
	widest := store.NewUser{Name: fmt.Sprintf("%030s", databases.Name()), FullName: strings.Repeat("é", 64), PasswordHash: strings.Repeat("h", 128)}
	if _, err := s.CreateUser(t.Context(), widest); err != nil {
		t.Error(err)
	}
	if err := s.RegisterDevice(t.Context(), unknown, strings.Repeat("f", 201)); err == nil {
		t.Error("registered a device of too long a token")
	}
}

func TestNameIsClaimedOnce(t *testing.T) {
	s := databases.Store(t)
	var wg sync.WaitGroup
	var made, taken atomic.Int32
	lower := databases.Name()
	for i := range 16 {
		wg.Go(func() {
			name := lower
			if i%2 == 0 {
				name = strings.ToUpper(lower)
			}
			_, err := s.CreateUser(t.Context(), store.NewUser{Name: name})
			if err == nil {
				made.Add(1)
				return
			}
			taken.Add(1)
			expect(t, err, store.ErrNameTaken)
		})
	}
	wg.Wait()
	if made.Load() != 1 || taken.Load() != 15 {
		t.Errorf("made %d, refused %d, want 1 and 15", made.Load(), taken.Load())
	}
}

func TestUsers(t *testing.T) {
	s := databases.Store(t)
	want := map[id.ID]store.User{}
	ids := []id.ID{unknown, nowhere}
	on := map[string]bool{}
	for range 24 {
		u := databases.User(t)
		want[u.ID] = u
		ids = append(ids, u.ID, u.ID)
		on[onDatabase(t, u.ID)] = true
	}
	if len(on) != 2 {
		t.Fatalf("the users are on %v, want both databases", on)
	}
	got, err := s.Users(t.Context(), ids)
	if err != nil || len(got) != len(want) {
		t.Fatalf("Users = %d, %v, want %d", len(got), err, len(want))
	}
	for i, u := range want {
		if got[i] != u {
			t.Errorf("Users[%s] = %+v, want %+v", i, got[i], u)
		}
	}
}

func TestSession(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	expires := time.Now().Add(time.Hour).Truncate(time.Microsecond).UTC()
	n, err := s.CreateSession(t.Context(), store.Session{User: user.ID, ExpiresAt: expires})
	if err != nil {
		t.Fatal(err)
	}
	if n.User != user.ID || !n.ExpiresAt.Equal(expires) || shard.Of(n.ID) != shard.Of(user.ID) {
		t.Errorf("CreateSession = %+v", n)
	}
	if got, err := s.Session(t.Context(), n.ID); err != nil || got != n {
		t.Errorf("Session = %+v, %v, want %+v", got, err, n)
	}
	for range 2 {
		if err := s.EndSession(t.Context(), n.ID); err != nil {
			t.Error(err)
		}
		_, err = s.Session(t.Context(), n.ID)
		expect(t, err, store.ErrNotFound)
	}
	over, err := s.CreateSession(t.Context(), store.Session{User: user.ID, ExpiresAt: time.Now().Add(-time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Session(t.Context(), over.ID)
	expect(t, err, store.ErrNotFound)
}

// TestNextID: ids carry their shard, are unique under concurrency, sort by time
// to the millisecond, and count from id.Epoch.
func TestNextID(t *testing.T) {
	const each = 250 // and 1,000 together, which a millisecond can hold
	user := databases.User(t)
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	begin := time.Now()
	for range 4 {
		c := databases.Owner(t, onDatabase(t, user.ID))
		wg.Go(func() {
			var ids []int64
			sql := strings.ReplaceAll(`SELECT array_agg(shard.next_id()) FROM generate_series(1, $1)`, "shard.", shard.Of(user.ID).Schema()+".")
			if err := c.QueryRow(t.Context(), sql, each).Scan(&ids); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			var last time.Time
			for _, n := range ids {
				i := id.ID(n)
				if seen[n] {
					t.Errorf("%s was made twice", i)
				}
				seen[n] = true
				if i.Time().Before(last) {
					t.Errorf("%s of %s came after one of %s", i, i.Time(), last)
				}
				last = i.Time()
				if shard.Of(i) != shard.Of(user.ID) {
					t.Errorf("%s is of shard %d, want %d", i, shard.Of(i), shard.Of(user.ID))
				}
				if i.Time().Before(begin.Add(-time.Millisecond)) || i.Time().After(time.Now().Add(time.Millisecond)) {
					t.Errorf("%s is of %s, want now", i, i.Time())
				}
			}
		})
	}
	wg.Wait()
	if len(seen) != 4*each {
		t.Errorf("%d ids, want %d", len(seen), 4*each)
	}
}
