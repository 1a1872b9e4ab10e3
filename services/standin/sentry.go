package main

import (
	"bytes"
	"compress/gzip"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// sentry answers as Sentry's ingestion does to the project whose public key it
// knows.
type sentry struct{ key string }

func (s sentry) answer(r *http.Request, body []byte) answer {
	kind, known := strings.CutPrefix(r.URL.Path, "/api/")
	_, kind, _ = strings.Cut(kind, "/") // after the project
	switch {
	case !known || kind != "envelope/" && kind != "store/":
		return detail(http.StatusNotFound, "not found")
	case r.Method != http.MethodPost:
		return detail(http.StatusMethodNotAllowed, "method not allowed")
	}
	switch key := sentryKey(r); {
	case key == "":
		return detail(http.StatusUnauthorized, "missing authorization information")
	case subtle.ConstantTimeCompare([]byte(key), []byte(s.key)) != 1:
		return detail(http.StatusForbidden, "event submission rejected with_reason: ProjectId")
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gunzip(body)
		if err != nil {
			return detail(http.StatusBadRequest, "invalid gzip: "+err.Error())
		}
		body = plain
	}
	read := readEvent
	if kind == "envelope/" {
		read = readEnvelope
	}
	e, err := read(body)
	if err != nil {
		ans := detail(http.StatusBadRequest, err.Error())
		ans.show = string(body)
		return ans
	}
	return answer{status: http.StatusOK, body: map[string]string{"id": e.ID}, word: e.title(), show: string(body)}
}

func detail(status int, text string) answer {
	return answer{status: status, body: map[string]string{"detail": text}, word: text}
}

// sentryKey is the public key of the DSN, in the header or in the query.
func sentryKey(r *http.Request) string {
	rest, ok := strings.CutPrefix(r.Header.Get("X-Sentry-Auth"), "Sentry ")
	if !ok {
		return r.URL.Query().Get("sentry_key")
	}
	for part := range strings.SplitSeq(rest, ",") {
		if key, ok := strings.CutPrefix(strings.TrimSpace(part), "sentry_key="); ok {
			return key
		}
	}
	return ""
}

// event is what the list shows of one.
type event struct {
	ID        string          `json:"event_id"`
	Message   json.RawMessage `json:"message"` // a string, or an object in old clients
	Exception json.RawMessage `json:"exception"`
}

func readEvent(b []byte) (e event, err error) {
	if err := json.Unmarshal(b, &e); err != nil {
		return e, errors.New("invalid event: " + err.Error())
	}
	if e.ID == "" {
		e.ID = strings.ReplaceAll(uuid.NewString(), "-", "")
	}
	return e, nil
}

// readEnvelope reads the header line of an envelope and, if one of its items is an
// event, that. An item is a line of header and its content, of the length that the
// header says or to the end of the line.
func readEnvelope(b []byte) (event, error) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	envelope, err := readEvent(line)
	if err != nil {
		return event{}, errors.New("invalid envelope header")
	}
	for len(bytes.TrimSpace(rest)) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		var item struct {
			Type   string `json:"type"`
			Length *int   `json:"length"`
		}
		if json.Unmarshal(line, &item) != nil || item.Type == "" {
			return event{}, errors.New("invalid item header")
		}
		var content []byte
		if item.Length == nil {
			content, rest, _ = bytes.Cut(rest, []byte("\n"))
		} else if n := *item.Length; n < 0 || n > len(rest) {
			return event{}, errors.New("unexpected end of item")
		} else {
			content, rest = rest[:n], bytes.TrimPrefix(rest[n:], []byte("\n"))
		}
		if item.Type == "event" {
			e, err := readEvent(content)
			e.ID = envelope.ID
			return e, err
		}
		envelope.Message = json.RawMessage(item.Type)
	}
	return envelope, nil
}

// title is as Sentry's own list has it: the last exception, else the message.
func (e event) title() string {
	var chain struct {
		Values []struct{ Type, Value string } `json:"values"`
	}
	// Old clients send the chain itself.
	if json.Unmarshal(e.Exception, &chain) != nil || chain.Values == nil {
		_ = json.Unmarshal(e.Exception, &chain.Values)
	}
	if n := len(chain.Values); n > 0 {
		return cut(chain.Values[n-1].Type + ": " + chain.Values[n-1].Value)
	}
	var text string
	if json.Unmarshal(e.Message, &text) == nil {
		return cut(text)
	}
	return cut(string(e.Message))
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxBody+1))
	if err == nil && len(plain) > maxBody {
		err = errors.New("too large")
	}
	return plain, err
}
