package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
)

// An export that is killed again and again goes on where it was, holds little of itself in
// memory, and has everything in the end.
func TestExportGoesOn(t *testing.T) {
	const photos, size = 30, 1500 << 10
	f := &fuse{left: -1}
	w := wireAs(t, func(doc *settings.Worker) {
		doc.Pooler = f.proxy(t, doc.Pooler)
		doc.Storage.Endpoint = "http://" + f.proxy(t, strings.TrimPrefix(doc.Storage.Endpoint, "http://"))
	})
	u, friend := databases.User(t), databases.User(t)
	originals := map[string][]byte{}
	noise := rand.NewChaCha8([32]byte{1})
	for range photos {
		original := make([]byte, size)
		noise.Read(original)
		copy(original, "\xff\xd8\xff\xe0") // looks like a JPEG
		m := publish(t, w, u, original)
		originals["photos/"+m.ID.String()+".jpg"] = original
	}
	liked := processed(t, w, publish(t, w, friend, photo(t, 40, 30)))
	must[bool](t)(w.store.Like(t.Context(), liked.ID, u.ID))
	must[bool](t)(w.store.Follow(t.Context(), u.ID, friend.ID))
	if err := w.store.RegisterDevice(t.Context(), u.ID, "a secret token"); err != nil {
		t.Fatal(err)
	}
	on(t, liked.ID, `INSERT INTO shard.comments (media_id, id, user_id, text) VALUES ($1, shard.next_id(), $2, 'lovely')`, liked.ID, u.ID)
	on(t, u.ID, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, 'blocked', 1)`, u.ID)

	e := must[store.Export](t)(w.store.BeginExport(t.Context(), u.ID))
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cuts, parts, uploadOf := 0, 0, ""
	for n := 5; e.State != store.ExportReady; n += 7 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		f.mu.Lock()
		f.kill = cancel
		f.mu.Unlock()
		f.set(n)
		task := &export{worker: w, rows: 12, part: media.MinPart} // a slice is one part
		err := task.Work(ctx, &river.Job[queue.Export]{JobRow: &rivertype.JobRow{Attempt: 1, MaxAttempts: 9}, Args: queue.Export{User: u.ID, Export: e.ID}})
		cancel()
		if f.set(-1) {
			cuts++
		} else if snooze := (*river.JobSnoozeError)(nil); err != nil && !errors.As(err, &snooze) {
			t.Log(err) // a connection that was cut before
		}
		runtime.GC()
		runtime.ReadMemStats(&during)
		if held := int64(during.HeapAlloc) - int64(before.HeapAlloc); held > 4*media.MinPart {
			t.Fatalf("%d bytes are held after %d parts", held, parts)
		}
		if e, err = w.store.Export(t.Context(), u.ID, e.ID); err != nil {
			t.Fatal(err)
		}
		if e.State == store.ExportRunning && (e.Progress.Parts < parts || parts > 0 && e.Progress.Upload != uploadOf || e.Progress.Total != photos) {
			t.Fatalf("after %d parts of %s the export has %+v", parts, uploadOf, e.Progress)
		}
		parts, uploadOf = e.Progress.Parts, e.Progress.Upload
		if n > 500 {
			t.Fatalf("the export does not end: %+v", e)
		}
	}
	t.Logf("%d parts, cut off %d times", parts, cuts)
	if cuts < 3 || parts < 5 || e.Progress.Done != photos {
		t.Errorf("%d parts, %d cuts, %+v", parts, cuts, e)
	}

	file := filepath.Join(t.TempDir(), "export.zip")
	url := must[string](t)(w.objects.PresignGet(t.Context(), e.Key(), "me.zip", time.Minute))
	res := must[*http.Response](t)(http.Get(url))
	defer res.Body.Close()
	b := must[[]byte](t)(io.ReadAll(res.Body))
	if int64(len(b)) != e.Size {
		t.Errorf("it has %d bytes, and says %d", len(b), e.Size)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range [][]string{{"unzip", "-tq", file}, {"python3", "-m", "zipfile", "-t", file}} {
		if program, err := exec.LookPath(test[0]); err == nil {
			if out, err := exec.Command(program, test[1:]...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("bad")) {
				t.Errorf("%q: %v\n%s", test, err, out)
			}
		}
	}
	z := must[*zip.ReadCloser](t)(zip.OpenReader(file))
	defer z.Close()
	lists := map[string]string{}
	for _, f := range z.File {
		r := must[io.ReadCloser](t)(f.Open())
		content := must[[]byte](t)(io.ReadAll(r))
		if original, ok := originals[f.Name]; ok {
			if !bytes.Equal(content, original) {
				t.Errorf("%s is not what was uploaded", f.Name)
			}
			delete(originals, f.Name)
		} else if lists[f.Name] = string(content); !json.Valid(content) {
			t.Errorf("%s is no JSON: %s", f.Name, content)
		}
		if f.Modified.IsZero() || time.Since(f.Modified) > time.Hour {
			t.Errorf("%s is of %s", f.Name, f.Modified)
		}
	}
	if len(originals) > 0 {
		t.Errorf("%d photos are missing", len(originals))
	}
	for name, want := range map[string]string{
		"account.json": `"name": "` + u.Name + `"`, "following.json": `"name": "` + friend.Name + `"`,
		"likes.json": liked.ID.String(), "comments.json": "lovely", "devices.json": "registeredAt",
		"photos.json": "caption", "photos-2.json": "caption", "photos-3.json": "caption",
	} {
		if !strings.Contains(lists[name], want) {
			t.Errorf("%s is %s, want %s in it", name, lists[name], want)
		}
		delete(lists, name)
	}
	if len(lists) > 0 {
		t.Errorf("besides there is %v", lists)
	}
}

// An export whose parts were ended by an attempt that was killed then is ready; one whose
// parts storage has let go of begins again; one that never succeeds has failed.
func TestExportEnds(t *testing.T) {
	w := wire(t)
	work := func(e store.Export, attempt int) (store.Export, error) {
		err := (&export{worker: w, slice: slice, rows: 9, part: media.MinPart}).Work(t.Context(), &river.Job[queue.Export]{
			JobRow: &rivertype.JobRow{Attempt: attempt, MaxAttempts: 9}, Args: queue.Export{User: e.User, Export: e.ID}})
		return must[store.Export](t)(w.store.Export(t.Context(), e.User, e.ID)), err
	}
	begun := func() store.Export {
		e := must[store.Export](t)(w.store.BeginExport(t.Context(), databases.User(t).ID))
		e.Progress = must[store.ExportProgress](t)((&export{worker: w}).begin(t.Context(), e))
		return e
	}

	e := begun()
	tag := must[string](t)(w.objects.PutPart(t.Context(), e.Key(), e.Progress.Upload, 1, []byte("whole")))
	if err := w.objects.EndParts(t.Context(), e.Key(), e.Progress.Upload, []string{tag}); err != nil {
		t.Fatal(err)
	}
	if e, err := work(e, 1); err != nil || e.State != store.ExportReady || e.Size != 5 {
		t.Errorf("what was ended is %+v, %v", e, err)
	}

	e = begun()
	if err := w.objects.AbortParts(t.Context(), e.Key(), e.Progress.Upload); err != nil {
		t.Fatal(err)
	}
	e, err := work(e, 1)
	if snooze := (*river.JobSnoozeError)(nil); !errors.As(err, &snooze) || e.State != store.ExportRunning {
		t.Errorf("what lost its parts is %+v, %v", e, err)
	}
	if e, err = work(e, 1); err != nil || e.State != store.ExportReady {
		t.Errorf("then it is %+v, %v", e, err)
	}

	e = begun()
	if e, err = work(e, 9); err != nil || e.State != store.ExportFailed {
		t.Errorf("what never succeeds is %+v, %v", e, err)
	}
	if keys := objects(t, w); slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, e.Key()) }) {
		t.Errorf("of it there is %q", keys)
	}
}

// A file of more than four gigabytes needs other records than a small one.
func TestLargeExport(t *testing.T) {
	var before []store.ExportFile
	began := int64(0)
	for i := range 3 {
		f := store.ExportFile{Name: fmt.Sprintf("photos/%d.jpg", i), At: id.Epoch, Size: 2 << 30, CRC: uint32(i)}
		before = append(before, f)
		began += 30 + int64(len(f.Name)) + 9 + f.Size // the local header, with its name and time
	}
	last := newZipPart(began)
	if err := last.add("photos/last.jpg", id.Epoch, []byte("the last")); err != nil {
		t.Fatal(err)
	}
	b := must[[]byte](t)(last.end(before))
	file := must[*os.File](t)(os.Create(filepath.Join(t.TempDir(), "large.zip"))) // sparse
	defer file.Close()
	must[int](t)(file.WriteAt(b, began))
	z := must[*zip.Reader](t)(zip.NewReader(file, began+int64(len(b))))
	if len(z.File) != 4 || z.File[2].CRC32 != 2 || z.File[2].UncompressedSize64 != 2<<30 || !z.File[2].Modified.Equal(id.Epoch) {
		t.Fatalf("it has %d files", len(z.File))
	}
	r := must[io.ReadCloser](t)(z.File[3].Open())
	if content, err := io.ReadAll(r); err != nil || string(content) != "the last" {
		t.Errorf("the last file is %q, %v", content, err)
	}
}
