package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/burbn/burbn/services/store"
)

func (a *api) pushRoutes(d *document) {
	add(d, operation{method: post, path: "/v1/devices", id: "registerDevice", summary: "Register a phone for pushes, from now on to this account alone",
		who: signedIn, status: 204}, a.registerDevice)
	add(d, operation{method: remove, path: "/v1/devices/{token}", id: "forgetDevice", summary: "Forget a phone",
		who: signedIn, status: 204}, a.forgetDevice)
	add(d, operation{method: get, path: "/v1/me/notifications", id: "notifications", summary: "What one's phones ring for",
		who: signedIn, status: 200}, a.notifications)
	add(d, operation{method: put, path: "/v1/me/notifications", id: "setNotifications", summary: "Say what one's phones ring for",
		who: signedIn, status: 200}, a.setNotifications)
}

// A device token is what Apple gives an app: hexadecimal, of no promised length.
type registerDeviceIn struct {
	Body struct {
		Token string `json:"token" pattern:"^([0-9a-fA-F]{2}){32,100}$" patternDescription:"a device token of APNs: 64 to 200 hexadecimal digits"`
	}
}

func (a *api) registerDevice(ctx context.Context, in *registerDeviceIn) (*nothing, error) {
	return nil, a.store.RegisterDevice(ctx, viewer(ctx), strings.ToLower(in.Body.Token))
}

type forgetDeviceIn struct {
	Token string `path:"token" pattern:"^([0-9a-fA-F]{2}){32,100}$" patternDescription:"a device token of APNs: 64 to 200 hexadecimal digits" doc:"Of the phone."`
}

func (a *api) forgetDevice(ctx context.Context, in *forgetDeviceIn) (*nothing, error) {
	return nil, a.store.ForgetDevice(ctx, viewer(ctx), strings.ToLower(in.Token), time.Time{})
}

// Notifications are what an account's phones ring for.
type Notifications struct {
	Like     bool `json:"like" doc:"Somebody liked a photo of yours."`
	Comment  bool `json:"comment" doc:"Somebody commented on a photo of yours."`
	Follow   bool `json:"follow" doc:"Somebody followed you."`
	Request  bool `json:"request" doc:"Somebody asked to follow you."`
	Approval bool `json:"approval" doc:"Somebody let you follow them."`
	Mention  bool `json:"mention" doc:"Somebody mentioned you in a caption or in a comment."`
}

// of is the field of a kind of activity.
func (n *Notifications) of(kind string) *bool {
	return map[string]*bool{
		"like": &n.Like, "comment": &n.Comment, "follow": &n.Follow,
		"request": &n.Request, "approval": &n.Approval, "mention": &n.Mention,
	}[kind]
}

func (a *api) notifications(ctx context.Context, _ *nothing) (*body[Notifications], error) {
	muted, err := a.store.MutedPushes(ctx, viewer(ctx))
	if err != nil {
		return nil, err
	}
	out := &body[Notifications]{}
	for _, kind := range store.Kinds {
		*out.Body.of(kind) = !slices.Contains(muted, kind)
	}
	return out, nil
}

func (a *api) setNotifications(ctx context.Context, in *body[Notifications]) (*body[Notifications], error) {
	var muted []string
	for _, kind := range store.Kinds {
		if !*in.Body.of(kind) {
			muted = append(muted, kind)
		}
	}
	return in, a.store.MutePushes(ctx, viewer(ctx), muted)
}
