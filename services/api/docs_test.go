package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

const docsSample = `{
  "openapi": "3.1.0",
  "info": {"title": "things", "version": "1", "description": "Cursors are ` + "`opaque`" + `.\n\n<script>alert(1)</script>"},
  "servers": [{"url": "https://api.things.test"}],
  "security": [{"bearer": []}],
  "tags": [{"name": "Things", "description": "What there is."}, {"name": "Nothing", "description": "Of which there is none."}],
  "paths": {
    "/v1/things": {
      "post": {
        "operationId": "makeThing", "summary": "Make a thing", "tags": ["Things"], "security": [],
        "requestBody": {"content": {"application/json": {"schema": {
          "type": "object", "required": ["name", "kind"], "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 30, "description": "Unique", "examples": ["Maya's"]},
            "kind": {"type": "string", "enum": ["big", "small"]},
            "note": {"type": "string", "maxLength": 9}
          }
        }}}},
        "responses": {
          "201": {"description": "Created", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
          "409": {"$ref": "#/components/responses/Conflict"}
        }
      }
    },
    "/v1/things/{id}": {
      "get": {
        "operationId": "getThing", "summary": "A thing", "tags": ["Things"], "deprecated": true,
        "parameters": [{"name": "id", "in": "path", "required": true, "description": "Whose", "schema": {"type": "string", "pattern": "^[0-9]+$"}}],
        "responses": {
          "200": {
            "description": "OK", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
          }
        }
      }
    }
  },
  "components": {
    "headers": {"ETag": {"description": "Changes with the thing", "schema": {"type": "string"}}},
    "responses": {"Conflict": {
      "description": "Conflict", "x-codes": {"name_taken": "Somebody has this name."},
      "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    }},
    "schemas": {
      "Problem": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}},
      "Thing": {"type": "object", "required": ["id"], "properties": {
        "id": {"type": "string"},
        "parts": {"type": "array", "maxItems": 5, "description": "Of what it is made", "items": {"$ref": "#/components/schemas/Thing"}}
      }}
    }
  }
}`

// plain is a page as one reads it: without its tags, in one line.
func plain(t *testing.T, page []byte) string {
	t.Helper()
	_, body, ok := strings.Cut(string(page), "<body>")
	if !ok {
		t.Fatalf("the page has no body: %s", page)
	}
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, "")), " ")
}

func TestDocsShow(t *testing.T) {
	page, err := renderDocs([]byte(docsSample))
	if err != nil {
		t.Fatal(err)
	}
	read := plain(t, page)
	for _, want := range []string{
		"things version 1, openapi.json Cursors are opaque.",
		"&lt;script&gt;alert(1)&lt;/script&gt;", // as text
		"POST /v1/things no token",
		"GET /v1/things/{id} deprecated",
		"name string required Unique 1 to 30 characters",
		`kind string required &#34;big&#34; &#34;small&#34;`,
		"note string at most 9 characters",
		"id path string required Whose ^[0-9]&#43;$",
		"409 Conflict name_taken name_takenSomebody has this name.",
		"ETag header string Changes with the thing",
		"parts array of Thing Of what it is made at most 5 items",
		`curl -X POST &#34;$API/v1/things&#34; \ --json &#39;{&#34;kind&#34;:&#34;big&#34;,&#34;name&#34;:&#34;Maya&#39;\&#39;&#39;s&#34;}&#39;`,
		`curl &#34;$API/v1/things/$ID&#34; \ -H &#34;Authorization: Bearer $TOKEN&#34;`,
	} {
		if !strings.Contains(read, want) {
			t.Errorf("the page does not say %q: %s", want, read)
		}
	}
	if strings.Contains(read, "Of which there is none") {
		t.Error("the page shows a tag without operations")
	}
}

func TestDocsLinksLead(t *testing.T) {
	published, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string][]byte{"sample": []byte(docsSample), "published": published} {
		t.Run(name, func(t *testing.T) {
			page, err := renderDocs(document)
			if err != nil {
				t.Fatal(err)
			}
			ids, links := map[string]bool{}, map[string]bool{}
			d := xml.NewDecoder(strings.NewReader(string(page)))
			d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				element, _ := token.(xml.StartElement)
				if name := element.Name.Local; name == "script" || name == "img" || name == "link" {
					t.Errorf("the page has a <%s>; its policy is %s", name, docsPolicy)
				}
				for _, a := range element.Attr {
					switch {
					case a.Name.Local == "id" && ids[a.Value]:
						t.Errorf("two places are called %s", a.Value)
					case a.Name.Local == "id":
						ids[a.Value] = true
					case a.Name.Local == "href" && a.Value != "/openapi.json":
						links[strings.TrimPrefix(a.Value, "#")] = true
					}
				}
			}
			for link := range links {
				if !ids[link] {
					t.Errorf("a link leads to %s, where nothing is", link)
				}
			}
			if len(links) == 0 {
				t.Error("the page has no links")
			}
		})
	}
}

func TestDocsRefuse(t *testing.T) {
	for name, tt := range map[string]struct{ document, err string }{
		"no JSON":        {`{`, "read the OpenAPI document"},
		"no tag":         {`{"paths":{"/v1/a":{"get":{}}}}`, "show GET /v1/a: it has no tag"},
		"an unknown tag": {`{"paths":{"/v1/a":{"get":{"tags":["A"]}}}}`, `show GET /v1/a: the document declares no tag "A"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := renderDocs([]byte(tt.document)); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error = %v, want %q", err, tt.err)
			}
		})
	}
}
