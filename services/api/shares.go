package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

var notLinked = problem{Status: http.StatusConflict, Code: "not_linked", Field: "shareTo",
	Detail: "You have linked no account at that service: PUT /v1/me/links/{service} first."}

// Link is an account at another service, to which photos can be shared.
type Link struct {
	Service  store.Service `json:"service" enum:"facebook,twitter"`
	Account  string        `json:"account" doc:"What you know it by there."`
	LinkedAt time.Time     `json:"linkedAt"`
}

// Share is what became of sharing a photo.
type Share struct {
	Service   store.Service    `json:"service" enum:"facebook,twitter"`
	State     store.ShareState `json:"state" enum:"waiting,posting,shared,failed"`
	Reason    string           `json:"reason,omitempty" doc:"Why it failed: photo_failed, not_linked, token_refused (link the account again), not_permitted, refused, taken_down, unavailable, unconfirmed (look there whether it was posted)."`
	URL       string           `json:"url,omitempty" format:"uri" doc:"Of the post there."`
	ChangedAt time.Time        `json:"changedAt"`
}

// OfService is the input of an operation on one's account at a service.
type OfService struct {
	Service store.Service `path:"service" enum:"facebook,twitter" doc:"Which one."`
}

// linked says which of the services user has no account at, if so.
func (a *api) linked(ctx context.Context, user id.ID, services []store.Service) error {
	if len(services) == 0 {
		return nil
	}
	links, err := a.store.Links(ctx, user)
	if err != nil {
		return err
	}
	for _, s := range services {
		if !slices.ContainsFunc(links, func(l store.Link) bool { return l.Service == s }) {
			return notLinked
		}
	}
	return nil
}

func (a *api) listLinks(ctx context.Context, _ *nothing) (*listed[Link], error) {
	links, err := a.store.Links(ctx, viewer(ctx))
	if err != nil {
		return nil, err
	}
	var out []Link
	for _, l := range links {
		out = append(out, Link{l.Service, l.Account, l.CreatedAt})
	}
	return page(ctx, out, ""), nil
}

type setLinkIn struct {
	OfService
	Body struct {
		Token   string `json:"token" minLength:"1" maxLength:"4096" doc:"The access token that the service has given the app, and that may post. Nobody gets it back."`
		Account string `json:"account" minLength:"1" maxLength:"100" doc:"What you know the account by there."`
	}
}

// setLink believes the token: whether it may post shows when a photo is shared.
func (a *api) setLink(ctx context.Context, in *setLinkIn) (*body[Link], error) {
	if err := text("account", in.Body.Account, 1, 100); err != nil {
		return nil, err
	}
	if strings.ContainsFunc(in.Body.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, invalid("token", "accepted are visible ASCII characters")
	}
	user := viewer(ctx)
	token := a.links.Seal([]byte(in.Body.Token), in.Service.Sealed(user))
	l, err := a.store.SetLink(ctx, user, in.Service, in.Body.Account, token)
	if err != nil {
		return nil, err
	}
	return &body[Link]{Link{l.Service, l.Account, l.CreatedAt}}, nil
}

func (a *api) deleteLink(ctx context.Context, in *OfService) (*nothing, error) {
	return nil, a.store.DeleteLink(ctx, viewer(ctx), in.Service)
}

func (a *api) listShares(ctx context.Context, in *ByID) (*listed[Share], error) {
	m, _, err := a.seen(ctx, in.ID.ID())
	if err == nil && m.User != viewer(ctx) {
		err = notFound("media") // where it was shared to is its author's to know
	}
	if err != nil {
		return nil, err
	}
	shares, err := a.store.Shares(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	var out []Share
	for _, s := range shares {
		out = append(out, Share(s))
	}
	return page(ctx, out, ""), nil
}
