package store_test

import (
	"slices"
	"testing"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// TestSuggestions: one follows 1 and 2 of people, who follow others.
func TestSuggestions(t *testing.T) {
	s, ctx := databases.Store(t), t.Context()
	people := make([]id.ID, 8)
	for i := range people {
		people[i] = databases.User(t).ID
	}
	for _, edge := range [][2]int{
		{0, 1}, {0, 2},
		{1, 3}, {1, 4}, {1, 0}, {1, 2}, // 2 is followed already, 0 is oneself
		{2, 4}, {2, 5},
		{6, 0},
		{3, 7},
	} {
		actor, target := people[edge[0]], people[edge[1]]
		if _, err := s.Follow(ctx, actor, target); err != nil {
			t.Fatal(err)
		}
		if err := s.SyncFollow(ctx, actor, target); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.RequestFollow(ctx, people[2], people[7]); err != nil { // no follow
		t.Fatal(err)
	}
	want := []store.Suggestion{{User: people[4], Mutuals: 2}, {User: people[3], Mutuals: 1}, {User: people[5], Mutuals: 1}, {User: people[6]}}
	slices.SortFunc(want[1:3], func(a, b store.Suggestion) int { return int(a.User - b.User) })
	for _, limit := range []int{9, 2} {
		got, err := s.Suggestions(ctx, people[0], limit)
		if err != nil || !slices.Equal(got, want[:min(limit, len(want))]) {
			t.Errorf("at most %d: %v, %v, want %v", limit, got, err, want)
		}
	}
	if got, err := s.Suggestions(ctx, people[7], 9); err != nil || !slices.Equal(got, []store.Suggestion{{User: people[3]}}) {
		t.Errorf("for one who follows nobody: %v, %v", got, err)
	}
}
