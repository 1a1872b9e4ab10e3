package audience_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

var databases storetest.Databases

func TestMain(m *testing.M) { os.Exit(databases.Run(m)) }

// pair is how a viewer and somebody else can stand to each other, also where one of the
// things ought to have ended another.
type pair struct {
	state             store.UserState
	private           bool
	follow            store.FollowState
	blocking, blocked bool
	muting            bool
}

// pairs are all.
func pairs() (all []pair) {
	no := []bool{false, true}
	for _, state := range []store.UserState{store.Active, store.Deactivated, store.Suspended, store.Deleting} {
		for _, follow := range []store.FollowState{store.FollowNo, store.FollowRequested, store.FollowYes} {
			for _, private := range no {
				for _, blocking := range no {
					for _, blocked := range no {
						for _, muting := range no {
							all = append(all, pair{state, private, follow, blocking, blocked, muting})
						}
					}
				}
			}
		}
	}
	return all
}

func TestEveryPair(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	viewers := cache.Table[id.ID, store.Barriers]{Cache: cache.Open(nil, prometheus.NewRegistry()), Name: cache.Barriers, Load: s.Barriers}
	a := audience.New(s, &viewers)
	viewer := databases.User(t)
	all, authors := map[id.ID]pair{}, map[id.ID]store.User{}
	var follows, barriers []string // as rows of SQL
	for _, p := range pairs() {
		u := databases.User(t)
		u.State, u.Private = p.state, p.private // as a row says it
		all[u.ID], authors[u.ID] = p, u
		if p.follow != store.FollowNo {
			follows = append(follows, fmt.Sprintf("(%d, %d, %v)", viewer.ID, u.ID, p.follow == store.FollowRequested))
		}
		for kind, is := range map[string]bool{"block": p.blocking, "blocked": p.blocked, "mute": p.muting} {
			if is {
				barriers = append(barriers, fmt.Sprintf("(%d, '%s', %d)", viewer.ID, kind, u.ID))
			}
		}
	}
	m := s.Shards()
	schema := shard.Of(viewer.ID).Schema()
	_, err := databases.Owner(t, m.Databases[m.Database(shard.Of(viewer.ID))].Name).Exec(ctx, `
		INSERT INTO `+schema+`.following (user_id, target_id, requested) VALUES `+strings.Join(follows, ", ")+`;
		INSERT INTO `+schema+`.barriers (user_id, kind, other_id) VALUES `+strings.Join(barriers, ", "))
	if err != nil {
		t.Fatal(err)
	}
	v, err := a.Viewer(ctx, viewer.ID)
	if err != nil {
		t.Fatal(err)
	}
	viewer.State, viewer.Private = store.Suspended, true // who is always there for themself
	authors[viewer.ID] = viewer
	seen, err := a.Seen(ctx, v, authors)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range authors {
		p, other := all[i]
		knows := !other || p.state == store.Active && !p.blocking && !p.blocked
		sees := !other || knows && (!p.private || p.follow == store.FollowYes)
		if got := v.Knows(u); got != knows {
			t.Errorf("%+v: knows = %v", p, got)
		}
		if got, ok := seen[i]; ok != sees || ok && got != u {
			t.Errorf("%+v: seen is %v, %v", p, got, ok)
		}
		if got := v.Mutes(i); got != p.muting {
			t.Errorf("%+v: mutes = %v", p, got)
		}
		if !p.muting { // half of them, one by one
			if got, err := a.Sees(ctx, v, u); err != nil || got != sees {
				t.Errorf("%+v: sees = %v, %v", p, got, err)
			}
		}
	}
}

// TestBothSides: a block hides each from the other, and what one did alone stays theirs.
func TestBothSides(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	viewers := cache.Table[id.ID, store.Barriers]{Cache: cache.Open(nil, prometheus.NewRegistry()), Name: cache.Barriers, Load: s.Barriers}
	a := audience.New(s, &viewers)
	one, other := databases.User(t), databases.User(t)
	for _, step := range []struct {
		name  string
		do    func(ctx context.Context, actor, target id.ID) (bool, error)
		knows bool
		mutes bool // one the other
	}{
		{"strangers", s.Unmute, true, false},
		{"muted", s.Mute, true, true},
		{"blocked", s.Block, false, true},
		{"unblocked", s.Unblock, true, true},
		{"unmuted", s.Unmute, true, false},
	} {
		t.Run(step.name, func(t *testing.T) {
			if _, err := step.do(ctx, one.ID, other.ID); err != nil {
				t.Fatal(err)
			}
			if err := s.SyncBlock(ctx, one.ID, other.ID); err != nil {
				t.Fatal(err)
			}
			for _, side := range []struct {
				viewer, author store.User
				mutes          bool
			}{{one, other, step.mutes}, {other, one, false}} {
				v, err := a.Viewer(ctx, side.viewer.ID)
				if err != nil {
					t.Fatal(err)
				}
				if v.Knows(side.author) != step.knows || v.Mutes(side.author.ID) != side.mutes {
					t.Errorf("%s: knows = %v, mutes = %v", side.viewer.Name, v.Knows(side.author), v.Mutes(side.author.ID))
				}
			}
		})
	}
}
