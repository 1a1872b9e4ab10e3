package queue_test

import (
	"context"
	"testing"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/queue"
)

// Each database is purged once a day, however many processes there are, whatever they
// work, and however often they start.
func TestHousekeeping(t *testing.T) {
	empty(t)
	nothing := func(context.Context, *river.Job[queue.ProcessPhoto]) error { return nil }
	for _, name := range []string{"worker-20", "worker-21", "worker-22"} {
		stop, beside := start(t, work(t, name, 1, nothing)), start(t, work(t, name+"-beside", 1, nothing))
		for _, d := range databases.Stores(t).Shards.Databases {
			c := databases.Owner(t, d.Name)
			eventually(t, "one purge of "+d.Name, func() bool {
				var purges, right int
				err := c.QueryRow(t.Context(), `
					SELECT count(*), count(*) FILTER (WHERE queue = $1 AND coalesce(args->>'shard', '0')::int = $2 AND (args->>'last')::int = $3)
					FROM river.river_job WHERE kind = 'purge'`, queue.QueueDelete, int(d.First), int(d.Last)).Scan(&purges, &right)
				if err != nil || purges > 1 {
					t.Fatalf("%d purges of %s, %v", purges, d.Name, err)
				}
				return right == 1
			})
			c.Close(context.WithoutCancel(t.Context()))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := beside(); err != nil {
			t.Error(err)
		}
	}
}
