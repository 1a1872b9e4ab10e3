package main

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

const (
	// candidates is how many are kept for a user, of whom some may fall away when read.
	candidates = 100
	// suggestionsTTL is how long.
	suggestionsTTL = 10 * time.Minute
	// popular is the sorted set in Redis of those with the most followers, as it was when
	// they were followed last. It may be lost: follows bring it back.
	popular     = "popular"
	popularSize = 200
)

// Suggestion is somebody whom you may want to follow.
type Suggestion struct {
	Person
	Mutuals int `json:"mutuals" doc:"How many of those whom you follow follow them, of a sample of 50."`
}

type suggestionsFor struct {
	Limit int `query:"limit" minimum:"1" maximum:"50" default:"20" doc:"At most so many."`
}

// Suggestions are people whom you may want to follow.
type Suggestions struct {
	Items []Suggestion `json:"items" nullable:"false" doc:"Best first. They change every ten minutes."`
}

func (a *api) listSuggestions(ctx context.Context, in *suggestionsFor) (*body[Suggestions], error) {
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	found, _, err := a.suggestions.Get(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	var ids []id.ID
	mutuals := map[id.ID]int{}
	for _, s := range found {
		ids = append(ids, s.User)
		mutuals[s.User] = s.Mutuals
	}
	if len(ids) < in.Limit {
		for _, i := range a.followedByMany(ctx) {
			if _, ok := mutuals[i]; !ok && i != v.ID {
				ids = append(ids, i)
			}
		}
	}
	// Whom they have followed since, or asked to.
	relationships, err := a.store.Relationships(ctx, v.ID, ids)
	if err != nil {
		return nil, err
	}
	people, err := a.people(ctx, v, ids)
	if err != nil {
		return nil, err
	}
	out := &body[Suggestions]{Suggestions{Items: []Suggestion{}}}
	for _, p := range people {
		if len(out.Body.Items) < in.Limit && relationships[p.ID].Following == store.FollowNo && !v.Mutes(p.ID) {
			out.Body.Items = append(out.Body.Items, Suggestion{p, mutuals[p.ID]})
		}
	}
	return out, nil
}

func (a *api) loadSuggestions(ctx context.Context, users []id.ID) (map[id.ID][]store.Suggestion, error) {
	found := make(map[id.ID][]store.Suggestion, len(users))
	for _, u := range users { // of a request one
		var err error
		if found[u], err = a.store.Suggestions(ctx, u, candidates); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// followedByMany are those with the most followers; nobody while Redis is away.
func (a *api) followedByMany(ctx context.Context) []id.ID {
	members, err := a.redis.ZRangeArgs(ctx, redis.ZRangeArgs{Key: popular, Start: 0, Stop: candidates - 1, Rev: true}).Result()
	if err != nil {
		a.log.WarnContext(ctx, "read who is popular", "error", err)
	}
	ids := make([]id.ID, 0, len(members))
	for _, m := range members {
		if i, err := id.Parse(m); err == nil {
			ids = append(ids, i)
		}
	}
	return ids
}

// becomesPopular notes that somebody has one more follower.
func (a *api) becomesPopular(ctx context.Context, u store.User) {
	if u.Private {
		return
	}
	pipe := a.redis.Pipeline()
	pipe.ZAdd(ctx, popular, redis.Z{Score: float64(u.FollowerCount + 1), Member: u.ID.String()})
	pipe.ZRemRangeByRank(ctx, popular, 0, -popularSize-1)
	if _, err := pipe.Exec(ctx); err != nil {
		a.log.WarnContext(ctx, "note who is popular", "user", u.ID, "error", err)
	}
}
