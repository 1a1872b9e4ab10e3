package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/burbn/burbn/infra/local"
)

func logs(flags *flag.FlagSet) action {
	chosen := chooseFlags(flags)
	follow := flags.Bool("f", false, "follow: go on as they are written")
	n := flags.Int("n", 20, "`lines` of each unit")
	return func(ctx context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		if *n < 0 {
			return fmt.Errorf("-n %d: accepted is a number of lines, from 0", *n)
		}
		s, machines, err := chosen.open()
		if err != nil {
			return err
		}
		var tails []*tail
		width := 0
		for _, m := range machines {
			for _, u := range s.images[m.Name].Units {
				if !u.Once {
					tails = append(tails, &tail{path: local.Log(m, u.Name), name: m.Name + "." + u.Name})
					width = max(width, len(m.Name)+1+len(u.Name))
				}
			}
		}
		var mu sync.Mutex
		for _, t := range tails {
			t.out = &lines{mu: &mu, w: c.out, name: fmt.Appendf(nil, "%-*s | ", width, t.name)}
			if err := t.last(*n); err != nil {
				return err
			}
		}
		if !*follow {
			return nil
		}
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			for _, t := range tails {
				if err := t.more(); err != nil {
					return err
				}
			}
		}
	}
}

// tail reads a log from near its end on. A log that is not there yet is empty.
type tail struct {
	path, name string
	out        *lines
	seen       os.FileInfo // the file that offset belongs to
	offset     int64
}

// block is how much of a log's end is read in search of its last lines.
const block = 1 << 20

// last writes the last n lines.
func (t *tail) last(n int) error {
	f, err := t.open()
	if f == nil {
		return err
	}
	defer f.Close()
	start := max(0, t.seen.Size()-block)
	b := make([]byte, t.seen.Size()-start)
	if _, err := io.ReadFull(io.NewSectionReader(f, start, int64(len(b))), b); err != nil {
		return fmt.Errorf("read log %s: %w", t.path, err)
	}
	t.offset = t.seen.Size()
	_, err = t.out.Write(lastLines(b, n))
	return err
}

// lastLines are the last n lines of b, of which one may lack its end.
func lastLines(b []byte, n int) []byte {
	from := len(b)
	for ; n > 0 && from > 0; n-- {
		from = bytes.LastIndexByte(b[:from-1], '\n') + 1
	}
	return b[from:]
}

// more writes what has been added since.
func (t *tail) more() error {
	before := t.seen
	f, err := t.open()
	if f == nil {
		return err
	}
	defer f.Close()
	// A log that grew too long has been moved away and begun anew.
	if !os.SameFile(before, t.seen) || t.seen.Size() < t.offset {
		t.offset = 0
	}
	n, err := io.Copy(t.out, io.NewSectionReader(f, t.offset, t.seen.Size()-t.offset))
	t.offset += n
	if err != nil {
		return fmt.Errorf("read log %s: %w", t.path, err)
	}
	return nil
}

// open is nil without an error if there is no log.
func (t *tail) open() (*os.File, error) {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	t.seen, err = f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read log %s: %w", t.path, err)
	}
	return f, nil
}
