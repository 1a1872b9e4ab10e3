package aws

import (
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/services/settings"
)

func TestSecretRef(t *testing.T) {
	for name, want := range map[string]settings.SecretRef{
		"postgres-app-password":     {ID: "burbn/staging/pooler", Key: "password"},
		"postgres-monitor-password": {ID: "burbn/staging/monitor", Key: "password"},
		"redis-password":            {ID: "burbn/staging/redis", Key: "password"},
		"token-key":                 {ID: "burbn/staging/session", Key: "key"},
		"link-key":                  {ID: "burbn/staging/link", Key: "key"},
		"apns-key":                  {ID: "burbn/staging/apns", Key: "key"},
		"sentry-key":                {ID: "burbn/staging/sentry", Key: "key"},
		"pager-key":                 {ID: "burbn/staging/pager", Key: "key"},
		"postgres-03-app-username":  {ID: "burbn/staging/postgres-03/app", Key: "username"},
		"postgres-12-app-password":  {ID: "burbn/staging/postgres-12/app", Key: "password"},
	} {
		if got, err := secretRef("staging", name); err != nil || got != want {
			t.Errorf("%s is %v, %v, want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"", "postgres-owner-password", "postgres-03-app-host", "postgres-x-app-password", "postgres-03-app-password2", "storage-secret-key"} {
		if got, err := secretRef("staging", name); err == nil || !strings.Contains(err.Error(), `"`+name+`"`) || !strings.Contains(err.Error(), "accepted is apns-key, ") {
			t.Errorf("%q is %v, %v, want an error that says what is accepted", name, got, err)
		}
	}
}

// image is one of a unit with these templates.
func image(templates ...string) images.Image {
	u := images.Unit{Name: "pgbouncer"}
	for _, t := range templates {
		u.Credentials = append(u.Credentials, images.Credential{Name: "a.conf", Template: t})
	}
	return images.Image{Units: []images.Unit{u}}
}

func TestRoleSecrets(t *testing.T) {
	got, err := roleSecrets(image("{{postgres-02-app-username}} {{postgres-02-app-password}}", "{{redis-password}}", "{{token-key}} {{redis-password}}"), "staging")
	if want := []string{"postgres-02/app", "redis", "session"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := roleSecrets(image("{{nobody}}"), "staging"); err == nil || !strings.Contains(err.Error(), `unit pgbouncer: credential a.conf: secret "nobody"`) {
		t.Errorf("got %v", err)
	}
	if _, err := (&Secrets{}).Of(image("{{sentry-key}}"), "staging"); err == nil || !strings.Contains(err.Error(), "burbn/staging/sentry is read but not provisioned") {
		t.Errorf("got %v", err)
	}
}
