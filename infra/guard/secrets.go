package guard

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// secretRules keep secrets where they are kept.
func secretRules() []Rule {
	return []Rule{{
		ID: "no-secret-in-the-open", Says: "Secrets stand in Secrets Manager and in what asks for a password, and nowhere else",
		Why:   "user data, tags, descriptions and environments are read by everybody who may look at the account",
		check: secretsInTheOpen,
	}}
}

// keepers are the inputs that a secret may stand in, by type.
var keepers = map[string][]string{
	"aws:secretsmanager/secretVersion:SecretVersion": {"secretString", "secretBinary"},
	typeRedis:    {"authToken"},
	typeDatabase: {"password"},
}

// formats are those of credentials that are told at sight. Amazon's key ids are not
// secret, but never come alone.
var formats = map[string]*regexp.Regexp{
	"a private key":                  regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`),
	"an access key of Amazon's":      regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`),
	"a password in a URL":            regexp.MustCompile(`[a-z][a-z0-9+.-]*://[^/\s:@"]*:[^/\s:@"]{3,}@`),
	"a token of GitHub's":            regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{36,}\b`),
	"a token of Slack's":             regexp.MustCompile(`\bxox[abprs]-[A-Za-z0-9-]{10,}\b`),
	"a JSON web token":               regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.`),
	"a setting that holds a secret":  regexp.MustCompile(`(?i)"?(password|passwd|secret_?key|auth_?token|api_?key)"?\s*[:=]\s*"?[^\s"{}$<]{6,}`),
	"a Sentry DSN with a secret key": regexp.MustCompile(`https://[0-9a-f]{32}:[0-9a-f]{32}@`),
}

func secretsInTheOpen(s *State, refuse refuse) {
	var known []string // values that Pulumi knows to be secret
	for _, r := range s.all {
		walk(resource.NewProperty(r.Inputs), "", false, func(path, value string, secret bool) {
			if secret && len(value) >= 8 && !slices.Contains(known, value) {
				known = append(known, value)
			}
		})
	}
	for _, r := range s.all {
		if r.Type == "pulumi:providers:aws" {
			continue
		}
		walk(resource.NewProperty(r.Inputs), "", false, func(path, value string, secret bool) {
			keeper := slices.Contains(keepers[r.Type], path)
			if keeper {
				return
			}
			if secret {
				refuse(r, "%s holds a secret of Pulumi's", path)
				return
			}
			for _, v := range readings(value) {
				for _, k := range known {
					if strings.Contains(v, k) {
						refuse(r, "%s holds a value that is secret elsewhere", path)
						return
					}
				}
				for what, format := range formats {
					if format.MatchString(v) {
						refuse(r, "%s looks like %s", path, what)
						return
					}
				}
			}
		})
	}
}

// readings are a text as it is, and as what it may be the base64 of.
func readings(v string) []string {
	if len(v) >= 16 {
		if b, err := base64.StdEncoding.DecodeString(v); err == nil {
			return []string{v, string(b)}
		}
	}
	return []string{v}
}

// walk calls f with every text below a value and whether it is marked as secret.
func walk(v resource.PropertyValue, path string, secret bool, f func(path, value string, secret bool)) {
	switch {
	case v.IsSecret():
		walk(v.SecretValue().Element, path, true, f)
	case v.IsOutput():
		walk(v.OutputValue().Element, path, secret || v.OutputValue().Secret, f)
	case v.IsArray():
		for i, e := range v.ArrayValue() {
			walk(e, fmt.Sprintf("%s[%d]", path, i), secret, f)
		}
	case v.IsObject():
		for k, e := range v.ObjectValue() {
			walk(e, strings.TrimPrefix(path+"."+string(k), "."), secret, f)
		}
	case v.IsString():
		f(path, v.StringValue(), secret)
		// The parts of a secret document are as secret as the whole.
		var parts map[string]string
		if secret && json.Unmarshal([]byte(v.StringValue()), &parts) == nil {
			for k, part := range parts {
				if k == "password" || k == "key" {
					f(path, part, secret)
				}
			}
		}
	}
}
