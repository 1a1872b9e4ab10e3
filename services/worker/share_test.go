package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

const shareAttempts = 3

// shareOf is an attempt to share, the task being as old as that.
func shareOf(m store.Media, to store.Service, attempt int, age time.Duration) *river.Job[queue.Share] {
	return &river.Job[queue.Share]{
		JobRow: &rivertype.JobRow{Attempt: attempt, MaxAttempts: shareAttempts, CreatedAt: time.Now().Add(-age)},
		Args:   queue.Share{Media: m.ID, Service: string(to)},
	}
}

// link links an account by that token.
func link(t *testing.T, w *worker, user store.User, to store.Service, token string) {
	t.Helper()
	if _, err := w.store.SetLink(t.Context(), user.ID, to, "Maya", w.links.Seal([]byte(token), to.Sealed(user.ID))); err != nil {
		t.Fatal(err)
	}
}

// sharing is a ready photo that is to be shared to both services.
func sharing(t *testing.T, w *worker, author store.User, caption string) store.Media {
	t.Helper()
	m := publishAs(t, w, author, photo(t, 40, 30), store.NewMedia{Caption: caption, ShareTo: []store.Service{store.Facebook, store.Twitter}})
	return processed(t, w, m)
}

// outcome is what the author is shown.
func outcome(t *testing.T, w *worker, m store.Media, of store.Service) store.Share {
	t.Helper()
	shares, err := w.store.Shares(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shares {
		if s.Service == of {
			return s
		}
	}
	t.Fatalf("media %s has no share at %s", m.ID, of)
	return store.Share{}
}

func TestShare(t *testing.T) {
	w := wire(t)
	s := newStandin(t)
	w.services = newServices(settings.Share{Facebook: "http://" + s.Facebook, Twitter: "http://" + s.Twitter + "/"})
	task := &share{worker: w}
	for _, tt := range []struct {
		token    string
		facebook string // state and reason after the first attempt
		twitter  string
		end      string // of both after the last
	}{
		{"good-token", "shared ", "shared ", "shared "},
		{"bad-token", "failed token_refused", "failed token_refused", "failed token_refused"},
		{"expired-token", "failed token_refused", "failed token_refused", "failed token_refused"},
		{"429-token", "waiting ", "waiting ", "failed unavailable"},
		{"503-token", "waiting ", "waiting ", "failed unavailable"},
	} {
		t.Run(tt.token, func(t *testing.T) {
			author := databases.User(t)
			m := sharing(t, w, author, "First light & <fog>")
			for service, want := range map[store.Service]string{store.Facebook: tt.facebook, store.Twitter: tt.twitter} {
				link(t, w, author, service, tt.token)
				for attempt := 1; attempt <= shareAttempts; attempt++ {
					if attempt == shareAttempts {
						want = tt.end
					}
					err := task.Work(t.Context(), shareOf(m, service, attempt, 0))
					if waits := strings.HasPrefix(want, "waiting"); waits != (err != nil) {
						t.Errorf("%s, attempt %d: %v", service, attempt, err)
					}
					if got := outcome(t, w, m, service); fmt.Sprint(got.State, " ", got.Reason) != want || (got.State == store.Shared) != (got.URL != "") {
						t.Errorf("%s, attempt %d: %+v, want %s", service, attempt, got, want)
					}
				}
			}
		})
	}
	// Each was posted once, with its caption and its photo.
	key := ""
	posts := map[string]int{}
	for _, service := range []string{"facebook", "twitter"} {
		rs, err := s.received(service)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			if strings.Contains(r.Body, "-token") {
				t.Errorf("%s lists the token: %s", service, r.Body)
			}
			if r.Status < 300 {
				posts[service+" "+r.Path]++
			}
			if form, err := url.ParseQuery(r.Body); err == nil && service == "facebook" && r.Status == 200 {
				if key = form.Get("url"); form.Get("caption") != "First light & <fog>" || !strings.HasSuffix(key, "/1080.jpg") || !strings.HasPrefix(key, w.doc.Storage.CDN) {
					t.Errorf("facebook got %s", r.Body)
				}
			}
		}
	}
	if want := map[string]int{"facebook /v23.0/me/photos": 1, "twitter /2/media/upload": 1, "twitter /2/tweets": 1}; fmt.Sprint(posts) != fmt.Sprint(want) {
		t.Errorf("posted %v, want %v", posts, want)
	}
}

