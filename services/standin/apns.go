package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/burbn/burbn/services/settings"
)

// What Apple's documents limit ("Sending notification requests to APNs",
// "Establishing a token-based connection to APNs").
const (
	maxPayload    = 4096
	maxCollapse   = 64
	tokenLife     = time.Hour
	tokenChange   = 20 * time.Minute // a connection's token may not change sooner
	clockTolerant = time.Minute
)

// apns answers as Apple's push service does to the provider whose key it knows.
type apns struct {
	teamID, keyID, topic string
	key                  *ecdsa.PublicKey
}

func newAPNs(doc settings.Standin, key *ecdsa.PublicKey) *apns {
	return &apns{teamID: doc.TeamID, keyID: doc.KeyID, topic: doc.Topic, key: key}
}

func (a *apns) answer(r *http.Request, payload []byte) answer {
	apnsID := r.Header.Get("apns-id")
	if apnsID == "" {
		apnsID = strings.ToUpper(uuid.NewString())
	}
	ans := a.judge(r, payload)
	ans.header = map[string]string{"apns-id": apnsID}
	return ans
}

func (a *apns) judge(r *http.Request, payload []byte) answer {
	device, ok := strings.CutPrefix(r.URL.Path, "/3/device/")
	if !ok {
		return refused(http.StatusNotFound, "BadPath")
	}
	if r.Method != http.MethodPost {
		return refused(http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
	if status, reason := a.checkProvider(r); reason != "" {
		return refused(status, reason)
	}
	if reason := a.checkHeaders(r.Header); reason != "" {
		return refused(http.StatusBadRequest, reason)
	}
	var content struct {
		APS map[string]any `json:"aps"`
	}
	switch {
	case len(payload) > maxPayload:
		return refused(http.StatusRequestEntityTooLarge, "PayloadTooLarge")
	case json.Unmarshal(payload, &content) != nil || content.APS == nil:
		return refused(http.StatusBadRequest, "PayloadEmpty")
	case device == "":
		return refused(http.StatusBadRequest, "MissingDeviceToken")
	}
	if _, err := hex.DecodeString(device); err != nil || len(device) < 64 || len(device) > 200 || strings.HasPrefix(device, "bad") {
		return refused(http.StatusBadRequest, "BadDeviceToken")
	}
	switch {
	case strings.HasPrefix(device, "dead"):
		gone := refused(http.StatusGone, "Unregistered")
		gone.body = map[string]any{"reason": "Unregistered", "timestamp": time.Now().Add(-time.Hour).UnixMilli()}
		return gone
	case strings.HasPrefix(device, "429429"):
		return refused(http.StatusTooManyRequests, "TooManyRequests")
	case strings.HasPrefix(device, "503503"):
		return refused(http.StatusServiceUnavailable, "ServiceUnavailable")
	}
	return answer{status: http.StatusOK, word: "accepted"}
}

func refused(status int, reason string) answer {
	return answer{status: status, body: map[string]any{"reason": reason}, word: reason}
}

// checkProvider judges the provider's token, which Apple wants signed by its key,
// of its team, younger than an hour and not renewed at each push.
func (a *apns) checkProvider(r *http.Request) (status int, reason string) {
	scheme, bearer, _ := strings.Cut(r.Header.Get("authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || bearer == "" {
		return http.StatusForbidden, "MissingProviderToken"
	}
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(bearer, &claims, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != a.keyID {
			return nil, errors.New("key id is another")
		}
		return a.key, nil
	})
	if err != nil || claims.Issuer != a.teamID || claims.IssuedAt == nil {
		return http.StatusForbidden, "InvalidProviderToken"
	}
	switch age := time.Since(claims.IssuedAt.Time); {
	case age > tokenLife:
		return http.StatusForbidden, "ExpiredProviderToken"
	case age < -clockTolerant:
		return http.StatusForbidden, "InvalidProviderToken"
	}
	if c, ok := r.Context().Value(connectionKey{}).(*connection); ok && !c.use(bearer, time.Now()) {
		return http.StatusTooManyRequests, "TooManyProviderTokenUpdates"
	}
	return 0, ""
}

func (a *apns) checkHeaders(h http.Header) (reason string) {
	kinds := []string{"", "alert", "background", "location", "voip", "complication", "fileprovider", "mdm", "liveactivity", "pushtotalk", "controls", "widgets"}
	_, badID := uuid.Parse(h.Get("apns-id"))
	_, badExpiration := strconv.ParseInt(h.Get("apns-expiration"), 10, 64)
	switch {
	case h.Get("apns-topic") == "":
		return "MissingTopic"
	case h.Get("apns-topic") != a.topic:
		return "TopicDisallowed"
	case h.Get("apns-id") != "" && (badID != nil || len(h.Get("apns-id")) != 36):
		return "BadMessageId"
	case h.Get("apns-expiration") != "" && badExpiration != nil:
		return "BadExpirationDate"
	case !slices.Contains([]string{"", "10", "5", "1"}, h.Get("apns-priority")):
		return "BadPriority"
	case !slices.Contains(kinds, h.Get("apns-push-type")):
		return "InvalidPushType"
	case len(h.Get("apns-collapse-id")) > maxCollapse:
		return "BadCollapseId"
	}
	return ""
}

// connection remembers which token a client uses on it.
type connection struct {
	mu     sync.Mutex
	bearer string
	since  time.Time
}

type connectionKey struct{}

func withConnection(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{})
}

// use says whether the connection may use that token now.
func (c *connection) use(bearer string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bearer == c.bearer {
		return true
	}
	if c.bearer != "" && now.Sub(c.since) < tokenChange {
		return false
	}
	c.bearer, c.since = bearer, now
	return true
}
