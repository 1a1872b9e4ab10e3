package aws_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

// account is what a stack registers, to be asked as Amazon would be asked for it.
type account struct {
	stack, region string
	resources     []record.Resource
}

// accountOf records a stack of stacks/, with a release whose programs are files.
func accountOf(t *testing.T, stack string) account {
	t.Helper()
	top, err := topology.ParseFile("../../stacks/Pulumi." + stack + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var r release.Release
	for _, p := range release.Unknown() {
		content := []byte("program " + p.Name)
		sum := sha256.Sum256(content)
		p.Path, p.SHA256 = filepath.Join(dir, p.Name), hex.EncodeToString(sum[:])
		if err := os.WriteFile(p.Path, content, 0o755); err != nil {
			t.Fatal(err)
		}
		r = append(r, p)
	}
	p, err := aws.NewPlan(top, stack, r)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := record.Run(p)
	if err != nil {
		t.Fatal(err)
	}
	return account{stack, top.AWS.Region, rs}
}

// zone is the private zone of the stack.
func (a account) zone() string { return a.stack + ".burbn.internal" }

// without is the account less the resources whose names one of the patterns matches.
func (a account) without(patterns ...string) account {
	a.resources = slices.DeleteFunc(slices.Clone(a.resources), func(r record.Resource) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, r.Name) })
	})
	return a
}

// with is the account with an input of a resource changed.
func (a account) with(name string, key resource.PropertyKey, change func(string) string) account {
	a.resources = slices.Clone(a.resources)
	for i, r := range a.resources {
		if r.Name == name {
			r.Inputs = r.Inputs.Copy()
			r.Inputs[key] = resource.NewProperty(change(plain(r.Inputs[key]).StringValue()))
			a.resources[i] = r
		}
	}
	return a
}

// of are the resources of a type: "rds/instance:Instance".
func (a account) of(typ string) []record.Resource {
	var of []record.Resource
	for _, r := range a.resources {
		if r.Type == "aws:"+typ {
			of = append(of, r)
		}
	}
	return of
}

// find is the resource of a type of which something holds.
func (a account) find(typ string, is func(record.Resource) bool) (record.Resource, bool) {
	for _, r := range a.of(typ) {
		if is(r) {
			return r, true
		}
	}
	return record.Resource{}, false
}

// byInput is the resource of a type that has the value as an input.
func (a account) byInput(typ string, key resource.PropertyKey, value string) (record.Resource, bool) {
	return a.find(typ, func(r record.Resource) bool { return attr(r, key) == value })
}

// byID is the resource of a type that the others know by the id.
func (a account) byID(typ, id string) (record.Resource, bool) {
	return a.find(typ, func(r record.Resource) bool { return fake.ID(r.Name) == id })
}

// outputs are what a resource is to the others.
func outputs(r record.Resource) resource.PropertyMap { return fake.Outputs(r.Type, r.Name, r.Inputs) }

// input is what stands at a path of a resource's inputs: "networkInterfaces", 0,
// "securityGroups".
func input(in resource.PropertyMap, path ...any) resource.PropertyValue {
	v := resource.NewProperty(in)
	for _, step := range path {
		v = plain(v)
		switch s := step.(type) {
		case string:
			if !v.IsObject() {
				return resource.NewNullProperty()
			}
			v = v.ObjectValue()[resource.PropertyKey(s)]
		case int:
			if !v.IsArray() || len(v.ArrayValue()) <= s {
				return resource.NewNullProperty()
			}
			v = v.ArrayValue()[s]
		}
	}
	return plain(v)
}

func plain(v resource.PropertyValue) resource.PropertyValue {
	for v.IsSecret() {
		v = v.SecretValue().Element
	}
	return v
}

// attr is an input that is text; empty where it is not there.
func attr(r record.Resource, key resource.PropertyKey) string { return str(plain(r.Inputs[key])) }

func str(v resource.PropertyValue) string {
	switch v = plain(v); {
	case v.IsString():
		return v.StringValue()
	case v.IsNumber():
		return fmt.Sprintf("%.0f", v.NumberValue())
	}
	return ""
}

func strs(v resource.PropertyValue) []string {
	var all []string
	if v = plain(v); v.IsArray() {
		for _, e := range v.ArrayValue() {
			all = append(all, str(e))
		}
	}
	return all
}

// glob says whether a pattern matches all of a text, as it does in a policy: * stands
// for anything and ? for one character.
func glob(pattern, text string) bool {
	p := regexp.QuoteMeta(pattern)
	p = strings.ReplaceAll(strings.ReplaceAll(p, `\*`, `.*`), `\?`, `.`)
	return regexp.MustCompile(`^` + p + `$`).MatchString(text)
}

// allows says whether the inline policies of a role of IAM allow an action.
func (a account) allows(role, action, on string) (bool, error) {
	for _, r := range a.of("iam/rolePolicy:RolePolicy") {
		if attr(r, "role") != role {
			continue
		}
		given, err := grants(r)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(given, func(g grant) bool { return g.covers(action, on) }) {
			return true, nil
		}
	}
	return false, nil
}

// grant is a statement of a policy that allows something.
type grant struct{ actions, resources []string }

// grants are those of the policy that a resource has as an input.
func grants(r record.Resource) ([]grant, error) {
	var document struct {
		Statement []struct {
			Effect           string
			Action, Resource any
		}
	}
	if err := json.Unmarshal([]byte(attr(r, "policy")), &document); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	list := func(v any) []string {
		several, ok := v.([]any)
		if !ok {
			several = []any{v}
		}
		var texts []string
		for _, e := range several {
			texts = append(texts, fmt.Sprint(e))
		}
		return texts
	}
	var given []grant
	for _, s := range document.Statement {
		if s.Effect == "Allow" {
			given = append(given, grant{list(s.Action), list(s.Resource)})
		}
	}
	return given, nil
}

func (g grant) covers(action, on string) bool {
	return slices.ContainsFunc(g.actions, func(a string) bool { return glob(a, action) }) &&
		slices.ContainsFunc(g.resources, func(r string) bool { return glob(r, on) })
}
