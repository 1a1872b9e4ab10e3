package main

import (
	"context"
	"errors"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// Me is one's own account, with what nobody else is told.
type Me struct {
	Profile
	Email       string `json:"email" format:"email"`
	AvatarFault string `json:"avatarFault,omitempty" doc:"Why your last avatar was not taken: not_an_image, unsupported, too_many_pixels, corrupt, upload_missing, internal."`
}

func (a *api) me(acc store.Account) *body[Me] {
	return &body[Me]{Me{Profile: a.profileOf(acc.User, strangers(acc.ID)), Email: acc.Email, AvatarFault: acc.AvatarFault}}
}

func (a *api) getMe(ctx context.Context, _ *nothing) (*body[Me], error) {
	acc, err := a.store.Account(ctx, viewer(ctx))
	if err != nil {
		return nil, err
	}
	return a.me(acc), nil
}

type editMeIn struct {
	Body struct {
		FullName *string `json:"fullName,omitempty" maxLength:"64"`
		Bio      *string `json:"bio,omitempty" maxLength:"150"`
		Website  *string `json:"website,omitempty" maxLength:"200" doc:"An http or https URL; empty: none."`
		Private  *bool   `json:"private,omitempty" doc:"Whether only those see your photos whom you approve. Going public approves all who asked."`
		Avatar   *string `json:"avatar,omitempty" pattern:"^([1-9][0-9]{0,18})?$" patternDescription:"the id of an upload, or empty for no avatar" doc:"The id of an upload, which becomes the avatar in a moment; empty: no avatar."`
		Email    *string `json:"email,omitempty" maxLength:"254" doc:"Needs the password, too."`
		Password string  `json:"password,omitempty" maxLength:"1000" doc:"With email: your password."`
	}
}

// editMe changes what the body names and nothing else.
func (a *api) editMe(ctx context.Context, in *editMeIn) (*body[Me], error) {
	user := viewer(ctx)
	c := store.Changes{FullName: in.Body.FullName, Bio: in.Body.Bio, Website: in.Body.Website, Private: in.Body.Private}
	for _, f := range []struct {
		name string
		v    *string
		max  int
	}{{"fullName", c.FullName, 64}, {"bio", c.Bio, 150}} {
		if f.v == nil {
			continue
		}
		if err := text(f.name, *f.v, 0, f.max); err != nil {
			return nil, err
		}
	}
	if c.Website != nil && !website(*c.Website) {
		return nil, invalid("website", "accepted is an http or https URL, or nothing")
	}
	if in.Body.Email != nil {
		address, err := email(*in.Body.Email)
		if err != nil {
			return nil, err
		}
		// Whoever found a phone unlocked must not take the account along.
		if err := a.authenticate(ctx, user, in.Body.Password); err != nil {
			return nil, err
		}
		c.Email = &address
	}
	if in.Body.Avatar != nil {
		upload, err := a.avatar(ctx, user, *in.Body.Avatar)
		if err != nil {
			return nil, err
		}
		c.Avatar = &upload
	}
	acc, err := a.store.Edit(ctx, user, c)
	if err != nil {
		return nil, err
	}
	a.users.Forget(user)
	return a.me(acc), nil
}

// avatar is the upload that a user wants as avatar; 0: none.
func (a *api) avatar(ctx context.Context, user id.ID, v string) (id.ID, error) {
	if v == "" {
		return 0, nil
	}
	upload := idText(v).ID()
	err := a.uploaded(ctx, user, upload)
	var p problem
	if errors.As(err, &p) {
		p.Field = "avatar"
		err = p
	}
	return upload, err
}

// website says whether v may stand on a profile, where people tap it.
func website(v string) bool {
	if v == "" {
		return true
	}
	u, err := url.Parse(v)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && text("website", v, 1, 200) == nil
}

// email is an address as it is kept. Only its form is checked: burbn sends no mail.
func email(v string) (string, error) {
	a, err := mail.ParseAddress(v)
	if err != nil || a.Address != v || len(v) > 254 {
		return "", invalid("email", "accepted is an address such as maya@example.com")
	}
	local, domain, _ := strings.Cut(v, "@")
	if len(local) > 64 || !strings.Contains(domain, ".") {
		return "", invalid("email", "accepted is an address such as maya@example.com")
	}
	return v, nil
}

// authenticate says whether password is that of user, who is logged in.
func (a *api) authenticate(ctx context.Context, user id.ID, password string) error {
	if err := a.allowGuess(ctx, user.String()); err != nil {
		return err
	}
	c, err := a.store.CredentialsOf(ctx, user)
	if err != nil {
		return err
	}
	switch ok, err := a.passwords.Matches(ctx, password, c.Hash); {
	case err != nil:
		return err
	case !ok:
		return wrongPassword
	}
	return nil
}

type changePasswordIn struct {
	Body struct {
		Current string `json:"current" maxLength:"1000"`
		New     string `json:"new" minLength:"8" maxLength:"128"`
	}
}

// changePassword ends all other sessions: one of them may be why it is changed.
func (a *api) changePassword(ctx context.Context, in *changePasswordIn) (*nothing, error) {
	who := requestOf(ctx).who
	if err := text("new", in.Body.New, minPassword, maxPassword); err != nil {
		return nil, err
	}
	if err := a.authenticate(ctx, who.User, in.Body.Current); err != nil {
		return nil, err
	}
	hash, err := a.passwords.Hash(ctx, in.Body.New)
	if err != nil {
		return nil, err
	}
	if err := a.store.SetPassword(ctx, who.User, hash); err != nil {
		return nil, err
	}
	return nil, a.sessions.EndAll(ctx, who.User, who.Session)
}

type passwordIn struct {
	Body struct {
		Password string `json:"password" maxLength:"1000" doc:"Yours, once more."`
	}
}

// deactivate hides the account until its user logs in again.
func (a *api) deactivate(ctx context.Context, in *passwordIn) (*nothing, error) {
	user := viewer(ctx)
	if err := a.authenticate(ctx, user, in.Body.Password); err != nil {
		return nil, err
	}
	if _, err := a.store.SetState(ctx, user, []store.UserState{store.Active}, store.Deactivated); err != nil {
		return nil, err
	}
	a.users.Forget(user)
	return nil, a.sessions.EndAll(ctx, user, 0)
}

// Session is a log-in that lasts.
type Session struct {
	ID        id.ID     `json:"id"`
	Current   bool      `json:"current" doc:"The one that asks."`
	Client    string    `json:"client,omitempty" doc:"What the client said it was when it logged in: its User-Agent."`
	Address   string    `json:"address,omitempty" doc:"From which it logged in."`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (a *api) listSessions(ctx context.Context, _ *nothing) (*listed[Session], error) {
	who := requestOf(ctx).who
	rows, err := a.store.Sessions(ctx, who.User)
	if err != nil {
		return nil, err
	}
	out := make([]Session, len(rows))
	for n, row := range rows {
		out[n] = Session{ID: row.ID, Current: row.ID == who.Session, Client: row.Client, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt}
		if row.Address.IsValid() {
			out[n].Address = row.Address.String()
		}
	}
	return page(ctx, out, ""), nil
}

func (a *api) logOut(ctx context.Context, _ *nothing) (*nothing, error) {
	return nil, a.sessions.End(ctx, requestOf(ctx).who)
}

// logOutThere ends another session of one's own. One that is over is none.
func (a *api) logOutThere(ctx context.Context, in *ByID) (*nothing, error) {
	rows, err := a.store.Sessions(ctx, viewer(ctx))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.ID == in.ID.ID() {
			return nil, a.sessions.EndRow(ctx, row)
		}
	}
	return nil, notFound("session")
}

func (a *api) logOutElsewhere(ctx context.Context, _ *nothing) (*nothing, error) {
	who := requestOf(ctx).who
	return nil, a.sessions.EndAll(ctx, who.User, who.Session)
}

// address is an address as it may be kept of a session.
func address(text string) netip.Addr {
	a, _ := netip.ParseAddr(text)
	return a.Unmap()
}
