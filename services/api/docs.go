package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed docs.html
var docsHTML string

// docsPolicy is the Content-Security-Policy of the page: it runs nothing and fetches
// nothing.
const docsPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsDocument is what the page shows of an OpenAPI document.
type docsDocument struct {
	Info struct{ Title, Version, Description string }

	Servers    []struct{ URL, Description string }
	Tags       []docsTag
	Paths      map[string]map[string]*docsOperation // by path and method
	Security   []map[string][]string
	Components struct {
		Schemas    map[string]*docsSchema
		Responses  map[string]*docsResponse
		Headers    map[string]*docsValue
		Parameters map[string]*docsValue
	}
}

type docsTag struct {
	Name, Description string
	Operations        []*docsOperation `json:"-"`
}

type docsOperation struct {
	Method, Path string `json:"-"`

	OperationID, Summary, Description string
	Deprecated                        bool
	Tags                              []string
	Parameters                        []*docsValue
	RequestBody                       struct{ Content map[string]docsMedia }
	Responses                         map[string]*docsResponse
	Security                          *[]map[string][]string // nil: the document's
}

// docsValue is a parameter or a header.
type docsValue struct {
	Ref                   string `json:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                *docsSchema
}

type docsResponse struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]*docsValue
	Content     map[string]docsMedia
	// Codes are the codes that a problem of this status may have, and what they say.
	Codes map[string]string `json:"x-codes"`
}

type docsMedia struct{ Schema *docsSchema }

type docsSchema struct {
	Ref                                      string `json:"$ref"`
	Type                                     docsType
	Format, Pattern, Description             string
	Enum, Examples                           []any
	Default                                  any
	Minimum, Maximum                         *json.Number
	MinLength, MaxLength, MinItems, MaxItems *int
	Items                                    *docsSchema
	Properties                               map[string]*docsSchema
	Required                                 []string
}

// docsType is the type of a schema: "string", or "object or null" where it may be several.
type docsType string

// UnmarshalJSON accepts one type and a list of them.
func (t *docsType) UnmarshalJSON(b []byte) error {
	var types []string
	if err := json.Unmarshal(b, (*string)(t)); err == nil {
		return nil
	}
	err := json.Unmarshal(b, &types)
	*t = docsType(strings.Join(types, " or "))
	return err
}

// docsRow is a field, parameter or header in a table.
type docsRow struct {
	Name        string
	In          string // "path", "query" or "header"; of fields empty
	Required    bool
	Type        string // "string", "array of Media"
	Link        string // the schema that Type names
	Limits      []string
	Description string
}

// renderDocs makes the page for people out of the API's OpenAPI document: every
// operation by its tag, and the schemas that they share.
func renderDocs(openapi []byte) ([]byte, error) {
	var doc docsDocument
	if err := json.Unmarshal(openapi, &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			op.Method, op.Path = strings.ToUpper(method), path
			if len(op.Tags) == 0 {
				return nil, fmt.Errorf("show %s %s: it has no tag", op.Method, path)
			}
			i := slices.IndexFunc(doc.Tags, func(t docsTag) bool { return t.Name == op.Tags[0] })
			if i < 0 {
				return nil, fmt.Errorf("show %s %s: the document declares no tag %q", op.Method, path, op.Tags[0])
			}
			doc.Tags[i].Operations = append(doc.Tags[i].Operations, op)
		}
	}
	methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
	for _, t := range doc.Tags {
		slices.SortFunc(t.Operations, func(a, b *docsOperation) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(slices.Index(methods, a.Method), slices.Index(methods, b.Method)))
		})
	}
	page, err := template.New("docs").Funcs(template.FuncMap{
		"prose": docsProse, "lower": strings.ToLower, "secured": doc.secured, "parameters": doc.parameters,
		"headers": doc.headers, "fields": doc.fields, "response": doc.response, "row": doc.row, "title": docsTitle,
		"curl": doc.curl, "isProblem": func(kind string) bool { return kind == "application/problem+json" },
	}).Parse(docsHTML)
	if err != nil {
		return nil, fmt.Errorf("read docs.html: %w", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, doc); err != nil {
		return nil, fmt.Errorf("show the OpenAPI document: %w", err)
	}
	return b.Bytes(), nil
}

// secured says whether an operation wants a token.
func (d docsDocument) secured(op *docsOperation) bool {
	if op.Security != nil {
		return len(*op.Security) > 0
	}
	return len(d.Security) > 0
}

func (d docsDocument) parameters(op *docsOperation) []docsRow {
	var rows []docsRow
	for _, p := range op.Parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			p = d.Components.Parameters[name]
		}
		rows = append(rows, d.row(p.Name, p.In, p.Required, p.Description, p.Schema))
	}
	return rows
}

func (d docsDocument) headers(r *docsResponse) []docsRow {
	var rows []docsRow
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		h := r.Headers[name]
		if shared, ok := strings.CutPrefix(h.Ref, "#/components/headers/"); ok {
			h = d.Components.Headers[shared]
		}
		rows = append(rows, d.row(name, "header", h.Required, h.Description, h.Schema))
	}
	return rows
}

func (d docsDocument) response(r *docsResponse) *docsResponse {
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		return d.Components.Responses[name]
	}
	return r
}

func (d docsDocument) schema(s *docsSchema) *docsSchema {
	if name, ok := s.shared(); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// shared is the name that a schema has of its own.
func (s *docsSchema) shared() (string, bool) {
	return strings.CutPrefix(s.Ref, "#/components/schemas/")
}

// fields are those of an object: the required ones, as the API writes them, and then
// the others.
func (d docsDocument) fields(s *docsSchema) []docsRow {
	s = d.schema(s)
	var rows []docsRow
	for _, name := range s.Required {
		rows = append(rows, d.row(name, "", true, s.Properties[name].Description, s.Properties[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !slices.Contains(s.Required, name) {
			rows = append(rows, d.row(name, "", false, s.Properties[name].Description, s.Properties[name]))
		}
	}
	return rows
}

func (d docsDocument) row(name, in string, required bool, description string, s *docsSchema) docsRow {
	row := docsRow{Name: name, In: in, Required: required, Description: description, Limits: s.limits()}
	of := s
	if s.Items != nil {
		of = s.Items
		row.Type = "array of "
		row.Limits = append(row.Limits, of.limits()...)
	}
	if shared, ok := of.shared(); ok {
		row.Type, row.Link = row.Type+shared, "#schema-"+shared
	} else {
		row.Type += string(of.Type)
	}
	return row
}

// limits are what a schema accepts of its type.
func (s *docsSchema) limits() []string {
	var limits []string
	if s.Format != "" {
		limits = append(limits, s.Format)
	}
	for _, v := range s.Enum {
		limits = append(limits, docsJSON(v))
	}
	bounds := func(unit, min, max string) {
		switch {
		case min != "" && max != "":
			limits = append(limits, min+" to "+max+unit)
		case min != "":
			limits = append(limits, "at least "+min+unit)
		case max != "":
			limits = append(limits, "at most "+max+unit)
		}
	}
	bounds("", docsNumber(s.Minimum), docsNumber(s.Maximum))
	bounds(" characters", docsNumber(s.MinLength), docsNumber(s.MaxLength))
	bounds(" items", docsNumber(s.MinItems), docsNumber(s.MaxItems))
	if s.Pattern != "" {
		limits = append(limits, s.Pattern)
	}
	if s.Default != nil {
		limits = append(limits, "default "+docsJSON(s.Default))
	}
	return limits
}

func docsNumber[T any](n *T) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func docsJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// docsTitle is a status as HTTP has it: "404 Not Found".
func docsTitle(status string) string {
	n, _ := strconv.Atoi(status)
	return strings.TrimSpace(status + " " + http.StatusText(n))
}

// curl is a call of an operation as one types it.
func (d docsDocument) curl(op *docsOperation) string {
	path := op.Path
	for _, p := range d.parameters(op) {
		if p.In == "path" {
			path = strings.Replace(path, "{"+p.Name+"}", "$"+strings.ToUpper(p.Name), 1)
		}
	}
	line := "curl"
	if op.Method != http.MethodGet {
		line += " -X " + op.Method
	}
	line += ` "$API` + path + `"`
	if d.secured(op) {
		line += " \\\n  -H \"Authorization: Bearer $TOKEN\""
	}
	if body, ok := op.RequestBody.Content["application/json"]; ok {
		b, _ := json.Marshal(d.example(body.Schema))
		line += " \\\n  --json '" + strings.ReplaceAll(string(b), "'", `'\''`) + "'"
	}
	return line
}

// example is the least that a schema accepts, or nearly: a pattern is not obeyed.
func (d docsDocument) example(s *docsSchema) any {
	s = d.schema(s)
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case "object":
		fields := map[string]any{}
		for _, name := range s.Required {
			fields[name] = d.example(s.Properties[name])
		}
		return fields
	case "array":
		return []any{d.example(s.Items)}
	case "integer", "number":
		if s.Minimum != nil {
			return s.Minimum
		}
		return 0
	case "boolean":
		return false
	}
	return cmp.Or(map[string]string{"date-time": "2010-10-06T00:00:00Z", "email": "maya@burbn.example", "uri": "https://burbn.example/"}[s.Format], "…")
}

// docsSpan is a piece of a paragraph.
type docsSpan struct {
	Text string
	Code bool
}

// docsProse reads of CommonMark what our descriptions use: paragraphs and `code`.
func docsProse(s string) [][]docsSpan {
	var paragraphs [][]docsSpan
	for p := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		var spans []docsSpan
		for i, text := range strings.Split(p, "`") {
			if text != "" {
				spans = append(spans, docsSpan{text, i%2 == 1})
			}
		}
		if spans != nil {
			paragraphs = append(paragraphs, spans)
		}
	}
	return paragraphs
}
