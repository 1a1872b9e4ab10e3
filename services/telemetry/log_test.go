package telemetry

import (
	"bytes"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/settings"
)

// What is information may wait; what is worse takes it along at once.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	l := NewLines(&out)
	log := newLogger(l, &reporter{}, "api", "api-01", settings.Process{}).With("of", "test")
	log.Info("first")
	log.Warn("second")
	l.mu.Lock()
	text, rest := out.String(), len(l.buf)
	l.mu.Unlock()
	if !strings.Contains(text, "first") || strings.Count(text, "\n") != 2 || rest != 0 {
		t.Errorf("after a warning %q is written and %d bytes wait", text, rest)
	}
	log.Info("third")
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d lines after Flush", n)
	}
}
