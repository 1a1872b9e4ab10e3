package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
)

const (
	// suggestSample is how many of those whom somebody follows are asked whom they follow.
	suggestSample = 50
	// suggestEach is how many of their follows each is asked for.
	suggestEach = 200
)

// A Suggestion is somebody whom a user may want to follow.
type Suggestion struct {
	User    id.ID `json:"u"`
	Mutuals int   `json:"n,omitzero"` // of the sample, who follow them
}

// Suggestions are at most limit of those whom user does not follow: first whom those
// follow whom they follow, the most often followed first, then who follows them. What it
// costs is bounded, however many they and those follow: it asks a sample of them, by
// one round trip to each database. Who may know whom is for the caller to ask.
func (s *Store) Suggestions(ctx context.Context, user id.ID, limit int) ([]Suggestion, error) {
	followed, err := s.Following(ctx, user)
	if err != nil {
		return nil, err
	}
	passed := map[id.ID]bool{user: true}
	for _, i := range followed {
		passed[i] = true
	}
	rand.Shuffle(len(followed), func(i, j int) { followed[i], followed[j] = followed[j], followed[i] })
	mutuals := map[id.ID]int{}
	err = s.byShard(ctx, followed[:min(suggestSample, len(followed))], func(r pgx.Row) error {
		var other id.ID
		var n int
		err := r.Scan(&other, &n)
		if !passed[other] {
			mutuals[other] += n
		}
		return err
	}, `
		SELECT theirs.target_id, count(*) FROM unnest($1::bigint[]) followed (id), LATERAL (
			SELECT target_id FROM shard.following WHERE user_id = followed.id AND NOT requested
			ORDER BY target_id DESC LIMIT $2
		) theirs
		GROUP BY theirs.target_id`, suggestEach)
	if err != nil {
		return nil, fmt.Errorf("read suggestions for user %s: %w", user, err)
	}
	out := make([]Suggestion, 0, len(mutuals))
	for _, i := range slices.SortedFunc(maps.Keys(mutuals), func(a, b id.ID) int {
		return cmp.Or(cmp.Compare(mutuals[b], mutuals[a]), cmp.Compare(a, b))
	}) {
		out = append(out, Suggestion{i, mutuals[i]})
		passed[i] = true
	}
	if len(out) < limit {
		followers, err := s.Circle(ctx, Followers, user, 0, limit)
		if err != nil {
			return nil, err
		}
		for _, i := range followers {
			if !passed[i] {
				out = append(out, Suggestion{User: i})
			}
		}
	}
	return out[:min(limit, len(out))], nil
}
