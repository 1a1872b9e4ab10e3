package queue

import (
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/shard"
)

// EraseUser removes everything of a user whose account was deleted. It begins with what
// their own shard knows of, goes on over all shards, a slice from Shard on at a time, and
// ends, when Shard is none any more, with the account itself.
type EraseUser struct {
	User  id.ID        `json:"user,omitzero"`
	Shard shard.Number `json:"shard,omitzero"`
}

// Export makes a file of everything that is a user's.
//
// Its last attempt is for giving up, as ProcessPhoto's.
type Export struct {
	User   id.ID `json:"user,omitzero"`
	Export id.ID `json:"export,omitzero"`
}

// Purge removes from the shards of one database what is kept for a while only: a slice of
// those from Shard to Last at a time.
type Purge struct {
	Shard shard.Number `json:"shard,omitzero"`
	Last  shard.Number `json:"last,omitzero"`
	// Began is when the first slice was; zero in the task of the first.
	Began time.Time `json:"began,omitzero"`
}

func (EraseUser) Kind() string { return "erase_user" }
func (Export) Kind() string    { return "export" }
func (Purge) Kind() string     { return "purge" }

// InsertOpts: about two weeks, because nobody would repeat a lost deletion.
func (EraseUser) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueDelete, MaxAttempts: 2000}
}

// InsertOpts: about three hours, after which the user is shown a failure.
func (Export) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueExport, MaxAttempts: 25}
}

// InsertOpts: about two hours; the next day has a Purge of its own.
func (Purge) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueDelete, MaxAttempts: 20}
}

// housekeeping is the one schedule that there is: a Purge of the shards first to last each
// day. River has the process that it elects of a database order what is periodic, and
// that may be any; so every process knows it. The election starts the schedule anew: hence
// it is tried hourly, and when it starts, and comes to one a day.
func housekeeping(first, last shard.Number) []*river.PeriodicJob {
	return []*river.PeriodicJob{river.NewPeriodicJob(
		river.PeriodicInterval(time.Hour),
		func() (river.JobArgs, *river.InsertOpts) {
			return Purge{Shard: first, Last: last}, &river.InsertOpts{
				UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: 24 * time.Hour},
			}
		},
		&river.PeriodicJobOpts{RunOnStart: true},
	)}
}
