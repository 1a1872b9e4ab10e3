package aws_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// TestTheFirewallHasTheShapeOfTheSDK holds what waf.go registers by name against the
// types that it does without: no compiler sees a property that is misspelt, and the
// provider would refuse or ignore it.
func TestTheFirewallHasTheShapeOfTheSDK(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi-aws/sdk/v6").Output()
	if err != nil {
		t.Fatalf("find the SDK: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "go", "aws", "wafv2", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files of WAF's, %v", len(files), err)
	}
	var source strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	resources := recorded(t, sample())
	for name, typ := range map[string]string{"edge-firewall": "webAclArgs", "edge-firewall-balancer": "webAclAssociationArgs"} {
		r, ok := resources[name]
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		wrong, err := misshapen(source.String(), typ, resource.NewProperty(r.Inputs))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wrong {
			t.Errorf("%s: %s", name, w)
		}
	}
	// The check has something to find.
	broken := resource.NewProperty(resource.NewPropertyMapFromMap(map[string]any{"scope": 1, "rules": []any{map[string]any{"piority": 0}}}))
	if wrong, err := misshapen(source.String(), "webAclArgs", broken); err != nil || len(wrong) != 2 {
		t.Errorf("of a broken one it says %q, %v", wrong, err)
	}
}

var field = regexp.MustCompile("(?m)^\t\\w+ +(\\S+) +`pulumi:\"(\\w+)\"`")

// misshapen are the properties of a value that a type of the SDK's source does not
// have, or has of another kind.
func misshapen(source, typ string, v resource.PropertyValue) ([]string, error) {
	typ = strings.TrimLeft(typ, "*")
	var wrong []string
	switch {
	case strings.HasPrefix(typ, "[]") && v.IsArray():
		for _, e := range v.ArrayValue() {
			w, err := misshapen(source, typ[2:], e)
			if err != nil {
				return nil, err
			}
			wrong = append(wrong, w...)
		}
		return wrong, nil
	case typ == "string" && v.IsString(), typ == "bool" && v.IsBool(), (typ == "int" || typ == "float64") && v.IsNumber():
		return nil, nil
	case !v.IsObject() || typ == "string" || typ == "bool" || typ == "int" || typ == "float64" || strings.HasPrefix(typ, "[]"):
		return []string{fmt.Sprintf("%v is no %s", v, typ)}, nil
	}
	_, body, ok := strings.Cut(source, "\ntype "+typ+" struct {\n")
	if !ok {
		return nil, fmt.Errorf("the SDK has no type %s", typ)
	}
	body, _, _ = strings.Cut(body, "\n}")
	fields := map[resource.PropertyKey]string{}
	for _, f := range field.FindAllStringSubmatch(body, -1) {
		fields[resource.PropertyKey(f[2])] = f[1]
	}
	for k, e := range v.ObjectValue() {
		of, ok := fields[k]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s has no property %s", typ, k))
			continue
		}
		w, err := misshapen(source, of, e)
		if err != nil {
			return nil, err
		}
		wrong = append(wrong, w...)
	}
	return wrong, nil
}
