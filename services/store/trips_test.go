package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/burbn/burbn/services/geo"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/store"
	"github.com/burbn/burbn/services/store/storetest"
)

// TestRoundTrips counts what every operation asks of the databases, so that none
// grows slower unnoticed.
func TestRoundTrips(t *testing.T) {
	stores := databases.Stores(t)
	var asked atomic.Int64
	stores.Pooler = storetest.CountTrips(t, stores.Pooler, &asked)
	stores.ConnectionsPerDatabase = 1 // all are open once each has been asked
	s, err := store.Open(t.Context(), stores, storetest.AppPassword)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	owner, user := databases.User(t), databases.User(t)
	for onDatabase(t, user.ID) == onDatabase(t, owner.ID) {
		user = databases.User(t)
	}
	both := []id.ID{owner.ID, user.ID}
	upload, unready, ready := makeUpload(t, owner), publish(t, owner), post(t, owner)
	wanted := shared(t, owner)
	if _, err := s.MarkReady(t.Context(), wanted.ID, 4, 3, ""); err != nil {
		t.Fatal(err)
	}
	plain, onlyTag := post(t, owner), newTag()
	listed := tagged(t, owner, store.NewMedia{Tags: []string{onlyTag}})
	circle, err := geo.Around(48, 11, geo.MaxRadius)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var session store.Session
	reported := store.Subject{Kind: "user", ID: owner.ID}
	var comment store.Comment
	request := store.Request{User: user.ID, Key: "k", Fingerprint: []byte("f")}
	var claim store.Claim
	var export store.Export
	for _, op := range []struct {
		name string
		want int64
		do   func() error
	}{
		{"CreateUser", 1, func() error {
			_, err := s.CreateUser(ctx, store.NewUser{Name: databases.Name()})
			return err
		}},
		{"Credentials", 1, func() error { _, err := s.Credentials(ctx, user.Name); return err }},
		{"CredentialsOf", 1, func() error { _, err := s.CredentialsOf(ctx, user.ID); return err }},
		{"Account", 1, func() error { _, err := s.Account(ctx, user.ID); return err }},
		{"Edit", 1, func() error { _, err := s.Edit(ctx, user.ID, store.Changes{Avatar: new(id.ID)}); return err }},
		{"SetAvatar", 1, func() error { return s.SetAvatar(ctx, user.ID, store.AvatarKey("a")) }},
		{"RefuseAvatar", 1, func() error { return s.RefuseAvatar(ctx, user.ID, "corrupt") }},
		{"SetPassword", 1, func() error { return s.SetPassword(ctx, user.ID, "hash") }},
		{"SetState", 1, func() error {
			_, err := s.SetState(ctx, user.ID, []store.UserState{store.Active}, store.Active)
			return err
		}},
		{"Sessions", 1, func() error { _, err := s.Sessions(ctx, user.ID); return err }},
		{"EndSessions", 1, func() error { _, err := s.EndSessions(ctx, user.ID, 0); return err }},
		{"UserByName", 1, func() error { _, err := s.UserByName(ctx, user.Name); return err }},
		{"Users", 2, func() error { _, err := s.Users(ctx, both); return err }}, // one for each database, at once
		{"CreateSession", 1, func() (err error) {
			session, err = s.CreateSession(ctx, store.Session{User: user.ID, ExpiresAt: time.Now().Add(time.Hour)})
			return err
		}},
		{"Session", 1, func() error { _, err := s.Session(ctx, session.ID); return err }},
		{"EndSession", 1, func() error { return s.EndSession(ctx, session.ID) }},
		{"Follow", 1, func() error { _, err := s.Follow(ctx, user.ID, owner.ID); return err }},
		{"SyncFollow", 3, func() error { return s.SyncFollow(ctx, user.ID, owner.ID) }},
		{"Unfollow", 1, func() error { _, err := s.Unfollow(ctx, user.ID, owner.ID); return err }},
		{"RequestFollow", 1, func() error { _, err := s.RequestFollow(ctx, user.ID, owner.ID); return err }},
		{"SyncFollow of a request that is let", 4, func() error { return s.SyncFollow(ctx, user.ID, owner.ID) }},
		{"Relationships", 1, func() error { _, err := s.Relationships(ctx, user.ID, both); return err }},
		{"FollowsAny", 1, func() error { _, err := s.FollowsAny(ctx, user.ID, both); return err }},
		{"Circle", 1, func() error { _, err := s.Circle(ctx, store.Followers, owner.ID, 0, 20); return err }},
		{"Suggestions", 3, func() error { _, err := s.Suggestions(ctx, user.ID, 20); return err }}, // whom they follow; whom those do; who follows them
		{"ApproveFollow", 1, func() error { _, err := s.ApproveFollow(ctx, owner.ID, user.ID); return err }},
		{"ApproveFollows", 1, func() error { _, err := s.ApproveFollows(ctx, owner.ID, 9); return err }},
		{"RefuseFollow", 1, func() error { _, err := s.RefuseFollow(ctx, owner.ID, user.ID); return err }},
		{"RemoveFollower", 1, func() error { _, err := s.RemoveFollower(ctx, owner.ID, user.ID); return err }},
		{"EndFollow", 4, func() error { return s.EndFollow(ctx, user.ID, owner.ID, time.Now().Add(time.Hour)) }},
		{"Mute", 1, func() error { _, err := s.Mute(ctx, user.ID, owner.ID); return err }},
		{"Unmute", 1, func() error { _, err := s.Unmute(ctx, user.ID, owner.ID); return err }},
		{"Block", 1, func() error { _, err := s.Block(ctx, user.ID, owner.ID); return err }},
		{"SyncBlock", 3, func() error { return s.SyncBlock(ctx, user.ID, owner.ID) }},
		{"Unblock", 1, func() error { _, err := s.Unblock(ctx, user.ID, owner.ID); return err }},
		{"SyncBlock", 3, func() error { return s.SyncBlock(ctx, user.ID, owner.ID) }},
		{"Barriers", 2, func() error { _, err := s.Barriers(ctx, both); return err }},
		{"CreateUpload", 1, func() error {
			_, err := s.CreateUpload(ctx, user.ID, "image/jpeg", 1, time.Now())
			return err
		}},
		{"Publish", 1, func() error { _, err := s.Publish(ctx, owner.ID, upload.ID, store.NewMedia{}); return err }},
		{"MarkReady", 1, func() error { _, err := s.MarkReady(ctx, unready.ID, 1, 1, ""); return err }},
		{"FanOutNext", 5, func() error { return s.FanOutNext(ctx, queue.FanOut{Media: ready.ID, After: 1}) }},
		{"Media", 1, func() error { _, err := s.Media(ctx, ready.ID); return err }},
		{"MediaMany", 1, func() error { _, err := s.MediaMany(ctx, []id.ID{ready.ID, unready.ID}); return err }},
		{"UserMedia", 1, func() error { _, err := s.UserMedia(ctx, owner.ID, 0, 20, false); return err }},
		{"RecentMedia", 2, func() error { _, err := s.RecentMedia(ctx, both, 20); return err }},
		{"FollowedByMoreThan", 2, func() error { _, err := s.FollowedByMoreThan(ctx, both, 20); return err }},
		{"Marks", 2, func() error { _, err := s.Marks(ctx, user.ID, []id.ID{ready.ID, unready.ID}); return err }},
		{"Like", 1, func() error { _, err := s.Like(ctx, ready.ID, user.ID); return err }},
		{"Unlike", 1, func() error { _, err := s.Unlike(ctx, ready.ID, user.ID); return err }},
		{"EditMedia", 1, func() error {
			_, err := s.EditMedia(ctx, owner.ID, ready.ID, store.MediaEdit{Move: true, Location: &store.Location{}})
			return err
		}},
		{"Save", 1, func() error { return s.Save(ctx, user.ID, ready.ID) }},
		{"Saved", 1, func() error { _, err := s.Saved(ctx, user.ID, 0, 20); return err }},
		{"SavedAny", 1, func() error { _, err := s.SavedAny(ctx, user.ID, []id.ID{ready.ID, unready.ID}); return err }},
		{"Unsave", 1, func() error { return s.Unsave(ctx, user.ID, ready.ID) }},
		{"SetLink", 1, func() error { _, err := s.SetLink(ctx, user.ID, store.Facebook, "", []byte{}); return err }},
		{"Links", 1, func() error { _, err := s.Links(ctx, user.ID); return err }},
		{"DeleteLink", 1, func() error { return s.DeleteLink(ctx, user.ID, store.Facebook) }},
		{"Shares", 1, func() error { _, err := s.Shares(ctx, ready.ID); return err }},
		{"Sharing", 1, func() error { _, err := s.Sharing(ctx, wanted.ID, store.Facebook); return err }},
		{"MarkShare", 1, func() error {
			_, err := s.MarkShare(ctx, wanted.ID, store.Waiting, store.Share{Service: store.Facebook, State: store.Posting})
			return err
		}},
		// The row, the lists, the row again; the tags' counts, the directory, the counts again.
		{"Index", 6, func() error { return s.Index(ctx, queue.Index{Media: listed}) }},
		{"Index without tags", 1, func() error { return s.Index(ctx, queue.Index{Media: plain.ID}) }},
		{"IndexUser", 4, func() error { return s.IndexUser(ctx, user.ID) }}, // with words that the row has not
		{"IndexNext", 5, func() error { return s.IndexNext(ctx, queue.IndexPhotos{User: user.ID, After: 1}) }},
		{"TagCounts", 1, func() error { _, err := s.TagCounts(ctx, "sun"); return err }},
		{"TagMedia", 1, func() error { _, err := s.TagMedia(ctx, "sun", 0, 20); return err }},
		{"SearchTags", 2, func() error { _, err := s.SearchTags(ctx, onlyTag, 20); return err }},
		{"SearchUsers", 1, func() error { _, err := s.SearchUsers(ctx, store.Terms{"test"}, 20); return err }},
		{"MediaNear", 2, func() error { _, _, err := s.MediaNear(ctx, circle, 0, 20); return err }}, // one for each database, at once
		{"Tagged", 1, func() error { _, err := s.Tagged(ctx, owner.ID, 0, 20); return err }},
		{"Popular", 2, func() error { _, err := s.Popular(ctx, 100, 3); return err }},
		{"Liked", 2, func() error { _, err := s.Liked(ctx, user.ID, both); return err }},
		{"Likers", 1, func() error { _, err := s.Likers(ctx, ready.ID, store.Liker{}, 20); return err }},
		{"Comment", 1, func() (err error) {
			comment, err = s.Comment(ctx, store.Comment{Media: ready.ID, User: user.ID, Text: "hi @maya", Mentions: []string{"maya"}}, uuid.Nil)
			return err
		}},
		{"Comments", 1, func() error { _, err := s.Comments(ctx, ready.ID, 0, 20); return err }},
		{"CommentsMany", 1, func() error {
			_, err := s.CommentsMany(ctx, map[id.ID]id.ID{comment.ID: ready.ID, ready.ID: ready.ID})
			return err
		}},
		{"DeleteComment", 1, func() error { _, err := s.DeleteComment(ctx, ready.ID, comment.ID, user.ID); return err }},
		{"Named", 2, func() error { _, err := s.Named(ctx, []string{owner.Name, user.Name}); return err }},
		{"Mention", 1, func() error { return s.Mention(ctx, user.ID, owner.ID, ready.ID, 0) }},
		{"Activity", 1, func() error { _, err := s.Activity(ctx, owner.ID, 0, 0, 20); return err }},
		{"Unseen", 1, func() error { _, _, err := s.Unseen(ctx, owner.ID); return err }},
		{"SeeActivity", 1, func() error { return s.SeeActivity(ctx, owner.ID, 1<<62) }},
		{"MutedPushes", 1, func() error { _, err := s.MutedPushes(ctx, user.ID); return err }},
		{"MutePushes", 1, func() error { return s.MutePushes(ctx, user.ID, nil) }},
		{"News", 1, func() error { _, err := s.News(ctx, owner.ID, "like", ready.ID); return err }},
		{"TakePush", 1, func() error { return s.TakePush(ctx, queue.Notify{User: owner.ID, About: "like", Media: ready.ID}, 0) }},
		{"EndPush", 1, func() error { return s.EndPush(ctx, queue.Notify{User: owner.ID, About: "like", Media: ready.ID}, 0) }},
		{"RegisterDevice", 2, func() error { return s.RegisterDevice(ctx, user.ID, "aa") }}, // on the shard of its token, too
		{"ForgetDevice", 3, func() error { return s.ForgetDevice(ctx, user.ID, "aa", time.Time{}) }},
		{"DeleteMedia", 1, func() error { _, err := s.DeleteMedia(ctx, owner.ID, ready.ID, wanted.ID); return err }},
		{"DeletedMedia", 1, func() error { _, err := s.DeletedMedia(ctx, ready.ID); return err }},
		{"EraseTalk", 1, func() error { _, err := s.EraseTalk(ctx, ready.ID, 1000); return err }},
		{"EraseNext", 4, func() error { return s.EraseNext(ctx, queue.EraseMedia{Media: ready.ID, After: 1}) }},
		{"EraseMedia", 1, func() error { return s.EraseMedia(ctx, ready.ID) }},
		{"ClaimRequest", 1, func() (err error) { claim, err = s.ClaimRequest(ctx, request); return err }},
		{"FinishRequest", 1, func() error { return s.FinishRequest(ctx, request, claim, 204, nil) }},
		{"Devices", 1, func() error { _, err := s.Devices(ctx, user.ID); return err }},
		{"Report", 1, func() error {
			_, err := s.Report(ctx, store.Report{Subject: reported, User: owner.ID, Reporter: user.ID, Reason: "spam"})
			return err
		}},
		{"Cases", 2, func() error { _, err := s.Cases(ctx, 0, 20); return err }},
		{"Moderate", 1, func() error {
			_, err := s.Moderate(ctx, store.Audit{Operator: "test", Act: "dismiss", Subject: reported, Reason: "none"})
			return err
		}},
		{"Audits", 2, func() error { _, err := s.Audits(ctx, 0, 20); return err }},
		{"BeginExport", 1, func() (err error) { export, err = s.BeginExport(ctx, user.ID); return err }},
		{"Export", 1, func() error { _, err := s.Export(ctx, user.ID, export.ID); return err }},
		{"Exports", 1, func() error { _, err := s.Exports(ctx, user.ID, 0, 20); return err }},
		{"StartExport", 1, func() error { _, err := s.StartExport(ctx, export); return err }},
		{"AddExportPart", 1, func() error { return s.AddExportPart(ctx, export, store.ExportPart{Number: 1}) }},
		{"FinishExport", 1, func() error { return s.FinishExport(ctx, export, store.ExportReady, 1) }},
		{"Purge", 2, func() error { _, err := s.Purge(ctx, 0, 7, nil, 1000); return err }}, // one for each database, at once
		{"EraseDeeds", 2, func() error { _, err := s.EraseDeeds(ctx, user.ID, 0, 7, 1000); return err }},
		{"BeginErasure", 1, func() error { return s.BeginErasure(ctx, user.ID) }},
		{"EraseFollowing", 1, func() error { _, err := s.EraseFollowing(ctx, user.ID, 1000); return err }},
		{"EraseUser", 3, func() error { return s.EraseUser(ctx, user.ID) }},
	} {
		t.Run(op.name, func(t *testing.T) {
			before := asked.Load()
			if err := op.do(); err != nil {
				t.Fatal(err)
			}
			if got := asked.Load() - before; got != op.want {
				t.Errorf("%d round trips, want %d", got, op.want)
			}
		})
	}
}
