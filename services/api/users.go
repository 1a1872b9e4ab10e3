package main

import (
	"context"
	"slices"
	"strings"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func (a *api) graphRoutes(d *document) {
	noUser := notFound("user")
	add(d, operation{method: get, path: "/v1/users/{id}", id: "getUser", summary: "A user",
		who: signedIn, status: 200, problems: []problem{noUser}}, a.getUser)
	add(d, operation{method: get, path: "/v1/users/by-name/{name}", id: "getUserByName", summary: "The user of a name, in whatever case",
		who: signedIn, status: 200, problems: []problem{noUser}}, a.getUserByName)
	add(d, operation{method: get, path: "/v1/relationships", id: "listRelationships", summary: "How you stand to several users",
		who: signedIn, status: 200}, a.listRelationships)
	add(d, operation{method: get, path: "/v1/suggestions", id: "listSuggestions", summary: "Whom you may want to follow",
		who: signedIn, status: 200}, a.listSuggestions)
	a.followRoutes(d)
	a.barrierRoutes(d)
}

func (a *api) getUser(ctx context.Context, in *ByID) (*body[Profile], error) {
	return a.profile(ctx, in.ID.ID())
}

type byName struct {
	Name string `path:"name" maxLength:"200" doc:"Of a user, in whatever case."`
}

func (a *api) getUserByName(ctx context.Context, in *byName) (*body[Profile], error) {
	if !name.MatchString(in.Name) {
		return nil, notFound("user")
	}
	switch user, ok, err := a.names.Get(ctx, strings.ToLower(in.Name)); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, notFound("user")
	default:
		return a.profile(ctx, user)
	}
}

// profile answers what who asks may know of user.
func (a *api) profile(ctx context.Context, user id.ID) (*body[Profile], error) {
	_, u, err := a.known(ctx, user)
	if err != nil {
		return nil, err
	}
	found, err := a.store.Relationships(ctx, viewer(ctx), []id.ID{user})
	if err != nil {
		return nil, err
	}
	return &body[Profile]{a.profileOf(u, related(u.ID, found[u.ID]))}, nil
}

// user reads a user through the cache; there must be one.
func (a *api) user(ctx context.Context, user id.ID) (store.User, error) {
	u, ok, err := a.users.Get(ctx, user)
	if err == nil && !ok {
		err = notFound("user")
	}
	return u, err
}

// relationship answers how who asks stands to somebody.
func (a *api) relationship(ctx context.Context, other id.ID) (*body[Relationship], error) {
	found, err := a.store.Relationships(ctx, viewer(ctx), []id.ID{other})
	if err != nil {
		return nil, err
	}
	return &body[Relationship]{related(other, found[other])}, nil
}

func related(other id.ID, r store.Relationship) Relationship {
	return Relationship{User: other, Following: r.Following, FollowedBy: r.FollowedBy, Blocking: r.Blocking, Muting: r.Muting}
}

type relationshipsTo struct {
	IDs []idText `query:"ids" required:"true" nullable:"false" minItems:"1" maxItems:"50" doc:"Of users, with commas between them."`
}

// Relationships is how you stand to several users.
type Relationships struct {
	Items []Relationship `json:"items" nullable:"false" doc:"In the order of ids; those of whom you may not know are left out."`
}

// listRelationships shows also those whom the viewer blocks, because that is theirs to
// know.
func (a *api) listRelationships(ctx context.Context, in *relationshipsTo) (*body[Relationships], error) {
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	var ids []id.ID
	for _, text := range in.IDs {
		if i := text.ID(); !slices.Contains(ids, i) {
			ids = append(ids, i)
		}
	}
	users, err := a.users.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	found, err := a.store.Relationships(ctx, v.ID, ids)
	if err != nil {
		return nil, err
	}
	out := &body[Relationships]{Relationships{Items: []Relationship{}}}
	for _, i := range ids {
		if u, ok := users[i]; ok && (v.Knows(u) || found[i].Blocking) {
			out.Body.Items = append(out.Body.Items, related(i, found[i]))
		}
	}
	return out, nil
}

// circle is a page of those of a circle of user whom v knows.
func (a *api) circle(ctx context.Context, v audience.Viewer, c store.Circle, user id.ID, in PageOf) (*listed[Person], error) {
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	// One more than asked for tells whether there is a next page.
	ids, err := a.store.Circle(ctx, c, user, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	ids, next := more(ids, in.Limit, func(i id.ID) id.ID { return i })
	people, err := a.people(ctx, v, ids)
	if err != nil {
		return nil, err
	}
	return page(ctx, people, next), nil
}
