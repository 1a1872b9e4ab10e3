package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/id"
)

const (
	maxBody      = 64 << 10
	defaultLimit = 20
	maxLimit     = 50
)

func badBody(status int, code, detail string) problem {
	return problem{Status: status, Code: code, Detail: detail}
}

// readBody reads the JSON body of a request strictly.
func readBody(c *gin.Context, to any) error {
	if !strings.EqualFold(c.ContentType(), "application/json") {
		return badBody(http.StatusUnsupportedMediaType, "unsupported_media_type", "Accepted is Content-Type: application/json.")
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return badBody(http.StatusRequestEntityTooLarge, "body_too_large", "Accepted are 65536 bytes.")
	case err != nil:
		return badBody(http.StatusBadRequest, "body_incomplete", "The body ended before its length.")
	}
	return decode(b, to)
}

func decode(b []byte, to any) error {
	// The decoder would put U+FFFD for what is not UTF-8 and say nothing.
	if !utf8.Valid(b) {
		return badBody(http.StatusBadRequest, "malformed_json", "The body is not UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if err == nil {
		if _, err := d.Token(); err != io.EOF {
			return badBody(http.StatusBadRequest, "malformed_json", "There is more after the JSON object.")
		}
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return invalid(wrong.Field, "is a JSON %s; accepted is a %s", wrong.Value, jsonType(wrong))
	}
	if errors.Is(err, id.ErrMalformed) {
		return badBody(http.StatusBadRequest, "malformed_id", "An id is a string of a positive decimal number.")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		field, _ := strconv.Unquote(name)
		return invalid(field, "is not known here")
	}
	return badBody(http.StatusBadRequest, "malformed_json", "The body is not a JSON object.")
}

func jsonType(e *json.UnmarshalTypeError) string {
	switch e.Type.String() {
	case "string", "id.ID":
		return "string"
	case "int64":
		return "whole number"
	}
	return "object"
}

// text checks a field of min to max characters that people will read.
func text(field, v string, min, max int) error {
	if n := utf8.RuneCountInString(v); n < min || n > max {
		return invalid(field, "has %d characters; accepted are %d to %d", n, min, max)
	}
	if strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
		return invalid(field, "has control characters; accepted are printable ones and line feeds")
	}
	return nil
}

// pathID reads an id of the path.
func pathID(c *gin.Context) (id.ID, error) {
	i, err := id.Parse(c.Param("id"))
	if err != nil {
		return 0, problem{Status: http.StatusBadRequest, Code: "malformed_id", Field: "id", Detail: "An id is a positive decimal number."}
	}
	return i, nil
}

// page is which part of a list is asked for: at most Limit items older than
// Before (0: the newest).
type page struct {
	Before id.ID
	Limit  int
}

func readPage(c *gin.Context) (page, error) { return parsePage(c.Query("cursor"), c.Query("limit")) }

func parsePage(cursor, limit string) (p page, err error) {
	p.Limit = defaultLimit
	if cursor != "" {
		if p.Before, err = id.Parse(cursor); err != nil {
			return page{}, invalid("cursor", "accepted is the cursor of the page before")
		}
	}
	if limit != "" {
		if p.Limit, err = strconv.Atoi(limit); err != nil || p.Limit < 1 || p.Limit > maxLimit {
			return page{}, invalid("limit", "accepted are 1 to %d", maxLimit)
		}
	}
	return p, nil
}
