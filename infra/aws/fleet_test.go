package aws_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
	"github.com/burbn/burbn/services/settings"
)

// of is every resource of a topology that runs a release, by logical name and type.
func of(t *testing.T, top topology.Topology, r release.Release) map[string]record.Resource {
	t.Helper()
	p, err := aws.NewPlan(top, "production", r)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := record.Run(p)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]record.Resource{}
	for _, r := range rs {
		byName[r.Name] = r
	}
	return byName
}

// at follows a path of keys and indices.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch k := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("%v: %v has no keys", path, v)
			}
			v = m[k]
		case int:
			l, ok := v.([]any)
			if !ok || k >= len(l) {
				t.Fatalf("%v: %v has no element %d", path, v, k)
			}
			v = l[k]
		}
	}
	return v
}

func is(t *testing.T, what string, got, want any) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if !bytes.Equal(g, w) {
		t.Errorf("%s is %s, not %s", what, g, w)
	}
}

var fleets = []string{"nginx", "api", "worker", "push"}

func TestAFleetIsBornSafely(t *testing.T) {
	rs := recorded(t, sample())
	counts := map[string][2]int{"nginx": {3, 6}, "api": {25, 50}, "worker": {4, 12}, "push": {2, 4}}
	for _, fleet := range fleets {
		t.Run(fleet, func(t *testing.T) {
			template := inputs(t, rs, fleet+"-template")
			is(t, "the token of the metadata service", at(t, template, "metadataOptions", "httpTokens"), "required")
			is(t, "its reach", at(t, template, "metadataOptions", "httpPutResponseHopLimit"), 1)
			is(t, "the root volume", at(t, template, "blockDeviceMappings", 0, "ebs", "encrypted"), "true")
			is(t, "its name", at(t, template, "blockDeviceMappings", 0, "deviceName"), "/dev/xvda")
			is(t, "a public address", at(t, template, "networkInterfaces", 0, "associatePublicIpAddress"), "false")
			is(t, "detailed monitoring", at(t, template, "monitoring", "enabled"), true)
			if _, ok := template["keyName"]; ok {
				t.Error("the machines have a key pair: people come in through Session Manager")
			}
			var tagged []string
			for _, s := range template["tagSpecifications"].([]any) {
				tagged = append(tagged, at(t, s, "resourceType").(string))
				is(t, "the tags", at(t, s, "tags"), map[string]string{"Name": "burbn-production-" + fleet, "project": "burbn", "role": fleet, "stack": "production"})
			}
			is(t, "what is tagged", tagged, []string{"instance", "volume", "network-interface"})

			group := inputs(t, rs, fleet+"-group")
			is(t, "the least size", group["minSize"], counts[fleet][0])
			is(t, "the greatest", group["maxSize"], counts[fleet][1])
			if fleet == "nginx" || fleet == "push" {
				is(t, "what nothing scales", group["desiredCapacity"], counts[fleet][0])
			} else if _, ok := group["desiredCapacity"]; ok {
				t.Error("Pulumi says how many machines there are: so does the scaling")
			}
			if v, _ := at(t, group, "launchTemplate", "version").(string); v == "" || strings.HasPrefix(v, "$") {
				t.Errorf("the version %q is not a number: an instance refresh would not see a new one", v)
			}
			is(t, "the zones", len(group["vpcZoneIdentifiers"].([]any)), 3)
			hook := at(t, group, "initialLifecycleHooks", 0)
			is(t, "the hook's result", at(t, hook, "defaultResult"), "ABANDON")
			is(t, "the hook's time", at(t, hook, "heartbeatTimeout"), 600)
			health := "EC2"
			if fleet == "nginx" || fleet == "api" {
				health = "ELB"
				is(t, "the target groups", len(group["targetGroupArns"].([]any)), 1)
			}
			is(t, "the health check", group["healthCheckType"], health)

			if got := rs[fleet+"-group"].IgnoreChanges; !slices.Equal(got, []string{"launchTemplate"}) {
				t.Errorf("Pulumi ignores %q: a group that is given a new template has no other to come back to", got)
			}
			tags := group["tags"].([]any)
			is(t, "what it is rolled to", at(t, tags[len(tags)-1], "key"), "launch-template")
			is(t, "its version", at(t, tags[len(tags)-1], "value"), fmt.Sprint(at(t, group, "launchTemplate", "id"), ":", at(t, group, "launchTemplate", "version")))

			refresh := at(t, group, "instanceRefresh", "preferences")
			is(t, "rollback", at(t, refresh, "autoRollback"), true)
			is(t, "least healthy", at(t, refresh, "minHealthyPercentage"), 100)
			is(t, "most healthy", at(t, refresh, "maxHealthyPercentage"), 110)
			is(t, "skip matching", at(t, refresh, "skipMatching"), true)
			alarms := at(t, refresh, "alarmSpecification", "alarms").([]any)
			if len(alarms) == 0 {
				t.Error("no alarm stops a refresh")
			}
			// All of it is there before the first machine: its permissions, its bundle and the
			// alarms that would stop it.
			after := rs[fleet+"-group"].DependsOn
			for _, need := range []string{fleet + "-policy", fleet + "-profile", fleet + "-template", "release-" + fleet + "-bundle-"} {
				if !slices.ContainsFunc(after, func(name string) bool { return strings.HasPrefix(name, need) }) {
					t.Errorf("the group does not wait for %s, only for %q", need, after)
				}
			}
			for _, a := range alarms {
				name := strings.TrimPrefix(a.(string), "burbn-production-")
				if !slices.Contains(after, name) {
					t.Errorf("the group does not wait for the alarm %s", a)
				}
				alarm := inputs(t, rs, name)
				is(t, name+": silence", alarm["treatMissingData"], "notBreaching")
				if len(alarm["alarmActions"].([]any)) == 0 {
					t.Errorf("%s tells nobody", name)
				}
			}
		})
	}
}

