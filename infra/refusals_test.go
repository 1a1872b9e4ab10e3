package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// refusals sends what does not belong through the whole chain. What each handler
// refuses in detail is tested beside it; here it counts that proxies, object store
// and workers say no as well, and that nothing has changed afterwards.
func (s *stack) refusals(t *testing.T, maya, noah *phone) {
	jpeg := picture(t, 2)
	type upload struct {
		ID, URL string
		Headers map[string]string
	}
	sign := func() (up upload) {
		t.Helper()
		maya.must(http.StatusCreated, http.MethodPost, "/v1/uploads", map[string]any{"contentType": "image/jpeg", "size": len(jpeg)}, &up)
		return up
	}

	t.Run("the object store", func(t *testing.T) {
		up := sign()
		for name, c := range map[string]struct {
			url     string
			headers map[string]string
			body    []byte
		}{
			"another content type": {up.URL, map[string]string{"Content-Type": "text/html"}, jpeg},
			"a byte more":          {up.URL, map[string]string{"Content-Type": "image/jpeg"}, append(bytes.Clone(jpeg), 0)},
			"an altered signature": {up.URL + "0", map[string]string{"Content-Type": "image/jpeg"}, jpeg},
			"another's key":        {strings.Replace(up.URL, "?", "x?", 1), map[string]string{"Content-Type": "image/jpeg"}, jpeg},
		} {
			if status, body := put(t, c.url, c.headers, c.body); status < 400 || status > 499 {
				t.Errorf("%s: status %d, want 4xx: %s", name, status, body)
			}
		}
		if status, body := maya.try(http.MethodPost, "/v1/media", map[string]string{"upload": up.ID}, nil); status != http.StatusConflict {
			t.Errorf("publish without an upload: status %d, want 409: %s", status, body)
		}
	})

	t.Run("a corrupt photo fails with a reason, and nobody but its author sees it", func(t *testing.T) {
		up := sign()
		corrupt := append(bytes.Clone(jpeg[:len(jpeg)/3]), make([]byte, len(jpeg)-len(jpeg)/3)...)
		if status, body := put(t, up.URL, up.Headers, corrupt); status != http.StatusOK {
			t.Fatalf("upload: status %d: %s", status, body)
		}
		var m struct{ ID, State, Reason string }
		maya.must(http.StatusCreated, http.MethodPost, "/v1/media", map[string]string{"upload": up.ID}, &m)
		s.eventually("the photo failed", func() bool {
			status, _ := maya.try(http.MethodGet, "/v1/media/"+m.ID, nil, &m)
			return status == http.StatusOK && m.State == "failed" && m.Reason != ""
		})
		noah.must(http.StatusNotFound, http.MethodGet, "/v1/media/"+m.ID, nil, nil)
		if _, ok := noah.inFeed(m.ID); ok {
			t.Error("the failed photo is in a feed")
		}
	})

	t.Run("the chain", func(t *testing.T) {
		nobody := &phone{t: t, api: maya.api}
		forged := &phone{t: t, api: maya.api, token: maya.token[:len(maya.token)-4] + "AAAA"}
		for name, c := range map[string]struct {
			p            *phone
			method, path string
			in           any
			status       int
		}{
			"no token":               {nobody, http.MethodGet, "/v1/feed", nil, http.StatusUnauthorized},
			"a wrong token":          {forged, http.MethodGet, "/v1/feed", nil, http.StatusUnauthorized},
			"an unknown photo":       {maya, http.MethodGet, "/v1/media/4242424242424242", nil, http.StatusNotFound},
			"no id":                  {maya, http.MethodGet, "/v1/media/none", nil, http.StatusBadRequest},
			"an unknown key":         {maya, http.MethodPost, "/v1/media", map[string]string{"uplaod": "1"}, http.StatusBadRequest},
			"too large a photo":      {maya, http.MethodPost, "/v1/uploads", map[string]any{"contentType": "image/jpeg", "size": 1 << 40}, http.StatusBadRequest},
			"not a photo":            {maya, http.MethodPost, "/v1/uploads", map[string]any{"contentType": "text/html", "size": 10}, http.StatusBadRequest},
			"the metrics from out":   {nobody, http.MethodGet, "/metrics", nil, http.StatusNotFound},
			"a name that is taken":   {nobody, http.MethodPost, "/v1/users", map[string]string{"name": "maya", "password": "correct horse battery", "email": "maya@example.com"}, http.StatusConflict},
			"a body that is no JSON": {maya, http.MethodPost, "/v1/media", "not an object", http.StatusBadRequest},
		} {
			status, body := c.p.try(c.method, c.path, c.in, nil)
			// 422 is as clear as 400; which of the two is the handlers' business.
			if status != c.status && (c.status != http.StatusBadRequest || status != http.StatusUnprocessableEntity) {
				t.Errorf("%s: status %d, want %d: %s", name, status, c.status, body)
			}
		}
	})
}
