package main

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/store"
)

var name = regexp.MustCompile(`^[A-Za-z0-9._]{1,30}$`)

const minPassword, maxPassword = 8, 128 // characters

// loggedIn answers sign-up and log-in.
type loggedIn struct {
	User      store.User `json:"user"`
	Token     string     `json:"token"`
	ExpiresAt time.Time  `json:"expiresAt"`
}

func (a *api) begin(ctx context.Context, u store.User) (loggedIn, error) {
	token, t, err := a.sessions.Begin(ctx, u.ID)
	return loggedIn{u, token, t.Expires.UTC()}, err
}

func (a *api) signUp(c *gin.Context) error {
	var in struct {
		Name     string `json:"name"`
		Password string `json:"password"`
		FullName string `json:"fullName"`
	}
	if err := readBody(c, &in); err != nil {
		return err
	}
	if !name.MatchString(in.Name) {
		return invalid("name", "accepted are 1 to 30 letters a to z, digits, dots and underscores")
	}
	if err := text("password", in.Password, minPassword, maxPassword); err != nil {
		return err
	}
	if err := text("fullName", in.FullName, 0, 64); err != nil {
		return err
	}
	ctx := c.Request.Context()
	hash, err := a.passwords.Hash(ctx, in.Password)
	if err != nil {
		return err
	}
	u, err := a.store.CreateUser(ctx, store.NewUser{Name: in.Name, FullName: in.FullName, PasswordHash: hash})
	if err != nil {
		return err
	}
	a.metrics.signUps.Inc()
	out, err := a.begin(ctx, u)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, out)
	return nil
}

func (a *api) logIn(c *gin.Context) error {
	var in struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := readBody(c, &in); err != nil {
		return err
	}
	ctx := c.Request.Context()
	// An unknown name takes as long as a wrong password: it has no hash, which
	// Matches takes as long to refuse.
	var user id.ID
	var hash string
	if name.MatchString(in.Name) {
		var err error
		if user, hash, err = a.store.PasswordHash(ctx, in.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	if len(in.Password) > 4*maxPassword {
		hash, in.Password = "", "" // nobody's; not worth hashing
	}
	switch ok, err := a.passwords.Matches(ctx, in.Password, hash); {
	case err != nil:
		return err
	case !ok:
		return wrongLogIn
	}
	u, err := a.store.User(ctx, user)
	if err != nil {
		return err
	}
	out, err := a.begin(ctx, u)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, out)
	return nil
}

func (a *api) logOut(c *gin.Context, who session.Token) error {
	if err := a.sessions.End(c.Request.Context(), who); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (a *api) getUser(c *gin.Context, _ session.Token) error {
	user, err := pathID(c)
	if err != nil {
		return err
	}
	return a.answerUser(c, user)
}

func (a *api) getUserByName(c *gin.Context, _ session.Token) error {
	if !name.MatchString(c.Param("name")) {
		return notFound("user")
	}
	user, ok, err := a.names.Get(c.Request.Context(), strings.ToLower(c.Param("name")))
	switch {
	case err != nil:
		return err
	case !ok:
		return notFound("user")
	}
	return a.answerUser(c, user)
}

func (a *api) answerUser(c *gin.Context, user id.ID) error {
	u, err := a.user(c.Request.Context(), user)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, u)
	return nil
}

// user reads a user through the cache; there must be one.
func (a *api) user(ctx context.Context, user id.ID) (store.User, error) {
	u, ok, err := a.users.Get(ctx, user)
	if err == nil && !ok {
		err = notFound("user")
	}
	return u, err
}

func (a *api) follow(c *gin.Context, who session.Token) error {
	return a.changeFollow(c, who, a.store.Follow, a.metrics.follows.Inc)
}

func (a *api) unfollow(c *gin.Context, who session.Token) error {
	return a.changeFollow(c, who, a.store.Unfollow, func() {})
}

func (a *api) changeFollow(c *gin.Context, who session.Token, change func(ctx context.Context, actor, target id.ID) (bool, error), count func()) error {
	target, err := pathID(c)
	if err != nil {
		return err
	}
	if target == who.User {
		return selfFollow
	}
	ctx := c.Request.Context()
	if _, err := a.user(ctx, target); err != nil {
		return err
	}
	changed, err := change(ctx, who.User, target)
	if err != nil {
		return err
	}
	if changed {
		count()
		a.users.Forget(who.User)
		// So that the next page has it at once. The task that tells the target's shard
		// forgets the feed again, whatever becomes of this.
		if err := a.feeds.Forget(ctx, who.User); err != nil {
			a.log.WarnContext(ctx, "forget feed", "user", who.User, "error", err)
		}
	}
	c.Status(http.StatusNoContent)
	return nil
}
