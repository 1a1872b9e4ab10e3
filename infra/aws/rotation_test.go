package aws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestEveryRoleIsRotatedByAFunctionOfItsOwn(t *testing.T) {
	rs := recorded(t, sample())
	secret := func(database, role string) string {
		return "arn:aws:secretsmanager:us-east-1:123456789012:secret:burbn/production/" + database + "/" + role + "-AbCdEf"
	}
	for i := range 3 {
		database := fmt.Sprintf("postgres-%02d", i+1)
		for _, c := range []struct {
			role, name, application string
			immediately             bool
			parameters              map[string]any // its own
		}{
			{"app", "rotation-" + database, "MultiUser", true, map[string]any{
				"masterSecretArn": secret(database, "owner"), "masterSecretKmsKeyArn": arnOf(rs, "keys-data"),
			}},
			// Not at once: the first rotation of the services' role logs in as the owner.
			{"owner", "rotation-" + database + "-owner", "SingleUser", false, map[string]any{"masterSecretArn": nil, "masterSecretKmsKeyArn": nil}},
		} {
			function := strings.Replace(c.name, "rotation", "burbn-production-rotate", 1)
			has(t, rs, c.name, map[string]any{
				"name": function, "semanticVersion": "1.1.671",
				"applicationId": "arn:aws:serverlessrepo:us-east-1:297356227824:applications/SecretsManagerRDSPostgreSQLRotation" + c.application,
			})
			parameters := inputs(t, rs, c.name)["parameters"].(map[string]any)
			c.parameters["endpoint"], c.parameters["functionName"] = "https://secretsmanager.us-east-1.amazonaws.com", function
			c.parameters["vpcSubnetIds"] = "network-app-us-east-1a.id,network-app-us-east-1b.id,network-app-us-east-1c.id"
			c.parameters["vpcSecurityGroupIds"], c.parameters["kmsKeyArn"] = "network-group-rotate.id", arnOf(rs, "keys-data")
			for k, want := range c.parameters {
				if parameters[k] != want {
					t.Errorf("%s: parameter %s is %v, want %v", c.name, k, parameters[k], want)
				}
			}
			for _, quoted := range []string{`"`, `'`, `\`, "%", "{", "}", ";", "#", "/", ":", "@", "$", "="} {
				if !strings.Contains(parameters["excludeCharacters"].(string), quoted) {
					t.Errorf("%s may make a password with %s", c.name, quoted)
				}
			}
			if len(function) > 64 {
				t.Errorf("Lambda takes no name of %d characters: %s", len(function), function)
			}
			has(t, rs, c.name+"-log", map[string]any{"name": "/aws/lambda/" + function, "retentionInDays": 90.0})
			has(t, rs, c.name+"-schedule", map[string]any{
				"secretId": secret(database, c.role), "rotateImmediately": c.immediately, "rotationRules": map[string]any{"automaticallyAfterDays": 30.0},
			})
			for _, first := range []string{"migrate-" + database, database + "-" + c.role} {
				if !slices.Contains(rs[c.name+"-schedule"].DependsOn, first) {
					t.Errorf("%s may rotate before %s", c.name, first)
				}
			}
		}
	}
}
