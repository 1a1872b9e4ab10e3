package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/store"
)

func (a *api) mediaRoutes(d *document) {
	add(d, operation{method: post, path: "/v1/uploads", id: "createUpload", summary: "Ask for the permission to upload a photo",
		who: signedIn, status: 201}, a.createUpload)
	noMedia := notFound("media")
	add(d, operation{method: post, path: "/v1/media", id: "publish", summary: "Publish an upload",
		who: signedIn, status: 201, problems: []problem{notFound("upload"), uploadMissing, uploadMismatch, uploadExpired, alreadyPublished(0), notLinked}}, a.publish)
	add(d, operation{method: get, path: "/v1/media/{id}", id: "getMedia", summary: "A photo",
		who: verified, status: 200, problems: []problem{noMedia}}, a.getMedia)
	add(d, operation{method: patch, path: "/v1/media/{id}", id: "editMedia", summary: "Change what is said of a photo of one's own",
		who: signedIn, status: 200, problems: []problem{noMedia}}, a.editMedia)
	add(d, operation{method: remove, path: "/v1/media/{id}", id: "deleteMedia", summary: "Delete a photo of one's own",
		who: signedIn, status: 204, problems: []problem{noMedia}}, a.deleteMedia)
	add(d, operation{method: get, path: "/v1/users/{id}/media", id: "listMedia", summary: "A user's photos, newest first",
		who: signedIn, status: 200, problems: []problem{notFound("user"), accountPrivate}}, a.listMedia)
	add(d, operation{method: put, path: "/v1/media/{id}/save", id: "saveMedia", summary: "Save a photo to find it again",
		who: signedIn, status: 204, problems: []problem{noMedia}}, a.saveMedia)
	add(d, operation{method: remove, path: "/v1/media/{id}/save", id: "unsaveMedia", summary: "Save a photo no more",
		who: signedIn, status: 204}, a.unsaveMedia)
	add(d, operation{method: get, path: "/v1/me/saved", id: "listSaved", summary: "The photos that one has saved, the last saved first",
		who: signedIn, status: 200}, a.listSaved)
	add(d, operation{method: get, path: "/v1/me/links", id: "listLinks", summary: "One's accounts at other services",
		who: signedIn, status: 200}, a.listLinks)
	add(d, operation{method: put, path: "/v1/me/links/{service}", id: "setLink", summary: "Link an account at another service",
		who: signedIn, status: 200}, a.setLink)
	add(d, operation{method: remove, path: "/v1/me/links/{service}", id: "deleteLink", summary: "Unlink an account",
		who: signedIn, status: 204}, a.deleteLink)
	add(d, operation{method: get, path: "/v1/media/{id}/shares", id: "listShares", summary: "What became of sharing a photo of one's own",
		who: signedIn, status: 200, problems: []problem{noMedia}}, a.listShares)
}

// How long what is said of a photo may be, in characters.
const (
	maxCaption = 2200
	maxAlt     = 1000
	maxPlace   = 100
)

type createUploadIn struct {
	Body struct {
		ContentType string `json:"contentType" enum:"image/jpeg,image/png"`
		Size        int64  `json:"size" minimum:"1" maximum:"1073741824" doc:"Bytes. The most that is accepted is the server's to say: 20 MiB, if it is not configured otherwise."`
	}
}

// upload is the permission to upload one photo.
type upload struct {
	ID        id.ID             `json:"id"`
	Method    string            `json:"method" enum:"PUT"`
	URL       string            `json:"url" format:"uri" doc:"At object storage: the photo goes straight there."`
	Headers   map[string]string `json:"headers" doc:"To send exactly as they are: they are signed."`
	ExpiresAt time.Time         `json:"expiresAt"`
}

func (a *api) createUpload(ctx context.Context, in *createUploadIn) (*body[upload], error) {
	if in.Body.Size > a.doc.Upload.MaxBytes {
		return nil, invalid("size", "accepted are 1 to %d bytes", a.doc.Upload.MaxBytes)
	}
	life := time.Duration(a.doc.Upload.Expires)
	up, err := a.store.CreateUpload(ctx, viewer(ctx), in.Body.ContentType, in.Body.Size, time.Now().Add(life))
	if err != nil {
		return nil, err
	}
	url, header, err := a.objects.PresignPut(ctx, up.Key, in.Body.ContentType, in.Body.Size, life)
	if err != nil {
		return nil, err
	}
	headers := make(map[string]string, len(header))
	for name := range header {
		headers[name] = header.Get(name)
	}
	return &body[upload]{upload{up.ID, http.MethodPut, url, headers, up.ExpiresAt}}, nil
}

