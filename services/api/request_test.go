package main

import (
	"errors"
	"net/http"
	"testing"
)

func FuzzBefore(f *testing.F) {
	for _, seed := range []string{"", "17", "-1", "0", "99999999999999999999", "1e3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		before, err := PageOf{Cursor: cursor}.before()
		var refused problem
		switch {
		case err != nil && (!errors.As(err, &refused) || refused.Status != http.StatusBadRequest):
			t.Errorf("%q is refused with %v", cursor, err)
		case err == nil && cursor != "" && (before < 0 || before.String() != cursor):
			t.Errorf("cursor %q is read as %s", cursor, before)
		}
	})
}
