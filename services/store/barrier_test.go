package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func TestBarriers(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	a, b := databases.User(t), databases.User(t)
	type barriers struct{ blocks, mutes bool }
	for _, step := range []struct {
		name    string
		do      func(ctx context.Context, actor, target id.ID) (bool, error)
		changed bool
		a, b    barriers
	}{
		{"unblock first", s.Unblock, false, barriers{}, barriers{}},
		{"mute", s.Mute, true, barriers{mutes: true}, barriers{}},
		{"mute again", s.Mute, false, barriers{mutes: true}, barriers{}},
		{"block", s.Block, true, barriers{true, true}, barriers{blocks: true}},
		{"block again", s.Block, false, barriers{true, true}, barriers{blocks: true}},
		{"unmute", s.Unmute, true, barriers{blocks: true}, barriers{blocks: true}},
		{"unmute again", s.Unmute, false, barriers{blocks: true}, barriers{blocks: true}},
		{"unblock", s.Unblock, true, barriers{}, barriers{}},
		{"unblock again", s.Unblock, false, barriers{}, barriers{}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if changed, err := step.do(ctx, a.ID, b.ID); err != nil || changed != step.changed {
				t.Errorf("changed = %v, %v, want %v", changed, err, step.changed)
			}
			if err := s.SyncBlock(ctx, a.ID, b.ID); err != nil {
				t.Error(err)
			}
			found, err := s.Barriers(ctx, []id.ID{a.ID, b.ID})
			if err != nil {
				t.Fatal(err)
			}
			for _, side := range []struct {
				user, other store.User
				want        barriers
			}{{a, b, step.a}, {b, a, step.b}} {
				got := found[side.user.ID]
				if slices.Contains(got.Blocks, side.other.ID) != side.want.blocks || slices.Contains(got.Mutes, side.other.ID) != side.want.mutes {
					t.Errorf("barriers of %s are %v, want %+v", side.user.Name, got, side.want)
				}
			}
		})
	}
}

// TestBlockSevers: a block ends who follows whom and who asks to, on the actor's shard at
// once, and for good.
func TestBlockSevers(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	for _, tt := range []struct {
		name           string
		private        bool // the one who blocks
		follow, synced bool // by the one who is blocked, told to the other side
	}{
		{"of a follower", false, true, true},
		{"of one who asks", true, true, true},
		{"of one whose follow is on its way", false, true, false},
		{"of a stranger", false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := databases.User(t), databases.User(t)
			setPrivate(t, a, tt.private)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.Follow(ctx, a.ID, b.ID)
			must(err)
			must(s.SyncFollow(ctx, a.ID, b.ID))
			if tt.follow {
				_, err := s.Follow(ctx, b.ID, a.ID)
				must(err)
			}
			if tt.synced {
				must(s.SyncFollow(ctx, b.ID, a.ID))
			}
			_, err = s.Block(ctx, a.ID, b.ID)
			must(err)
			if u, err := s.User(ctx, a.ID); err != nil || u.FollowerCount != 0 || u.FollowingCount != 0 {
				t.Errorf("%+v, %v", u, err)
			}
			for _, order := range []struct {
				kind, args string
				want       int
			}{
				{"sync_block", fmt.Sprintf(`{"actor": "%s", "target": "%s"}`, a.ID, b.ID), 1},
				{"sync_follow", fmt.Sprintf(`{"actor": "%s", "target": "%s"}`, a.ID, b.ID), 2}, // one of the follow
				{"end_follow", fmt.Sprintf(`{"actor": "%s", "target": "%s"}`, b.ID, a.ID), map[bool]int{true: 1}[tt.synced]},
			} {
				if n := tasks(t, a.ID, order.kind, order.args); n != order.want {
					t.Errorf("%d tasks of kind %s, want %d", n, order.kind, order.want)
				}
			}
			must(s.SyncFollow(ctx, a.ID, b.ID))
			must(s.SyncFollow(ctx, b.ID, a.ID)) // what a late task finds
			must(s.SyncBlock(ctx, a.ID, b.ID))
			for _, follow := range []func(context.Context, id.ID, id.ID) (bool, error){s.Follow, s.RequestFollow} {
				_, err = follow(ctx, b.ID, a.ID)
				expect(t, err, store.ErrNotFound)
				_, err = follow(ctx, a.ID, b.ID)
				expect(t, err, store.ErrNotFound)
			}
			_, err = s.Unblock(ctx, a.ID, b.ID)
			must(err)
			must(s.SyncBlock(ctx, a.ID, b.ID))
			for _, u := range [][2]store.User{{a, b}, {b, a}} {
				r, err := s.Relationships(ctx, u[0].ID, []id.ID{u[1].ID})
				must(err)
				if want := (store.Relationship{Following: store.FollowNo, FollowedBy: store.FollowNo}); r[u[1].ID] != want {
					t.Errorf("after all it is %+v", r[u[1].ID])
				}
			}
		})
	}
}

func TestTooManyBarriers(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	a, last, other := databases.User(t), databases.User(t), databases.User(t)
	for kind, do := range map[string]func(context.Context, id.ID, id.ID) (bool, error){"block": s.Block, "mute": s.Mute} {
		value[int](t, a.ID, `
			WITH b AS (INSERT INTO shard.barriers (user_id, kind, other_id) SELECT $1, $2, generate_series(1, 1999) RETURNING 1)
			SELECT count(*) FROM b`, a.ID, kind)
		for range 2 { // the second time it is there
			if _, err := do(ctx, a.ID, last.ID); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.Follow(ctx, a.ID, other.ID); err != nil {
			t.Fatal(err)
		}
		changed, err := do(ctx, a.ID, other.ID)
		if expect(t, err, store.ErrTooManyBarriers); changed {
			t.Error("changed all the same")
		}
		if follows, err := s.Follows(ctx, a.ID, other.ID); err != nil || !follows {
			t.Errorf("a block that was refused ended a follow: %v, %v", follows, err)
		}
	}
}

func TestCircle(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	user := databases.User(t)
	var others []id.ID
	for range 5 {
		others = append(others, databases.User(t).ID)
	}
	slices.Sort(others)
	for _, o := range others {
		_, err := s.Mute(ctx, user.ID, o)
		expect(t, err, nil)
	}
	_, err := s.Block(ctx, user.ID, others[2])
	expect(t, err, nil)
	var got []id.ID
	var before id.ID
	for range 3 {
		page, err := s.Circle(ctx, store.Muted, user.ID, before, 2)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
		before = page[len(page)-1]
	}
	slices.Reverse(got)
	if !slices.Equal(got, others) {
		t.Errorf("muted are %v, want %v", got, others)
	}
	if got, err := s.Circle(ctx, store.Blocked, user.ID, 0, 9); err != nil || !slices.Equal(got, others[2:3]) {
		t.Errorf("blocked are %v, %v", got, err)
	}
	if got, err := s.Circle(ctx, store.Blocked, others[2], 0, 9); err != nil || len(got) != 0 {
		t.Errorf("who is blocked blocks %v, %v", got, err)
	}
}
