package aws_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/topology"
)

// elsewhere is the sample in another region than CloudFront's.
func elsewhere() topology.Topology {
	t := sample()
	t.AWS.Region = "eu-west-1"
	for i := range t.AWS.Network.Zones {
		t.AWS.Network.Zones[i].Name = strings.Replace(t.AWS.Network.Zones[i].Name, "us-east-1", "eu-west-1", 1)
	}
	return t
}

// only are the resources of a type.
func only(resources map[string]record.Resource, typ string) (rs []record.Resource) {
	for _, r := range resources {
		if r.Type == typ {
			rs = append(rs, r)
		}
	}
	return rs
}

func TestEveryTopicIsEncryptedAndTakesFromTheAccountAlone(t *testing.T) {
	for region, c := range map[string]struct {
		topology topology.Topology
		topics   int
	}{"us-east-1": {sample(), 1}, "eu-west-1": {elsewhere(), 2}} {
		t.Run(region, func(t *testing.T) {
			resources := recorded(t, c.topology)
			topics := only(resources, "aws:sns/topic:Topic")
			if len(topics) != c.topics {
				t.Errorf("%d topics, want %d: an alarm tells a topic of its own region alone", len(topics), c.topics)
			}
			for _, topic := range topics {
				if !topic.Inputs["kmsMasterKeyId"].IsString() {
					t.Errorf("%s is not encrypted", topic.Name)
				}
			}
			policies := only(resources, "aws:sns/topicPolicy:TopicPolicy")
			if len(policies) != c.topics {
				t.Errorf("%d policies for %d topics", len(policies), c.topics)
			}
			for _, r := range policies {
				var policy struct {
					Statement []struct {
						Principal map[string]any
						Action    string
						Condition map[string]map[string]string
					}
				}
				if err := json.Unmarshal([]byte(r.Inputs["policy"].StringValue()), &policy); err != nil {
					t.Fatal(err)
				}
				for i, s := range policy.Statement {
					account := s.Condition["StringEquals"]["aws:SourceAccount"] == "123456789012"
					// EventBridge publishes under no condition, or not at all.
					events := s.Principal["Service"] == "events.amazonaws.com" && len(s.Condition) == 0
					if s.Action != "sns:Publish" || len(s.Principal) != 1 || account == events {
						t.Errorf("%s, statement %d: %+v", r.Name, i, s)
					}
				}
			}
			for _, r := range only(resources, "aws:sns/topicSubscription:TopicSubscription") {
				if r.Inputs["endpoint"].StringValue() != "oncall@example.com" {
					t.Errorf("%s: %v", r.Name, r.Inputs)
				}
			}
			if kms := only(resources, "aws:kms/key:Key"); region != "us-east-1" && !slices.ContainsFunc(kms, func(r record.Resource) bool { return r.Provider == "aws-us-east-1" }) {
				t.Error("a key serves its own region alone: the topic in us-east-1 has none")
			}
		})
	}
}

func TestEveryAlarmTellsTheTopicOfItsRegion(t *testing.T) {
	alarms := only(recorded(t, elsewhere()), "aws:cloudwatch/metricAlarm:MetricAlarm")
	if len(alarms) < 50 {
		t.Fatalf("%d alarms", len(alarms))
	}
	for _, r := range alarms {
		if r.Parent != "alarms" {
			continue // a fleet's, which takes a release back and tells nobody
		}
		virginia := r.Provider == "aws-us-east-1"
		for _, k := range []string{"alarmActions", "okActions"} {
			actions := r.Inputs.Mappable()[k]
			if got, ok := actions.([]any); !ok || len(got) != 1 || strings.Contains(got[0].(string), "alerts-us-east-1") != virginia {
				t.Errorf("%s: %s are %v", r.Name, k, actions)
			}
		}
		if virginia != strings.HasPrefix(r.Name, "alarms-cdn-") {
			t.Errorf("%s is in the region of %s", r.Name, r.Provider)
		}
	}
}

func TestBudgetCountsTheStackAndTellsBoth(t *testing.T) {
	budgets := only(recorded(t, sample()), "aws:budgets/budget:Budget")
	if len(budgets) != 1 {
		t.Fatalf("%d budgets", len(budgets))
	}
	in := budgets[0].Inputs.Mappable()
	if in["limitAmount"] != "60000" {
		t.Errorf("the limit is %v", in["limitAmount"])
	}
	if got := in["costFilters"].([]any)[0].(map[string]any)["values"].([]any)[0]; got != "user:stack$production" {
		t.Errorf("it counts %v", got)
	}
	var told []string
	for _, n := range in["notifications"].([]any) {
		n := n.(map[string]any)
		b, _ := json.Marshal([]any{n["notificationType"], n["threshold"]})
		told = append(told, string(b))
		if len(n["subscriberEmailAddresses"].([]any)) != 1 || len(n["subscriberSnsTopicArns"].([]any)) != 1 {
			t.Errorf("%s tells %v", b, n)
		}
	}
	if want := []string{`["ACTUAL",80]`, `["ACTUAL",100]`, `["FORECASTED",100]`}; !slices.Equal(told, want) {
		t.Errorf("it tells at %v, want %v", told, want)
	}
}