// scripted is a service that answers as the test says.
func scripted(t *testing.T, answer http.HandlerFunc) (service, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		r.ParseForm()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return &facebook{&http.Client{Timeout: shareTimeout}, s.URL}, &asked
}

func TestShareEnds(t *testing.T) {
	w := wire(t)
	task := &share{worker: w}
	posted := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":"2","post_id":"1_2"}`) }
	hangUp := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	problem := func(status int, code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"message":"no","type":"OAuthException","code":%d}}`, code)
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		before func(t *testing.T, m store.Media, author store.User)
		age    time.Duration
		want   string // after two attempts
		asked  int32
	}{
		{name: "posted", answer: posted, want: "shared https://www.facebook.com/1_2", asked: 1},
		{name: "answer lost", answer: hangUp, want: "failed unconfirmed", asked: 1},
		{name: "answer of nothing", answer: func(http.ResponseWriter, *http.Request) {}, want: "failed unconfirmed", asked: 1},
		{name: "permission taken back", answer: problem(400, 200), want: "failed not_permitted", asked: 1},
		{name: "photo refused", answer: problem(400, 324), want: "failed refused", asked: 1},
		{name: "transient", answer: problem(500, 2), want: "waiting ", asked: 2},
		{name: "gateway", answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, want: "waiting ", asked: 2},
		{name: "for a day", answer: problem(503, 2), age: 25 * time.Hour, want: "failed unavailable"},
		{name: "unlinked", answer: posted, want: "failed not_linked", before: func(t *testing.T, _ store.Media, author store.User) {
			if err := w.store.DeleteLink(t.Context(), author.ID, store.Facebook); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "taken down", answer: posted, want: "failed taken_down", before: func(t *testing.T, m store.Media, _ store.User) {
			c := databases.Owner(t, w.doc.Shards.Databases[w.doc.Shards.Database(shard.Of(m.ID))].Name)
			if _, err := c.Exec(t.Context(), `UPDATE `+shard.Of(m.ID).Schema()+`.media SET hidden = true WHERE id = $1`, m.ID); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "killed while asking", answer: posted, want: "failed unconfirmed", before: func(t *testing.T, m store.Media, _ store.User) {
			if began, err := w.store.MarkShare(t.Context(), m.ID, store.Waiting, store.Share{Service: store.Facebook, State: store.Posting}); err != nil || !began {
				t.Fatal(began, err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, asked := scripted(t, tt.answer)
			w.services = map[store.Service]service{store.Facebook: at}
			author := databases.User(t)
			link(t, w, author, store.Facebook, "token")
			m := sharing(t, w, author, "")
			if tt.before != nil {
				tt.before(t, m, author)
			}
			for attempt := 1; attempt <= 2; attempt++ {
				err := task.Work(t.Context(), shareOf(m, store.Facebook, attempt, tt.age))
				if (err != nil) != strings.HasPrefix(tt.want, "waiting") {
					t.Errorf("attempt %d: %v", attempt, err)
				}
			}
			got := outcome(t, w, m, store.Facebook)
			if fmt.Sprint(got.State, " ", got.Reason+got.URL) != tt.want || asked.Load() != tt.asked {
				t.Errorf("%+v, asked %d times; want %s, asked %d times", got, asked.Load(), tt.want, tt.asked)
			}
		})
	}
	t.Run("not reached", func(t *testing.T) {
		w.services = map[store.Service]service{store.Facebook: &facebook{http.DefaultClient, "http://127.0.0.1:1"}}
		author := databases.User(t)
		link(t, w, author, store.Facebook, "token")
		m := sharing(t, w, author, "")
		if err := task.Work(t.Context(), shareOf(m, store.Facebook, 1, 0)); err == nil {
			t.Error("content with what was not sent")
		}
		if got := outcome(t, w, m, store.Facebook); got.State != store.Waiting {
			t.Errorf("%+v, want it to wait", got)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		at, asked := scripted(t, posted)
		w.services = map[store.Service]service{store.Facebook: at}
		author := databases.User(t)
		link(t, w, author, store.Facebook, "token")
		m := sharing(t, w, author, "")
		if _, err := w.store.DeleteMedia(t.Context(), author.ID, m.ID); err != nil {
			t.Fatal(err)
		}
		if err := task.Work(t.Context(), shareOf(m, store.Facebook, 1, 0)); err != nil || asked.Load() != 0 {
			t.Errorf("asked %d times, %v", asked.Load(), err)
		}
	})
}

// However many attempts run at once, the service is asked once.
func TestShareOnce(t *testing.T) {
	w := wire(t)
	at, asked := scripted(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":"2"}`) })
	w.services = map[store.Service]service{store.Facebook: at}
	author := databases.User(t)
	link(t, w, author, store.Facebook, "token")
	m := sharing(t, w, author, "")
	task := &share{worker: w}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { task.Work(t.Context(), shareOf(m, store.Facebook, 1, 0)) })
	}
	wg.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times, want once", asked.Load())
	}
}

