package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// twitter is the API of X. The photo is uploaded first, which shows it to nobody, and
// then posted with the caption.
// https://docs.x.com/x-api/posts/create-post
type twitter struct {
	client *http.Client
	url    string // without a version
}

func (t *twitter) prepare(ctx context.Context, token string, p sharedPhoto) (func(context.Context) (string, error), error) {
	jpeg, err := p.jpeg(ctx)
	if err != nil {
		return nil, err
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	w.WriteField("media_category", "tweet_image") // a buffer takes everything
	w.WriteField("media_type", "image/jpeg")
	file, err := w.CreateFormFile("media", "photo.jpg")
	if err != nil {
		return nil, err
	}
	file.Write(jpeg)
	w.Close()
	image, err := t.post(ctx, token, "/2/media/upload", w.FormDataContentType(), form.Bytes())
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{
		"text": postText(p.caption), "media": map[string]any{"media_ids": []string{image}},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		post, err := t.post(ctx, token, "/2/tweets", "application/json", body)
		if err != nil {
			return "", err
		}
		return "https://x.com/i/web/status/" + url.PathEscape(post), nil
	}, nil
}

// post returns the id of what was made.
func (t *twitter) post(ctx context.Context, token, path, contentType string, body []byte) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(t.url, "/")+path, bytes.NewReader(body))
	if err != nil {
		return "", &later{err: err}
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+token)
	status, header, answered, err := ask(t.client, r)
	if err != nil {
		return "", err
	}
	var answer struct {
		Data   struct{ ID string }
		Detail string
	}
	err = json.Unmarshal(answered, &answer)
	if made := status == http.StatusOK || status == http.StatusCreated; made && err == nil && answer.Data.ID != "" {
		return answer.Data.ID, nil
	} else if made {
		return "", fmt.Errorf("twitter answered %s with %d bytes that name nothing", path, len(answered))
	}
	err = fmt.Errorf("twitter answered %s with %d: %s", path, status, answer.Detail)
	switch {
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return "", &later{retryAfter(header, time.Now()), err}
	case status == http.StatusUnauthorized:
		return "", &declined{tokenRefused, err}
	}
	return "", &declined{refused, err}
}

// maxPost is how long a post may be, as X counts.
const maxPost = 280

// postText is a caption that X takes: cut where it is too long. X counts a character
// of Latin, Greek, Cyrillic, Hebrew or Arabic and common punctuation as one and others
// as two, and a URL as 23, so that one that has more characters counts less than here.
// https://docs.x.com/resources/fundamentals/counting-characters
func postText(caption string) string {
	const more = "…"
	length, end := 0, 0 // end is where there is still room for more
	for i, r := range caption {
		length += weight(r)
		if length > maxPost {
			return strings.TrimSpace(caption[:end]) + more
		}
		if length <= maxPost-weight('…') {
			end = i + utf8.RuneLen(r)
		}
	}
	return caption
}

func weight(r rune) int {
	if r <= 0x10FF || 0x2000 <= r && r <= 0x200D || 0x2010 <= r && r <= 0x201F || 0x2032 <= r && r <= 0x2037 {
		return 1
	}
	return 2
}
