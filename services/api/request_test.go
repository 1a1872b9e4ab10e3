package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/burbn/burbn/services/id"
)

// Whatever a body is, it is read or refused as the client's fault.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"name":"kevin","size":5,"upload":"17"}`, `{"name":5}`, `{}`, `null`, `[]`, `"`, `{"a":1}`, "\xff", `{"upload":"0"}`, `{"size":1e99}`, `{}{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in struct {
			Name   string `json:"name"`
			Size   int64  `json:"size"`
			Upload id.ID  `json:"upload"`
		}
		err := decode(b, &in)
		if err == nil {
			if !json.Valid(b) {
				t.Errorf("%q is accepted", b)
			}
			return
		}
		var p problem
		if !errors.As(err, &p) || p.Status != http.StatusBadRequest || p.Code == "" || p.Detail == "" {
			t.Errorf("%q is refused with %v", b, err)
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add("", "")
	f.Add("17", "50")
	f.Add("-1", "0")
	f.Add("99999999999999999999", "1e3")
	f.Fuzz(func(t *testing.T, cursor, limit string) {
		p, err := parsePage(cursor, limit)
		if err != nil {
			var refused problem
			if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
				t.Errorf("%q, %q are refused with %v", cursor, limit, err)
			}
			return
		}
		if p.Limit < 1 || p.Limit > maxLimit || p.Before < 0 {
			t.Errorf("%q, %q are read as %+v", cursor, limit, p)
		}
		if cursor != "" && p.Before.String() != cursor {
			t.Errorf("cursor %q is read as %s", cursor, p.Before)
		}
		if n, err := strconv.Atoi(limit); limit != "" && (err != nil || n != p.Limit) {
			t.Errorf("limit %q is read as %d", limit, p.Limit)
		}
	})
}
