package apitest

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/speakeasy-api/openapi/linter"
	"github.com/speakeasy-api/openapi/openapi"
	openapilinter "github.com/speakeasy-api/openapi/openapi/linter"
)

// published is the document that the API serves.
func published(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lint is what the linter finds in a document, of whatever severity.
func lint(t *testing.T, document []byte) error {
	t.Helper()
	rules, err := linter.LoadConfigFromFile("lint.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l, err := openapilinter.NewLinter(rules)
	if err != nil {
		t.Fatal(err)
	}
	doc, invalid, err := openapi.Unmarshal(t.Context(), bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	found, err := l.Lint(t.Context(), linter.NewDocumentInfo(doc, "openapi.json"), invalid, nil)
	if err != nil {
		t.Fatal(err)
	}
	return errors.Join(found.Results...)
}

func TestLint(t *testing.T) {
	if err := lint(t, published(t)); err != nil {
		t.Error(err)
	}
}

// The linter's silence says something only if it can speak.
func TestLintFinds(t *testing.T) {
	tests := []struct{ name, from, to, rule string }{
		{"a key that OpenAPI has not got", `"openapi":`, `"opened": true, "openapi":`, "validation-unknown-properties"},
		{"a limit without a header", "\"RateLimit\": {\n                \"$ref\"", "\"X-Limit\": {\n                \"$ref\"", "owasp-rate-limit"},
		{"a parameter that nobody explains", `"description": "At most`, `"x-note": "At most`, "style-oas3-parameter-description"},
		{"an operation without a tag", `"tags": [`, `"x-tags": [`, "style-operation-tags"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			broken := bytes.Replace(published(t), []byte(tt.from), []byte(tt.to), 1)
			if err := lint(t, broken); err == nil || !strings.Contains(err.Error(), tt.rule) {
				t.Errorf("found %v, want %s", err, tt.rule)
			}
		})
	}
}

// What clients send has bounds that they can read: strings a length or a form, arrays a
// number of items, numbers a range.
func TestRequestsAreBounded(t *testing.T) {
	d, err := Parse(published(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range d.operations {
		for _, p := range op.params {
			for _, what := range unbounded(p.schema, p.name, nil) {
				t.Errorf("%s %s: %s %s has no bounds", op.method, op.path, p.in, what)
			}
		}
		for _, body := range op.body {
			for _, what := range unbounded(body, "body", nil) {
				t.Errorf("%s %s: %s has no bounds", op.method, op.path, what)
			}
		}
	}
}

// unbounded names the parts of a schema that anything fits.
func unbounded(s *jsonschema.Schema, name string, above []*jsonschema.Schema) []string {
	for s != nil && s.Ref != nil {
		s = s.Ref
	}
	if s == nil || slices.Contains(above, s) {
		return nil
	}
	above = append(above, s)
	var kind string
	if s.Types != nil {
		kind = strings.Join(s.Types.ToStrings(), " ")
	}
	free := false
	switch kind {
	case "string":
		free = s.MaxLength == nil && s.Pattern == nil && s.Enum == nil && s.Format == nil
	case "integer", "number":
		free = s.Enum == nil && (s.Minimum == nil || s.Maximum == nil)
	case "array":
		free = s.MaxItems == nil
	}
	var names []string
	if free {
		names = append(names, name)
	}
	if items := s.Items2020; items != nil {
		names = append(names, unbounded(items, name+"[]", above)...)
	}
	for field, of := range s.Properties {
		names = append(names, unbounded(of, name+"."+field, above)...)
	}
	return names
}