func TestEveryFleetScalesByWhatItsLoadIs(t *testing.T) {
	rs := recorded(t, sample())
	cpu := at(t, inputs(t, rs, "api-cpu"), "targetTrackingConfiguration")
	is(t, "the API's CPU", at(t, cpu, "targetValue"), 55)
	is(t, "its metric", at(t, cpu, "predefinedMetricSpecification", "predefinedMetricType"), "ASGAverageCPUUtilization")

	behind := inputs(t, rs, "worker-behind")
	is(t, "the age", behind["threshold"], 30)
	is(t, "whose", behind["dimensions"], map[string]string{"Stack": "production"})
	is(t, "the namespace", behind["namespace"], "burbn")
	is(t, "the steps up", at(t, inputs(t, rs, "worker-more"), "stepAdjustments"), []map[string]any{
		{"metricIntervalLowerBound": "0", "metricIntervalUpperBound": "90", "scalingAdjustment": 25},
		{"metricIntervalLowerBound": "90", "scalingAdjustment": 50},
	})
	is(t, "the step down", at(t, inputs(t, rs, "worker-fewer"), "stepAdjustments"), []map[string]any{
		{"metricIntervalLowerBound": "0", "scalingAdjustment": -10},
	})
	is(t, "idle", at(t, inputs(t, rs, "worker-idle"), "metricQueries", 2, "expression"), "IF(age < 10 AND cpu < 40, 1, 0)")
	for name, r := range rs {
		if r.Type == "aws:autoscaling/policy:Policy" && (r.Parent == "nginx" || r.Parent == "push") {
			t.Errorf("%s: the fleet keeps its count", name)
		}
	}
}

