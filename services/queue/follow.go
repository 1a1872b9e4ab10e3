package queue

import (
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
)

// EndFollow ends on the actor's shard what the target has ended: the follow that began
// at Until, or before.
type EndFollow struct {
	Actor  id.ID     `json:"actor,omitzero"`
	Target id.ID     `json:"target,omitzero"`
	Until  time.Time `json:"until,omitzero"`
}

// ApproveAll lets all who have asked follow a user whose account is public now.
type ApproveAll struct {
	User id.ID `json:"user,omitzero"`
}

// SyncBlock brings the target's shard to what the actor's shard says of a block.
type SyncBlock struct {
	Actor  id.ID `json:"actor,omitzero"`
	Target id.ID `json:"target,omitzero"`
}

func (EndFollow) Kind() string  { return "end_follow" }
func (ApproveAll) Kind() string { return "approve_all" }
func (SyncBlock) Kind() string  { return "sync_block" }

// InsertOpts: about five hours, because nobody would repeat it.
func (EndFollow) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueFollow, MaxAttempts: 40}
}

// InsertOpts: about five hours, because nobody would repeat it.
func (ApproveAll) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueFollow, MaxAttempts: 40}
}

// InsertOpts: about five hours, because nobody would repeat a lost block.
func (SyncBlock) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueFollow, MaxAttempts: 40}
}
