package main

import (
	"context"
	"slices"
	"strings"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/store"
)

// Tag is a tag of captions.
type Tag struct {
	Name       string `json:"name" doc:"In lower case, without #."`
	MediaCount int64  `json:"mediaCount" doc:"How many photos have it, of those that anybody may see."`
}

// ByTag is the input of an operation on a tag.
type ByTag struct {
	Tag string `path:"tag" maxLength:"400" doc:"Without #, in whatever case. At most 100 characters."`
}

func (in ByTag) name() (string, error) {
	tag, ok := media.FoldTag(in.Tag)
	if !ok {
		return "", invalid("tag", "accepted are 1 to 100 letters, digits and underscores, of which one is no digit")
	}
	return tag, nil
}

func (a *api) getTag(ctx context.Context, in *ByTag) (*body[Tag], error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	counts, err := a.store.TagCounts(ctx, name)
	if err != nil {
		return nil, err
	}
	return &body[Tag]{tag(counts[0])}, nil
}

func tag(c store.TagCount) Tag { return Tag{Name: c.Tag, MediaCount: c.Media} }

type listTagMediaIn struct {
	ByTag
	PageOf
}

func (a *api) listTagMedia(ctx context.Context, in *listTagMediaIn) (*listed[Photo], error) {
	name, err := in.name()
	if err != nil {
		return nil, err
	}
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	ids, err := a.store.TagMedia(ctx, name, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	ids, next := more(ids, in.Limit, func(i id.ID) id.ID { return i })
	photos, err := a.discovered(ctx, ids, func(p Photo) bool { return slices.Contains(p.Tags, name) })
	if err != nil {
		return nil, err
	}
	return page(ctx, photos, next), nil
}

// SearchFor is the input of a search.
type SearchFor struct {
	Q     string `query:"q" required:"true" minLength:"2" maxLength:"100" doc:"How it begins, in whatever case."`
	Limit int    `query:"limit" minimum:"1" maximum:"50" default:"20" doc:"At most so many."`
}

func (a *api) searchTags(ctx context.Context, in *SearchFor) (*listed[Tag], error) {
	// What begins a tag need not be one: all of it may be digits.
	prefix, _ := media.FoldTag(strings.TrimPrefix(in.Q, "#"))
	if len([]rune(prefix)) < store.MinPrefix {
		return nil, invalid("q", "accepted are %d to 100 letters, digits and underscores", store.MinPrefix)
	}
	counts, err := a.store.SearchTags(ctx, prefix, in.Limit)
	if err != nil {
		return nil, err
	}
	tags := make([]Tag, len(counts))
	for n, c := range counts {
		tags[n] = tag(c)
	}
	return page(ctx, tags, ""), nil
}
