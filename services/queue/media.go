package queue

import (
	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
)

// EraseMedia removes what there is of a photo that was deleted, one chunk of its
// author's followers at a time: those after After. Its first round takes away what can
// be seen; its last, some minutes later, what was under way meanwhile, and the row.
type EraseMedia struct {
	Media  id.ID `json:"media,omitzero"`
	Author id.ID `json:"author,omitzero"`
	Last   bool  `json:"last,omitzero"`
	After  id.ID `json:"after,omitzero"`
}

// Share posts a photo at another service, "facebook" or "twitter".
//
// Its last attempt is for giving up, as ProcessPhoto's.
type Share struct {
	Media   id.ID  `json:"media,omitzero"`
	Service string `json:"service,omitzero"`
}

func (EraseMedia) Kind() string { return "erase_media" }
func (Share) Kind() string      { return "share" }

// InsertOpts: about a month, because nobody would repeat a lost deletion.
func (EraseMedia) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueDelete, MaxAttempts: 4000}
}

// InsertOpts: about three hours, after which the author is shown a failure.
func (Share) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueShare, MaxAttempts: 25}
}
