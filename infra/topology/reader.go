package topology

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"gopkg.in/yaml.v3"
)

// reader gathers what is wrong with a document while it is read.
type reader struct {
	file     string // empty: lines mean nothing to whoever wrote the document
	problems []error
	values   map[string]*yaml.Node // by path, of what was asked for and is there
	refused  map[string]bool       // by path
}

func newReader(file string) *reader {
	return &reader{file: file, values: map[string]*yaml.Node{}, refused: map[string]bool{}}
}

// usable says that the values at some paths were all read and accepted, so that they
// can be held against each other. What is wrong with one alone has been said already.
func (r *reader) usable(paths ...string) bool {
	for _, p := range paths {
		if p = Key + "." + p; r.values[p] == nil || r.refused[p] {
			return false
		}
	}
	return true
}

// check refuses the value at a path unless ok.
func (r *reader) check(ok bool, path, format string, args ...any) {
	if path = Key + "." + path; !ok {
		r.refuse(r.values[path], path, format, args...)
	}
}

func (r *reader) refuse(n *yaml.Node, key, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	r.refused[key] = true
	if r.file != "" && n != nil {
		r.problems = append(r.problems, fmt.Errorf("%s:%d: %s: %w", r.file, n.Line, key, err))
		return
	}
	r.problems = append(r.problems, fmt.Errorf("%s: %w", key, err))
}

func (r *reader) err() error { return errors.Join(r.problems...) }

// section is a mapping of the document. The keys that are asked of it are the keys
// that it accepts.
type section struct {
	r      *reader
	key    string
	node   *yaml.Node
	values map[string]*yaml.Node
	asked  []string
	// broken says that the section itself has been refused, so that its keys are
	// not reported missing one by one.
	broken bool
}

func (r *reader) section(key string, n *yaml.Node) *section {
	s := &section{r: r, key: key, node: n, values: map[string]*yaml.Node{}}
	if n == nil {
		s.broken = true
		return s
	}
	if n.Kind != yaml.MappingNode {
		r.refuse(n, key, "%s is not a mapping of keys to values", show(n))
		s.broken = true
		return s
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if s.values[name.Value] != nil {
			r.refuse(name, s.path(name.Value), "is given twice")
		}
		s.values[name.Value] = resolve(n.Content[i+1])
	}
	return s
}

func (s *section) path(key string) string { return s.key + "." + key }

// value is the node of a key; nil, and refused, if there is none.
func (s *section) value(key, accepted string) *yaml.Node {
	s.asked = append(s.asked, key)
	n := s.values[key]
	switch {
	case n != nil:
		s.r.values[s.path(key)] = n
	case !s.broken:
		s.r.refuse(s.node, s.path(key), "is missing: accepted is %s", accepted)
	}
	return n
}

// close refuses the keys that nobody asked for.
func (s *section) close() {
	for i := 0; !s.broken && i+1 < len(s.node.Content); i += 2 {
		name := s.node.Content[i]
		if slices.Contains(s.asked, name.Value) {
			continue
		}
		accepted := slices.Sorted(slices.Values(s.asked))
		s.r.refuse(name, s.path(name.Value), "is unknown: accepted is %s%s", strings.Join(accepted, ", "), hint(name.Value, accepted))
	}
}

// hint names the accepted one that is nearest, if it is near.
func hint(given string, accepted []string) string {
	nearest := slices.MinFunc(accepted, func(a, b string) int {
		return levenshtein.Distance(a, given, nil) - levenshtein.Distance(b, given, nil)
	})
	if levenshtein.Distance(nearest, given, nil) > 1+len(nearest)/3 {
		return ""
	}
	return fmt.Sprintf(" (meant is perhaps %s)", nearest)
}

func (s *section) section(key string) *section {
	return s.r.section(s.path(key), s.value(key, "a mapping of keys to values"))
}

func (s *section) list(key string) []*section {
	n := s.value(key, "a list")
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		s.r.refuse(n, s.path(key), "%s is not a list of at least one", show(n))
		return nil
	}
	var list []*section
	for i, e := range n.Content {
		list = append(list, s.r.section(fmt.Sprintf("%s[%d]", s.path(key), i), resolve(e)))
	}
	return list
}

