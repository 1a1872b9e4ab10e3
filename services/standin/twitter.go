package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// answerTwitter answers as X's API does to POST /2/tweets.
func answerTwitter(r *http.Request, body []byte) answer {
	const blank = "about:blank"
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.URL.Path != "/2/tweets":
		return problem(http.StatusNotFound, blank, "Not Found")
	case r.Method != http.MethodPost:
		return problem(http.StatusMethodNotAllowed, blank, "Method Not Allowed")
	case bearer == "" || strings.HasPrefix(bearer, "bad"):
		return problem(http.StatusUnauthorized, blank, "Unauthorized")
	case strings.HasPrefix(bearer, "429"):
		return problem(http.StatusTooManyRequests, blank, "Too Many Requests")
	}
	var tweet struct {
		Text  string `json:"text"`
		Media struct {
			IDs []string `json:"media_ids"`
		} `json:"media"`
	}
	if json.Unmarshal(body, &tweet) != nil || tweet.Text == "" && len(tweet.Media.IDs) == 0 {
		return problem(http.StatusBadRequest, "https://api.twitter.com/2/problems/invalid-request", "One or more parameters to your request was invalid.")
	}
	if utf8.RuneCountInString(tweet.Text) > 280 {
		return problem(http.StatusForbidden, blank, "You are not permitted to perform this action.")
	}
	made := strconv.FormatInt(time.Now().UnixNano(), 10)
	return answer{
		status: http.StatusCreated,
		body:   map[string]any{"data": map[string]any{"id": made, "text": tweet.Text, "edit_history_tweet_ids": []string{made}}},
		word:   made,
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
