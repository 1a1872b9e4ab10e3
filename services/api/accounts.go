package main

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/burbn/burbn/services/store"
)

func (a *api) accountRoutes(d *document) {
	add(d, operation{method: post, path: "/v1/users", id: "signUp", summary: "Sign up",
		who: public, status: 201, problems: []problem{nameTaken}}, a.signUp)
	add(d, operation{method: post, path: "/v1/sessions", id: "logIn", summary: "Log in",
		who: public, status: 201, problems: []problem{wrongLogIn, suspended}}, a.logIn)
	add(d, operation{method: get, path: "/v1/sessions", id: "listSessions", summary: "Where you are logged in, newest first",
		who: signedIn, status: 200}, a.listSessions)
	add(d, operation{method: remove, path: "/v1/sessions/current", id: "logOut", summary: "Log out",
		who: signedIn, status: 204}, a.logOut)
	add(d, operation{method: remove, path: "/v1/sessions/others", id: "logOutElsewhere", summary: "Log out everywhere but here",
		who: signedIn, status: 204}, a.logOutElsewhere)
	add(d, operation{method: remove, path: "/v1/sessions/{id}", id: "logOutThere", summary: "Log out of a session",
		who: signedIn, status: 204, problems: []problem{notFound("session")}}, a.logOutThere)
	add(d, operation{method: get, path: "/v1/me", id: "getMe", summary: "Your account",
		who: signedIn, status: 200}, a.getMe)
	add(d, operation{method: patch, path: "/v1/me", id: "editMe", summary: "Edit your account: what the body does not name stays as it is",
		who: signedIn, status: 200, problems: []problem{notFound("upload"), uploadMissing, uploadMismatch, uploadExpired, alreadyPublished(0), wrongPassword}}, a.editMe)
	add(d, operation{method: put, path: "/v1/me/password", id: "changePassword", summary: "Change your password, which logs you out elsewhere",
		who: signedIn, status: 204, problems: []problem{wrongPassword}}, a.changePassword)
	add(d, operation{method: post, path: "/v1/me/deactivation", id: "deactivate", summary: "Hide your account until you log in again",
		who: signedIn, status: 204, problems: []problem{wrongPassword}}, a.deactivate)
}

var name = regexp.MustCompile(`^[A-Za-z0-9._]{1,30}$`)

const minPassword, maxPassword = 8, 128 // characters

// loggedIn answers sign-up and log-in.
type loggedIn struct {
	User      Person    `json:"user"`
	Token     string    `json:"token" doc:"For the header of every other request: Authorization: Bearer <token>."`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (a *api) begin(ctx context.Context, u store.User) (*body[loggedIn], error) {
	r := requestOf(ctx)
	token, t, err := a.sessions.Begin(ctx, u.ID, printable(r.agent, 200), address(r.client))
	if err != nil {
		return nil, err
	}
	return &body[loggedIn]{loggedIn{a.person(u), token, t.Expires.UTC()}}, nil
}

type signUpIn struct {
	Body struct {
		Name     string `json:"name" pattern:"^[A-Za-z0-9._]{1,30}$" patternDescription:"1 to 30 letters a to z, digits, dots and underscores" doc:"Unique, in whatever case."`
		Password string `json:"password" minLength:"8" maxLength:"128"`
		Email    string `json:"email" maxLength:"254" doc:"Only you see it."`
		FullName string `json:"fullName,omitempty" maxLength:"64"`
	}
}

func (a *api) signUp(ctx context.Context, in *signUpIn) (*body[loggedIn], error) {
	if err := text("password", in.Body.Password, minPassword, maxPassword); err != nil {
		return nil, err
	}
	if err := text("fullName", in.Body.FullName, 0, 64); err != nil {
		return nil, err
	}
	address, err := email(in.Body.Email)
	if err != nil {
		return nil, err
	}
	hash, err := a.passwords.Hash(ctx, in.Body.Password)
	if err != nil {
		return nil, err
	}
	u, err := a.store.CreateUser(ctx, store.NewUser{
		Name: in.Body.Name, FullName: in.Body.FullName, Email: address, PasswordHash: hash, Request: requestOf(ctx).key,
	})
	if err != nil {
		return nil, err
	}
	a.metrics.signUps.Inc()
	return a.begin(ctx, u)
}

type logInIn struct {
	Body struct {
		Name     string `json:"name" maxLength:"200"`
		Password string `json:"password" maxLength:"1000"`
	}
}

func (a *api) logIn(ctx context.Context, in *logInIn) (*body[loggedIn], error) {
	if err := a.allowGuess(ctx, in.Body.Name); err != nil {
		return nil, err
	}
	// An unknown name takes as long as a wrong password: it has no hash, which
	// Matches takes as long to refuse.
	var c store.Credentials
	if name.MatchString(in.Body.Name) {
		var err error
		if c, err = a.store.Credentials(ctx, in.Body.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	switch ok, err := a.passwords.Matches(ctx, in.Body.Password, c.Hash); {
	case err != nil:
		return nil, err
	case !ok, c.State == store.Deleting:
		return nil, wrongLogIn
	case c.State == store.Suspended:
		return nil, suspended
	case c.State == store.Deactivated:
		if _, err := a.store.SetState(ctx, c.User, []store.UserState{store.Deactivated}, store.Active); err != nil {
			return nil, err
		}
		a.users.Forget(c.User)
	}
	u, err := a.store.User(ctx, c.User)
	if err != nil {
		return nil, err
	}
	return a.begin(ctx, u)
}