func TestShareWaitsAsAsked(t *testing.T) {
	w := wire(t)
	author := databases.User(t)
	link(t, w, author, store.Facebook, "token")
	at, _ := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	w.services = map[store.Service]service{store.Facebook: at}
	err := (&share{worker: w}).Work(t.Context(), shareOf(sharing(t, w, author, ""), store.Facebook, 1, 0))
	var snooze *river.JobSnoozeError
	if !errors.As(err, &snooze) || snooze.Duration != 90*time.Second {
		t.Errorf("Work = %v, want a pause of 90 s", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		header, value string
		want          time.Duration
	}{
		{"Retry-After", "30", 30 * time.Second},
		{"Retry-After", "0", time.Second},
		{"Retry-After", "-5", time.Second},
		{"Retry-After", "Wed, 01 Jul 2026 12:02:00 GMT", 2 * time.Minute},
		{"Retry-After", "soon", 0},
		{"X-Rate-Limit-Reset", fmt.Sprint(now.Add(15 * time.Minute).Unix()), 15 * time.Minute},
		{"X-Rate-Limit-Reset", fmt.Sprint(now.Add(-time.Hour).Unix()), time.Second},
		{"Date", "", 0},
	} {
		if got := retryAfter(http.Header{tt.header: {tt.value}}, now); got != tt.want {
			t.Errorf("%s: %s is %s, want %s", tt.header, tt.value, got, tt.want)
		}
	}
}

func TestPostText(t *testing.T) {
	for _, tt := range []struct{ name, caption, want string }{
		{"short", "First light", "First light"},
		{"just fits", strings.Repeat("a", 280), strings.Repeat("a", 280)},
		{"one too many", strings.Repeat("a", 281), strings.Repeat("a", 278) + "…"},
		{"wide characters just fit", strings.Repeat("光", 140), strings.Repeat("光", 140)},
		{"one wide too many", strings.Repeat("光", 141), strings.Repeat("光", 139) + "…"},
		{"cut at a space", strings.Repeat("a", 277) + " bbbb", strings.Repeat("a", 277) + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := postText(tt.caption); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// The location in the picture is nobody's to see, and not where the photo is placed.
func TestLocationInThePictureIsNotUsed(t *testing.T) {
	w := wire(t)
	const north = "N\x00\x00\x00"
	segment := "Exif\x00\x00MM\x00*\x00\x00\x00\x08" + // big-endian, first directory at 8
		"\x00\x01\x88\x25\x00\x04\x00\x00\x00\x01\x00\x00\x00\x1a\x00\x00\x00\x00" + // one tag: GPS at 26
		"\x00\x02" + // two tags: north or south, latitude
		"\x00\x01\x00\x02\x00\x00\x00\x02" + north +
		"\x00\x02\x00\x05\x00\x00\x00\x03\x00\x00\x00\x38" + "\x00\x00\x00\x00" +
		"\x00\x00\x00\x25\x00\x00\x00\x01\x00\x00\x00\x2e\x00\x00\x00\x01\x00\x00\x00\x1e\x00\x00\x00\x01" // 37° 46' 30"
	picture := photo(t, 400, 300)
	original := string(picture[:2]) + "\xff\xe1" + string([]byte{byte((len(segment) + 2) >> 8), byte(len(segment) + 2)}) + segment + string(picture[2:])
	m := processed(t, w, publish(t, w, databases.User(t), []byte(original)))
	if m.State != store.Ready || m.Location != nil || m.Blur == "" {
		t.Errorf("photo = %+v, want it ready and nowhere", m)
	}
	for _, key := range rendition.Keys(m.Key) {
		b, err := w.objects.GetRendition(t.Context(), key, 1<<20)
		if err != nil || strings.Contains(string(b), "Exif") || strings.Contains(string(b), segment[len(segment)-24:]) {
			t.Errorf("%s has the location of the original (%v)", key, err)
		}
	}
}
