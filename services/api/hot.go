package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/burbn/burbn/services/audience"
	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// What is read most is answered by copying. Memcached keeps beside each photo and each
// account a face: the JSON that clients see of it, made once, behind the few bytes that
// say who may. So a page of photos is one request to memcached, all that it needs at
// once, and then bytes put together; show.go answers the same, and a test compares them.

// rendered is a T in JSON already.
type rendered[T any] struct{ json []byte }

// Schema is that of T.
func (rendered[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

func (r rendered[T]) bytes() []byte { return r.json }

// pages are buffers of answers that were sent.
var pages = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

// The first byte of a face.
const (
	isActive  = 1 << iota // of an account
	isPrivate             // of an account
	isReady               // of a photo
	isShown               // of a photo: others may see it
)

// authorFace is a byte of flags and a Person.
func (a *api) authorFace(u store.User) []byte {
	var flags byte
	if u.State == store.Active {
		flags |= isActive
	}
	if u.Private {
		flags |= isPrivate
	}
	return append([]byte{flags}, encode(a.person(u))...)
}

// author is what the rules need to know of an account, from its face.
func author(i id.ID, face []byte) store.User {
	u := store.User{ID: i, Private: face[0]&isPrivate != 0}
	if face[0]&isActive != 0 {
		u.State = store.Active
	}
	return u
}

// photoFace is a byte of flags, the author's id and what stands in a Photo between the
// author and what the viewer did.
func (a *api) photoFace(m store.Media) []byte {
	var flags byte
	if m.State == store.Ready {
		flags |= isReady
	}
	if shown(m) {
		flags |= isShown
	}
	j := encode(a.photo(m, store.User{}))
	_, rest, ok := bytes.Cut(j, append([]byte(`"author":`), encode(Person{})...))
	rest, did := bytes.CutSuffix(rest, []byte(`,"liked":false,"saved":false}`))
	if !ok || !did {
		panic(fmt.Sprintf("a photo is written as %s: its author must come after its id, and what the viewer did last", j))
	}
	return append(binary.BigEndian.AppendUint64([]byte{flags}, uint64(m.User)), rest...)
}

const photoHead = 1 + 8 // bytes of a photo's face before the JSON

func authorOf(photo []byte) id.ID { return id.ID(binary.BigEndian.Uint64(photo[1:])) }

// encode is v as the API writes it.
func encode(v any) []byte {
	var b bytes.Buffer
	if err := huma.DefaultJSONFormat.Marshal(&b, v); err != nil {
		panic(err) // of a type that cannot be written, which the first test meets
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// A glance is what memcached said of some photos and of who looks at them. It is to be
// released when what its sights show is copied.
type glance struct {
	*cache.Batch
	viewer id.ID
	build  uint64 // of the viewer's feed; 0: the photos are of no feed
	posts  []store.Post
	users  []id.ID // the authors, each once

	photos   *cache.Question[id.ID, store.Media]
	authors  *cache.Question[id.ID, store.User]
	barriers *cache.Question[id.ID, store.Barriers]
	marked   *cache.Question[id.ID, marks]
}

// glance asks for everything at once.
func (a *api) glance(viewer id.ID, posts []store.Post, build uint64) *glance {
	photos, users := make([]id.ID, len(posts)), make([]id.ID, 0, len(posts))
	for n, p := range posts {
		photos[n] = p.Media
		if !slices.Contains(users, p.Author) {
			users = append(users, p.Author)
		}
	}
	b := a.cache.Borrow()
	g := &glance{
		Batch: b, viewer: viewer, build: build, posts: posts, users: users,
		photos: a.media.Ask(b, photos...), authors: a.users.Ask(b, users...),
		barriers: a.barriers.Ask(b, viewer), marked: a.marked.Ask(b, viewer),
	}
	b.Send()
	return g
}

// A sight is a photo that its viewer may see.
type sight struct {
	store.Post
	photo, author []byte // faces
	did           byte
}

// sights are those of a glance's photos that its viewer may see, in their order: what
// show answers for the same photos. What memcached had not is loaded, and remembered.
func (a *api) sights(ctx context.Context, g *glance) (audience.Viewer, []sight, error) {
	barriers, err := g.barriers.Answer(ctx)
	v := audience.Viewer{ID: g.viewer, Barriers: barriers[g.viewer]}
	if err != nil {
		return v, nil, err
	}
	photos, err := g.photos.Faces(ctx)
	if err != nil {
		return v, nil, err
	}
	authors, err := g.authors.Faces(ctx)
	if err != nil {
		return v, nil, err
	}
	known, _ := g.marked.Known(0)
	seen, learned, err := a.seenAuthors(ctx, g, v, authors, &known)
	if err != nil {
		return v, nil, err
	}
	sights, ids := make([]sight, 0, len(photos)), make([]id.ID, 0, len(photos))
	for n, p := range g.posts {
		u := slices.Index(g.users, p.Author)
		if photos[n] == nil || !seen[u] || authorOf(photos[n]) != p.Author {
			continue
		}
		if p.Author == v.ID || photos[n][0]&isShown != 0 {
			sights = append(sights, sight{Post: p, photo: photos[n], author: authors[u]})
			ids = append(ids, p.Media)
		}
	}
	known, more, err := a.learn(ctx, known, v.ID, ids)
	if err != nil {
		return v, nil, err
	}
	if learned || more {
		g.marked.Keep(0, known)
	}
	for n := range sights {
		sights[n].did, _ = known.deed(sights[n].Media)
	}
	return v, sights, nil
}

// seenAuthors says whose photos v may see, in the order of the authors, and whether it
// learned whom of the private ones v follows.
func (a *api) seenAuthors(ctx context.Context, g *glance, v audience.Viewer, faces [][]byte, known *marks) (seen []bool, learned bool, err error) {
	seen = make([]bool, len(faces))
	var unknown map[id.ID]store.User
	for n, face := range faces {
		if face == nil {
			continue
		}
		u := author(g.users[n], face)
		follows, sure := known.follow(u.ID, g.build)
		switch {
		case u.ID == v.ID || !u.Private || !v.Knows(u):
			seen[n] = v.Knows(u)
		case sure:
			seen[n] = follows
		default:
			if unknown == nil {
				unknown = map[id.ID]store.User{}
			}
			unknown[u.ID] = u
		}
	}
	if unknown == nil {
		return seen, false, nil
	}
	found, err := a.audience.Seen(ctx, v, unknown)
	if err != nil {
		return nil, false, err
	}
	if known.build != g.build && g.build != 0 {
		known.build, known.follows = g.build, nil
	}
	for n, i := range g.users {
		if _, asked := unknown[i]; !asked {
			continue
		}
		_, seen[n] = found[i]
		if g.build != 0 && len(known.follows) < followsKept {
			f := deed{to: i}
			if seen[n] {
				f.is = following
			}
			known.follows = append(slices.Clip(known.follows), f)
			learned = true
		}
	}
	return seen, learned, nil
}

// append writes the Photo.
func (s sight) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"id":"`...), int64(s.Media), 10)
	b = append(append(b, `","author":`...), s.author[1:]...)
	b = append(b, s.photo[photoHead:]...)
	b = strconv.AppendBool(append(b, `,"liked":`...), s.did&liking != 0)
	b = strconv.AppendBool(append(b, `,"saved":`...), s.did&saving != 0)
	return append(b, '}')
}

// renderPage is what page answers, of sights.
func renderPage(ctx context.Context, sights []sight, next string) *renderedPage {
	b := append(*pages.Get().(*[]byte), `{"items":[`...)
	for n, s := range sights {
		if n > 0 {
			b = append(b, ',')
		}
		b = s.append(b)
	}
	b = append(b, ']')
	out := &renderedPage{}
	if next != "" {
		b = append(append(append(b, `,"cursor":"`...), next...), '"')
		out.Link = "<" + nextURL(ctx, next) + `>; rel="next"`
	}
	out.Body.json = append(b, "}\n"...)
	return out
}

// renderedPage is listed[Photo].
type renderedPage struct {
	Link string `header:"Link" doc:"The next page (RFC 8288), if there is one."`
	Body rendered[list[Photo]]
}
