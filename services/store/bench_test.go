package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// The benchmarks go through PgBouncer like production, but to databases that do
// not wait for the disk: they measure the work, not the drive.

// parallel runs op on as many goroutines as there are connections.
func parallel(b *testing.B, op func(n int64) error) {
	b.Helper()
	var n atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := op(n.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// posts are ready photos of several users.
func posts(b *testing.B, n int) []store.Media {
	b.Helper()
	var ms []store.Media
	for range n {
		ms = append(ms, post(b, databases.User(b)))
	}
	return ms
}

func BenchmarkLike(b *testing.B) {
	s := databases.Store(b)
	ms := posts(b, 64)
	begin := time.Now().UnixNano() // so that every run has likers of its own
	parallel(b, func(n int64) error {
		_, err := s.Like(b.Context(), ms[n%64].ID, id.ID(begin+n))
		return err
	})
}

func BenchmarkPublish(b *testing.B) {
	s := databases.Store(b)
	ms := posts(b, 16)
	parallel(b, func(n int64) error {
		user := ms[n%16].User
		u, err := s.CreateUpload(b.Context(), user, "image/jpeg", 1000, time.Now().Add(time.Hour))
		if err == nil {
			_, err = s.Publish(b.Context(), user, u.ID, store.NewMedia{Caption: "a caption"})
		}
		return err
	})
}

func BenchmarkMedia(b *testing.B) {
	s := databases.Store(b)
	ms := posts(b, 64)
	parallel(b, func(n int64) error {
		_, err := s.Media(b.Context(), ms[n%64].ID)
		return err
	})
}

func BenchmarkMediaMany20(b *testing.B) {
	s := databases.Store(b)
	var ids []id.ID
	for _, m := range posts(b, 20) {
		ids = append(ids, m.ID)
	}
	parallel(b, func(int64) error {
		_, err := s.MediaMany(b.Context(), ids)
		return err
	})
}

// BenchmarkRecentMedia100 is what rebuilding the feed of one who follows 100 costs.
func BenchmarkRecentMedia100(b *testing.B) {
	s := databases.Store(b)
	var users []id.ID
	for _, m := range posts(b, 100) {
		users = append(users, m.User)
	}
	parallel(b, func(int64) error {
		_, err := s.RecentMedia(b.Context(), users, 20)
		return err
	})
}

func BenchmarkFollow(b *testing.B) {
	s := databases.Store(b)
	ms := posts(b, 64)
	begin := time.Now().UnixNano()
	parallel(b, func(n int64) error {
		_, err := s.Follow(b.Context(), ms[n%64].User, id.ID(begin+n))
		return err
	})
}

// BenchmarkLikeOnePhoto is 64 likers of a single photo at once.
func BenchmarkLikeOnePhoto(b *testing.B) {
	s := databases.Store(b)
	m := post(b, databases.User(b))
	begin := time.Now().UnixNano()
	b.SetParallelism(32) // of two processors
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Like(b.Context(), m.ID, id.ID(begin+n.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkActivity1000 is what activity costs at most, and a push.
func BenchmarkActivity1000(b *testing.B) {
	s := databases.Store(b)
	m := post(b, databases.User(b))
	for n := range 1000 {
		if _, err := s.Like(b.Context(), m.ID, m.User+id.ID(n)+1); err != nil {
			b.Fatal(err)
		}
	}
	for name, do := range map[string]func() error{
		"Activity": func() error { _, err := s.Activity(b.Context(), m.User, 0, 0, 20); return err },
		"Unseen":   func() error { _, _, err := s.Unseen(b.Context(), m.User); return err },
		"News":     func() error { _, err := s.News(b.Context(), m.User, "like", m.ID); return err },
	} {
		b.Run(name, func(b *testing.B) { parallel(b, func(int64) error { return do() }) })
	}
}
