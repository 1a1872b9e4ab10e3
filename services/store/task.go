package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// OldestTask is how long that task of the queues waits by now which has waited
// longest for a worker, over all databases; 0 if none waits. Of databases that do not
// answer the error tells; the others count all the same.
func (s *Store) OldestTask(ctx context.Context, queues ...string) (time.Duration, error) {
	seconds, errs := make([]float64, len(s.databases)), make([]error, len(s.databases))
	var wg sync.WaitGroup
	for i, d := range s.databases {
		wg.Go(func() {
			err := d.pool.QueryRow(ctx, `
				SELECT coalesce(extract(epoch FROM now() - min(scheduled_at)), 0)::float8
				FROM river.river_job
				WHERE state = 'available' AND queue = ANY($1) AND scheduled_at <= now()`, queues).Scan(&seconds[i])
			if err != nil {
				errs[i] = fmt.Errorf("oldest task: database %s: %w", d.name, err)
			}
		})
	}
	wg.Wait()
	longest := 0.0
	for _, s := range seconds {
		longest = max(longest, s)
	}
	return time.Duration(longest * float64(time.Second)), errors.Join(errs...)
}
