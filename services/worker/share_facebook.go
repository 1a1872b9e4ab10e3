package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// facebook is the Graph API. It fetches the photo itself, from the CDN, and posts it for
// whom the token is of: a page, or whoever their app may still post for.
// https://developers.facebook.com/docs/graph-api/reference/page/photos
type facebook struct {
	client *http.Client
	url    string // without a version
}

const graphVersion = "v23.0"

func (f *facebook) prepare(_ context.Context, token string, p sharedPhoto) (func(context.Context) (string, error), error) {
	form := url.Values{"url": {p.url}, "caption": {p.caption}, "access_token": {token}}.Encode()
	return func(ctx context.Context) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(f.url, "/")+"/"+graphVersion+"/me/photos", strings.NewReader(form))
		if err != nil {
			return "", &later{err: err}
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		status, header, body, err := ask(f.client, r)
		if err != nil {
			return "", err
		}
		var answer struct {
			ID    string
			Post  string `json:"post_id"`
			Error graphError
		}
		err = json.Unmarshal(body, &answer)
		switch {
		case status == http.StatusOK && err == nil && answer.ID != "":
			post := answer.Post
			if post == "" {
				post = answer.ID
			}
			return "https://www.facebook.com/" + url.PathEscape(post), nil
		case status == http.StatusOK:
			return "", fmt.Errorf("facebook answered %d bytes that name no post", len(body))
		}
		return "", answer.Error.of(status, header)
	}, nil
}

// graphError is what the Graph API answers instead of what it was asked for.
type graphError struct {
	Message   string
	Code      int
	Subcode   int  `json:"error_subcode"`
	Transient bool `json:"is_transient"`
}

// of says what the error means for a share.
// https://developers.facebook.com/docs/graph-api/guides/error-handling
func (e graphError) of(status int, header http.Header) error {
	err := fmt.Errorf("facebook answered %d, error %d/%d: %s", status, e.Code, e.Subcode, e.Message)
	switch code := e.Code; {
	case status == http.StatusTooManyRequests, code == 4, code == 17, code == 32, code == 341, code == 613, code >= 80000 && code < 90000: // limits
		return &later{retryAfter(header, time.Now()), err}
	case status >= http.StatusInternalServerError, e.Transient, code == 1, code == 2: // outages
		return &later{retryAfter(header, time.Now()), err}
	case code == 190, code == 102, status == http.StatusUnauthorized:
		return &declined{tokenRefused, err}
	case code == 3, code == 10, code >= 200 && code < 300, status == http.StatusForbidden:
		return &declined{notPermitted, err}
	}
	return &declined{refused, err}
}
