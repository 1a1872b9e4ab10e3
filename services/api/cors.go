package main

import (
	"net/http"
	"time"

	"github.com/rs/cors"
)

// preflight is how long a browser may believe what it was told it may send: Chromium
// keeps it no longer.
const preflight = 2 * time.Hour

// acrossOrigins lets the pages of the origins call from a browser. They send a token
// like everybody, so there are no cookies to be let through.
func acrossOrigins(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 { // which would mean all of them
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{get, http.MethodHead, post, put, patch, remove},
		AllowedHeaders: []string{"Authorization", "Content-Type", idempotencyHeader, "If-None-Match", requestID},
		ExposedHeaders: []string{"ETag", replayedHeader, "Link", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", requestID},
		MaxAge:         int(preflight / time.Second),
	}).Handler(next)
}
