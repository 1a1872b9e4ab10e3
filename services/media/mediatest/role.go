package mediatest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// What a machine's role is given by NewRole.
const (
	RoleKey   = "ASIAEXAMPLEROLE"
	RoleToken = "session token of the role"
)

// NewRole makes the test a machine of EC2 with a role: a stand-in for the instance
// metadata service hands out temporary keys, to whoever brings one of its tokens, as
// version 2 of the service demands.
func NewRole(t *testing.T) {
	t.Helper()
	const token = "token"
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		w.Write([]byte(token))
	})
	get := func(path string, answer func() []byte) {
		mux.HandleFunc("GET /latest/meta-data/"+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Aws-Ec2-Metadata-Token") != token {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Write(answer())
		})
	}
	get("iam/security-credentials/{$}", func() []byte { return []byte("burbn-test") })
	get("iam/security-credentials/burbn-test", func() []byte {
		b, err := json.Marshal(map[string]any{
			"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": time.Now(), "Expiration": time.Now().Add(6 * time.Hour),
			"AccessKeyId": RoleKey, "SecretAccessKey": "secret key of the role", "Token": RoleToken,
		})
		if err != nil {
			t.Error(err)
		}
		return b
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
}
