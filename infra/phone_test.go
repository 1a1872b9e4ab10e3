package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net/http"
	"testing"
	"time"
)

// phone is a client as a mobile app is one: it knows the API's address and its
// token, nothing else.
type phone struct {
	t     *testing.T
	api   string
	id    string
	token string
}

// photo is a photo as the API shows it.
type photo struct {
	ID         string
	State      string
	Width      int
	LikeCount  int
	Renditions []struct {
		Width, Height int
		URL           string
	}
}

// signUp makes an account and returns the phone that is logged in to it.
func signUp(t *testing.T, api, name string) *phone {
	t.Helper()
	p := &phone{t: t, api: api}
	var out struct {
		User  struct{ ID string }
		Token string
	}
	p.must(http.StatusCreated, http.MethodPost, "/v1/users",
		map[string]string{"name": name, "password": "correct horse battery", "fullName": name, "email": name + "@example.com"}, &out)
	p.id, p.token = out.User.ID, out.Token
	return p
}

// try makes one request and returns its status; out, if not nil, takes the answer.
// A network error is a status of 0.
func (p *phone) try(method, path string, in, out any) (int, string) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err.Error()
		}
		body = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.api+path, body)
	if err != nil {
		return 0, err.Error()
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return 0, err.Error()
	}
	if out != nil && res.StatusCode < 300 {
		if err := json.Unmarshal(b, out); err != nil {
			return 0, fmt.Sprintf("%v in %s", err, b)
		}
	}
	return res.StatusCode, string(b)
}

// must makes one request whose status must be the one given.
func (p *phone) must(status int, method, path string, in, out any) {
	p.t.Helper()
	if got, body := p.try(method, path, in, out); got != status {
		p.t.Fatalf("%s %s: status %d, want %d: %s", method, path, got, status, body)
	}
}

// post uploads a photo straight to object storage, publishes it, and returns its id.
func (p *phone) post(jpeg []byte, caption string) string {
	p.t.Helper()
	var up struct {
		ID, Method, URL string
		Headers         map[string]string
	}
	p.must(http.StatusCreated, http.MethodPost, "/v1/uploads", map[string]any{"contentType": "image/jpeg", "size": len(jpeg)}, &up)
	if got, body := put(p.t, up.URL, up.Headers, jpeg); got != http.StatusOK {
		p.t.Fatalf("upload: status %d: %s", got, body)
	}
	var m photo
	p.must(http.StatusCreated, http.MethodPost, "/v1/media", map[string]string{"upload": up.ID, "caption": caption}, &m)
	return m.ID
}

// inFeed is the photo if the feed shows it.
func (p *phone) inFeed(id string) (photo, bool) {
	var feed struct{ Items []photo }
	if status, _ := p.try(http.MethodGet, "/v1/feed?limit=50", nil, &feed); status != http.StatusOK {
		return photo{}, false
	}
	for _, item := range feed.Items {
		if item.ID == id {
			return item, true
		}
	}
	return photo{}, false
}

func put(t *testing.T, url string, headers map[string]string, body []byte) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return res.StatusCode, string(b)
}

// get is a plain download.
func get(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	return res, b
}

// picture is a real JPEG of 1600 x 1200 with an EXIF block in it that says where it
// was taken, as a phone writes one.
func picture(t *testing.T, seed int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 1600, 1200))
	for y := range 1200 {
		for x := range 1600 {
			img.Set(x, y, color.RGBA{uint8(x + seed*40), uint8(y), uint8((x ^ y) + seed), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	exif := []byte("Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01" +
		"\x01\x0e\x00\x02\x00\x00\x00\x0e\x00\x00\x00\x1a\x00\x00\x00\x00" + secretPlace)
	app1 := append([]byte{0xff, 0xe1, byte((len(exif) + 2) >> 8), byte(len(exif) + 2)}, exif...)
	return bytes.Join([][]byte{b.Bytes()[:2], app1, b.Bytes()[2:]}, nil)
}

// secretPlace is what no rendition may carry.
const secretPlace = "48.8584N 2.29E\x00"
