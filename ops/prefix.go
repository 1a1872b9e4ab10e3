package main

import (
	"bytes"
	"io"
	"sync"
)

// lines writes whole lines of several writers to one, each behind the name of
// where it comes from.
type lines struct {
	mu    *sync.Mutex // of w
	w     io.Writer
	name  []byte
	begun []byte // a line whose end has not come yet
}

func (l *lines) Write(b []byte) (int, error) {
	l.begun = append(l.begun, b...)
	end := bytes.LastIndexByte(l.begun, '\n') + 1
	err := l.put(l.begun[:end])
	l.begun = append(l.begun[:0], l.begun[end:]...)
	return len(b), err
}

// Flush writes a last line that nothing ends.
func (l *lines) Flush() error {
	if len(l.begun) == 0 {
		return nil
	}
	err := l.put(append(l.begun, '\n'))
	l.begun = nil
	return err
}

func (l *lines) put(whole []byte) error {
	var out bytes.Buffer
	for line := range bytes.Lines(whole) {
		out.Write(l.name)
		out.Write(line)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.w.Write(out.Bytes())
	return err
}
