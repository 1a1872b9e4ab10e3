package queue

import (
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
)

// Notify tells the user's devices what happened, of one kind and around one photo or
// (0) none: all of it in one push. While it lasts, which the row of pushes says, what
// else happens orders no other; it orders itself anew until nothing more happens.
type Notify struct {
	User  id.ID  `json:"user,omitzero"`
	About string `json:"about,omitzero"` // kind of activity
	Media id.ID  `json:"media,omitzero"`
	// Due is that of the row of pushes. Whose is another's has nothing to do; without it a
	// task takes the row over, or makes it.
	Due time.Time `json:"due,omitzero"`
	// Told is the newest activity that was told before.
	Told id.ID `json:"told,omitzero"`
	// Last says that the row has ended, unless there is something newer than Told.
	Last bool `json:"last,omitzero"`
}

// Mention tells those who are mentioned in a comment or, without one, in the caption.
type Mention struct {
	Media   id.ID `json:"media,omitzero"`
	Comment id.ID `json:"comment,omitzero"`
}

// DisownDevice takes a device from a user who registered it before Since, because
// somebody else has it now, or the user too many.
type DisownDevice struct {
	User  id.ID     `json:"user,omitzero"`
	Token string    `json:"token,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

func (Notify) Kind() string       { return "notify" }
func (Mention) Kind() string      { return "mention" }
func (DisownDevice) Kind() string { return "disown_device" }

// KindAliases: each like once had a task of its own. Those that are left over find
// nothing to tell.
func (Notify) KindAliases() []string { return []string{"notify_like"} }

// InsertOpts: about four minutes, after which a push is no news.
func (Notify) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueuePush, MaxAttempts: 8}
}

// InsertOpts: about five hours, because nobody would repeat a lost mention.
func (Mention) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueIndex, MaxAttempts: 40}
}

// InsertOpts: about five hours, because the device would ring for both.
func (DisownDevice) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueuePush, MaxAttempts: 40}
}
