package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answerFacebook answers as the Graph API does to POST /me/photos, with or
// without a version, as a form or as multipart.
func answerFacebook(r *http.Request, body []byte) answer {
	version, ok := strings.CutSuffix(r.URL.Path, "/me/photos")
	if !ok || version != "" && !strings.HasPrefix(version, "/v") {
		return graphError(http.StatusBadRequest, 2500, 0, "Unknown path components: "+r.URL.Path)
	}
	if r.Method != http.MethodPost {
		return graphError(http.StatusBadRequest, 100, 0, "Unsupported "+strings.ToLower(r.Method)+" request.")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := r.ParseMultipartForm(maxBody); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return graphError(http.StatusBadRequest, 100, 0, "Invalid parameter")
	}
	token := r.Form.Get("access_token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = bearer
	}
	show := shownForm(r)
	var ans answer
	switch {
	case token == "":
		ans = graphError(http.StatusBadRequest, 2500, 0, "An active access token must be used to query information about the current user.")
	case strings.HasPrefix(token, "bad"):
		ans = graphError(http.StatusBadRequest, 190, 0, "Invalid OAuth access token - Cannot parse access token")
	case strings.HasPrefix(token, "expired"):
		ans = graphError(http.StatusBadRequest, 190, 463, "Error validating access token: Session has expired.")
	case strings.HasPrefix(token, "429"):
		ans = graphError(http.StatusBadRequest, 17, 2446079, "User request limit reached")
	case strings.HasPrefix(token, "503"):
		ans = graphError(http.StatusServiceUnavailable, 2, 0, "An unexpected error has occurred. Please retry your request later.")
	case r.Form.Get("url") == "" && (r.MultipartForm == nil || len(r.MultipartForm.File["source"]) == 0):
		ans = graphError(http.StatusBadRequest, 324, 0, "Requires upload file")
	default:
		photo := strconv.FormatInt(time.Now().UnixNano(), 10)
		ans = answer{status: http.StatusOK, body: map[string]string{"id": photo, "post_id": "1_" + photo}, word: photo}
	}
	ans.show = show
	return ans
}

// shownForm is what was sent without the token, which opens somebody's account.
func shownForm(r *http.Request) string {
	shown := url.Values{}
	for k, v := range r.Form {
		if k != "access_token" {
			shown[k] = v
		}
	}
	if r.MultipartForm != nil {
		for k, files := range r.MultipartForm.File {
			for _, f := range files {
				shown.Add(k, strconv.FormatInt(f.Size, 10)+" bytes")
			}
		}
	}
	if len(shown) == 0 {
		return "(nothing)"
	}
	return shown.Encode()
}

func graphError(status, code, subcode int, message string) answer {
	e := map[string]any{"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AStandIn"}
	if subcode != 0 {
		e["error_subcode"] = subcode
	}
	return answer{status: status, body: map[string]any{"error": e}, word: message}
}