func (s *section) count(key string, min, max int) int {
	n := s.value(key, fmt.Sprintf("%d to %d", min, max))
	if n == nil {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if f, ferr := strconv.ParseFloat(n.Value, 64); err != nil && ferr == nil && math.Trunc(f) == f && math.Abs(f) < 1<<53 {
		v, err = int(f), nil // Pulumi hands a large number over as 5e+07
	}
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" || err != nil:
		s.r.refuse(n, s.path(key), "%s is not a whole number: accepted is %d to %d", show(n), min, max)
	case v < min || v > max:
		s.r.refuse(n, s.path(key), "%s is out of range: accepted is %d to %d", n.Value, min, max)
	default:
		return v
	}
	return 0
}

// text accepts what matches a regular expression, which accepted puts in words.
func (s *section) text(key, pattern, accepted string) string {
	n := s.value(key, accepted)
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode && n.Tag != "!!str":
		s.r.refuse(n, s.path(key), "%s is not a text: accepted is %s, if need be in quotes", show(n), accepted)
	case n.Kind != yaml.ScalarNode || !regexp.MustCompile(pattern).MatchString(n.Value):
		s.r.refuse(n, s.path(key), "%s is not accepted: accepted is %s", show(n), accepted)
	default:
		return n.Value
	}
	return ""
}

// texts is a list, which may be empty, of what text accepts.
func (s *section) texts(key, pattern, accepted string) []string {
	n := s.value(key, "a list, which may be empty, of "+accepted)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		s.r.refuse(n, s.path(key), "%s is not a list, which may be empty, of %s", show(n), accepted)
		return nil
	}
	list := []string{}
	for i, e := range n.Content {
		item := resolve(e)
		if item.Kind != yaml.ScalarNode || item.Tag != "!!str" || !regexp.MustCompile(pattern).MatchString(item.Value) {
			s.r.refuse(item, fmt.Sprintf("%s[%d]", s.path(key), i), "%s is not accepted: accepted is %s", show(item), accepted)
			continue
		}
		list = append(list, item.Value)
	}
	return list
}

func (s *section) oneOf(key string, values ...string) string {
	n := s.value(key, strings.Join(values, ", "))
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode && n.Tag != "!!str":
		// Whoever reads 7.0 as a number hands it on as 7.
		s.r.refuse(n, s.path(key), "%s is not a text: accepted is %s, if need be in quotes", show(n), strings.Join(values, ", "))
	case n.Kind != yaml.ScalarNode || !slices.Contains(values, n.Value):
		s.r.refuse(n, s.path(key), "%s is not accepted: accepted is %s", show(n), strings.Join(values, ", "))
	default:
		return n.Value
	}
	return ""
}

func (s *section) truth(key string) bool {
	n := s.value(key, "true, false")
	switch {
	case n == nil:
	case n.Kind != yaml.ScalarNode || n.Tag != "!!bool":
		s.r.refuse(n, s.path(key), "%s is not accepted: accepted is true, false", show(n))
	default:
		return strings.EqualFold(n.Value, "true")
	}
	return false
}

func (s *section) duration(key string, min, max time.Duration) time.Duration {
	accepted := fmt.Sprintf("%s to %s", short(min), short(max))
	n := s.value(key, accepted)
	if n == nil {
		return 0
	}
	v, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		s.r.refuse(n, s.path(key), "%s is not a duration such as 90s, 15m or 720h: accepted is %s", show(n), accepted)
	case v < min || v > max:
		s.r.refuse(n, s.path(key), "%s is out of range: accepted is %s", n.Value, accepted)
	default:
		return v
	}
	return 0
}

// document parses a text that is one YAML document, of which JSON is a part.
func document(b []byte) (*yaml.Node, error) {
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(b))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("is empty")
	case err != nil:
		return nil, err
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the first document")
	}
	return resolve(doc.Content[0]), nil
}

// find is the value of a key of a mapping, or nil.
func find(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolve(n.Content[i+1])
		}
	}
	return nil
}

// resolve is what an alias (*name) stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// show is a value as a message quotes it.
func show(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(n.Content))
	case n.Tag == "!!str":
		return strconv.Quote(n.Value)
	case n.Tag == "!!null":
		return "nothing"
	default:
		return n.Value
	}
}

// short is a duration without the zeros that String ends it with: 12h.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
