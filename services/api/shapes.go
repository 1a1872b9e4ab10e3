package main

import (
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/store"
)

// The shapes in which clients see things. The document names them as these types are
// named; they say what the rows of the store look like from outside.

// Person is an account as it stands beside photos and in lists.
type Person struct {
	ID        id.ID  `json:"id"`
	Name      string `json:"name"`
	FullName  string `json:"fullName"`
	Private   bool   `json:"private" doc:"Only whom they approve sees their photos."`
	AvatarURL string `json:"avatarUrl,omitempty" format:"uri" doc:"Square, 150 pixels wide."`
}

// Profile is an account as its page shows it.
type Profile struct {
	Person
	Bio            string       `json:"bio"`
	Website        string       `json:"website,omitempty" format:"uri"`
	MediaCount     int64        `json:"mediaCount"`
	FollowerCount  int64        `json:"followerCount"`
	FollowingCount int64        `json:"followingCount"`
	CreatedAt      time.Time    `json:"createdAt"`
	Relationship   Relationship `json:"relationship"`
}

// Relationship is how who asks and somebody else stand to each other.
type Relationship struct {
	User       id.ID             `json:"userId"`
	Following  store.FollowState `json:"following" enum:"no,requested,yes" doc:"Whether you follow them."`
	FollowedBy store.FollowState `json:"followedBy" enum:"no,requested,yes" doc:"Whether they follow you."`
	Blocking   bool              `json:"blocking" doc:"Whether you block them."`
	Muting     bool              `json:"muting" doc:"Whether you mute them."`
}

// Photo is a photo as clients see it. (The document calls it Photo; its id is a media id.)
type Photo struct {
	ID           id.ID                 `json:"id"`
	Author       Person                `json:"author"`
	Caption      string                `json:"caption"`
	Tags         []string              `json:"tags" nullable:"false" doc:"Of the caption, in lower case, without #."`
	Mentions     []string              `json:"mentions" nullable:"false" doc:"Names in the caption, in lower case, without @."`
	Alt          string                `json:"alt,omitempty" doc:"What it shows, for who does not see it."`
	Filter       string                `json:"filter,omitempty"`
	Place        string                `json:"place,omitempty" doc:"What the author calls where it was taken."`
	Location     *store.Location       `json:"location,omitempty" doc:"Where it was taken, if the author said so. Never read from the picture."`
	State        store.MediaState      `json:"state" enum:"processing,ready,failed" doc:"Others see only what is ready."`
	Reason       string                `json:"reason,omitempty" doc:"Why it failed: not_an_image, unsupported, too_many_pixels, corrupt, internal."`
	Hidden       bool                  `json:"hidden,omitempty" doc:"Taken down by a moderator: others do not see it."`
	Width        int                   `json:"width,omitempty" doc:"Of the original, when ready."`
	Height       int                   `json:"height,omitempty"`
	Blur         string                `json:"blur,omitempty" doc:"BlurHash of 4 by 3 components, to show while a rendition loads; when ready."`
	Renditions   []rendition.Rendition `json:"renditions" nullable:"false" doc:"At the CDN, narrowest first; when ready."`
	LikeCount    int64                 `json:"likeCount"`
	CommentCount int64                 `json:"commentCount"`
	CreatedAt    time.Time             `json:"createdAt" doc:"When it was published."`
	EditedAt     *time.Time            `json:"editedAt,omitempty"`
	Liked        bool                  `json:"liked" doc:"By you."`
	Saved        bool                  `json:"saved" doc:"By you."`
}

// person is u as others see them in lists.
func (a *api) person(u store.User) Person {
	p := Person{ID: u.ID, Name: u.Name, FullName: u.FullName, Private: u.Private}
	if u.Avatar != "" {
		p.AvatarURL = rendition.AvatarURL(a.doc.Storage.CDN, u.Avatar)
	}
	return p
}

// profileOf is u as their page shows them to whom r is about.
func (a *api) profileOf(u store.User, r Relationship) Profile {
	return Profile{
		Person: a.person(u), Bio: u.Bio, Website: u.Website,
		MediaCount: u.MediaCount, FollowerCount: u.FollowerCount, FollowingCount: u.FollowingCount,
		CreatedAt: u.CreatedAt, Relationship: r,
	}
}

// strangers is how two stand to each other who have nothing to do with each other.
func strangers(user id.ID) Relationship {
	return Relationship{User: user, Following: "no", FollowedBy: "no"}
}

// photo is m by author, as somebody sees it who has neither liked nor saved it.
func (a *api) photo(m store.Media, author store.User) Photo {
	p := Photo{
		ID: m.ID, Author: a.person(author), Caption: m.Caption, Tags: m.Tags, Mentions: m.Mentions,
		Alt: m.Alt, Filter: m.Filter, Place: m.Place, Location: m.Location,
		State: m.State, Reason: m.Reason, Hidden: m.Hidden,
		LikeCount: max(0, m.LikeCount), CommentCount: max(0, m.CommentCount),
		CreatedAt: m.CreatedAt, Renditions: []rendition.Rendition{},
	}
	if p.Tags == nil {
		p.Tags = []string{}
	}
	if p.Mentions == nil {
		p.Mentions = []string{}
	}
	if !m.EditedAt.IsZero() {
		p.EditedAt = &m.EditedAt
	}
	if m.State == store.Ready {
		p.Width, p.Height, p.Blur = m.Width, m.Height, m.Blur
		p.Renditions = rendition.Of(m.Key, m.Width, m.Height, a.doc.Storage.CDN)
	}
	return p
}
