package media_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/media/mediatest"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/settings"
)

func openObjects(t testing.TB) (*media.Objects, settings.Storage) {
	t.Helper()
	storage := mediatest.NewStorage(t)
	o, err := media.NewObjects(storage, mediatest.AccessKey, mediatest.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.EnsureBuckets(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o, storage
}

// put is what a phone does with a signature.
func put(t *testing.T, url string, header http.Header, body []byte) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k != "Content-Length" { // which the body says
			r.Header[k] = v
		}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestUpload(t *testing.T) {
	o, storage := openObjects(t)
	photo := bytes.Repeat([]byte{0xff, 0xd8}, 500)
	sign := func(t *testing.T, key string, life time.Duration) (string, http.Header) {
		t.Helper()
		url, header, err := o.PresignPut(t.Context(), key, "image/jpeg", int64(len(photo)), life)
		if err != nil {
			t.Fatal(err)
		}
		return url, header
	}

	t.Run("as signed", func(t *testing.T) {
		url, header := sign(t, "good", time.Minute)
		if !strings.HasPrefix(url, storage.Endpoint+"/uploads/good?") {
			t.Errorf("URL is %s", url)
		}
		if header.Get("Content-Type") != "image/jpeg" || header.Get("Content-Length") != "1000" || len(header) != 2 {
			t.Errorf("headers are %v", header)
		}
		if status := put(t, url, header, photo); status != http.StatusOK {
			t.Fatalf("upload is answered %d", status)
		}
		size, kind, err := o.Head(t.Context(), "good")
		if size != 1000 || kind != "image/jpeg" || err != nil {
			t.Errorf("storage has %d bytes of %q, %v", size, kind, err)
		}
		got, err := o.Get(t.Context(), "good", 1000)
		if !bytes.Equal(got, photo) || err != nil {
			t.Errorf("%d bytes came back, %v", len(got), err)
		}
		if _, err := o.Get(t.Context(), "good", 999); !errors.Is(err, media.ErrTooLarge) {
			t.Errorf("more than asked for: %v, want ErrTooLarge", err)
		}
	})
	for _, tt := range []struct {
		name   string
		change func(url string, header http.Header) (string, http.Header, []byte)
	}{
		{"another type", func(u string, h http.Header) (string, http.Header, []byte) {
			h.Set("Content-Type", "text/html")
			return u, h, photo
		}},
		{"larger", func(u string, h http.Header) (string, http.Header, []byte) { return u, h, append(photo, 0) }},
		{"smaller", func(u string, h http.Header) (string, http.Header, []byte) { return u, h, photo[1:] }},
		{"another key", func(u string, h http.Header) (string, http.Header, []byte) {
			return strings.Replace(u, "/uploads/refused", "/uploads/other", 1), h, photo
		}},
		{"the other bucket", func(u string, h http.Header) (string, http.Header, []byte) {
			return strings.Replace(u, "/uploads/", "/media/", 1), h, photo
		}},
		{"longer life", func(u string, h http.Header) (string, http.Header, []byte) {
			return strings.Replace(u, "X-Amz-Expires=60", "X-Amz-Expires=6000", 1), h, photo
		}},
		{"no signature", func(u string, h http.Header) (string, http.Header, []byte) {
			u, _, _ = strings.Cut(u, "?")
			return u, h, photo
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url, header := sign(t, "refused", time.Minute)
			url, header, body := tt.change(url, header)
			if status := put(t, url, header, body); status != http.StatusForbidden {
				t.Errorf("upload is answered %d, want 403", status)
			}
			if _, _, err := o.Head(t.Context(), "refused"); !errors.Is(err, media.ErrNoObject) {
				t.Errorf("storage says %v, want ErrNoObject", err)
			}
		})
	}
	t.Run("expired", func(t *testing.T) {
		url, header := sign(t, "late", time.Second)
		deadline := time.NewTimer(time.Minute)
		defer deadline.Stop()
		for put(t, url, header, photo) != http.StatusForbidden {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-deadline.C:
				t.Fatal("a signature of one second is still good after a minute")
			}
		}
	})
	t.Run("nothing there", func(t *testing.T) {
		if _, err := o.Get(t.Context(), "nothing", 1); !errors.Is(err, media.ErrNoObject) {
			t.Errorf("error is %v, want ErrNoObject", err)
		}
	})
}

func TestRenditionsArePublic(t *testing.T) {
	o, storage := openObjects(t)
	if err := o.Put(t.Context(), rendition.Key("k", 320), []byte("jpeg")); err != nil {
		t.Fatal(err)
	}
	url, header, err := o.PresignPut(t.Context(), "k", "image/jpeg", 1, time.Minute)
	if err != nil || put(t, url, header, []byte("x")) != http.StatusOK {
		t.Fatalf("upload does not work: %v", err)
	}
	for url, want := range map[string]int{
		storage.CDN + "/k/320.jpg":      200,
		storage.Endpoint + "/uploads/k": 403,
		storage.Endpoint + "/media":     403, // the list
		storage.Endpoint + "/media?acl": 403,
		storage.Endpoint + "/uploads":   403,
		storage.CDN + "/k/nothing.jpg":  404,
	} {
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s is answered %d to strangers, want %d", url, r.StatusCode, want)
		}
		if want == 200 && (string(body) != "jpeg" || r.Header.Get("Content-Type") != "image/jpeg" || r.Header.Get("Cache-Control") != "public, max-age=31536000, immutable") {
			t.Errorf("%s is %q with %v", url, body, r.Header)
		}
	}
}

