package store_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestOldestTask(t *testing.T) {
	s := databases.Store(t)
	const hour = 3600
	for database, tasks := range map[string][]struct {
		queue, state string
		age          int
	}{
		"postgres-01": {{"old", "available", 1 * hour}, {"old", "available", 2 * hour}, {"old", "running", 9 * hour}, {"push", "available", 9 * hour}},
		"postgres-02": {{"older", "available", 3 * hour}, {"old", "retryable", 9 * hour}, {"old", "available", -hour}},
	} {
		c := databases.Owner(t, database)
		for _, task := range tasks {
			_, err := c.Exec(t.Context(), `
				INSERT INTO river.river_job (kind, args, queue, state, max_attempts, scheduled_at)
				VALUES ('test', '{}', $1, $2::text::river.river_job_state, 1, now() - make_interval(secs => $3))`, task.queue, task.state, task.age)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		queues []string
		want   time.Duration
	}{
		{[]string{"old"}, 2 * time.Hour},
		{[]string{"old", "older"}, 3 * time.Hour},
		{[]string{"none"}, 0},
	} {
		if got, err := s.OldestTask(t.Context(), tt.queues...); err != nil || got.Round(time.Minute) != tt.want {
			t.Errorf("%q: %s, %v, want %s", tt.queues, got, err, tt.want)
		}
	}
	t.Run("with one database down", func(t *testing.T) {
		databases.Down(t, "postgres-02")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if got, err := s.OldestTask(ctx, "old", "older"); err == nil || !strings.Contains(err.Error(), "postgres-02") || got.Round(time.Minute) != 2*time.Hour {
			t.Errorf("%s, %v", got, err)
		}
	})
	for _, database := range []string{"postgres-01", "postgres-02"} {
		if _, err := databases.Owner(t, database).Exec(t.Context(), `DELETE FROM river.river_job WHERE kind = 'test'`); err != nil {
			t.Error(err)
		}
	}
}
