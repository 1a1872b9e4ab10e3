package aws

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	static "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// groups stands in for Auto Scaling: it answers one call after the other with the
// codes of errors, "" for success, and keeps what it was asked.
type groups struct {
	answers []string
	asked   []url.Values
}

func (g *groups) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	g.asked = append(g.asked, form)
	code := ""
	if len(g.answers) > 0 {
		code, g.answers = g.answers[0], g.answers[1:]
	}
	action := form.Get("Action")
	if code != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
		return
	}
	fmt.Fprintf(w, "<%sResponse><%sResult><InstanceRefreshId>r</InstanceRefreshId></%sResult></%sResponse>", action, action, action, action)
}

func (g *groups) actions() []string {
	var all []string
	for _, f := range g.asked {
		all = append(all, f.Get("Action"))
	}
	return all
}

func TestRollout(t *testing.T) {
	const start, cancel = "StartInstanceRefresh", "CancelInstanceRefresh"
	const busy = "InstanceRefreshInProgress"
	for _, c := range []struct {
		name, to string
		answers  []string
		asked    []string
		says     string
	}{
		{"nothing under way", "lt-1:7", nil, []string{start}, ""},
		{"another one under way", "lt-1:7", []string{busy, "", busy, ""}, []string{start, cancel, start, start}, ""},
		{"another one that ends by itself", "lt-1:7", []string{busy, "ActiveInstanceRefreshNotFound", ""}, []string{start, cancel, start}, ""},
		{"refused", "lt-1:7", []string{"ValidationError"}, []string{start}, "roll burbn-production-api to lt-1:7: "},
		{"not to be broken off", "lt-1:7", []string{busy, "ValidationError"}, []string{start, cancel}, "break off what burbn-production-api is being rolled to: "},
		{"no version", "lt-1", nil, nil, `its tag launch-template is "lt-1"`},
		{"nothing", "", nil, nil, `its tag launch-template is ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &groups{answers: c.answers}
			client := serveGroups(t, g)
			r := rollout{group: "burbn-production-api", alarms: []string{"burbn-production-api-server-errors"}, every: time.Millisecond}
			err := r.start(t.Context(), client, c.to)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("it says %v, not %q", err, c.says)
			}
			if got := g.actions(); !slices.Equal(got, c.asked) {
				t.Errorf("it asks %q, not %q", got, c.asked)
			}
		})
	}
}

// The group has to keep the old template until all machines are new: that is what it
// comes back to.
func TestARolloutCanComeBack(t *testing.T) {
	g := &groups{}
	r := rollout{group: "burbn-production-api", alarms: []string{"a", "b"}, every: time.Millisecond}
	if err := r.start(t.Context(), serveGroups(t, g), "lt-1:7"); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"AutoScalingGroupName":                                 "burbn-production-api",
		"DesiredConfiguration.LaunchTemplate.LaunchTemplateId": "lt-1",
		"DesiredConfiguration.LaunchTemplate.Version":          "7",
		"Preferences.AutoRollback":                             "true",
		"Preferences.AlarmSpecification.Alarms.member.1":       "a",
		"Preferences.AlarmSpecification.Alarms.member.2":       "b",
		"Preferences.MinHealthyPercentage":                     "100",
		"Preferences.MaxHealthyPercentage":                     "110",
		"Preferences.SkipMatching":                             "true",
		"Preferences.BakeTime":                                 "300",
	} {
		if got := g.asked[0].Get(key); got != want {
			t.Errorf("%s is %q, not %q", key, got, want)
		}
	}
}

func TestARolloutWaitsNoLongerThanItMay(t *testing.T) {
	g := &groups{answers: []string{"InstanceRefreshInProgress", ""}}
	client := serveGroups(t, g)
	ctx, cancel := context.WithCancel(t.Context())
	r := rollout{group: "burbn-production-api", every: time.Hour}
	end := make(chan error)
	go func() { end <- r.start(ctx, client, "lt-1:7") }()
	cancel()
	if err := <-end; err == nil {
		t.Error("it has rolled what could not be")
	}
}

func TestRolled(t *testing.T) {
	tag := func(key, value string) resource.PropertyValue {
		return resource.NewProperty(resource.PropertyMap{"key": resource.NewProperty(key), "value": resource.NewProperty(value)})
	}
	all := resource.NewProperty([]resource.PropertyValue{tag("role", "api"), tag(rolledTag, "lt-1:7")})
	for name, c := range map[string]struct {
		in   resource.PropertyMap
		want string
	}{
		"plain":   {resource.PropertyMap{"tags": all}, "lt-1:7"},
		"output":  {resource.PropertyMap{"tags": resource.NewProperty(resource.Output{Element: all, Known: true})}, "lt-1:7"},
		"secret":  {resource.PropertyMap{"tags": resource.MakeSecret(all)}, "lt-1:7"},
		"another": {resource.PropertyMap{"tags": resource.NewProperty([]resource.PropertyValue{tag("role", "api")})}, ""},
		"none":    {resource.PropertyMap{}, ""},
	} {
		if got := rolled(c.in); got != c.want {
			t.Errorf("%s: %q, not %q", name, got, c.want)
		}
	}
}

func serveGroups(t *testing.T, g *groups) *autoscaling.Client {
	t.Helper()
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return autoscaling.New(autoscaling.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.URL), RetryMaxAttempts: 1,
		Credentials: static.NewStaticCredentialsProvider("key", "secret", ""),
	})
}
