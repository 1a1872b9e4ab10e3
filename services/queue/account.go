package queue

import (
	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
)

// ProcessAvatar makes the avatar of a user of what they uploaded.
type ProcessAvatar struct {
	User   id.ID `json:"user,omitzero"`
	Upload id.ID `json:"upload,omitzero"`
}

// EraseObjects removes objects that nothing refers to any more: from storage, and Media
// from the edge too.
type EraseObjects struct {
	Uploads []string `json:"uploads,omitzero"`
	Media   []string `json:"media,omitzero"`
}

// IndexUser brings what searches find of a user to what their row says.
type IndexUser struct {
	User id.ID `json:"user,omitzero"`
}

func (ProcessAvatar) Kind() string { return "process_avatar" }
func (EraseObjects) Kind() string  { return "erase_objects" }
func (IndexUser) Kind() string     { return "index_user" }

// InsertOpts: about four minutes, after which the user is told to try another one.
func (ProcessAvatar) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueuePhoto, MaxAttempts: 8}
}

// InsertOpts: about five hours, because nobody would repeat it.
func (EraseObjects) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueDelete, MaxAttempts: 40}
}

// InsertOpts: about five hours, because nobody would repeat it.
func (IndexUser) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueIndex, MaxAttempts: 40}
}
