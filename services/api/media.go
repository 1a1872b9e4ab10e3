package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/store"
)

const maxCaption = 2200 // characters

// contentTypes are those of the photos that workers can process.
func contentTypes() []string { return []string{"image/jpeg", "image/png"} }

// photo is a photo as clients see it.
type photo struct {
	ID         id.ID             `json:"id"`
	User       id.ID             `json:"userId"`
	Caption    string            `json:"caption"`
	State      store.MediaState  `json:"state"`
	Reason     string            `json:"reason,omitempty"` // with the state failed
	Width      int               `json:"width,omitempty"`  // when ready
	Height     int               `json:"height,omitempty"`
	LikeCount  int64             `json:"likeCount"`
	Liked      *bool             `json:"liked,omitempty"` // by who asks; where one photo is asked for
	CreatedAt  time.Time         `json:"createdAt"`
	Renditions []media.Rendition `json:"renditions"` // when ready
}

func (a *api) photo(m store.Media) photo {
	p := photo{
		ID: m.ID, User: m.User, Caption: m.Caption, State: m.State, Reason: m.Reason,
		Width: m.Width, Height: m.Height, LikeCount: m.LikeCount, CreatedAt: m.CreatedAt,
		Renditions: []media.Rendition{},
	}
	if m.State == store.Ready {
		p.Renditions = media.Renditions(m.Key, m.Width, m.Height, a.doc.Storage.CDN)
	}
	return p
}

func (a *api) createUpload(c *gin.Context, who session.Token) error {
	var in struct {
		ContentType string `json:"contentType"`
		Size        int64  `json:"size"`
	}
	if err := readBody(c, &in); err != nil {
		return err
	}
	if !slices.Contains(contentTypes(), in.ContentType) {
		return invalid("contentType", "accepted are %s", strings.Join(contentTypes(), ", "))
	}
	if in.Size < 1 || in.Size > a.doc.Upload.MaxBytes {
		return invalid("size", "accepted are 1 to %d bytes", a.doc.Upload.MaxBytes)
	}
	ctx, life := c.Request.Context(), time.Duration(a.doc.Upload.Expires)
	up, err := a.store.CreateUpload(ctx, who.User, in.ContentType, in.Size, time.Now().Add(life))
	if err != nil {
		return err
	}
	url, header, err := a.objects.PresignPut(ctx, up.Key, in.ContentType, in.Size, life)
	if err != nil {
		return err
	}
	headers := make(map[string]string, len(header))
	for name := range header {
		headers[name] = header.Get(name)
	}
	c.JSON(http.StatusCreated, struct {
		ID        id.ID             `json:"id"`
		Method    string            `json:"method"`
		URL       string            `json:"url"`
		Headers   map[string]string `json:"headers"`
		ExpiresAt time.Time         `json:"expiresAt"`
	}{up.ID, http.MethodPut, url, headers, up.ExpiresAt})
	return nil
}

func (a *api) publish(c *gin.Context, who session.Token) error {
	var in struct {
		Upload  id.ID  `json:"upload"`
		Caption string `json:"caption"`
	}
	if err := readBody(c, &in); err != nil {
		return err
	}
	if in.Upload == 0 {
		return invalid("upload", "accepted is the id of an upload")
	}
	if err := text("caption", in.Caption, 0, maxCaption); err != nil {
		return err
	}
	ctx := c.Request.Context()
	if err := a.uploaded(ctx, who.User, in.Upload); err != nil {
		return err
	}
	m, err := a.store.Publish(ctx, who.User, in.Upload, in.Caption)
	if err != nil {
		return err
	}
	a.metrics.published.Inc()
	a.putOwner(ctx, m.ID, m.User)
	c.JSON(http.StatusCreated, a.photo(m))
	return nil
}

// uploaded says why an upload cannot be published by user, if so.
func (a *api) uploaded(ctx context.Context, user, upload id.ID) error {
	up, err := a.store.Upload(ctx, upload)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && up.User != user:
		return notFound("upload") // what is somebody else's does not concern this one
	case err != nil:
		return err
	case up.Media != 0:
		return alreadyPublished(up.Media)
	}
	size, contentType, err := a.objects.Head(ctx, up.Key)
	switch {
	case errors.Is(err, media.ErrNoObject) && time.Now().After(up.ExpiresAt):
		return uploadExpired
	case errors.Is(err, media.ErrNoObject):
		return uploadMissing
	case err != nil:
		return err
	case size != up.Size || contentType != up.ContentType:
		return uploadMismatch
	}
	return nil
}

// putOwner makes the media map know a photo. It may be lost: the id's shard bits
// lead to the row, too.
func (a *api) putOwner(ctx context.Context, photo, owner id.ID) {
	if err := a.owners.Put(ctx, photo, owner); err != nil {
		a.log.WarnContext(ctx, "put into the media map", "media", photo, "error", err)
	}
}

func (a *api) getMedia(c *gin.Context, who session.Token) error {
	i, err := pathID(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	type answer struct {
		liked bool
		err   error
	}
	liked := make(chan answer, 1)
	go func() { // beside the photo
		yes, _, err := a.likes.Get(ctx, likeKey(i, who.User))
		liked <- answer{yes, err}
	}()
	m, ok, err := a.media.Get(ctx, i)
	switch {
	case err != nil:
		return err
	case !ok, m.State != store.Ready && m.User != who.User:
		return notFound("media")
	}
	l := <-liked
	if l.err != nil {
		return l.err
	}
	p := a.photo(m)
	p.Liked = &l.liked
	c.JSON(http.StatusOK, p)
	return nil
}

func (a *api) listMedia(c *gin.Context, who session.Token) error {
	user, err := pathID(c)
	if err != nil {
		return err
	}
	pg, err := readPage(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if _, err := a.user(ctx, user); err != nil {
		return err
	}
	// One more than asked for tells whether there is a next page.
	ms, err := a.store.UserMedia(ctx, user, pg.Before, pg.Limit+1, user == who.User)
	if err != nil {
		return err
	}
	out := struct {
		Items  []photo `json:"items"`
		Cursor id.ID   `json:"cursor,omitzero"`
	}{Items: make([]photo, 0, len(ms))}
	if len(ms) > pg.Limit {
		ms = ms[:pg.Limit]
		out.Cursor = ms[len(ms)-1].ID
	}
	for _, m := range ms {
		out.Items = append(out.Items, a.photo(m))
	}
	c.JSON(http.StatusOK, out)
	return nil
}
