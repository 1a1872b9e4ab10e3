package aws_test

import (
	"encoding/base64"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
)

var machines = append(slices.Clone(fleets), "monitoring")

func TestEveryRoleHasATestedImageOfItsOwn(t *testing.T) {
	rs := recorded(t, sample())
	for _, role := range machines {
		image := inputs(t, rs, "images-"+role)
		is(t, role+": tests", at(t, image, "imageTestsConfiguration", "imageTestsEnabled"), true)
		recipe := inputs(t, rs, "images-"+role+"-recipe")
		is(t, role+": encryption", at(t, recipe, "blockDeviceMappings", 0, "ebs", "encrypted"), "true")
		is(t, role+": the agent", at(t, recipe, "systemsManagerAgent", "uninstallAfterBuild"), false)
		for _, part := range []string{"", "-recipe", "-component"} {
			if !rs["images-"+role+part].RetainOnDelete {
				t.Errorf("images-%s%s goes when another is baked: the fleet may have to go back to it", role, part)
			}
		}
		for _, part := range []string{"-recipe", "-component"} {
			if _, ok := inputs(t, rs, "images-"+role+part)["name"]; ok {
				t.Errorf("images-%s%s has a name of ours, which is taken when an earlier recipe comes back", role, part)
			}
		}
		after := rs["images-"+role].DependsOn
		for _, need := range []string{"images-bake-policy", "images-bake-EC2InstanceProfileForImageBuilder", "images-" + role + "-archive-", "release-machine-"} {
			if !slices.ContainsFunc(after, func(name string) bool { return strings.HasPrefix(name, need) }) {
				t.Errorf("%s is baked before %s is there", role, need)
			}
		}
		forget := at(t, inputs(t, rs, "images-"+role+"-forget"), "policyDetails", 0)
		is(t, role+": kept", at(t, forget, "filter", "retainAtLeast"), 5)
		is(t, role+": in use", at(t, forget, "exclusionRules", "amis", "lastLaunched"), map[string]any{"unit": "DAYS", "value": 90})
		for k, v := range at(t, inputs(t, rs, "images-"+role+"-forget"), "resourceSelection", "tagMap").(map[string]any) {
			is(t, role+": the tag "+k+" of the image", at(t, image, "tags", k), v)
		}
	}
	kitchen := inputs(t, rs, "images-infrastructure")
	is(t, "the token of the metadata service", at(t, kitchen, "instanceMetadataOptions", "httpTokens"), "required")
	is(t, "a machine that failed", kitchen["terminateInstanceOnFailure"], true)
	is(t, "its logs", at(t, kitchen, "logging", "s3Logs", "s3BucketName"), "example-logs")
}

// What bakes is a document in Image Builder's language with shell inside.
func TestWhatBakesIsWellFormed(t *testing.T) {
	rs := recorded(t, sample())
	for _, role := range machines {
		data := inputs(t, rs, "images-"+role+"-component")["data"].(string)
		if len(data) > 16000 {
			t.Errorf("%s: %d characters; Image Builder accepts 16000", role, len(data))
		}
		var document struct {
			SchemaVersion float64 `yaml:"schemaVersion"`
			Phases        []struct {
				Name  string
				Steps []struct {
					Name, Action   string
					TimeoutSeconds int `yaml:"timeoutSeconds"`
					MaxAttempts    int `yaml:"maxAttempts"`
					Inputs         yaml.Node
				}
			}
		}
		d := yaml.NewDecoder(strings.NewReader(data))
		d.KnownFields(true)
		if err := d.Decode(&document); err != nil {
			t.Fatalf("%s: %v\n%s", role, err, data)
		}
		var steps []string
		for _, p := range document.Phases {
			for _, s := range p.Steps {
				steps = append(steps, p.Name+"/"+s.Action)
				if s.Action == "ExecuteBash" {
					var in struct{ Commands []string }
					if err := s.Inputs.Decode(&in); err != nil || len(in.Commands) != 1 {
						t.Fatalf("%s: %v", role, err)
					}
					parses(t, in.Commands[0])
				}
			}
		}
		is(t, role+": the steps", steps, []string{"build/S3Download", "build/ExecuteBash", "test/ExecuteBash"})
		agent, err := base64.StdEncoding.DecodeString(inputs(t, rs, "images-"+role+"-recipe")["userDataBase64"].(string))
		if err != nil {
			t.Fatal(err)
		}
		parses(t, string(agent))
		if !strings.Contains(string(agent), "https://s3.us-east-1.amazonaws.com/amazon-ssm-us-east-1/latest/debian_arm64/amazon-ssm-agent.deb") {
			t.Errorf("the agent comes from elsewhere:\n%s", agent)
		}
		// Debian's own timers may be at it.
		if n := strings.Count(string(agent), "DPkg::Lock::Timeout="); n != 2 || strings.Contains(string(agent), "\ndpkg ") {
			t.Errorf("an installation does not wait for who holds the packages:\n%s", agent)
		}
	}
}

// parses asks a shell whether it understands a script.
func parses(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, script)
	}
}

func TestAnImageIsBakedWhenWhatItIsMadeOfChanges(t *testing.T) {
	top := sample()
	before := of(t, top, release.Unknown())
	baked := func(after map[string]record.Resource) []string {
		var roles []string
		for _, role := range machines {
			component, recipe := "images-"+role+"-component", "images-"+role+"-recipe"
			if !before[component].Inputs.DeepEquals(after[component].Inputs) || !before[recipe].Inputs.DeepEquals(after[recipe].Inputs) {
				roles = append(roles, role)
			}
		}
		return roles
	}
	is(t, "what another api bakes", baked(of(t, top, changed("api"))), []string(nil))
	is(t, "what another machine bakes", baked(of(t, top, changed("machine"))), machines)
	top.AWS.Architecture = "amd64"
	is(t, "what another architecture bakes", baked(of(t, top, release.Unknown())), machines)
}