func TestUserDataSaysWhereTheBundleIsAndNothingElse(t *testing.T) {
	rs := recorded(t, sample())
	for _, role := range append(slices.Clone(fleets), "monitoring") {
		text := ""
		if role == "monitoring" {
			text = inputs(t, rs, "monitoring-machine")["userData"].(string)
		} else {
			b, err := base64.StdEncoding.DecodeString(inputs(t, rs, role+"-template")["userData"].(string))
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		if first, _, _ := strings.Cut(text, "\n"); first != "#cloud-config" {
			t.Errorf("%s: cloud-init takes %q for no configuration", role, first)
		}
		var config struct {
			WriteFiles []struct{ Path, Owner, Permissions, Content string } `yaml:"write_files"`
		}
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(&config); err != nil || len(config.WriteFiles) != 1 || config.WriteFiles[0].Path != "/etc/burbn/boot.json" {
			t.Fatalf("%s: %+v (%v)", role, config, err)
		}
		var m settings.Machine
		document := json.NewDecoder(strings.NewReader(config.WriteFiles[0].Content))
		document.DisallowUnknownFields()
		if err := document.Decode(&m); err != nil {
			t.Fatal(err)
		}
		uploaded := inputs(t, rs, "release-"+role+"-bundle-"+m.Bundle.SHA256[:12])
		is(t, role+": the bundle", uploaded["key"], m.Bundle.Key)
		group, hook := "burbn-production-"+role, "boot"
		if role == "monitoring" {
			group, hook = "", "" // nobody waits for it
		}
		is(t, role+": who waits", []string{m.Group, m.Hook}, []string{group, hook})
	}
}

// TestAChangedProgramChangesItsOwnFleetAlone is what lets three people deploy at any
// time: nothing else is touched.
func TestAChangedProgramChangesItsOwnFleetAlone(t *testing.T) {
	top := sample()
	before := of(t, top, release.Unknown())
	for _, fleet := range []string{"api", "worker", "push"} {
		t.Run(fleet, func(t *testing.T) {
			after := of(t, top, changed(fleet))
			var touched []string
			for name, r := range after {
				if was, ok := before[name]; !ok || !maps.Equal(was.Flat(), r.Flat()) {
					touched = append(touched, kind(name))
				}
			}
			slices.Sort(touched)
			want := []string{fleet + "-group", fleet + "-template", "release-" + fleet, "release-" + fleet + "-bundle", "release-manifest"}
			slices.Sort(want)
			if !slices.Equal(touched, want) {
				t.Errorf("it touches %q, not %q", touched, want)
			}
			// The group follows the template's version, which only the cloud counts.
			if !slices.Contains(after[fleet+"-group"].DependsOn, fleet+"-template") {
				t.Error("the group does not follow the template")
			}
		})
	}
}

// changed is a release in which one program is another.
func changed(name string) release.Release {
	r := release.Unknown()
	for i := range r {
		if r[i].Name == name {
			r[i].SHA256 = strings.Repeat("1", 64)
		}
	}
	return r
}

// kind is the logical name of an object without its address.
func kind(name string) string {
	if i := strings.LastIndex(name, "-"); strings.HasPrefix(name, "release-") && len(name)-i == 13 {
		return name[:i]
	}
	return name
}

// TestPolicies shows what each role's machines may do.
func TestPolicies(t *testing.T) {
	rs := recorded(t, sample())
	for role, name := range map[string]string{
		"nginx": "nginx-policy", "api": "api-policy", "worker": "worker-policy", "push": "push-policy",
		"monitoring": "monitoring-policy", "bake": "images-bake-policy",
	} {
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(inputs(t, rs, name)["policy"].(string)), "", "  "); err != nil {
			t.Fatal(err)
		}
		aws.Golden(t, "testdata/policies/"+role+".json", indented.String()+"\n")
	}
}

func TestEveryMachineActsAsARoleThatEC2AloneTakesOn(t *testing.T) {
	rs := recorded(t, sample())
	found := 0
	for name, r := range rs {
		if r.Type != "aws:iam/instanceProfile:InstanceProfile" {
			continue
		}
		found++
		role := inputs(t, rs, strings.TrimSuffix(name, "-profile")+"-role")
		if trust := role["assumeRolePolicy"].(string); trust != `{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}],"Version":"2012-10-17"}` {
			t.Errorf("%s is taken on by %s", name, trust)
		}
	}
	if found != 6 {
		t.Errorf("%d roles for machines: five roles and the baking one", found)
	}
}
