package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/media"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

const (
	// rowsOfFile is how many rows of a list one file has.
	rowsOfFile = 5000
	// partAtLeast is how large the first parts are at least; storage takes none below
	// media.MinPart.
	partAtLeast = 8 << 20
	// originalsAtOnce is how many photos one statement names.
	originalsAtOnce = 100
)

// export makes a ZIP file of everything that is a user's, in storage, by parts that are
// whole files each. What is recorded with every part says where the next one begins, so
// that an attempt goes on where the last was cut off, in a process that holds one part and
// one original at a time. The files are stored as they are: photos do not shrink.
type export struct {
	river.WorkerDefaults[queue.Export]
	*worker
	slice time.Duration
	rows  int // of a file
	part  int // bytes of a part at least
}

// partSize is how large part number is at least, from 1: it grows so that the media.MaxParts
// that there can be make half a terabyte.
func (x *export) partSize(number int) int { return x.part << (number * 5 / (media.MaxParts + 1)) }

func (x *export) Work(ctx context.Context, job *river.Job[queue.Export]) error {
	e, err := x.store.Export(ctx, job.Args.User, job.Args.Export)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && e.State != store.ExportWaiting && e.State != store.ExportRunning:
		return nil // erased, or done by an attempt whose end was not recorded
	case err == nil && job.Attempt >= job.MaxAttempts:
		x.log.ErrorContext(ctx, "export given up", "export", e.ID, "attempts", job.Attempt)
		if err := errors.Join(x.objects.AbortParts(ctx, e.Key(), e.Progress.Upload), x.store.FinishExport(ctx, e, store.ExportFailed, 0)); err != nil {
			return river.JobSnooze(giveUpAgain) // one that never ends keeps its user from another
		}
		return nil
	case err != nil:
		return err
	}
	err = x.goOn(ctx, e)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil // erased meanwhile, with its parts
	case errors.Is(err, media.ErrNoParts):
		// They were ended by an attempt whose end was not recorded, or storage has let go
		// of them.
		size, _, there := x.objects.Head(ctx, e.Key())
		if there == nil {
			return x.store.FinishExport(ctx, e, store.ExportReady, size)
		}
		if !errors.Is(there, media.ErrNoObject) {
			return there
		}
		if _, err := x.begin(ctx, e); err != nil {
			return err
		}
		return river.JobSnooze(0)
	}
	return err
}

// begin begins an export, whatever there was of it.
func (x *export) begin(ctx context.Context, e store.Export) (store.ExportProgress, error) {
	if err := x.objects.AbortParts(ctx, e.Key(), e.Progress.Upload); err != nil {
		return e.Progress, err
	}
	upload, err := x.objects.BeginParts(ctx, e.Key(), "application/zip")
	if err != nil {
		return e.Progress, err
	}
	e.Progress = store.ExportProgress{Upload: upload}
	p, err := x.store.StartExport(ctx, e)
	if errors.Is(err, store.ErrNotFound) { // so that nobody else knows of the parts
		return p, errors.Join(err, x.objects.AbortParts(ctx, e.Key(), upload))
	}
	return p, err
}

// goOn makes parts until the export is whole, or the slice over.
func (x *export) goOn(ctx context.Context, e store.Export) (err error) {
	if e.Progress.Upload == "" {
		if e.Progress, err = x.begin(ctx, e); err != nil {
			return err
		}
	}
	for until := time.Now().Add(x.slice); ; {
		part := newZipPart(e.Progress.Size)
		next := e
		whole := false
		for !whole && part.size() < x.partSize(e.Progress.Parts+1) {
			if whole, err = x.add(ctx, &next, part); err != nil {
				return err
			}
		}
		if whole {
			return x.finish(ctx, next, part)
		}
		b, err := part.bytes()
		if err != nil {
			return err
		}
		next.Progress.Parts++
		next.Progress.Size += int64(len(b))
		tag, err := x.objects.PutPart(ctx, e.Key(), e.Progress.Upload, next.Progress.Parts, b)
		if err != nil {
			return err
		}
		recorded := store.ExportPart{Number: next.Progress.Parts, Tag: tag, Files: part.files}
		if err := x.store.AddExportPart(ctx, next, recorded); err != nil {
			return err
		}
		e = next
		if time.Now().After(until) {
			return river.JobSnooze(0)
		}
	}
}

