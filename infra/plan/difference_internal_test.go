package plan

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/record"
)

func TestValues(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, test := range []struct {
		name, path, old, new string
		want                 string // "old > new", or the lines
	}{
		{"words", "instanceClass", "a", "b", "a > b"},
		{"given now", "kmsKeyId", "", "key", " > key"},
		{"of JSON what differs", "policy", `{"a":["x","y"],"b":1}`, `{"a":["x","y","z"],"b":1}`, `+    "z"`},
		{"of a list what differs", "subnetIds", "[a, b]", "[a, b, c]", "+c"},
		{"lists of one", "subnetIds", "[a]", "[b]", "[a] > [b]"},
		{"user data as it is read", "userData", encode("a\nkey: 1\n"), encode("a\nkey: 2\n"), "-key: 1\n+key: 2"},
		{"user data that is not encoded", "userData", "a\nkey: 1\n", "a\nkey: 2\n", "-key: 1\n+key: 2"},
		{"lines that look like a header", "userData", "a\n-- x\n", "a\n++ x\n", "--- x\n+++ x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			was, is, lines := values(test.path, test.old, test.new)
			got := strings.Join(lines, "\n")
			if lines == nil {
				got = was + " > " + is
			}
			if got != test.want {
				t.Errorf("%q, not %q", got, test.want)
			}
		})
	}
}

func of(typ, name string, inputs map[string]string) record.Resource {
	r := record.Resource{Type: typ, Name: name, Custom: true, Inputs: resource.PropertyMap{}}
	for k, v := range inputs {
		r.Inputs[resource.PropertyKey(k)] = resource.NewProperty(v)
	}
	return r
}

func told(ds []Difference) string {
	var all []string
	for _, d := range ds {
		var paths []string
		for _, i := range d.Inputs {
			paths = append(paths, i.Path)
		}
		all = append(all, fmt.Sprintf("%s %s %v", d.Action, d.Name, paths))
	}
	return strings.Join(all, "; ")
}

func TestCompare(t *testing.T) {
	const vpc, subnet, group, balancer, listener, role = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/securityGroup:SecurityGroup",
		"aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener", "aws:iam/role:Role"
	with := func(r record.Resource, f func(*record.Resource)) record.Resource { f(&r); return r }
	net := func(cidr string) record.Resource { return of(vpc, "network", map[string]string{"cidrBlock": cidr}) }
	for _, test := range []struct {
		name     string
		old, now []record.Resource
		want     string
	}{
		{
			"a replacement goes on to those who refer to it, and to theirs",
			[]record.Resource{net("10.0.0.0/16"), of(subnet, "a", map[string]string{"vpcId": "network.id"}), of(balancer, "lb", map[string]string{"subnets": "[a.id]"})},
			[]record.Resource{net("10.1.0.0/16"), of(subnet, "a", map[string]string{"vpcId": "network.id"}), of(balancer, "lb", map[string]string{"subnets": "[a.id]"})},
			"replace a [vpcId]; replace network [cidrBlock]; change lb [subnets]",
		},
		{
			"and not to those whose name only ends alike",
			[]record.Resource{net("10.0.0.0/16"), of(balancer, "lb", map[string]string{"subnets": "[my-network.id]"})},
			[]record.Resource{net("10.1.0.0/16"), of(balancer, "lb", map[string]string{"subnets": "[my-network.id]"})},
			"replace network [cidrBlock]",
		},
		{
			"by an ARN with a part of the cloud's",
			[]record.Resource{of(balancer, "lb", map[string]string{"name": "burbn", "loadBalancerType": "application"}), of(listener, "l", map[string]string{"loadBalancerArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/burbn"})},
			[]record.Resource{of(balancer, "lb", map[string]string{"name": "burbn", "loadBalancerType": "network"}), of(listener, "l", map[string]string{"loadBalancerArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/burbn"})},
			"replace l [loadBalancerArn]; replace lb [loadBalancerType]",
		},
		{
			"and not by one that follows from the name",
			[]record.Resource{of(role, "r", map[string]string{"name": "r", "path": "/a"}), of(group, "g", map[string]string{"tag": "arn:aws:iam::123456789012:role/r"})},
			[]record.Resource{of(role, "r", map[string]string{"name": "r", "path": "/b"}), of(group, "g", map[string]string{"tag": "arn:aws:iam::123456789012:role/r"})},
			"replace r [path]",
		},
		{
			"what is new refers to what is new anyway",
			[]record.Resource{net("10.0.0.0/16")},
			[]record.Resource{net("10.1.0.0/16"), of(subnet, "a", map[string]string{"vpcId": "network.id"})},
			"replace network [cidrBlock]; add a []",
		},
		{
			"what the engine ignores, by the options that it has now",
			[]record.Resource{of(group, "g", map[string]string{"description": "a", "tag": "a"})},
			[]record.Resource{with(of(group, "g", map[string]string{"description": "b", "tag": "b"}), func(r *record.Resource) { r.IgnoreChanges = []string{"description"} })},
			"change g [tag]",
		},
		{
			"options of the engine",
			[]record.Resource{with(of(group, "g", nil), func(r *record.Resource) { r.Protect, r.RetainOnDelete = true, true })},
			[]record.Resource{of(group, "g", nil)},
			"change g [(pulumi protects it) (stays where pulumi removes it)]",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := told(Compare(test.old, test.now)); got != test.want {
				t.Errorf("%s\nnot\n%s", got, test.want)
			}
		})
	}
}

