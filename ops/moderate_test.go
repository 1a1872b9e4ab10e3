package main

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

var databases storetest.Databases

// What a moderator does is so at once, also where something else was remembered.
func TestModerate(t *testing.T) {
	redis := cachetest.NewRedis(t, 1)
	stores := databases.Stores(t)
	stores.Redis, stores.Memcached = redis.Addrs, []string{cachetest.NewMemcached(t, 1)[0].Addr}
	stores.Storage.CDN = "http://cdn.test"
	m, err := newModerator(t.Context(), stores, storetest.AppPassword, redis.Password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	author, reporter := databases.User(t), databases.User(t)
	up, err := m.store.CreateUpload(t.Context(), author.ID, "image/jpeg", 1, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	photo, err := m.store.Publish(t.Context(), author.ID, up.ID, store.NewMedia{Caption: "buy \x1b[31mwatches"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.store.MarkReady(t.Context(), photo.ID, 1080, 810, ""); err != nil {
		t.Fatal(err)
	}
	subject := store.Subject{Kind: "media", ID: photo.ID}
	if _, err := m.store.Report(t.Context(), store.Report{Subject: subject, User: author.ID, Reporter: reporter.ID, Reason: "spam", Note: "again"}); err != nil {
		t.Fatal(err)
	}
	seen := cache.Table[id.ID, store.Media]{
		Cache: cache.Open(stores.Memcached, prometheus.NewRegistry()), Name: cache.Media, TTL: time.Minute, Load: m.store.MediaMany,
	}
	hidden := func() bool {
		t.Helper()
		v, _, err := seen.Get(t.Context(), photo.ID)
		if err != nil {
			t.Fatal(err)
		}
		return v.Hidden
	}
	sessions := session.New(session.Keys{}, m.redis, m.store, time.Hour)
	_, token, err := sessions.Begin(t.Context(), author.ID, "", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	says := func(want ...string) {
		t.Helper()
		var b bytes.Buffer
		if err := m.queue(t.Context(), &b, 10); err != nil {
			t.Fatal(err)
		}
		if err := m.show(t.Context(), &b, subject); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("there is no %q in\n%s", w, b.String())
			}
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Error("a caption draws on the terminal")
		}
	}
	act := func(name string, of store.Subject, want string) {
		t.Helper()
		var b bytes.Buffer
		if err := m.act(t.Context(), &b, store.Audit{Operator: "maya", Act: name, Subject: of, Reason: "rule 3"}); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(b.String()); got != of.String()+" "+want {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
	}
	says("spam", author.Name, `"again"`, "watches", "http://cdn.test/")
	if hidden() {
		t.Error("the photo is hidden already")
	}
	act("takedown", subject, "takedown: done; 1 reports closed")
	if !hidden() {
		t.Error("memcached has the photo as it was")
	}
	act("takedown", subject, "takedown: was so already; 0 reports closed")
	says("taken down", "maya", "rule 3")
	act("suspend", store.Subject{Kind: "user", ID: author.ID}, "suspend: done; 0 reports closed")
	if err := sessions.Check(t.Context(), token); err == nil {
		t.Error("a suspended user is still logged in")
	}
	err = m.act(t.Context(), &bytes.Buffer{}, store.Audit{Operator: "maya", Act: "takedown", Subject: store.Subject{Kind: "media", ID: 1}, Reason: "x"})
	if err == nil || !strings.Contains(err.Error(), "no such media") {
		t.Errorf("take down what is not there: %v", err)
	}
}
