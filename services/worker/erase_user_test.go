package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media/mediatest"
	"github.com/burbn/burbn/services/processtest"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// unerased are the columns in which something of a user stays, and why.
var unerased = map[string]string{
	"burbn.audit":       "what moderators did stays on record, by ids alone",
	"river.river_job":   "tasks that are done tell ids alone, for a day",
	"saved.media_id":    "passed over when read, and says nothing of whose photo it was",
	"media.caption":     "what others wrote is theirs, also where it names the user",
	"media.mentions":    "of such a caption",
	"comments.text":     "what others wrote",
	"comments.mentions": "of such a comment",
}

// life is a user who has done everything.
type life struct {
	user   store.User
	photos []store.Media
	traces []string // of the user, as columns of tables show them
}

// on runs a statement on the shard of i; "shard." stands for its schema.
func on(t *testing.T, i id.ID, sql string, args ...any) {
	t.Helper()
	m := databases.Stores(t).Shards
	c := databases.Owner(t, m.Databases[m.Database(shard.Of(i))].Name)
	defer c.Close(context.WithoutCancel(t.Context()))
	if _, err := c.Exec(t.Context(), strings.ReplaceAll(sql, "shard.", shard.Of(i).Schema()+"."), args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// live makes a user and what there can be of one, among others.
func live(t *testing.T, w *worker, others []store.User) *life {
	t.Helper()
	ctx, s := t.Context(), w.store
	email := "leaving." + uuid.NewString() + "@example.com"
	u := must[store.User](t)(s.CreateUser(ctx, store.NewUser{Name: databases.Name() + ".leaves", Email: email, PasswordHash: "$hash$" + email}))
	l := &life{user: u}
	friend, asked, foe := others[0], others[1], others[2]
	for _, f := range [][2]id.ID{{u.ID, friend.ID}, {friend.ID, u.ID}, {u.ID, asked.ID}} {
		must[bool](t)(s.Follow(ctx, f[0], f[1]))
		if err := s.SyncFollow(ctx, f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	on(t, asked.ID, `INSERT INTO shard.following (user_id, target_id, requested) VALUES ($1, $2, true)`, asked.ID, u.ID)
	on(t, u.ID, `INSERT INTO shard.follow_requests (user_id, follower_id, created_at) VALUES ($1, $2, now())`, u.ID, asked.ID)
	on(t, u.ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'block', $2), ($1, 'mute', $2)`, u.ID, foe.ID)
	on(t, foe.ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'blocked', $2)`, foe.ID, u.ID)
	on(t, friend.ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'mute', $2)`, friend.ID, u.ID)

	// Photos, theirs and others', and what was said of them.
	theirs := processed(t, w, publish(t, w, friend, photo(t, 40, 30)))
	for range 2 {
		m := processed(t, w, publishAs(t, w, u, photo(t, 40, 30), store.NewMedia{ShareTo: []store.Service{store.Facebook}}))
		l.photos = append(l.photos, m)
		if err := errors.Join(w.owners.Put(ctx, m.ID, u.ID), s.Save(ctx, friend.ID, m.ID)); err != nil {
			t.Fatal(err)
		}
	}
	mine := l.photos[0]
	for liker, m := range map[id.ID]store.Media{u.ID: theirs, friend.ID: mine} {
		must[bool](t)(s.Like(ctx, m.ID, liker))
		on(t, m.ID, `WITH c AS (INSERT INTO shard.comments (media_id, id, user_id, text) VALUES ($1, shard.next_id(), $2, $3))
			UPDATE shard.media SET comment_count = comment_count + 1 WHERE id = $1`, m.ID, liker, "nice, says "+liker.String()+".")
		on(t, m.User, `INSERT INTO shard.activity (user_id, id, kind, actor_id, media_id) VALUES ($1, shard.next_id(), 'like', $2, $3)`, m.User, liker, m.ID)
		on(t, m.User, `INSERT INTO shard.pushes (user_id, kind, media_id, due_at) VALUES ($1, 'like', $2, now())`, m.User, m.ID)
	}
	on(t, mine.ID, `INSERT INTO shard.count_changes (media_id, likes, comments) VALUES ($1, 1, 0)`, mine.ID)

	// Their own.
	session := must[store.Session](t)(s.CreateSession(ctx, store.Session{User: u.ID, ExpiresAt: time.Now().Add(time.Hour)}))
	base36 := strconv.FormatInt(int64(u.ID), 36)
	if err := w.redis.Set(ctx, "s:{"+base36+"}:"+session.ID.String(), "0", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	must[[]store.Post](t)(w.feeds.Page(ctx, u.ID, 0, 1))
	must[[]store.Post](t)(w.feeds.Page(ctx, friend.ID, 0, 1))
	must[store.Link](t)(s.SetLink(ctx, u.ID, store.Facebook, email, []byte("sealed")))
	avatar := store.AvatarKey(upload(t, w, u, photo(t, 40, 40)).Key)
	if err := errors.Join(s.RegisterDevice(ctx, u.ID, "token of "+email), s.Save(ctx, u.ID, theirs.ID), s.SetAvatar(ctx, u.ID, avatar)); err != nil {
		t.Fatal(err)
	}
	for _, width := range rendition.AvatarWidths() {
		if err := w.objects.Put(ctx, rendition.Key(avatar, width), photo(t, 40, 40)); err != nil {
			t.Fatal(err)
		}
	}
	on(t, u.ID, `INSERT INTO shard.requests (user_id, key, fingerprint) VALUES ($1, 'key', '')`, u.ID)
	on(t, friend.ID, `INSERT INTO shard.directory (kind, word, user_id) VALUES ('u', 'leaves', $1)`, u.ID)
	on(t, friend.ID, `INSERT INTO burbn.reports (subject, subject_id, user_id, reporter_id, reason) VALUES ('user', $1, $1, $2, 'spam'), ('user', $2, $2, $1, 'spam')`, u.ID, foe.ID)
	on(t, friend.ID, `INSERT INTO burbn.audit (operator, act, subject, subject_id, reason) VALUES ('o', 'close', 'user', $1, 'r')`, u.ID)
	x := must[store.Export](t)(s.BeginExport(ctx, u.ID))
	x.Progress = must[store.ExportProgress](t)((&export{worker: w}).begin(ctx, x))
	x.Progress.Parts = 1
	if err := s.AddExportPart(ctx, x, store.ExportPart{Number: 1, Tag: "t"}); err != nil {
		t.Fatal(err)
	}
	l.traces = []string{u.ID.String(), u.Name, email, session.ID.String(), x.ID.String(), avatar, uuid.MustParse(avatar).String()}
	for _, m := range l.photos {
		l.traces = append(l.traces, m.ID.String(), m.Key, uuid.MustParse(m.Key).String())
	}
	return l
}

// inTables are the columns of all tables of all databases, "schema.table.column" with
// "shard" for all shards, in which there is a trace. A table that is new is among them.
func (l *life) inTables(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, d := range databases.Stores(t).Shards.Databases {
		c := databases.Owner(t, d.Name)
		defer c.Close(context.WithoutCancel(t.Context()))
		rows, err := c.Query(t.Context(), `SELECT table_schema, table_name FROM information_schema.tables
			WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`)
		if err != nil {
			t.Fatal(err)
		}
		tables := must[[][2]string](t)(pgx.CollectRows(rows, func(r pgx.CollectableRow) (n [2]string, err error) {
			err = r.Scan(&n[0], &n[1])
			return n, err
		}))
		for _, n := range tables {
			rows, err := c.Query(t.Context(), `
				SELECT DISTINCT j.k FROM `+pgx.Identifier(n[:]).Sanitize()+` r, jsonb_each_text(to_jsonb(r)) AS j(k, v)
				WHERE EXISTS (SELECT FROM unnest($1::text[]) trace WHERE position(trace IN j.v) > 0)`, l.traces)
			if err != nil {
				t.Fatal(err)
			}
			columns := must[[]string](t)(pgx.CollectRows(rows, pgx.RowTo[string]))
			table := n[0] + "." + n[1]
			if strings.HasPrefix(n[0], "shard_") {
				table = n[1]
			}
			for _, column := range columns {
				if unerased[table] == "" && unerased[table+"."+column] == "" {
					found[table] = true
				}
			}
			if strings.HasPrefix(n[0], "shard_") && len(columns) == 0 && !found[table] {
				found[table] = false
			}
		}
	}
	return found
}

// inRedis are the keys that tell of the user, or of a photo of theirs.
func (l *life) inRedis(t *testing.T, w *worker) (found []string) {
	t.Helper()
	ctx := t.Context()
	err := w.redis.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		for keys := node.Scan(ctx, 0, "*", 1000).Iterator(); keys.Next(ctx); {
			key := keys.Val()
			told := key
			switch kind := node.Type(ctx, key).Val(); kind {
			case "string":
				told += node.Get(ctx, key).Val()
			case "zset":
				told += strings.Join(node.ZRange(ctx, key, 0, -1).Val(), "")
			case "hash": // the media map, which is asked below
			default:
				return fmt.Errorf("key %s is a %s, which this test cannot read", key, kind)
			}
			traces := append(slices.Clone(l.traces), strconv.FormatInt(int64(l.user.ID), 36))
			for _, m := range l.photos {
				traces = append(traces, string(binary.BigEndian.AppendUint64(nil, uint64(m.ID))))
			}
			if slices.ContainsFunc(traces, func(trace string) bool { return strings.Contains(told, trace) }) {
				found = append(found, key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range l.photos {
		if _, known, err := w.owners.Get(ctx, m.ID); err != nil || known {
			found = append(found, "media map")
		}
	}
	return found
}

// objects are all that there are, and uploads of parts that did not end.
func objects(t *testing.T, w *worker) (keys []string) {
	t.Helper()
	client := s3.New(s3.Options{
		Region: w.doc.Storage.Region, BaseEndpoint: &w.doc.Storage.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(mediatest.AccessKey, mediatest.SecretKey, ""),
	})
	for _, bucket := range []string{w.doc.Storage.Uploads, w.doc.Storage.Media} {
		for _, o := range must[*s3.ListObjectsV2Output](t)(client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})).Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
		for _, u := range must[*s3.ListMultipartUploadsOutput](t)(client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})).Uploads {
			keys = append(keys, aws.ToString(u.Key)+" (parts)")
		}
	}
	slices.Sort(keys)
	return keys
}

// tasksOf are those of the kind that are still to be done for a user.
func tasksOf(t *testing.T, user id.ID) (tasks []queue.EraseUser) {
	t.Helper()
	m := databases.Stores(t).Shards
	c := databases.Owner(t, m.Databases[m.Database(shard.Of(user))].Name)
	defer c.Close(context.WithoutCancel(t.Context()))
	rows, err := c.Query(t.Context(), `SELECT args FROM river.river_job WHERE kind = 'erase_user' AND args->>'user' = $1`, user.String())
	if err != nil {
		t.Fatal(err)
	}
	return must[[]queue.EraseUser](t)(pgx.CollectRows(rows, func(r pgx.CollectableRow) (task queue.EraseUser, err error) {
		var args []byte
		err = errors.Join(r.Scan(&args), json.Unmarshal(args, &task))
		return task, err
	}))
}

// Nothing is left of a user who is erased by tasks each of which was killed at every
// request that it makes, and done once more after it had ended; and what others have is
// as if the user had taken back what they did.
func TestEraseUser(t *testing.T) {
	f, e := &fuse{left: -1}, &edge{}
	w := wireAs(t, func(doc *settings.Worker) {
		doc.Edge = e.serve(t, f, doc.Storage.CDN)
		doc.Pooler = f.proxy(t, doc.Pooler)
		doc.Storage.Endpoint = "http://" + f.proxy(t, strings.TrimPrefix(doc.Storage.Endpoint, "http://"))
	})
	w.redis.AddHook(f)
	w.settle = 0
	var others []store.User
	for range 3 {
		others = append(others, databases.User(t))
	}
	before := objects(t, w)
	l := live(t, w, others)
	for table, told := range l.inTables(t) {
		if elsewhere := []string{"audit", "listings", "lists"}; !told && !slices.Contains(elsewhere, table) {
			t.Errorf("table %s tells nothing of the user: have them do what it tells of", table)
		}
	}
	theirs := func(keys []string) int { return len(keys) - len(before) }
	if n := len(l.inRedis(t, w)); n < 4 || theirs(objects(t, w)) < 14 {
		t.Errorf("%d keys and %d objects tell of the user", n, theirs(objects(t, w)))
	}

	if err := w.store.BeginErasure(t.Context(), l.user.ID); err != nil {
		t.Fatal(err)
	}
	cuts := 0
	photos := &erasure{worker: w, fuse: f, task: &eraseMedia{worker: w, chunk: 2}}
	for done := map[queue.EraseUser]bool{}; ; {
		tasks := slices.DeleteFunc(tasksOf(t, l.user.ID), func(task queue.EraseUser) bool { return done[task] })
		if len(tasks) == 0 {
			break
		}
		for n := 0; ; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			f.mu.Lock()
			f.kill = cancel
			f.mu.Unlock()
			f.set(n)
			err := (&eraseUser{worker: w, shards: 3, rows: 1}).Work(ctx, &river.Job[queue.EraseUser]{JobRow: &rivertype.JobRow{}, Args: tasks[0]})
			cancel()
			if blown := f.set(-1); !blown {
				if err == nil {
					break
				}
				if n > 500 {
					t.Fatal(err)
				}
				// A connection that was cut before, or photos that are awaited.
				for _, m := range l.photos {
					photos.attempt(t, m.ID)
				}
				continue
			}
			cuts++
		}
		done[tasks[0]] = true
	}
	t.Logf("%d requests were cut off", cuts)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	processtest.Until(t, patience, func() error {
		if _, err := w.store.User(t.Context(), l.user.ID); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("the account is still there (%v)", err)
		}
		for _, o := range others {
			if u, err := w.store.User(t.Context(), o.ID); err != nil || u.FollowerCount != 0 || u.FollowingCount != 0 {
				return fmt.Errorf("%s has %d followers and follows %d (%v)", u.Name, u.FollowerCount, u.FollowingCount, err)
			}
		}
		return nil
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, d := range w.doc.Shards.Databases {
		task := queue.Purge{Shard: d.First, Last: d.Last, Began: time.Now().Add(2 * clocks)}
		if err := (&purge{worker: w, shards: purgedAtOnce, rows: 1000}).Work(t.Context(), &river.Job[queue.Purge]{JobRow: &rivertype.JobRow{}, Args: task}); err != nil {
			t.Fatal(err)
		}
	}

	for table, told := range l.inTables(t) {
		if told {
			t.Errorf("table %s tells of the user", table)
		}
	}
	if keys := l.inRedis(t, w); len(keys) > 0 {
		t.Errorf("Redis tells of the user: %q", keys)
	}
	keys := objects(t, w)
	if len(keys) != 5 { // the friend's original and its renditions
		t.Errorf("there are the objects %q", keys)
	}
	for _, m := range l.photos {
		for _, key := range append(rendition.Keys(m.Key), rendition.Key(l.user.Avatar, 150)) {
			if l.user.Avatar != "" && !slices.Contains(e.purged, key) {
				t.Errorf("the edge has still %s", key)
			}
		}
	}
	ms, err := w.store.UserMedia(t.Context(), others[0].ID, 0, 10, true)
	if err != nil || len(ms) != 1 || ms[0].LikeCount != 0 || ms[0].CommentCount != 0 {
		t.Errorf("photos of the friend are %+v, %v, want one, liked and commented on by nobody", ms, err)
	}
	if _, err := w.store.CreateUser(t.Context(), store.NewUser{Name: l.user.Name}); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
}
