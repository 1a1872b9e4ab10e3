package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// marks is what is remembered of one viewer: what they did to the newest of the photos
// that they were shown, also that they did nothing, and which of the private authors in
// their feed they follow. One entry for all of it, so that a page of photos costs one
// key, and so that whatever changes any of it has one key to forget.
type marks struct {
	deeds []deed // newest photo first
	// Whom they follow is known for one build of their feed, because whatever changes it
	// makes the feed be built anew.
	build   uint64
	follows []deed // of authors: following or not
}

// deed is what somebody did to a photo or an author.
type deed struct {
	to id.ID
	is byte
}

const (
	liking = 1 << iota
	saving
	following
)

// How many photos and authors are remembered.
const (
	deedsKept   = 250
	followsKept = 100
)

func newestFirst(a, b deed) int { return cmp.Compare(b.to, a.to) }

// deed is what was done to a photo, if that is known.
func (m marks) deed(photo id.ID) (is byte, known bool) {
	i, known := slices.BinarySearchFunc(m.deeds, photo, func(d deed, photo id.ID) int { return cmp.Compare(photo, d.to) })
	if known {
		is = m.deeds[i].is
	}
	return is, known
}

// follow is whether a private author is followed, as of a build of the feed, if that is
// known.
func (m marks) follow(author id.ID, build uint64) (follows, known bool) {
	if build == 0 || build != m.build {
		return false, false
	}
	for _, f := range m.follows {
		if f.to == author {
			return f.is == following, true
		}
	}
	return false, false
}

// learn is known with all of the photos in it. It asks the databases once for those that
// are not, and says whether there were any.
func (a *api) learn(ctx context.Context, known marks, user id.ID, photos []id.ID) (marks, bool, error) {
	var unknown []id.ID
	for _, p := range photos {
		if _, ok := known.deed(p); !ok {
			unknown = append(unknown, p)
		}
	}
	if len(unknown) == 0 {
		return known, false, nil
	}
	key := make([]byte, 0, 8+8*len(unknown))
	for _, i := range append([]id.ID{user}, unknown...) {
		key = binary.BigEndian.AppendUint64(key, uint64(i))
	}
	done := a.asking.DoChan(string(key), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		return a.store.Marks(ctx, user, unknown)
	})
	var did store.Marks
	select {
	case r := <-done:
		if r.Err != nil {
			return known, false, r.Err
		}
		did = r.Val.(store.Marks)
	case <-ctx.Done():
		return known, false, ctx.Err()
	}
	deeds := slices.Clip(known.deeds)
	for _, p := range unknown {
		d := deed{to: p}
		if slices.Contains(did.Liked, p) {
			d.is |= liking
		}
		if slices.Contains(did.Saved, p) {
			d.is |= saving
		}
		deeds = append(deeds, d)
	}
	slices.SortFunc(deeds, newestFirst)
	known.deeds = deeds
	return known, true, nil
}

// AppendBinary and UnmarshalBinary are how memcached keeps marks: the build, the number
// of follows, then each follow and each deed in 9 bytes.

func (m marks) AppendBinary(b []byte) ([]byte, error) {
	deeds, follows := m.deeds[:min(len(m.deeds), deedsKept)], m.follows[:min(len(m.follows), followsKept)]
	b = binary.BigEndian.AppendUint64(b, m.build)
	b = append(b, byte(len(follows)))
	for _, d := range slices.Concat(follows, deeds) {
		b = append(binary.BigEndian.AppendUint64(b, uint64(d.to)), d.is)
	}
	return b, nil
}

func (m *marks) UnmarshalBinary(b []byte) error {
	const head, each = 9, 9
	if len(b) < head || (len(b)-head)%each != 0 || int(b[8]) > (len(b)-head)/each {
		return errors.New("not marks")
	}
	m.build = binary.BigEndian.Uint64(b)
	follows := int(b[8])
	all := make([]deed, (len(b)-head)/each)
	for i := range all {
		d := b[head+i*each:]
		all[i] = deed{id.ID(binary.BigEndian.Uint64(d)), d[8]}
	}
	m.follows, m.deeds = all[:follows:follows], all[follows:]
	return nil
}
