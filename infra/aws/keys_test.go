package aws_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/topology"
)

func TestKeysTurnAndAreKept(t *testing.T) {
	rs := recorded(t, sample())
	for _, key := range []string{"keys-data", "keys-logs"} {
		has(t, rs, key, map[string]any{"enableKeyRotation": true, "deletionWindowInDays": 30.0})
		has(t, rs, key+"-alias", map[string]any{"name": "alias/burbn-production-" + strings.TrimPrefix(key, "keys-")})
	}
}

// allowed are the statements of a policy among the inputs.
func allowed(t *testing.T, rs map[string]any) []map[string]any {
	t.Helper()
	var statements []map[string]any
	for _, s := range rs["Statement"].([]any) {
		statements = append(statements, s.(map[string]any))
	}
	return statements
}

func TestNobodyButTheAccountUsesAKeyWithoutACondition(t *testing.T) {
	rs := recorded(t, sample())
	for key, want := range map[string][]string{
		"keys-data": {"Account", "SecretsThroughSecretsManager"},
		"keys-logs": {"Account", "LogGroups", "PublishersToTopics"},
	} {
		var sids []string
		for _, s := range allowed(t, decoded(t, rs, key, "policy")) {
			sid := s["Sid"].(string)
			sids = append(sids, sid)
			if sid == "Account" {
				if who := fmt.Sprint(s["Principal"]); who != "map[AWS:arn:aws:iam::123456789012:root]" {
					t.Errorf("%s: the account is %s", key, who)
				}
				continue
			}
			if s["Condition"] == nil || !strings.Contains(fmt.Sprint(s["Condition"]), "123456789012") {
				t.Errorf("%s: %s is not bound to the account", key, sid)
			}
			if strings.Contains(fmt.Sprint(s["Action"]), "kms:*") {
				t.Errorf("%s: %s may do anything", key, sid)
			}
		}
		if !slices.Equal(sids, want) {
			t.Errorf("%s: statements %q, want %q", key, sids, want)
		}
	}
}

// TestWhoPublishesMayUseTheKeyOfTheTopic: who may publish to an encrypted topic but not
// use its key is silent, and who may use the key but not publish has no need to.
func TestWhoPublishesMayUseTheKeyOfTheTopic(t *testing.T) {
	for region, top := range map[string]topology.Topology{"us-east-1": sample(), "eu-west-1": elsewhere()} {
		t.Run(region, func(t *testing.T) {
			rs := recorded(t, top)
			services := func(statement map[string]any) []string {
				var who []string
				switch s := statement["Principal"].(map[string]any)["Service"].(type) {
				case string:
					who = append(who, s)
				case []any:
					for _, e := range s {
						who = append(who, e.(string))
					}
				}
				return who
			}
			topics := map[string]string{"alerts-policy": "keys-logs"}
			if region != "us-east-1" {
				topics["alerts-us-east-1-policy"] = "alerts-us-east-1-key"
			}
			for topic, key := range topics {
				var publish, use []string
				for _, s := range allowed(t, decoded(t, rs, topic, "policy")) {
					publish = append(publish, services(s)...)
				}
				for _, s := range allowed(t, decoded(t, rs, key, "policy")) {
					if strings.Contains(fmt.Sprint(s["Condition"]), "aws:sns:topicArn") {
						use = append(use, services(s)...)
					}
				}
				slices.Sort(publish)
				slices.Sort(use)
				if len(publish) == 0 || !slices.Equal(publish, use) {
					t.Errorf("%s: %v publish, %v use the key", topic, publish, use)
				}
			}
		})
	}
}

func TestEveryEncryptedLogGroupFindsItsKey(t *testing.T) {
	rs := recorded(t, sample())
	var patterns []string
	for _, s := range allowed(t, decoded(t, rs, "keys-logs", "policy")) {
		if s["Sid"] == "LogGroups" {
			for _, p := range s["Condition"].(map[string]any)["ArnLike"].(map[string]any)["kms:EncryptionContext:aws:logs:arn"].([]any) {
				// A star of IAM's goes across slashes, one of path.Match does not.
				patterns = append(patterns, strings.TrimPrefix(p.(string), "arn:aws:logs:us-east-1:123456789012:log-group:"))
			}
		}
	}
	for _, name := range namesOf(t, rs, "aws:cloudwatch/logGroup:LogGroup") {
		group := inputs(t, rs, name)
		if group["kmsKeyId"] != arnOf(rs, "keys-logs") {
			t.Errorf("%s is encrypted with %v", name, group["kmsKeyId"])
		}
		called := strings.ReplaceAll(group["name"].(string), "/", "|")
		if !slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(strings.ReplaceAll(p, "/", "|"), called)
			return err == nil && ok
		}) {
			t.Errorf("%s is called %v, for which CloudWatch Logs may not use the key", name, group["name"])
		}
	}
}