// TestRollout: the tag by which the program rolls a fleet is told from others.
func TestRollout(t *testing.T) {
	group := func(key, value string) []record.Resource {
		r := of("aws:autoscaling/group:Group", "g", nil)
		r.Inputs["tags"] = resource.NewProperty([]resource.PropertyValue{resource.NewProperty(resource.PropertyMap{
			"key": resource.NewProperty(key), "value": resource.NewProperty(value),
		})})
		return []record.Resource{r}
	}
	for key, rolls := range map[string]bool{rolledTag: true, "role": false} {
		ds := Compare(group(key, "template.id:1"), group(key, "template.id:2"))
		if len(ds) != 1 || len(ds[0].Inputs) != 1 || (ds[0].Inputs[0].Interrupts != "") != rolls || (ds[0].Inputs[0].New == newOne) != rolls {
			t.Errorf("tag %s: %+v", key, ds)
		}
	}
}

// TestProtected is as the engine has it: what is removed was protected, and what is
// replaced is protected before and after.
func TestProtected(t *testing.T) {
	bucket := func(name string, protect bool) record.Resource {
		r := of("aws:s3/bucketV2:BucketV2", "b", map[string]string{"bucket": name})
		r.Protect = protect
		return r
	}
	for _, test := range []struct {
		name           string
		old, now       []record.Resource
		protected      bool
		action         Action
		holdsAndRemove bool
	}{
		{"removed", []record.Resource{bucket("a", true)}, nil, true, Remove, true},
		{"replaced", []record.Resource{bucket("a", true)}, []record.Resource{bucket("b", true)}, true, Replace, true},
		{"let go and replaced", []record.Resource{bucket("a", true)}, []record.Resource{bucket("b", false)}, false, Replace, true},
		{"protected with its replacement", []record.Resource{bucket("a", false)}, []record.Resource{bucket("b", true)}, false, Replace, true},
		{"let go", []record.Resource{bucket("a", true)}, []record.Resource{bucket("a", false)}, false, Change, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ds := Compare(test.old, test.now)
			if len(ds) != 1 || ds[0].Protected != test.protected || ds[0].Action != test.action || ds[0].HoldsData != test.holdsAndRemove {
				t.Errorf("%+v", ds)
			}
		})
	}
}

// TestSecrets: a secret is never shown, and yet is seen to differ.
func TestSecrets(t *testing.T) {
	secret := func(v string) []record.Resource {
		r := of("aws:secretsmanager/secretVersion:SecretVersion", "s", nil)
		r.Inputs["secretString"] = resource.MakeSecret(resource.NewProperty(v))
		return []record.Resource{r}
	}
	ds := Compare(secret("hunter2"), secret("hunter3"))
	if len(ds) != 1 || ds[0].Action != Replace || len(ds[0].Inputs) != 1 {
		t.Fatalf("%+v", ds)
	}
	if said := fmt.Sprintf("%+v", ds); strings.Contains(said, "hunter") || !strings.Contains(said, "(secret") {
		t.Error(said)
	}
	if ds := Compare(secret("hunter2"), secret("hunter2")); len(ds) != 0 {
		t.Errorf("%+v", ds)
	}
}

func TestRanges(t *testing.T) {
	for _, test := range []struct{ names, want string }{
		{"a-01 a-02 a-03", "a-01 to a-03"},
		{"a-01 a-02", "a-01, a-02"},
		{"a-03 a-01 a-02 a-05", "a-01 to a-03, a-05"},
		{"b-01-cpu b-02-cpu b-03-cpu b-01-disk", "b-01-cpu to b-03-cpu, b-01-disk"},
		{"r-0001-001 r-0001-002 r-0002-001", "r-0001-001, r-0001-002, r-0002-001"},
		{"bundle-0f0757438a14 api", "api, bundle-0f0757438a14"},
		{"a-9 a-10 a-11", "a-10, a-11, a-9"}, // not of one width: not ours
	} {
		if got := ranges(strings.Fields(test.names)); got != test.want {
			t.Errorf("%s: %q, not %q", test.names, got, test.want)
		}
	}
}

func TestWrapped(t *testing.T) {
	if got := wrapped("aa, bb, cc", 7); !slices.Equal(got, []string{"aa, bb,", "cc"}) {
		t.Errorf("%q", got)
	}
	if got := wrapped("", 7); !slices.Equal(got, []string{""}) {
		t.Errorf("%q", got)
	}
}

func TestMoney(t *testing.T) {
	for v, want := range map[float64]string{0: "$0", 0.001: "$0", 0.5: "+$0.50", -3: "-$3.00", 12: "+$12", 1234567: "+$1,234,567", -1000: "-$1,000", 999.6: "+$1,000"} {
		if got := signed(v); got != want {
			t.Errorf("%g: %s, not %s", v, got, want)
		}
	}
}