func TestBuckets(t *testing.T) {
	storage := mediatest.NewStorage(t)
	o, err := media.NewObjects(storage, mediatest.AccessKey, mediatest.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "bucket") {
		t.Errorf("without buckets Ping says %v", err)
	}
	for range 2 {
		if err := o.EnsureBuckets(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	stranger, err := media.NewObjects(storage, mediatest.AccessKey, "wrong")
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Put(t.Context(), "k", nil); err == nil {
		t.Error("a wrong secret key may write")
	}
	for _, keys := range [][2]string{{"", ""}, {"a", ""}, {"", "s"}} {
		if _, err := media.NewObjects(storage, keys[0], keys[1]); err == nil {
			t.Errorf("storage of our own is opened with keys %q", keys)
		}
	}
}

// TestRole: AWS's own storage is asked with the keys of the machine's role, and no
// others.
func TestRole(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAOFSOMEBODY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of somebody")
	mediatest.NewRole(t)
	o, err := media.NewObjects(settings.Storage{Region: "eu-west-1", Uploads: "example-uploads", Media: "example-media"}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	signed, header, err := o.PresignPut(t.Context(), "key", "image/jpeg", 1000, 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "https" || u.Host != "example-uploads.s3.eu-west-1.amazonaws.com" || u.Path != "/key" {
		t.Errorf("the phone is sent to %s://%s%s", u.Scheme, u.Host, u.Path)
	}
	q := u.Query()
	if !strings.HasPrefix(q.Get("X-Amz-Credential"), mediatest.RoleKey+"/") || q.Get("X-Amz-Security-Token") != mediatest.RoleToken || q.Get("X-Amz-Expires") != "900" {
		t.Errorf("signed by %s with token %q for %s s", q.Get("X-Amz-Credential"), q.Get("X-Amz-Security-Token"), q.Get("X-Amz-Expires"))
	}
	if q.Get("X-Amz-SignedHeaders") != "content-length;content-type;host" || len(header) != 2 {
		t.Errorf("signed headers are %s, the phone sends %v", q.Get("X-Amz-SignedHeaders"), header)
	}
}

func TestDelete(t *testing.T) {
	o, storage := openObjects(t)
	originals, renditions := []string{"never-there"}, []string{"never/320.jpg"}
	upload := func(key string) {
		t.Helper()
		url, header, err := o.PresignPut(t.Context(), key, "image/jpeg", 1, time.Minute)
		if err != nil || put(t, url, header, []byte("x")) != http.StatusOK {
			t.Fatalf("upload %s: %v", key, err)
		}
	}
	for i := range 3 {
		key := strings.Repeat("k", i+1)
		upload(key)
		if err := o.Put(t.Context(), rendition.Key(key, 320), []byte("jpeg")); err != nil {
			t.Fatal(err)
		}
		originals, renditions = append(originals, key), append(renditions, rendition.Key(key, 320))
	}
	upload("stays")
	// More than one request takes.
	for i := range 1001 {
		originals = append(originals, fmt.Sprintf("never-%d", i))
	}
	for range 2 {
		if err := o.Delete(t.Context(), originals, renditions); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range originals[1:4] {
		if _, _, err := o.Head(t.Context(), key); !errors.Is(err, media.ErrNoObject) {
			t.Errorf("upload %s: %v", key, err)
		}
		r, err := http.Get(storage.CDN + "/" + rendition.Key(key, 320))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusNotFound {
			t.Errorf("rendition of %s: %s", key, r.Status)
		}
	}
	if _, _, err := o.Head(t.Context(), "stays"); err != nil {
		t.Error(err)
	}
	if err := o.Delete(t.Context(), nil, nil); err != nil {
		t.Error(err)
	}
	stranger, err := media.NewObjects(storage, mediatest.AccessKey, "wrong")
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Delete(t.Context(), []string{"stays"}, nil); err == nil || !strings.Contains(err.Error(), "delete 1 objects of bucket uploads") {
		t.Errorf("a wrong secret key deletes: %v", err)
	}
}

func TestDownload(t *testing.T) {
	o, _ := openObjects(t)
	up, header, err := o.PresignPut(t.Context(), "exports/1/all.zip", "application/zip", 5, time.Minute)
	if err != nil || put(t, up, header, []byte("bytes")) != http.StatusOK {
		t.Fatalf("put an export: %v", err)
	}
	get := func(url string) (int, http.Header, string) {
		t.Helper()
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, r.Header, string(b)
	}
	down, err := o.PresignGet(t.Context(), "exports/1/all.zip", "burbn märz.zip", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if status, header, body := get(down); status != 200 || body != "bytes" || header.Get("Content-Disposition") != "attachment; filename*=utf-8''burbn%20m%C3%A4rz.zip" {
		t.Errorf("answer is %d %q with %v", status, body, header)
	}
	for name, url := range map[string]string{
		"another object": strings.Replace(down, "/exports/1/", "/exports/2/", 1),
		"another name":   strings.Replace(down, "burbn", "other", 1),
		"no signature":   down[:strings.Index(down, "?")],
	} {
		if status, _, _ := get(url); status != http.StatusForbidden {
			t.Errorf("%s is answered %d", name, status)
		}
	}
}

func TestAllowOrigins(t *testing.T) {
	o, _ := openObjects(t)
	preflight := func(origin string) (int, string) {
		t.Helper()
		up, _, err := o.PresignPut(t.Context(), "k", "image/jpeg", 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, up, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "PUT")
		r.Header.Set("Access-Control-Request-Headers", "content-type")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode, res.Header.Get("Access-Control-Allow-Origin")
	}
	for range 2 {
		if err := o.AllowOrigins(t.Context(), []string{"https://www.example.com"}); err != nil {
			t.Fatal(err)
		}
	}
	if status, allowed := preflight("https://www.example.com"); status != 200 || allowed != "https://www.example.com" {
		t.Errorf("the stack's own origin is answered %d %q", status, allowed)
	}
	if _, allowed := preflight("https://evil.example"); allowed != "" {
		t.Errorf("another origin is answered %q", allowed)
	}
	for range 2 {
		if err := o.AllowOrigins(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, allowed := preflight("https://www.example.com"); allowed != "" {
		t.Errorf("an origin that is no longer the stack's is answered %q", allowed)
	}
}
