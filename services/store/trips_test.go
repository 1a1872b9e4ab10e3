package store_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

// TestRoundTrips counts what every operation asks of the databases, so that none
// grows slower unnoticed.
func TestRoundTrips(t *testing.T) {
	stores := databases.Stores(t)
	var asked atomic.Int64
	stores.Pooler = count(t, stores.Pooler, &asked)
	stores.ConnectionsPerDatabase = 1 // all are open once each has been asked
	s, err := store.Open(t.Context(), stores, storetest.AppPassword)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	owner, user := databases.User(t), databases.User(t)
	for onDatabase(t, user.ID) == onDatabase(t, owner.ID) {
		user = databases.User(t)
	}
	both := []id.ID{owner.ID, user.ID}
	upload, unready, ready := makeUpload(t, owner), publish(t, owner), post(t, owner)
	ctx := t.Context()
	var session store.Session
	for _, op := range []struct {
		name string
		want int64
		do   func() error
	}{
		{"CreateUser", 1, func() error {
			_, err := s.CreateUser(ctx, store.NewUser{Name: databases.Name()})
			return err
		}},
		{"PasswordHash", 1, func() error { _, _, err := s.PasswordHash(ctx, user.Name); return err }},
		{"UserByName", 1, func() error { _, err := s.UserByName(ctx, user.Name); return err }},
		{"Users", 2, func() error { _, err := s.Users(ctx, both); return err }}, // one for each database, at once
		{"CreateSession", 1, func() (err error) {
			session, err = s.CreateSession(ctx, user.ID, time.Now().Add(time.Hour))
			return err
		}},
		{"Session", 1, func() error { _, err := s.Session(ctx, session.ID); return err }},
		{"EndSession", 1, func() error { return s.EndSession(ctx, session.ID) }},
		{"Follow", 1, func() error { _, err := s.Follow(ctx, user.ID, owner.ID); return err }},
		{"SyncFollow", 3, func() error { return s.SyncFollow(ctx, user.ID, owner.ID) }},
		{"Unfollow", 1, func() error { _, err := s.Unfollow(ctx, user.ID, owner.ID); return err }},
		{"CreateUpload", 1, func() error {
			_, err := s.CreateUpload(ctx, user.ID, "image/jpeg", 1, time.Now())
			return err
		}},
		{"Publish", 1, func() error { _, err := s.Publish(ctx, owner.ID, upload.ID, ""); return err }},
		{"MarkReady", 1, func() error { _, err := s.MarkReady(ctx, unready.ID, 1, 1); return err }},
		{"FanOutNext", 5, func() error { return s.FanOutNext(ctx, queue.FanOut{Media: ready.ID, After: 1}) }},
		{"Media", 1, func() error { _, err := s.Media(ctx, ready.ID); return err }},
		{"MediaMany", 1, func() error { _, err := s.MediaMany(ctx, []id.ID{ready.ID, unready.ID}); return err }},
		{"UserMedia", 1, func() error { _, err := s.UserMedia(ctx, owner.ID, 0, 20, false); return err }},
		{"RecentMedia", 2, func() error { _, err := s.RecentMedia(ctx, both, 20); return err }},
		{"Like", 1, func() error { _, err := s.Like(ctx, ready.ID, user.ID); return err }},
		{"Unlike", 1, func() error { _, err := s.Unlike(ctx, ready.ID, user.ID); return err }},
		{"RegisterDevice", 1, func() error { return s.RegisterDevice(ctx, user.ID, "aa") }},
		{"Devices", 1, func() error { _, err := s.Devices(ctx, user.ID); return err }},
	} {
		t.Run(op.name, func(t *testing.T) {
			// A pool looks whether a connection that rested for a second is alive;
			// the second look finds it fresh.
			if err := s.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			before := asked.Load()
			if err := op.do(); err != nil {
				t.Fatal(err)
			}
			if got := asked.Load() - before; got != op.want {
				t.Errorf("%d round trips, want %d", got, op.want)
			}
		})
	}
}

// count proxies connections to a PostgreSQL address and counts the messages that
// await an answer.
func count(t *testing.T, to string, n *atomic.Int64) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				io.Copy(client, server)
				client.Close()
			}()
			go func() {
				defer server.Close()
				in := bufio.NewReader(client)
				for startup := true; ; startup = false {
					kind := byte(0)
					if !startup { // which alone has no kind
						if kind, err = in.ReadByte(); err != nil {
							return
						}
					}
					size, err := in.Peek(4)
					if err != nil {
						return
					}
					if kind == 'Q' || kind == 'S' { // Query, Sync
						n.Add(1)
					}
					message := make([]byte, binary.BigEndian.Uint32(size))
					if _, err := io.ReadFull(in, message); err != nil {
						return
					}
					if !startup {
						message = append([]byte{kind}, message...)
					}
					if _, err := server.Write(message); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
