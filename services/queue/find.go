package queue

import (
	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
)

// Index brings the lists of tags and places to what a photo's row says when the task
// runs.
type Index struct {
	Media id.ID `json:"media,omitzero"`
	// Was is what the row said before it was changed: the photo may be in the lists of
	// that, too.
	Was Indexed `json:"was,omitzero"`
}

// Indexed is by what lists have a photo.
type Indexed struct {
	Tags      []string `json:"tags,omitempty"`
	Latitude  *float64 `json:"latitude,omitempty"`
	Longitude *float64 `json:"longitude,omitempty"`
}

func (Index) Kind() string { return "index" }

// InsertOpts: about five hours, because nobody would repeat a lost one.
func (Index) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueIndex, MaxAttempts: 40}
}

// IndexPhotos is Index for one chunk of a user's photos: those after After.
type IndexPhotos struct {
	User  id.ID `json:"user,omitzero"`
	After id.ID `json:"after,omitzero"`
	// Round is the number of the first chunk's task, which tells the chunks of one round
	// from those of the next; 0: this is the first.
	Round int64 `json:"round,omitzero"`
}

func (IndexPhotos) Kind() string { return "index_photos" }

// InsertOpts: about a day, because until then tags show what is private.
func (IndexPhotos) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueIndex, MaxAttempts: 150}
}
