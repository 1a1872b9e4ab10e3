package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	blank          = "about:blank"
	invalidRequest = "https://api.twitter.com/2/problems/invalid-request"
	invalidDetail  = "One or more parameters to your request was invalid."

	maxImage  = 5 << 20        // https://docs.x.com/x-api/media/quickstart/best-practices
	mediaLife = 24 * time.Hour // until an image must be in a post
	limitTime = 15 * time.Minute
)

// twitterID is what X accepts as an id.
var twitterID = regexp.MustCompile(`^[0-9]{1,19}$`)

// answerTwitter answers as X's API does to POST /2/tweets and to POST /2/media/upload
// with an image in one piece.
func answerTwitter(r *http.Request, body []byte) answer {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	to := map[string]func(*http.Request, []byte) answer{"/2/tweets": tweet, "/2/media/upload": uploadImage}[r.URL.Path]
	switch {
	case to == nil:
		return problem(http.StatusNotFound, blank, "Not Found")
	case r.Method != http.MethodPost:
		return problem(http.StatusMethodNotAllowed, blank, "Method Not Allowed")
	case bearer == "" || strings.HasPrefix(bearer, "bad") || strings.HasPrefix(bearer, "expired"):
		return problem(http.StatusUnauthorized, blank, "Unauthorized")
	case strings.HasPrefix(bearer, "429"):
		limited := problem(http.StatusTooManyRequests, blank, "Too Many Requests")
		limited.header = map[string]string{
			"x-rate-limit-limit": "100", "x-rate-limit-remaining": "0",
			"x-rate-limit-reset": strconv.FormatInt(time.Now().Add(limitTime).Unix(), 10),
		}
		return limited
	case strings.HasPrefix(bearer, "503"):
		return problem(http.StatusServiceUnavailable, blank, "Service Unavailable")
	}
	return to(r, body)
}

func tweet(_ *http.Request, body []byte) answer {
	var post struct {
		Text  string `json:"text"`
		Media struct {
			IDs []string `json:"media_ids"`
		} `json:"media"`
	}
	if json.Unmarshal(body, &post) != nil || post.Text == "" && len(post.Media.IDs) == 0 || len(post.Media.IDs) > 4 {
		return problem(http.StatusBadRequest, invalidRequest, invalidDetail)
	}
	for _, id := range post.Media.IDs {
		if !twitterID.MatchString(id) {
			return problem(http.StatusBadRequest, invalidRequest, invalidDetail)
		}
	}
	if utf8.RuneCountInString(post.Text) > 280 {
		return problem(http.StatusForbidden, blank, "You are not permitted to perform this action.")
	}
	made := strconv.FormatInt(time.Now().UnixNano(), 10)
	return answer{
		status: http.StatusCreated,
		body:   map[string]any{"data": map[string]any{"id": made, "text": post.Text, "edit_history_tweet_ids": []string{made}}},
		word:   made,
	}
}

// uploadImage takes a form with the file media and what it is for:
// https://docs.x.com/x-api/media/upload-media
func uploadImage(r *http.Request, body []byte) answer {
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.ParseMultipartForm(maxBody) != nil {
		return problem(http.StatusBadRequest, invalidRequest, invalidDetail)
	}
	show := shownForm(r)
	files := r.MultipartForm.File["media"]
	kind := r.Form.Get("media_type")
	if r.Form.Get("media_category") != "tweet_image" || len(files) != 1 || files[0].Size == 0 || files[0].Size > maxImage ||
		kind != "" && !strings.HasPrefix(kind, "image/") {
		refused := problem(http.StatusBadRequest, invalidRequest, invalidDetail)
		refused.show = show
		return refused
	}
	made := strconv.FormatInt(time.Now().UnixNano(), 10)
	return answer{
		status: http.StatusOK,
		body: map[string]any{"data": map[string]any{
			"id": made, "media_key": "3_" + made, "size": files[0].Size, "expires_after_secs": int(mediaLife.Seconds()),
		}},
		word: made,
		show: show,
	}
}

func problem(status int, kind, detail string) answer {
	title := http.StatusText(status)
	return answer{
		status: status,
		body:   map[string]any{"title": title, "type": kind, "status": status, "detail": detail},
		word:   title,
	}
}
