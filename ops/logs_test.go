package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestFollowingALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.log")
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	var got bytes.Buffer
	log := &tail{path: path, out: &lines{mu: &sync.Mutex{}, w: &got, name: []byte("| ")}}
	more := func(want string) {
		t.Helper()
		got.Reset()
		if err := log.more(); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Errorf("got %q, want %q", got.String(), want)
		}
	}

	if err := log.last(5); err != nil || got.Len() != 0 {
		t.Errorf("a log that is not there yet: %q, %v", got.String(), err)
	}
	more("")
	write("one\ntw")
	more("| one\n")
	write("o\nthree\n")
	more("| two\n| three\n")
	more("")

	// Rotation: the supervisor moves the log away and begins another.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	more("")
	write("a new file, longer than the old one\n")
	more("| a new file, longer than the old one\n")
	// Or it is cut.
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write("cut\n")
	more("| cut\n")
}

func TestLastLines(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
		want string
	}{
		{"", 2, ""}, {"a", 2, "a"}, {"a\n", 1, "a\n"}, {"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb\nc", 2, "b\nc"},
		{"a\nb\n", 9, "a\nb\n"}, {"a\n", 0, ""}, {"\n\n", 1, "\n"},
	} {
		if got := string(lastLines([]byte(tt.text), tt.n)); got != tt.want {
			t.Errorf("the last %d lines of %q: %q, want %q", tt.n, tt.text, got, tt.want)
		}
	}
}
