package main

import (
	"context"
	"slices"
	"strings"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// found is how many people the directory is asked for: more than a page, because some may
// not be shown to who asks.
const found = 100

// searchUsers asks one shard, and the one of the name if it is not cached. Whom who asks
// mutes is found, because they are looked for.
func (a *api) searchUsers(ctx context.Context, in *SearchFor) (*listed[Person], error) {
	terms, ok := store.TermsOf(in.Q)
	if !ok {
		return nil, invalid("q", "accepted are %d to 100 characters, of which %d letters or digits follow each other", store.MinPrefix, store.MinPrefix)
	}
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := a.store.SearchUsers(ctx, terms, found)
	if err != nil {
		return nil, err
	}
	if name.MatchString(in.Q) {
		// However many others the directory has of that word.
		user, ok, err := a.names.Get(ctx, strings.ToLower(in.Q))
		if err != nil {
			return nil, err
		}
		if ok {
			ids = append([]id.ID{user}, slices.DeleteFunc(ids, func(i id.ID) bool { return i == user })...)
		}
	}
	people, err := a.people(ctx, v, ids)
	if err != nil {
		return nil, err
	}
	people = slices.DeleteFunc(people, func(p Person) bool { return !terms.Match(p.Name, p.FullName) })
	return page(ctx, people[:min(in.Limit, len(people))], ""), nil
}
