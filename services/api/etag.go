package main

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/gin-gonic/gin"
)

// compared is an answer to a read, which is not sent to who has it already. The whole
// body comes in one Write, as marshal sends it.
type compared struct {
	gin.ResponseWriter
	has string // If-None-Match
}

// compare gives an answer of 200 to c its ETag, and makes it 304 if the client has it.
func compare(c *gin.Context) {
	c.Writer = &compared{c.Writer, c.GetHeader("If-None-Match")}
}

func (w *compared) Write(body []byte) (int, error) {
	if w.Status() != http.StatusOK || w.Written() {
		return w.ResponseWriter.Write(body)
	}
	h := w.Header()
	// To be asked for again each time, and not for others.
	h.Set("Cache-Control", "private, no-cache")
	h.Add("Vary", "Authorization")
	// Weak: the proxies in front may compress it.
	tag := `W/"` + strconv.FormatUint(xxhash.Sum64(body), 36) + `"`
	h.Set("ETag", tag)
	if !matches(w.has, tag) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		return w.ResponseWriter.Write(body)
	}
	h.Del("Content-Type")
	w.WriteHeader(http.StatusNotModified)
	w.WriteHeaderNow()
	return len(body), nil
}

// matches says whether a list of entity tags has one, by the weak comparison of RFC 9110.
func matches(list, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for t := range strings.SplitSeq(list, ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}