// finish puts the last part, with the directory of all files, and makes the parts a file.
func (x *export) finish(ctx context.Context, e store.Export, last *zipPart) error {
	parts, err := x.store.ExportParts(ctx, e)
	if err != nil {
		return err
	}
	var tags []string
	var files []store.ExportFile
	for _, p := range parts {
		tags, files = append(tags, p.Tag), append(files, p.Files...)
	}
	b, err := last.end(files)
	if err != nil {
		return fmt.Errorf("end export %s: %w", e.ID, err)
	}
	tag, err := x.objects.PutPart(ctx, e.Key(), e.Progress.Upload, len(parts)+1, b)
	if err != nil {
		return err
	}
	if err := x.objects.EndParts(ctx, e.Key(), e.Progress.Upload, append(tags, tag)); err != nil {
		return err
	}
	return x.store.FinishExport(ctx, e, store.ExportReady, e.Progress.Size+int64(len(b)))
}

// add adds the next files, and moves e's progress behind them. It says whether these were
// all. Progress.List counts the account, then the lists, then the originals.
func (x *export) add(ctx context.Context, e *store.Export, part *zipPart) (whole bool, err error) {
	lists := store.ExportLists()
	switch at := &e.Progress; {
	case at.List == 0:
		at.List++
		return false, x.addAccount(ctx, *e, part)
	case at.List <= len(lists):
		return false, x.addList(ctx, e, lists[at.List-1], part)
	default:
		return x.addOriginals(ctx, e, part)
	}
}

func (x *export) addAccount(ctx context.Context, e store.Export, part *zipPart) error {
	u, err := x.store.Account(ctx, e.User)
	if err != nil {
		return err
	}
	return part.addJSON("account.json", e.CreatedAt, map[string]any{
		"id": u.ID, "name": u.Name, "fullName": u.FullName, "email": u.Email, "bio": u.Bio, "website": u.Website,
		"private": u.Private, "state": u.State, "createdAt": u.CreatedAt,
		"photos": u.MediaCount, "followers": u.FollowerCount, "following": u.FollowingCount,
	})
}

// addList adds one file of a list, if there is another.
func (x *export) addList(ctx context.Context, e *store.Export, list store.ExportList, part *zipPart) error {
	at := &e.Progress
	var rows []json.RawMessage
	shards := x.store.Shards().Count
	for len(rows) < x.rows {
		on := at.Shard
		if !list.Spread {
			on = shard.Of(e.User)
		}
		some, err := x.store.ExportRows(ctx, list, e.User, on, at.After, x.rows-len(rows))
		if err != nil {
			return err
		}
		for _, r := range some {
			rows, at.After = append(rows, r.Told), r.At
		}
		if len(rows) == x.rows {
			break
		}
		// The shard has no more.
		at.Shard, at.After = at.Shard+1, 0
		if !list.Spread || int(at.Shard) == shards {
			at.List, at.Shard = at.List+1, 0
			break
		}
	}
	if len(rows) > 0 {
		at.Files++
		name := list.Name + ".json"
		if at.Files > 1 {
			name = list.Name + "-" + strconv.Itoa(at.Files) + ".json"
		}
		if err := x.name(ctx, rows); err != nil {
			return err
		}
		if err := part.addJSON(name, e.CreatedAt, rows); err != nil {
			return err
		}
	}
	if at.After == 0 && at.Shard == 0 {
		at.Files = 0 // another list begins
	}
	return nil
}

