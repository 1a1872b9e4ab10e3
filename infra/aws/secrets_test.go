package aws_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

func TestSecrets(t *testing.T) {
	rs := recorded(t, sample())
	for name, want := range map[string]map[string]any{
		"redis":   {"password": "made-up-secrets-redis-password"},
		"pooler":  {"password": "made-up-secrets-pooler-password"},
		"monitor": {"password": "made-up-secrets-monitor-password"},
		"session": {"key": "made-up-secrets-session-password"},
		"link":    {"key": "made-up-secrets-link-bytes"},
		"apns":    {"key": "a secret of the configuration"},
		"sentry":  {"key": "a secret of the configuration"},
		"pager":   {"key": "a secret of the configuration"},
	} {
		has(t, rs, "secrets-"+name, map[string]any{"name": "burbn/production/" + name})
		if !rs["secrets-"+name+"-value"].Inputs["secretString"].IsSecret() {
			t.Errorf("%s would stand in Pulumi's state in the clear", name)
		}
		got := decoded(t, rs, "secrets-"+name+"-value", "secretString")
		for k, v := range want {
			if got[k] != v || len(got) != 1 {
				t.Errorf("%s holds %v, want %v", name, got, want)
			}
		}
	}
	for _, name := range namesOf(t, rs, "random:index/randomPassword:RandomPassword") {
		has(t, rs, name, map[string]any{"special": false})
		if r := rs[name]; !r.Protect || !slices.Contains(r.IgnoreChanges, "length") || !slices.Contains(r.IgnoreChanges, "special") {
			t.Errorf("%s may be made anew", name)
		}
	}
	has(t, rs, "secrets-link-bytes", map[string]any{"length": 32.0})
	if r := rs["secrets-link-bytes"]; !r.Protect || !slices.Contains(r.IgnoreChanges, "length") {
		t.Error("what encrypts the tokens of linked accounts may be made anew")
	}
}

func TestSecretsThatNobodyAsksForAreNotThere(t *testing.T) {
	top := sample()
	top.SentryDSN, top.AWS.Alerts.Pager = "", ""
	rs := recorded(t, top)
	for _, name := range []string{"secrets-sentry", "secrets-pager"} {
		if _, ok := rs[name]; ok {
			t.Errorf("there is %s", name)
		}
	}
}

// mocks answer as the fake cloud does.
type mocks struct{}

func (mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return fake.ID(args.Name), fake.Outputs(args.TypeToken, args.Name, args.Inputs), nil
}

func (mocks) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return fake.Answer(args.Token, args.Args), nil
}

func TestWhatTheConfigurationLacksIsSaidAtPreview(t *testing.T) {
	all := []string{"burbn:apnsKey", "burbn:pagerKey", "burbn:sentryKey"}
	for name, c := range map[string]struct {
		given, secret []string
		edit          func(*topology.Topology)
		want          []string // to be set; none: it goes through
	}{
		"all":              {given: all, secret: all},
		"none":             {want: all},
		"one":              {given: all[:2], secret: all[:2], want: all[2:]},
		"in the clear":     {given: all, secret: all[1:], want: all[:1]},
		"what is asked of": {given: all[:1], secret: all[:1], edit: func(top *topology.Topology) { top.SentryDSN, top.AWS.Alerts.Pager = "", "" }},
	} {
		t.Run(name, func(t *testing.T) {
			top := sample()
			if c.edit != nil {
				c.edit(&top)
			}
			p, err := aws.NewPlan(top, "production", release.Unknown())
			if err != nil {
				t.Fatal(err)
			}
			err = pulumi.RunErr(func(ctx *pulumi.Context) error { return aws.Deploy(ctx, p) }, pulumi.WithMocks("burbn", "production", mocks{}),
				func(info *pulumi.RunInfo) {
					info.Config, info.ConfigSecretKeys = map[string]string{}, c.secret
					for _, k := range c.given {
						info.Config[k] = "x"
					}
				})
			if (err != nil) != (c.want != nil) {
				t.Fatalf("got %v, want that %q are missing", err, c.want)
			}
			for _, k := range all {
				if err != nil && strings.Contains(err.Error(), "pulumi config set --secret "+k) != slices.Contains(c.want, k) {
					t.Errorf("got %v, want that %q are missing", err, c.want)
				}
			}
		})
	}
}
