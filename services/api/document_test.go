package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// documented is what tests read of the document.
type documented struct {
	Paths      map[string]map[string]documentedOperation
	Components struct{ Schemas map[string]any }
}

type documentedOperation struct {
	OperationID string   `json:"operationId"`
	Summary     string   `json:"summary"`
	Tags        []string `json:"tags"`
	Parameters  []struct{ In, Name string }
	RequestBody json.RawMessage       `json:"requestBody"`
	Security    []map[string][]string // none: open to everybody
	Responses   map[string]struct {
		Description string
		Headers     map[string]any
		Content     map[string]any
	}
}

// success is the status of the answer to success.
func (op documentedOperation) success(t testing.TB) int {
	t.Helper()
	for status := range op.Responses {
		if n, err := strconv.Atoi(status); err == nil && n/100 == 2 {
			return n
		}
	}
	t.Fatalf("%s has no answer to success", op.OperationID)
	return 0
}

// openapi is the document as it is served.
func openapi(t testing.TB) ([]byte, documented) {
	t.Helper()
	a := (&client{w: offline(t)}).do(t, "GET", "/openapi.json", nil).is(t, 200)
	var d documented
	a.into(t, &d)
	return a.body, d
}

func TestDocument(t *testing.T) {
	got, d := openapi(t)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	const path = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("the handlers are not as %s says; if that is meant: go test ./services/api -run TestDocument -update", path)
	}
	for _, name := range []string{"Problem", "Person", "Photo", "Profile", "Relationship"} {
		if d.Components.Schemas[name] == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			t.Run(op.OperationID, func(t *testing.T) {
				if op.Summary == "" || len(op.Tags) != 1 || op.OperationID == "" {
					t.Errorf("%s %s lacks a summary, a tag or an id", method, path)
				}
				parameter := "Idempotency-Key"
				if method == "get" {
					parameter = "If-None-Match"
				}
				if !slices.ContainsFunc(op.Parameters, func(p struct{ In, Name string }) bool { return p.Name == parameter }) {
					t.Errorf("there is no parameter %s", parameter)
				}
				for status, r := range op.Responses {
					for _, h := range []string{"X-Request-ID", "RateLimit", "RateLimit-Policy"} {
						if r.Headers[h] == nil {
							t.Errorf("%s has no header %s", status, h)
						}
					}
					if n, err := strconv.Atoi(status); err != nil || n < 400 {
						continue
					}
					if r.Content["application/problem+json"] == nil || len(r.Content) != 1 || !strings.Contains(r.Description, "- `") {
						t.Errorf("%s is no problem with its codes: %s", status, r.Description)
					}
				}
			})
		}
	}
}