type publishIn struct {
	Body struct {
		Upload   id.ID           `json:"upload" doc:"What was uploaded."`
		Caption  string          `json:"caption,omitempty" maxLength:"2200" doc:"Its #tags (at most 30) and @names (at most 20) are what the photo is found by and who is told of it."`
		Alt      string          `json:"alt,omitempty" maxLength:"1000" doc:"What it shows, for who does not see it."`
		Filter   string          `json:"filter,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,29}$" patternDescription:"1 to 30 of a-z, A-Z, 0-9, space, '.', '_' and '-', the first a letter or a digit" doc:"The name of the filter that the app has applied."`
		Place    string          `json:"place,omitempty" maxLength:"100" doc:"What you call where it was taken."`
		Location *store.Location `json:"location,omitempty" doc:"Where it was taken, for all who see the photo. Never read from the picture."`
		ShareTo  []store.Service `json:"shareTo,omitempty" enum:"facebook,twitter" maxItems:"2" uniqueItems:"true" nullable:"false" doc:"Where to post it as well, once it is ready."`
	}
}

func (a *api) publish(ctx context.Context, in *publishIn) (*body[Photo], error) {
	b := in.Body
	n := store.NewMedia{Caption: b.Caption, Alt: b.Alt, Filter: b.Filter, Place: b.Place, Location: b.Location, ShareTo: b.ShareTo}
	var err error
	if n.Tags, n.Mentions, err = caption(b.Caption); err != nil {
		return nil, err
	}
	if err := errors.Join(text("alt", b.Alt, 0, maxAlt), text("place", b.Place, 0, maxPlace)); err != nil {
		return nil, err
	}
	user := viewer(ctx)
	author, err := a.user(ctx, user)
	if err != nil {
		return nil, err
	}
	m, err := a.publishOnce(ctx, user, b.Upload, n)
	if err != nil {
		return nil, err
	}
	return &body[Photo]{a.photo(m, author)}, nil
}

// publishOnce publishes an upload. An attempt that was cut off may have done so: then
// the photo is the answer to the next.
func (a *api) publishOnce(ctx context.Context, user, upload id.ID, n store.NewMedia) (store.Media, error) {
	err := a.uploaded(ctx, user, upload)
	if err == nil {
		err = a.linked(ctx, user, n.ShareTo)
	}
	var m store.Media
	if err == nil {
		m, err = a.store.Publish(ctx, user, upload, n)
	}
	if p := problemOf(err); err != nil && p.Media != 0 && requestOf(ctx).repeated {
		return a.store.Media(ctx, p.Media)
	}
	if err != nil {
		return store.Media{}, err
	}
	a.metrics.published.Inc()
	a.putOwner(ctx, m.ID, m.User)
	return m, nil
}

