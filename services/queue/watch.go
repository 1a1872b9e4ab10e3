package queue

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// watch stands around every attempt of a process, whichever database its task
// is of: it holds the slots and counts the results.
type watch struct {
	slots   map[string]chan struct{} // by queue
	results *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	logger  *slog.Logger
}

func newWatch(c Config) (*watch, error) {
	switch {
	case c.Name == "":
		return nil, errors.New("config: Name is missing")
	case c.Stop <= 0:
		return nil, errors.New("config: Stop must be positive")
	}
	w := &watch{
		slots: map[string]chan struct{}{},
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "burbn_tasks_total",
			Help: "Attempts at tasks, by kind and by result: done, retry, discarded.",
		}, []string{"task", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "burbn_task_seconds",
			Help:    "How long an attempt at a task took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"task"}),
		logger: c.Logger,
	}
	for name, slots := range c.Queues {
		w.slots[name] = make(chan struct{}, slots)
	}
	return w, errors.Join(c.Metrics.Register(w.results), c.Metrics.Register(w.seconds))
}

// watched is watch as River's middleware.
type watched struct {
	river.MiddlewareDefaults
	*watch
	stopping context.Context
}

// Work runs one attempt once there is a slot for it.
func (w *watched) Work(ctx context.Context, job *rivertype.JobRow, attempt func(context.Context) error) error {
	slots := w.slots[job.Queue]
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return w.putBack(ctx, ctx.Err())
	}
	begin := time.Now()
	result := "retry" // also when attempt panics
	defer func() {
		w.seconds.WithLabelValues(job.Kind).Observe(time.Since(begin).Seconds())
		w.results.WithLabelValues(job.Kind, result).Inc()
	}()
	err := attempt(ctx)
	if err == nil {
		result = "done"
		return nil
	}
	err = w.putBack(ctx, err)
	var cancel *rivertype.JobCancelError
	var snooze *rivertype.JobSnoozeError
	switch {
	case errors.As(err, &snooze):
		return err
	case errors.As(err, &cancel), job.Attempt >= job.MaxAttempts:
		result = "discarded"
	}
	level := slog.LevelWarn
	if result == "discarded" {
		level = slog.LevelError // nobody will try it again
	}
	w.logger.Log(ctx, level, "task failed", "task", job.Kind, "id", job.ID, "attempt", job.Attempt, "result", result, "error", err)
	return err
}

// putBack makes of an attempt that was cut off because the process stops one that
// was not made.
func (w *watched) putBack(ctx context.Context, err error) error {
	if ctx.Err() != nil && w.stopping.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return river.JobSnooze(0)
	}
	return err
}
