package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/burbn/burbn/services/cache/cachetest"
	"github.com/burbn/burbn/services/id"
)

func TestPublish(t *testing.T) {
	w := newWorld(t)
	author, stranger := w.client(t), w.client(t)
	body := []byte(strings.Repeat("jpeg", 100))
	u := author.upload(t, len(body))
	if u.Method != "PUT" || u.Headers["Content-Type"] != "image/jpeg" || time.Until(u.ExpiresAt) > 15*time.Minute || time.Until(u.ExpiresAt) < 14*time.Minute {
		t.Errorf("upload = %+v", u)
	}
	in := map[string]any{"upload": u.ID, "caption": "Twin Peaks 🌁\nat noon"}
	author.do(t, "POST", "/v1/media", in).isProblem(t, 409, "upload_missing")
	if status := u.put(t, append(body, 'x')); status != 403 {
		t.Errorf("storage takes more than was announced: %d", status)
	}
	if status := u.put(t, body); status != 200 {
		t.Fatalf("storage answers %d", status)
	}
	stranger.do(t, "POST", "/v1/media", in).isProblem(t, 404, "upload_not_found")

	var p Photo
	author.do(t, "POST", "/v1/media", in).is(t, 201).into(t, &p)
	if p.State != "processing" || p.Caption != in["caption"] || p.Author.ID != author.user || len(p.Renditions) != 0 {
		t.Errorf("published %+v", p)
	}
	if again := author.do(t, "POST", "/v1/media", in).isProblem(t, 409, "already_published"); again.Media != p.ID {
		t.Errorf("published already as %s, want %s", again.Media, p.ID)
	}
	stranger.do(t, "POST", "/v1/media", in).isProblem(t, 404, "upload_not_found")
	if n := testutil.ToFloat64(w.metrics.published); n != 1 {
		t.Errorf("%v photos counted", n)
	}
	if owner, ok, err := w.owners.Get(t.Context(), p.ID); owner != author.user || !ok || err != nil {
		t.Errorf("the media map says %s, %t, %v", owner, ok, err)
	}

	// Only its author sees a photo that is not ready.
	path := "/v1/media/" + p.ID.String()
	list := "/v1/users/" + author.user.String() + "/media"
	author.do(t, "GET", path, nil).is(t, 200).into(t, &p)
	if p.State != "processing" {
		t.Errorf("state = %s", p.State)
	}
	stranger.do(t, "GET", path, nil).isProblem(t, 404, "media_not_found")
	stranger.do(t, "PUT", path+"/like", nil).isProblem(t, 404, "media_not_found")
	var pg struct{ Items []Photo }
	if stranger.do(t, "GET", list, nil).is(t, 200).into(t, &pg); len(pg.Items) != 0 {
		t.Errorf("a stranger sees %+v", pg.Items)
	}
	if author.do(t, "GET", list, nil).is(t, 200).into(t, &pg); len(pg.Items) != 1 {
		t.Errorf("the author sees %+v", pg.Items)
	}

	w.ready(t, p.ID)
	for _, c := range []*client{author, stranger} { // at once, whoever looked before
		c.do(t, "GET", path, nil).is(t, 200).into(t, &p)
		if p.State != "ready" || p.Width != 1080 || p.Height != 810 || p.Liked {
			t.Errorf("photo = %+v", p)
		}
		if len(p.Renditions) != 4 || !strings.HasPrefix(p.Renditions[3].URL, w.doc.Storage.CDN+"/") || p.Renditions[3].Width != 1080 {
			t.Errorf("renditions = %+v", p.Renditions)
		}
	}
}

func TestFailedPhoto(t *testing.T) {
	w := newWorld(t)
	author, stranger := w.client(t), w.client(t)
	i := author.post(t, "")
	if _, err := w.store.MarkFailed(t.Context(), i, "not_an_image"); err != nil {
		t.Fatal(err)
	}
	var p Photo
	author.do(t, "GET", "/v1/media/"+i.String(), nil).is(t, 200).into(t, &p)
	if p.State != "failed" || p.Reason != "not_an_image" || len(p.Renditions) != 0 {
		t.Errorf("photo = %+v", p)
	}
	stranger.do(t, "GET", "/v1/media/"+i.String(), nil).isProblem(t, 404, "media_not_found")
}

