package enginetest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// rolled stands in for Auto Scaling, which the program asks itself to replace a fleet's
// machines, and keeps which fleets.
type rolled struct {
	mu     sync.Mutex
	groups []string
	code   string // of the error that the next call is answered with
}

func serveGroups(t *testing.T) *rolled {
	t.Helper()
	r := &rolled{}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	t.Setenv("AWS_ENDPOINT_URL_AUTO_SCALING", s.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	return r
}

func (r *rolled) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	form, _ := url.ParseQuery(string(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups = append(r.groups, form.Get("AutoScalingGroupName"))
	if code := r.code; code != "" {
		r.code = ""
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
		return
	}
	io.WriteString(w, "<StartInstanceRefreshResponse><StartInstanceRefreshResult><InstanceRefreshId>r</InstanceRefreshId></StartInstanceRefreshResult></StartInstanceRefreshResponse>")
}

func (r *rolled) refuse(code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.code = code
}

// take is which fleets were rolled since it was asked last.
func (r *rolled) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	took := slices.Clone(r.groups)
	r.groups = nil
	return took
}
