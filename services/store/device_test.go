package store_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
)

func checkDevices(t *testing.T, user store.User, want ...string) {
	t.Helper()
	if got, err := databases.Store(t).Devices(t.Context(), user.ID); err != nil || !slices.Equal(got, want) {
		t.Errorf("Devices = %v, %v, want %v", got, err, want)
	}
}

// disown does what the tasks say that take the device from users.
func disown(t *testing.T, token string) {
	t.Helper()
	for _, d := range databases.Direct(t) {
		rows, err := databases.Owner(t, d.Name).Query(t.Context(), `SELECT args FROM river.river_job WHERE kind = 'disown_device' AND args->>'token' = $1`, token)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var args []byte
			var task queue.DisownDevice
			if err := rows.Scan(&args); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(args, &task); err != nil {
				t.Fatal(err)
			}
			if err := databases.Store(t).ForgetDevice(t.Context(), task.User, task.Token, task.Since); err != nil {
				t.Fatal(err)
			}
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
	}
}

func owners(t *testing.T, token string) int64 {
	t.Helper()
	m := databases.Stores(t).Shards
	return value[int64](t, id.Make(time.Now(), uint16(m.ForName(token)), 0), `SELECT count(*) FROM shard.device_owners WHERE token = $1`, token)
}

func TestDevices(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	var tokens []string // latest first
	for i := range 12 {
		token := strings.Repeat(string(rune('a'+i)), 64)
		for range 2 { // again: the same device
			if err := s.RegisterDevice(t.Context(), user.ID, token); err != nil {
				t.Fatal(err)
			}
		}
		tokens = append([]string{token}, tokens...)
	}
	checkDevices(t, user, tokens[:10]...)
	for _, beyond := range tokens {
		disown(t, beyond)
	}
	if n := value[int](t, user.ID, `SELECT count(*) FROM shard.devices WHERE user_id = $1`, user.ID); n != 10 {
		t.Errorf("%d rows, want 10", n)
	}
	for n, token := range tokens {
		want := int64(1)
		if n >= 10 {
			want = 0
		}
		if got := owners(t, token); got != want {
			t.Errorf("device %d has %d owners, want %d", n, got, want)
		}
	}
	for range 2 {
		if err := s.ForgetDevice(t.Context(), user.ID, tokens[3], time.Time{}); err != nil {
			t.Fatal(err)
		}
		checkDevices(t, user, append(tokens[:3:3], tokens[4:10]...)...)
		if n := owners(t, tokens[3]); n != 0 {
			t.Errorf("a forgotten device has %d owners", n)
		}
	}
}

// A phone that changes hands rings for who registered it last.
func TestDeviceChangesHands(t *testing.T) {
	s := databases.Store(t)
	first, second := databases.User(t), databases.User(t)
	token := strings.Repeat("z", 64)
	register := func(u store.User) {
		t.Helper()
		if err := s.RegisterDevice(t.Context(), u.ID, token); err != nil {
			t.Fatal(err)
		}
	}
	register(first)
	register(second)
	disown(t, token)
	checkDevices(t, first)
	checkDevices(t, second, token)

	register(first) // and back, before the tasks of before are done again
	disown(t, token)
	checkDevices(t, first, token)
	checkDevices(t, second)
	if n := owners(t, token); n != 1 {
		t.Errorf("the device has %d owners", n)
	}
}

func TestDeviceOfManyAtOnce(t *testing.T) {
	s := databases.Store(t)
	token := strings.Repeat("y", 64)
	var users []store.User
	var wg sync.WaitGroup
	for range 8 {
		u := databases.User(t)
		users = append(users, u)
		wg.Go(func() {
			if err := s.RegisterDevice(t.Context(), u.ID, token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	disown(t, token)
	rings := 0
	for _, u := range users {
		tokens, err := s.Devices(t.Context(), u.ID)
		if err != nil {
			t.Fatal(err)
		}
		rings += len(tokens)
	}
	if rings != 1 {
		t.Errorf("the device rings for %d of them", rings)
	}
}

// What is registered since stays.
func TestForgetDeviceSince(t *testing.T) {
	s := databases.Store(t)
	user := databases.User(t)
	token := strings.Repeat("x", 64)
	if err := s.RegisterDevice(t.Context(), user.ID, token); err != nil {
		t.Fatal(err)
	}
	if err := s.ForgetDevice(t.Context(), user.ID, token, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	checkDevices(t, user, token)
	if err := s.ForgetDevice(t.Context(), user.ID, token, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	checkDevices(t, user)
}
