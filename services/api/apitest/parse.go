package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Parse reads a document of OpenAPI 3.1.
func Parse(openapi []byte) (*Document, error) {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi))
	if err == nil {
		err = strict(root)
	}
	p := &parser{root: root, compiler: jsonschema.NewCompiler()}
	p.compiler.DefaultDraft(jsonschema.Draft2020)
	p.compiler.AssertFormat()
	for name, bits := range map[string]int{"int32": 32, "int64": 64} {
		p.compiler.RegisterFormat(&jsonschema.Format{Name: name, Validate: whole(bits)})
	}
	if err == nil {
		err = p.compiler.AddResource(resource, root)
	}
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	d := &Document{problem: p.at("/components/schemas/Problem").schema(), seen: map[string]bool{}}
	for path, item := range p.at("/paths").each() {
		for method, op := range item.each() {
			d.operations = append(d.operations, op.operation(strings.ToUpper(method), path))
		}
	}
	if p.err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", p.err)
	}
	return d, nil
}

// resource names the document where JSON Schema wants a URL.
const resource = "openapi.json"

type parser struct {
	root     any
	compiler *jsonschema.Compiler
	err      error // the first
}

// node is a place in the document. Of a place that is not there, everything is empty.
type node struct {
	*parser
	pointer string
	v       any
}

// at is the place of a pointer, or the one that it refers to.
func (p *parser) at(pointer string) node {
	n := node{p, "", p.root}
	for _, key := range strings.Split(pointer, "/")[1:] {
		n = n.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(key))
	}
	return n
}

// get is the place one step below: of an array, by the index in decimals.
func (n node) get(key string) node {
	below := node{n.parser, n.pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key), nil}
	switch v := n.v.(type) {
	case map[string]any:
		below.v = v[key]
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i < len(v) {
			below.v = v[i]
		}
	}
	if ref := below.text("$ref"); ref != "" {
		return n.at(strings.TrimPrefix(ref, "#"))
	}
	return below
}

func (n node) each() iter.Seq2[string, node] {
	return func(yield func(string, node) bool) {
		m, _ := n.v.(map[string]any)
		for key := range m {
			if !yield(key, n.get(key)) {
				return
			}
		}
	}
}

func (n node) text(key string) string {
	m, _ := n.v.(map[string]any)
	s, _ := m[key].(string)
	return s
}

func (n node) flag(key string) bool {
	m, _ := n.v.(map[string]any)
	b, _ := m[key].(bool)
	return b
}

// schema compiles the schema that stands here.
func (n node) schema() *jsonschema.Schema {
	if n.v == nil {
		return nil
	}
	s, err := n.compiler.Compile(resource + "#" + n.pointer)
	if err != nil && n.err == nil {
		n.err = err
	}
	return s
}

func (n node) operation(method, path string) *operation {
	body := n.get("requestBody")
	op := &operation{
		method: method, path: path, body: body.bodies(), bodyRequired: body.flag("required"), responses: map[string]response{},
	}
	params := n.get("parameters")
	list, _ := params.v.([]any)
	for i := range list {
		param := params.get(strconv.Itoa(i))
		op.params = append(op.params, param.value(param.text("in"), param.text("name")))
	}
	for status, res := range n.get("responses").each() {
		r := response{body: res.bodies()}
		for name, header := range res.get("headers").each() {
			r.headers = append(r.headers, header.value("header", textproto.CanonicalMIMEHeaderKey(name)))
		}
		op.responses[status] = r
	}
	return op
}

// value is a parameter or a header.
func (n node) value(in, name string) value {
	schema := n.get("schema")
	return value{
		in: in, name: name, required: n.flag("required"), schema: schema.schema(),
		kind: schema.text("type"), items: schema.get("items").text("type"),
	}
}

// bodies are the schemas of a request's or response's body, by content type; nil of
// those that are not JSON.
func (n node) bodies() map[string]*jsonschema.Schema {
	bodies := map[string]*jsonschema.Schema{}
	for kind, body := range n.get("content").each() {
		bodies[kind] = nil
		if strings.HasSuffix(kind, "json") {
			bodies[kind] = body.get("schema").schema()
		}
	}
	return bodies
}

// checked are the formats that the compiler knows, with ours; unchecked are those that
// say how a value is shown or kept, not what it is.
var (
	checked   = []string{"date-time", "date", "email", "uri", "uuid", "ipv4", "ipv6", "hostname", "int32", "int64"}
	unchecked = []string{"float", "double", "password"}
)

// strict lets no object have fields that it does not declare, and no format pass that
// nothing would check.
func strict(v any) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := strict(item); err != nil {
				return err
			}
		}
	case map[string]any:
		if _, open := v["additionalProperties"]; v["type"] == "object" && !open {
			v["additionalProperties"] = false
		}
		if f, ok := v["format"].(string); ok && v["type"] != nil && !slices.Contains(checked, f) && !slices.Contains(unchecked, f) {
			return fmt.Errorf("format %q: known are %q", f, slices.Concat(checked, unchecked))
		}
		for _, below := range v {
			if err := strict(below); err != nil {
				return err
			}
		}
	}
	return nil
}

func whole(bits int) func(any) error {
	return func(v any) error {
		n, ok := v.(json.Number)
		if !ok {
			return nil // the type is to blame
		}
		_, err := strconv.ParseInt(n.String(), 10, bits)
		return err
	}
}