// caption checks the caption of a photo, and reads what is in it.
func caption(caption string) (tags, mentions []string, err error) {
	if err := text("caption", caption, 0, maxCaption); err != nil {
		return nil, nil, err
	}
	tags, mentions = media.Tags(caption), media.Mentions(caption)
	if len(tags) > media.MaxTags {
		return nil, nil, invalid("caption", "has %d tags; accepted are %d", len(tags), media.MaxTags)
	}
	if len(mentions) > media.MaxMentions {
		return nil, nil, invalid("caption", "mentions %d people; accepted are %d", len(mentions), media.MaxMentions)
	}
	return tags, mentions, nil
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

// getMedia makes one round trip to Redis, for the session and for whose the photo is,
// and one to memcached.
func (a *api) getMedia(ctx context.Context, in *ByID) (*body[rendered[Photo]], error) {
	user, photo := viewer(ctx), in.ID.ID()
	var allowed asked
	var said *redis.StringCmd
	a.gather.Ask(ctx, func(pipe redis.Pipeliner) {
		allowed, said = a.ask(ctx, pipe), a.owners.Ask(ctx, pipe, photo)
	})
	if err := a.allow(ctx, allowed); err != nil {
		return nil, err
	}
	owner, known, err := a.owners.Answer(photo, said)
	if !known {
		m, ok, loadErr := a.media.Get(ctx, photo)
		if loadErr != nil || !ok {
			return nil, errors.Join(loadErr, absent(ok, "media"))
		}
		if owner = m.User; err == nil {
			a.putOwner(ctx, photo, owner)
		}
	}
	g := a.glance(user, []store.Post{{Media: photo, Author: owner}}, 0)
	defer g.Release()
	_, sights, err := a.sights(ctx, g)
	if err != nil {
		return nil, err
	}
	if len(sights) == 0 {
		return nil, notFound("media")
	}
	return &body[rendered[Photo]]{rendered[Photo]{append(sights[0].append(*pages.Get().(*[]byte)), '\n')}}, nil
}

type editMediaIn struct {
	ByID
	Body struct {
		Caption        *string         `json:"caption,omitempty" maxLength:"2200"`
		Alt            *string         `json:"alt,omitempty" maxLength:"1000"`
		Place          *string         `json:"place,omitempty" maxLength:"100"`
		Location       *store.Location `json:"location,omitempty"`
		RemoveLocation bool            `json:"removeLocation,omitempty" doc:"Takes the location away."`
	} `doc:"What is absent stays as it is; an empty text removes."`
}

func (a *api) editMedia(ctx context.Context, in *editMediaIn) (*body[Photo], error) {
	b := in.Body
	e := store.MediaEdit{Caption: b.Caption, Alt: b.Alt, Place: b.Place, Move: b.RemoveLocation || b.Location != nil, Location: b.Location}
	if b.RemoveLocation && b.Location != nil {
		return nil, invalid("removeLocation", "comes with a location; accepted is one of them")
	}
	var err error
	if b.Caption != nil {
		e.Tags, e.Mentions, err = caption(*b.Caption)
	}
	if err == nil && b.Alt != nil {
		err = text("alt", *b.Alt, 0, maxAlt)
	}
	if err == nil && b.Place != nil {
		err = text("place", *b.Place, 0, maxPlace)
	}
	if err != nil {
		return nil, err
	}
	user := viewer(ctx)
	author, err := a.user(ctx, user)
	if err != nil {
		return nil, err
	}
	m, err := a.store.EditMedia(ctx, user, in.ID.ID(), e)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, notFound("media")
	case err != nil:
		return nil, err
	}
	a.media.Forget(m.ID)
	liked, saved, err := a.marks(ctx, user, []id.ID{m.ID})
	if err != nil {
		return nil, err
	}
	p := a.photo(m, author)
	p.Liked, p.Saved = liked[m.ID], saved[m.ID]
	return &body[Photo]{p}, nil
}

// deleteMedia has nobody see the photo from its answer on. A task erases what there is
// of it.
func (a *api) deleteMedia(ctx context.Context, in *ByID) (*nothing, error) {
	user, photo := viewer(ctx), in.ID.ID()
	deleted, err := a.store.DeleteMedia(ctx, user, photo)
	if err != nil {
		return nil, err
	}
	if len(deleted) == 0 {
		// A request that comes again finds it deleted, as it was to be.
		switch m, err := a.store.DeletedMedia(ctx, photo); {
		case errors.Is(err, store.ErrNotFound), err == nil && m.User != user:
			return nil, notFound("media")
		case err != nil:
			return nil, err
		}
	}
	a.media.Forget(photo)
	a.users.Forget(user) // who has one photo less
	return nil, nil
}

type listMediaIn struct {
	ByID
	PageOf
}

func (a *api) listMedia(ctx context.Context, in *listMediaIn) (*listed[Photo], error) {
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	v, u, err := a.known(ctx, in.ID.ID())
	if err != nil {
		return nil, err
	}
	switch ok, err := a.audience.Sees(ctx, v, u); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, accountPrivate
	}
	ms, err := a.store.UserMedia(ctx, u.ID, before, in.Limit+1, u.ID == v.ID)
	if err != nil {
		return nil, err
	}
	ms, next := more(ms, in.Limit, func(m store.Media) id.ID { return m.ID })
	photos, err := a.show(ctx, v, ms)
	if err != nil {
		return nil, err
	}
	return page(ctx, photos, next), nil
}
