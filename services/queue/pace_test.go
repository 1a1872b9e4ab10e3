package queue

import (
	"testing"
	"time"
)

func TestShare(t *testing.T) {
	for _, c := range []struct{ slots, databases, want int }{
		{1, 1, 1}, {1, 12, 1}, {4, 1, 4}, {4, 2, 4}, {50, 12, 9}, {200, 12, 34},
	} {
		if got := share(c.slots, c.databases); got != c.want {
			t.Errorf("share(%d, %d) = %d, want %d", c.slots, c.databases, got, c.want)
		}
	}
}

func TestDelay(t *testing.T) {
	for attempt, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 11: 10 * time.Minute, 1000: 10 * time.Minute,
	} {
		for range 100 {
			if d := delay(attempt, 10*time.Minute); d < want*4/5 || d > want*6/5 {
				t.Errorf("delay of attempt %d = %s, want about %s", attempt, d, want)
			}
		}
	}
}

// TestNotify: what somebody waits for always wakes the workers; what comes by the
// thousand does so ten times a second.
func TestNotify(t *testing.T) {
	i, err := NewInserter()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, c := range []struct {
		queue string
		after time.Duration
		want  bool
	}{
		{QueuePush, 0, true},
		{QueueFollow, 0, true},
		{QueuePhoto, 0, true},
		{QueuePush, 99 * time.Millisecond, false},
		{QueuePhoto, 99 * time.Millisecond, true},
		{QueueFanOut, 99 * time.Millisecond, true},
		{QueuePush, 100 * time.Millisecond, true},
		{QueuePush, 150 * time.Millisecond, false},
	} {
		if got := i.notify(c.queue, now.Add(c.after)); got != c.want {
			t.Errorf("notify %s after %s = %v, want %v", c.queue, c.after, got, c.want)
		}
	}
}