func TestPublishRefuses(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	ctx := t.Context()
	t.Run("unknown upload", func(t *testing.T) {
		c.do(t, "POST", "/v1/media", map[string]any{"upload": "4611686018427387904"}).isProblem(t, 404, "upload_not_found")
	})
	t.Run("other bytes than announced", func(t *testing.T) {
		for _, put := range []struct {
			contentType string
			size        int64
		}{{"image/jpeg", 99}, {"image/png", 100}} {
			up, err := w.store.CreateUpload(ctx, c.user, "image/jpeg", 100, time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			url, _, err := w.objects.PresignPut(ctx, up.Key, put.contentType, put.size, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			signed := promise{Method: "PUT", URL: url, Headers: map[string]string{"Content-Type": put.contentType}}
			if status := signed.put(t, make([]byte, put.size)); status != 200 {
				t.Fatalf("storage answers %d", status)
			}
			c.do(t, "POST", "/v1/media", map[string]any{"upload": up.ID}).isProblem(t, 409, "upload_mismatch")
		}
	})
	t.Run("expired", func(t *testing.T) {
		for _, withBytes := range []bool{false, true} {
			up, err := w.store.CreateUpload(ctx, c.user, "image/jpeg", 4, time.Now().Add(-25*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if withBytes {
				url, _, err := w.objects.PresignPut(ctx, up.Key, "image/jpeg", 4, time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				promise{Method: "PUT", URL: url, Headers: map[string]string{"Content-Type": "image/jpeg"}}.put(t, []byte("jpeg"))
			}
			c.do(t, "POST", "/v1/media", map[string]any{"upload": up.ID}).isProblem(t, 410, "upload_expired")
		}
	})
	t.Run("expired or altered signature", func(t *testing.T) {
		u := c.upload(t, 4)
		altered := u
		altered.URL = strings.Replace(u.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1)
		if status := altered.put(t, []byte("jpeg")); status != 403 && status != 400 {
			t.Errorf("storage answers an altered signature with %d", status)
		}
		c.do(t, "POST", "/v1/media", map[string]any{"upload": u.ID}).isProblem(t, 409, "upload_missing")
	})
	if ms, err := w.store.UserMedia(ctx, c.user, 0, 10, true); err != nil || len(ms) != 0 {
		t.Errorf("media of what was refused: %v, %v", ms, err)
	}
}

func TestLike(t *testing.T) {
	w := newWorld(t)
	author, fan := w.client(t), w.client(t)
	i := w.ready(t, author.post(t, ""))
	path := "/v1/media/" + i.String()
	want := func(c *client, likes int64, liked bool) {
		t.Helper()
		var p Photo
		c.do(t, "GET", path, nil).is(t, 200).into(t, &p)
		if p.LikeCount != likes || p.Liked != liked {
			t.Errorf("%d likes, liked %t; want %d, %t", p.LikeCount, p.Liked, likes, liked)
		}
	}
	want(fan, 0, false)
	for range 2 {
		fan.do(t, "PUT", path+"/like", nil).is(t, 204)
		want(fan, 1, true)
		want(author, 1, false)
	}
	author.do(t, "PUT", path+"/like", nil).is(t, 204)
	want(author, 2, true)
	if n := testutil.ToFloat64(w.metrics.likes); n != 2 {
		t.Errorf("%v likes counted", n)
	}
	for range 2 {
		fan.do(t, "DELETE", path+"/like", nil).is(t, 204)
		want(fan, 1, false)
	}
	fan.do(t, "PUT", "/v1/media/4611686018427387904/like", nil).isProblem(t, 404, "media_not_found")
	fan.do(t, "DELETE", "/v1/media/4611686018427387904/like", nil).isProblem(t, 404, "media_not_found")
}

// A media map that has lost a photo is told of it again by the next like.
func TestLikeRepairsTheMediaMap(t *testing.T) {
	w := newWorldOn(t, cachetest.NewRedis(t, 1))
	author, fan := w.client(t), w.client(t)
	i := w.ready(t, author.post(t, ""))
	if err := w.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	fan.do(t, "PUT", "/v1/media/"+i.String()+"/like", nil).is(t, 204)
	if owner, ok, err := w.owners.Get(t.Context(), i); owner != author.user || !ok || err != nil {
		t.Errorf("the media map says %s, %t, %v", owner, ok, err)
	}
}

func TestListMedia(t *testing.T) {
	w := newWorld(t)
	author, stranger := w.client(t), w.client(t)
	var all []id.ID
	for n := range 5 {
		all = append([]id.ID{w.ready(t, author.post(t, fmt.Sprint(n)))}, all...)
	}
	path := "/v1/users/" + author.user.String() + "/media?limit=2"
	var got []id.ID
	for cursor := ""; ; {
		var pg struct {
			Items  []Photo
			Cursor string
		}
		stranger.do(t, "GET", path+"&cursor="+cursor, nil).is(t, 200).into(t, &pg)
		for _, p := range pg.Items {
			got = append(got, p.ID)
		}
		if cursor = pg.Cursor; cursor == "" {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("listed %v, want %v", got, all)
	}
	stranger.do(t, "GET", "/v1/users/4611686018427387904/media", nil).isProblem(t, 404, "user_not_found")
}
