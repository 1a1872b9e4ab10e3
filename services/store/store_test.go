package store_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

var databases storetest.Databases

func TestMain(m *testing.M) { os.Exit(databases.Run(m)) }

// unknown is an id of an existing shard that no row has.
const unknown = id.ID(1)

// nowhere is an id of a shard that does not exist, as anybody can make one up.
const nowhere = id.ID(id.MaxShard) << id.SequenceBits

// makeUpload promises a photo of user, valid for an hour.
func makeUpload(t testing.TB, user store.User) store.Upload {
	t.Helper()
	u, err := databases.Store(t).CreateUpload(t.Context(), user.ID, "image/jpeg", 1000, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// publish publishes a photo of user that is still processing.
func publish(t testing.TB, user store.User) store.Media {
	t.Helper()
	m, err := databases.Store(t).Publish(t.Context(), user.ID, makeUpload(t, user).ID, store.NewMedia{Caption: "a caption"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// post publishes a ready photo of user.
func post(t testing.TB, user store.User) store.Media {
	t.Helper()
	m := publish(t, user)
	if changed, err := databases.Store(t).MarkReady(t.Context(), m.ID, 4032, 3024, ""); err != nil || !changed {
		t.Fatalf("MarkReady = %v, %v", changed, err)
	}
	return m
}

// value is the one that an SQL expression has on the shard of i; "shard." stands for its schema.
func value[T any](t testing.TB, i id.ID, sql string, args ...any) (v T) {
	t.Helper()
	m := databases.Stores(t).Shards
	c := databases.Owner(t, m.Databases[m.Database(shard.Of(i))].Name)
	defer c.Close(context.WithoutCancel(t.Context()))
	sql = strings.ReplaceAll(sql, "shard.", shard.Of(i).Schema()+".")
	if err := c.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// tasks are how many of a kind there are whose args contain all of the JSON.
func tasks(t testing.TB, i id.ID, kind, args string) int {
	t.Helper()
	return value[int](t, i, `SELECT count(*) FROM river.river_job WHERE kind = $1 AND args @> $2`, kind, args)
}

func expect(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error = %v, want %v", err, want)
	}
}

func TestPing(t *testing.T) {
	s := databases.Store(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	user := databases.User(t)
	other := databases.User(t)
	for onDatabase(t, other.ID) == onDatabase(t, user.ID) {
		other = databases.User(t)
	}
	down, up := onDatabase(t, user.ID), onDatabase(t, other.ID)
	databases.Down(t, down)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := s.Ping(ctx)
	if err == nil || !strings.Contains(err.Error(), down) || strings.Contains(err.Error(), up+":") {
		t.Errorf("Ping = %v, want an error that names %s alone", err, down)
	}
	if _, err := s.User(t.Context(), other.ID); err != nil {
		t.Errorf("the other database suffers: %v", err)
	}
	if _, err := s.Users(ctx, []id.ID{user.ID, other.ID}); err == nil || !strings.Contains(err.Error(), down) {
		t.Errorf("Users = %v, want an error that names %s", err, down)
	}
}

func onDatabase(t testing.TB, i id.ID) string {
	m := databases.Stores(t).Shards
	return m.Databases[m.Database(shard.Of(i))].Name
}

func TestOpenRefuses(t *testing.T) {
	good := databases.Stores(t)
	for name, spoil := range map[string]func(*settings.Stores){
		"shards": func(s *settings.Stores) { s.Shards.Count = 3 },
		"pooler": func(s *settings.Stores) { s.Pooler = "nowhere" },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			spoil(&bad)
			if s, err := store.Open(t.Context(), bad, ""); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("Open = %v, %v, want an error that names %s", s, err, name)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	s, err := store.Open(t.Context(), databases.Stores(t), "wrong")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "SASL") {
		t.Errorf("Ping = %v, want the authentication to fail", err)
	}
}

// TestNothingOfUnknown asks each operation about ids that no row has.
func TestNothingOfUnknown(t *testing.T) {
	s := databases.Store(t)
	ctx := t.Context()
	user := databases.User(t)
	for _, i := range []id.ID{unknown, nowhere} {
		_, err := s.User(ctx, i)
		expect(t, err, store.ErrNotFound)
		_, err = s.Session(ctx, i)
		expect(t, err, store.ErrNotFound)
		_, err = s.Upload(ctx, i)
		expect(t, err, store.ErrNotFound)
		_, err = s.Media(ctx, i)
		expect(t, err, store.ErrNotFound)
		_, err = s.Publish(ctx, user.ID, i, store.NewMedia{})
		expect(t, err, store.ErrNotFound)
		_, err = s.Like(ctx, i, user.ID)
		expect(t, err, store.ErrNotFound)
		_, err = s.Unlike(ctx, i, user.ID)
		expect(t, err, store.ErrNotFound)
		_, err = s.Follow(ctx, i, user.ID)
		expect(t, err, store.ErrNotFound)
		_, err = s.Unfollow(ctx, i, user.ID)
		expect(t, err, store.ErrNotFound)
		_, err = s.EditMedia(ctx, user.ID, i, store.MediaEdit{})
		expect(t, err, store.ErrNotFound)
		_, err = s.DeletedMedia(ctx, i)
		expect(t, err, store.ErrNotFound)
		_, err = s.Sharing(ctx, i, store.Facebook)
		expect(t, err, store.ErrNotFound)
		_, err = s.SetLink(ctx, i, store.Facebook, "", []byte{})
		expect(t, err, store.ErrNotFound)
		expect(t, s.Save(ctx, i, user.ID), store.ErrNotFound)
		expect(t, s.Unsave(ctx, i, user.ID), nil)
		expect(t, s.DeleteLink(ctx, i, store.Facebook), nil)
		_, err = s.RequestFollow(ctx, i, user.ID)
		expect(t, err, store.ErrNotFound)
		_, err = s.Block(ctx, i, user.ID)
		expect(t, err, store.ErrNotFound)
		_, err = s.Mute(ctx, i, user.ID)
		expect(t, err, store.ErrNotFound)
		expect(t, s.EndFollow(ctx, i, user.ID, time.Now()), nil)
		expect(t, s.EndFollow(ctx, user.ID, i, time.Now()), nil)
		expect(t, s.SyncBlock(ctx, i, user.ID), nil)
		expect(t, s.SyncBlock(ctx, user.ID, i), nil)
		expect(t, s.EndSession(ctx, i), nil)
		expect(t, s.SyncFollow(ctx, user.ID, i), nil)
		expect(t, s.SyncFollow(ctx, i, user.ID), nil)
		expect(t, s.Index(ctx, queue.Index{Media: i}), nil)
		expect(t, s.IndexUser(ctx, i), nil)
		expect(t, s.ForgetDevice(ctx, i, "token", time.Time{}), nil)
		_, err = s.Comment(ctx, store.Comment{Media: i, User: user.ID, Text: "text"}, uuid.Nil)
		expect(t, err, store.ErrNotFound)
		_, err = s.MutedPushes(ctx, i)
		expect(t, err, store.ErrNotFound)
		expect(t, s.MutePushes(ctx, i, nil), store.ErrNotFound)
		expect(t, s.SeeActivity(ctx, i, 1), nil)
		if n, err := s.News(ctx, i, "like", 0); n.Newest != 0 || len(n.Devices) > 0 || err != nil {
			t.Errorf("news of %s are %+v, %v", i, n, err)
		}
		_, err = s.BeginExport(ctx, i)
		expect(t, err, store.ErrNotFound)
		_, err = s.Export(ctx, user.ID, i)
		expect(t, err, store.ErrNotFound)
		for name, question := range map[string]func() (any, int, error){
			"Following": func() (any, int, error) { v, err := s.Following(ctx, i); return v, len(v), err },
			"Followers": func() (any, int, error) { v, err := s.Followers(ctx, i, 0, 9); return v, len(v), err },
			"FollowsAny": func() (any, int, error) {
				v, err := s.FollowsAny(ctx, i, []id.ID{user.ID})
				return v, len(v), err
			},
			"Circle":      func() (any, int, error) { v, err := s.Circle(ctx, store.Followers, i, 0, 9); return v, len(v), err },
			"Suggestions": func() (any, int, error) { v, err := s.Suggestions(ctx, i, 9); return v, len(v), err },
			"UserMedia":   func() (any, int, error) { v, err := s.UserMedia(ctx, i, 0, 9, true); return v, len(v), err },
			"RecentMedia": func() (any, int, error) {
				v, err := s.RecentMedia(ctx, []id.ID{i}, 9)
				return v, len(v), err
			},
			"DeleteMedia": func() (any, int, error) { v, err := s.DeleteMedia(ctx, i, i); return v, len(v), err },
			"Saved":       func() (any, int, error) { v, err := s.Saved(ctx, i, 0, 9); return v, len(v), err },
			"SavedAny":    func() (any, int, error) { v, err := s.SavedAny(ctx, i, []id.ID{i}); return v, len(v), err },
			"Links":       func() (any, int, error) { v, err := s.Links(ctx, i); return v, len(v), err },
			"Shares":      func() (any, int, error) { v, err := s.Shares(ctx, i); return v, len(v), err },
			"Tagged":      func() (any, int, error) { v, err := s.Tagged(ctx, i, 0, 9); return v, len(v), err },
			"Likers":      func() (any, int, error) { v, err := s.Likers(ctx, i, store.Liker{}, 9); return v, len(v), err },
			"Liked":       func() (any, int, error) { v, err := s.Liked(ctx, user.ID, []id.ID{i}); return v, len(v), err },
			"Comments":    func() (any, int, error) { v, err := s.Comments(ctx, i, 0, 9); return v, len(v), err },
			"CommentsMany": func() (any, int, error) {
				v, err := s.CommentsMany(ctx, map[id.ID]id.ID{i: i})
				return v, len(v), err
			},
			"Activity":       func() (any, int, error) { v, err := s.Activity(ctx, i, 0, 0, 9); return v, len(v), err },
			"Unseen":         func() (any, int, error) { n, newest, err := s.Unseen(ctx, i); return newest, n, err },
			"Devices":        func() (any, int, error) { v, err := s.Devices(ctx, i); return v, len(v), err },
			"Users":          func() (any, int, error) { v, err := s.Users(ctx, []id.ID{i}); return v, len(v), err },
			"MediaMany":      func() (any, int, error) { v, err := s.MediaMany(ctx, []id.ID{i}); return v, len(v), err },
			"Exports":        func() (any, int, error) { v, err := s.Exports(ctx, i, 0, 9); return v, len(v), err },
			"EraseFollowers": func() (any, int, error) { v, err := s.EraseFollowers(ctx, i, 9); return v, len(v), err },
			"EraseBarriers":  func() (any, int, error) { v, err := s.EraseBarriers(ctx, i, 9); return v, len(v), err },
			"UploadsOf":      func() (any, int, error) { v, err := s.UploadsOf(ctx, i, 9); return v, len(v), err },
			"Originals":      func() (any, int, error) { v, err := s.Originals(ctx, i, 0, 9); return v, len(v), err },
		} {
			if v, n, err := question(); err != nil || n != 0 {
				t.Errorf("%s of %s = %v, %v, want nothing", name, i, v, err)
			}
		}
		for name, question := range map[string]func() (bool, error){
			"DeleteComment":  func() (bool, error) { return s.DeleteComment(ctx, i, i, user.ID) },
			"Follows":        func() (bool, error) { return s.Follows(ctx, i, user.ID) },
			"Likes":          func() (bool, error) { return s.Likes(ctx, i, user.ID) },
			"MarkReady":      func() (bool, error) { return s.MarkReady(ctx, i, 1, 1, "") },
			"MarkShare":      func() (bool, error) { return s.MarkShare(ctx, i, store.Waiting, store.Share{}) },
			"MarkFailed":     func() (bool, error) { return s.MarkFailed(ctx, i, "corrupt") },
			"ApproveFollows": func() (bool, error) { return s.ApproveFollows(ctx, i, 9) },
			"Unblock":        func() (bool, error) { return s.Unblock(ctx, i, user.ID) },
			"Unmute":         func() (bool, error) { return s.Unmute(ctx, i, user.ID) },
		} {
			if yes, err := question(); yes || err != nil {
				t.Errorf("%s of %s = %v, %v, want no", name, i, yes, err)
			}
		}
	}
}