// name adds to what is told of other users what they are called.
func (x *export) name(ctx context.Context, rows []json.RawMessage) error {
	told := make([]map[string]any, len(rows))
	var ids []id.ID
	of := make([]id.ID, len(rows))
	for i, r := range rows {
		if err := json.Unmarshal(r, &told[i]); err != nil {
			return err
		}
		if text, ok := told[i]["user"].(string); ok {
			user, err := id.Parse(text)
			if err != nil {
				return err
			}
			of[i], ids = user, append(ids, user)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	users, err := x.store.Users(ctx, ids)
	if err != nil {
		return err
	}
	for i := range rows {
		if u, ok := users[of[i]]; ok && u.State == store.Active {
			told[i]["name"] = u.Name
		}
		if rows[i], err = json.Marshal(told[i]); err != nil {
			return err
		}
	}
	return nil
}

// addOriginals adds photos until the part is large enough, or there is no other.
func (x *export) addOriginals(ctx context.Context, e *store.Export, part *zipPart) (whole bool, err error) {
	at := &e.Progress
	originals, err := x.store.Originals(ctx, e.User, at.After, originalsAtOnce)
	if err != nil || len(originals) == 0 {
		return err == nil, err
	}
	for _, o := range originals {
		if part.size() >= x.partSize(at.Parts+1) {
			return false, nil
		}
		b, err := x.objects.Get(ctx, o.Key, maxOriginal)
		switch {
		case errors.Is(err, media.ErrNoObject): // deleted meanwhile
		case err != nil:
			return false, err
		default:
			if err := part.add("photos/"+o.Media.String()+extension(b), o.Media.Time(), b); err != nil {
				return false, err
			}
		}
		at.Done++
		at.After = o.Media
	}
	return false, nil
}

// extension is that of a photo's file name.
func extension(photo []byte) string {
	switch http.DetectContentType(photo) {
	case "image/jpeg":
		return ".jpg"
	case "image/png":
		return ".png"
	case "image/webp":
		return ".webp"
	default:
		return ""
	}
}

// zipPart is a piece of a ZIP file: whole files, and in the last one the directory of all.
type zipPart struct {
	out   tail
	zip   *zip.Writer
	began int64 // where in the ZIP file
	files []store.ExportFile
}

func newZipPart(began int64) *zipPart {
	p := &zipPart{began: began}
	p.zip = zip.NewWriter(&p.out)
	return p
}

// size is less than that of the part only by what is not flushed yet.
func (p *zipPart) size() int { return p.out.Len() }

func (p *zipPart) addJSON(name string, at time.Time, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("encode %s of an export: %w", name, err)
	}
	return p.add(name, at, b)
}

func (p *zipPart) add(name string, at time.Time, b []byte) error {
	f := store.ExportFile{Name: name, At: at, Size: int64(len(b)), CRC: crc32.ChecksumIEEE(b)}
	w, err := p.zip.CreateRaw(header(f))
	if err == nil {
		_, err = w.Write(b)
	}
	if err != nil {
		return fmt.Errorf("add %s to an export: %w", name, err)
	}
	p.files = append(p.files, f)
	return p.zip.Flush()
}

func (p *zipPart) bytes() ([]byte, error) { return p.out.Bytes(), p.zip.Flush() }

// end is the part with the directory of all files: those of the parts before it, and its
// own. A ZIP writer knows only what passed through it; so all of them pass again, as
// zeros, and what is in storage already goes nowhere.
func (p *zipPart) end(before []store.ExportFile) ([]byte, error) {
	again := tail{skip: p.began + int64(p.out.Len())}
	w, zeros := zip.NewWriter(&again), make([]byte, 1<<20)
	for _, f := range append(before, p.files...) {
		to, err := w.CreateRaw(header(f))
		if err != nil {
			return nil, err
		}
		for left := f.Size; left > 0; {
			n, err := to.Write(zeros[:min(left, int64(len(zeros)))])
			if err != nil {
				return nil, err
			}
			left -= int64(n)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if again.skip != 0 {
		return nil, fmt.Errorf("its files are %d bytes shorter than its parts", again.skip)
	}
	return append(p.out.Bytes(), again.Bytes()...), nil
}

// header is the same for the same file, whenever it is written.
func header(f store.ExportFile) *zip.FileHeader {
	return &zip.FileHeader{
		Name: f.Name, Method: zip.Store, CRC32: f.CRC,
		CompressedSize64: uint64(f.Size), UncompressedSize64: uint64(f.Size),
		// The time to the second, which CreateRaw leaves to its caller: "UT", five bytes, of
		// which the first says that it is of the last change.
		Extra: binary.LittleEndian.AppendUint32([]byte{'U', 'T', 5, 0, 1}, uint32(f.At.Unix())),
	}
}

// tail keeps what is written to it but for the first skip bytes.
type tail struct {
	bytes.Buffer
	skip int64
}

func (t *tail) Write(b []byte) (int, error) {
	n := min(t.skip, int64(len(b)))
	t.skip -= n
	t.Buffer.Write(b[n:])
	return len(b), nil
}
