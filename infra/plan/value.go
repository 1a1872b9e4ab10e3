package plan

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
)

// What is shown of a version that the cloud counts, of which the program knows none.
const presentOne, newOne = "the present one", "a new one"

// values are what an input was and is, as they are shown: two short values, or for
// documents and lists the lines that differ.
func values(path, a, b string) (was, is string, lines []string) {
	x, y := document(path, a), document(path, b)
	// What came or went altogether is a document of its own only when it is long.
	if !strings.Contains(x, "\n") && !strings.Contains(y, "\n") {
		return a, b, nil
	}
	return "", "", changed(x, y)
}

// document is a value as lines that can be compared one by one: JSON with each of its
// parts on a line, a list with each of its elements, and user data as cloud-init reads it.
func document(path, v string) string {
	if strings.HasSuffix(path, "userData") || strings.HasSuffix(path, "userDataBase64") {
		if text, err := base64.StdEncoding.DecodeString(v); err == nil && utf8.Valid(text) {
			return string(text)
		}
		return v
	}
	var b bytes.Buffer
	if (strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[")) && json.Indent(&b, []byte(v), "", "  ") == nil {
		// A comma more, because something follows now, is no difference.
		return strings.ReplaceAll(b.String(), ",\n", "\n")
	}
	if list, ok := strings.CutPrefix(v, "["); ok && strings.HasSuffix(list, "]") {
		return strings.ReplaceAll(strings.TrimSuffix(list, "]"), ", ", "\n")
	}
	return v
}

// changed are the lines that differ: "+added", "-removed".
func changed(a, b string) []string {
	ended := func(s string) []byte {
		if s == "" {
			return nil
		}
		return []byte(strings.TrimSuffix(s, "\n") + "\n")
	}
	var lines []string
	header := true
	for l := range strings.Lines(string(diff.Diff("a", ended(a), "b", ended(b)))) {
		if strings.HasPrefix(l, "@@") {
			header = false
			continue
		}
		if !header && (l[0] == '+' || l[0] == '-') {
			lines = append(lines, strings.TrimSuffix(l, "\n"))
		}
	}
	return lines
}
