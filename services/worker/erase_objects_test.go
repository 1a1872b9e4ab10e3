package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/queue"
)

func TestEraseObjects(t *testing.T) {
	e := newErasure(t, &fuse{left: -1})
	u, kept := upload(t, e.worker, e.author, []byte("x")), upload(t, e.worker, e.author, []byte("x"))
	for _, key := range []string{"a/150.jpg", "b/150.jpg"} {
		if err := e.objects.Put(t.Context(), key, []byte("jpeg")); err != nil {
			t.Fatal(err)
		}
	}
	task := &eraseObjects{worker: e.worker}
	for range 2 {
		err := task.Work(t.Context(), &river.Job[queue.EraseObjects]{Args: queue.EraseObjects{Uploads: []string{u.Key}, Media: []string{"a/150.jpg"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := e.objects.Head(t.Context(), u.Key); !errors.Is(err, media.ErrNoObject) {
		t.Errorf("the upload is still there: %v", err)
	}
	if _, err := e.objects.GetRendition(t.Context(), "a/150.jpg", 10); !errors.Is(err, media.ErrNoObject) {
		t.Errorf("the rendition is still there: %v", err)
	}
	if !slices.Contains(e.edge.purged, "a/150.jpg") || slices.Contains(e.edge.purged, "b/150.jpg") {
		t.Errorf("the edge has forgotten %q", e.edge.purged)
	}
	_, _, upload := e.objects.Head(t.Context(), kept.Key)
	_, rendition := e.objects.GetRendition(t.Context(), "b/150.jpg", 10)
	if err := errors.Join(upload, rendition); err != nil {
		t.Errorf("what was to stay: %v", err)
	}
}
