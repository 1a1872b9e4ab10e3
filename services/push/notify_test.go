package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
	"github.com/burbn/burbn/services/telemetry"
)

// wire opens a push process that works no queue.
func (s *standin) wire(t *testing.T) *push {
	t.Helper()
	doc := s.settings(t)
	process, err := telemetry.New("push", doc.Process, "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	p, err := open(t.Context(), doc, secrets{Postgres: storetest.AppPassword, APNs: string(s.key)}, process)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// next takes the task that tells user something off the queue, if there is one, with how
// long it would have waited. There is never more than one.
func next(t *testing.T, user store.User) (task *queue.Notify, wait time.Duration) {
	t.Helper()
	c := databases.Owner(t, databaseOf(t, store.Media{ID: user.ID}))
	rows, err := c.Query(t.Context(), `
		DELETE FROM river.river_job WHERE kind = 'notify' AND args->>'user' = $1
		RETURNING args, extract(epoch FROM scheduled_at - created_at)::float8`, user.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		if task != nil {
			t.Fatal("two tasks tell the same")
		}
		var args []byte
		var seconds float64
		if err := rows.Scan(&args, &seconds); err != nil {
			t.Fatal(err)
		}
		task, wait = &queue.Notify{}, time.Duration(seconds*float64(time.Second)).Round(time.Millisecond)
		if err := json.Unmarshal(args, task); err != nil {
			t.Fatal(err)
		}
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return task, wait
}

// work does what a task says, in its attempt of that number.
func (p *push) work(t *testing.T, task *queue.Notify, attempt int) error {
	t.Helper()
	if task == nil {
		t.Fatal("no task was ordered")
	}
	return (&notify{push: p}).Work(t.Context(), &river.Job[queue.Notify]{
		JobRow: &rivertype.JobRow{Attempt: attempt, MaxAttempts: 8}, Args: *task,
	})
}

func (r receipt) text(t *testing.T) string {
	t.Helper()
	var body struct {
		APS struct {
			Alert struct {
				Body string `json:"body"`
			} `json:"alert"`
			Badge int `json:"badge"`
		} `json:"aps"`
	}
	if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d: %s", body.APS.Badge, body.APS.Alert.Body)
}

// A popular photo rings the phone a few times, not a thousand.
func TestThousandLikesRingThrice(t *testing.T) {
	s := newStandin(t)
	p := s.wire(t)
	owner := databases.User(t)
	photo := post(t, owner)
	register(t, owner, device("aa"))
	db := databases.Store(t)
	var wg sync.WaitGroup
	for n := range 97 {
		wg.Go(func() {
			for i := range 10 {
				if _, err := db.Like(t.Context(), photo.ID, id.Make(time.Now(), 0, 0)+id.ID(n*10+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	began := time.Now().Add(-time.Hour)
	var fan store.User
	fans := func(after time.Duration) {
		for range store.LatestActors {
			fan = databases.User(t)
			like(t, photo, fan)
		}
		age(t, owner, fmt.Sprintf(`UPDATE shard.activity SET created_at = '%s' WHERE user_id = $1 AND created_at > now() - interval '10 minutes'`,
			began.Add(after).Format(time.RFC3339)))
	}
	var told []string
	for ring, want := range []struct {
		at, wait time.Duration
		text     string
	}{
		{0, gather, "1: %s and 979 others liked your photo."},
		{time.Minute, time.Minute, "1: %s and 989 others liked your photo."},
		{11 * time.Minute, 10 * time.Minute, "1: %s and 999 others liked your photo."},
	} {
		fans(want.at)
		task, wait := next(t, owner)
		if wait != want.wait {
			t.Errorf("ring %d comes after %s, want %s", ring, wait, want.wait)
		}
		if err := p.work(t, task, 1); err != nil {
			t.Fatal(err)
		}
		told = append([]string{fmt.Sprintf(want.text, fan.Name)}, told...)
		pushes, err := s.received(photo)
		var got []string
		for _, r := range pushes {
			got = append(got, r.text(t))
		}
		if !slices.Equal(got, told) || err != nil {
			t.Fatalf("pushed are %q, %v, want %q", got, err, told)
		}
	}
	task, wait := next(t, owner)
	if wait != time.Hour {
		t.Errorf("the phone rests for %s", wait)
	}
	// Meanwhile the user has looked. Nothing rings any more.
	if err := db.SeeActivity(t.Context(), owner.ID, 1<<63-1); err != nil {
		t.Fatal(err)
	}
	if err := p.work(t, task, 1); err != nil {
		t.Fatal(err)
	}
	if task, wait = next(t, owner); wait != settle {
		t.Errorf("the last look comes after %s", wait)
	}
	if err := p.work(t, task, 1); err != nil {
		t.Fatal(err)
	}
	if task, _ := next(t, owner); task != nil {
		t.Errorf("task %+v is left", task)
	}
	if pushes, err := s.received(photo); len(pushes) != 3 || err != nil {
		t.Errorf("%d pushes, %v", len(pushes), err)
	}
	// And the next like is news again.
	like(t, photo, databases.User(t))
	if task, wait := next(t, owner); task == nil || wait != gather {
		t.Errorf("the next like orders %+v after %s", task, wait)
	}
}

// What saw the row of a push that was just about to end is told by the last look.
func TestLastLook(t *testing.T) {
	s := newStandin(t)
	p := s.wire(t)
	owner, fan := databases.User(t), databases.User(t)
	photo := post(t, owner)
	register(t, owner, device("aa"))
	like(t, photo, databases.User(t))
	for range 2 { // its push, and its end
		task, _ := next(t, owner)
		if err := p.work(t, task, 1); err != nil {
			t.Fatal(err)
		}
	}
	look, _ := next(t, owner)
	like(t, photo, fan)
	if task, _ := next(t, owner); task == nil { // as if it had found the row
		t.Fatal("a like after the end orders no push")
	}
	age(t, owner, `DELETE FROM shard.pushes WHERE user_id = $1`)
	for range 2 { // which orders the push
		if err := p.work(t, look, 1); err != nil {
			t.Fatal(err)
		}
		look, _ = next(t, owner)
	}
	if pushes, err := s.received(photo); len(pushes) != 2 || err != nil {
		t.Errorf("pushed are %+v, %v, want both", pushes, err)
	}
}

func TestNobodyRings(t *testing.T) {
	s := newStandin(t)
	p := s.wire(t)
	for name, before := range map[string]func(t *testing.T, owner, fan store.User){
		"blocked": func(t *testing.T, owner, fan store.User) {
			age(t, owner, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'block', `+fan.ID.String()+`)`)
		},
		"blocking": func(t *testing.T, owner, fan store.User) {
			age(t, owner, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'blocked', `+fan.ID.String()+`)`)
		},
		"muted": func(t *testing.T, owner, fan store.User) {
			age(t, owner, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'mute', `+fan.ID.String()+`)`)
		},
		"away": func(t *testing.T, _, fan store.User) {
			age(t, fan, `UPDATE shard.users SET state = 'deactivated' WHERE id = $1`)
		},
		"gone": func(t *testing.T, _, fan store.User) { age(t, fan, `DELETE FROM shard.users WHERE id = $1`) },
		"to the away": func(t *testing.T, owner, _ store.User) {
			age(t, owner, `UPDATE shard.users SET state = 'suspended' WHERE id = $1`)
		},
		"to who muted": func(t *testing.T, owner, _ store.User) {
			age(t, owner, `UPDATE shard.users SET muted_pushes = '{like}' WHERE id = $1`)
		},
		"seen": func(t *testing.T, owner, _ store.User) {
			if err := databases.Store(t).SeeActivity(t.Context(), owner.ID, 1<<63-1); err != nil {
				t.Fatal(err)
			}
		},
		"old": func(t *testing.T, owner, _ store.User) {
			age(t, owner, `UPDATE shard.activity SET created_at = now() - interval '25 hours' WHERE user_id = $1`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			owner, fan := databases.User(t), databases.User(t)
			photo := post(t, owner)
			register(t, owner, device("aa"))
			like(t, photo, fan)
			before(t, owner, fan)
			for range 2 { // the push, and the last look
				task, _ := next(t, owner)
				if err := p.work(t, task, 1); err != nil {
					t.Fatal(err)
				}
			}
			if task, _ := next(t, owner); task != nil {
				t.Errorf("task %+v is left", task)
			}
			if pushes, err := s.received(photo); len(pushes) > 0 || err != nil {
				t.Errorf("pushed are %+v, %v", pushes, err)
			}
		})
	}
}

// A push that Apple would not take for as long as it is news holds up no later one.
func TestGivingUp(t *testing.T) {
	s := newStandin(t)
	p := s.wire(t)
	owner := databases.User(t)
	photo := post(t, owner)
	register(t, owner, device("503503"))
	like(t, photo, databases.User(t))
	task, _ := next(t, owner)
	for attempt := 1; attempt <= 8; attempt++ {
		if err := p.work(t, task, attempt); err == nil {
			t.Fatalf("attempt %d is content", attempt)
		}
	}
	next(t, owner) // the last look
	like(t, photo, databases.User(t))
	if task, _ := next(t, owner); task == nil {
		t.Error("the next like orders no push")
	}
}

// A task that a release before this one has ordered for one like.
func TestOldTask(t *testing.T) {
	s := newStandin(t)
	p := s.wire(t)
	if err := p.work(t, &queue.Notify{Media: 12}, 1); err != nil {
		t.Error(err)
	}
}

func TestRest(t *testing.T) {
	for unseen, want := range map[time.Duration]time.Duration{
		0:                time.Minute,
		5 * time.Second:  time.Minute,
		time.Minute:      10 * time.Minute,
		11 * time.Minute: time.Hour,
		time.Hour * 24:   time.Hour,
	} {
		if got := rest(unseen); got != want {
			t.Errorf("unseen for %s: rests for %s, want %s", unseen, got, want)
		}
	}
}

func TestPayload(t *testing.T) {
	maya, noah := store.User{ID: 5, Name: "maya"}, store.User{ID: 6, Name: "noah"}
	for _, tt := range []struct {
		name   string
		task   queue.Notify
		news   store.News
		actors []store.User
		body   string
		key    string
		args   []string
		thread string
	}{
		{"one", queue.Notify{About: "like", Media: 7}, store.News{Count: 1}, []store.User{maya}, "maya liked your photo.", "LIKE", []string{"maya"}, "like-7"},
		{"two", queue.Notify{About: "like", Media: 7}, store.News{Count: 2}, []store.User{maya, noah}, "maya and noah liked your photo.", "LIKE_TWO", []string{"maya", "noah"}, "like-7"},
		{"two of whom one is away", queue.Notify{About: "like", Media: 7}, store.News{Count: 2}, []store.User{maya}, "maya and 1 other liked your photo.", "LIKE_MANY", []string{"maya", "1"}, "like-7"},
		{"many", queue.Notify{About: "comment", Media: 7}, store.News{Count: 13, Text: "x"}, []store.User{maya, noah}, "maya and 12 others commented on your photo.", "COMMENT_MANY", []string{"maya", "12"}, "comment-7"},
		{"a comment", queue.Notify{About: "comment", Media: 7}, store.News{Count: 1, Comment: 9, Text: "Oh!"}, []store.User{maya}, "maya commented: “Oh!”", "COMMENT_TEXT", []string{"maya", "Oh!"}, "comment-7"},
		{"a follow", queue.Notify{About: "follow"}, store.News{Count: 1}, []store.User{maya}, "maya started following you.", "FOLLOW", []string{"maya"}, "follow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := json.Marshal(payloadOf(tt.task, tt.news, tt.actors))
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				APS struct {
					Alert struct {
						Body    string   `json:"body"`
						LocKey  string   `json:"loc-key"`
						LocArgs []string `json:"loc-args"`
					} `json:"alert"`
					Thread string `json:"thread-id"`
				} `json:"aps"`
				Actor string `json:"actor"`
			}
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			if a := got.APS.Alert; a.Body != tt.body || a.LocKey != tt.key || !slices.Equal(a.LocArgs, tt.args) || got.APS.Thread != tt.thread || got.Actor != "5" {
				t.Errorf("payload is %s", b)
			}
		})
	}
	for _, kind := range store.Kinds {
		if verbs[kind] == "" {
			t.Errorf("kind %s has no words", kind)
		}
	}
	// What takes most in JSON.
	longest := store.User{ID: 1<<63 - 1, Name: strings.Repeat("m", 30)}
	b, err := json.Marshal(payloadOf(queue.Notify{About: "comment", Media: 1<<63 - 1}, store.News{Count: 1, Comment: 1<<63 - 1, Lines: 1000, Text: strings.Repeat("<", 100)}, []store.User{longest}))
	if err != nil || len(b) > 4096 {
		t.Errorf("%d bytes, %v; Apple takes 4,096", len(b), err)
	}
}
