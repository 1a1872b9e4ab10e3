package guard

import (
	"slices"
	"strings"
)

// services are those of Amazon's that the system is made of, as types name them. One
// that is not here is a decision that nobody has made yet.
var services = []string{
	"acm", "autoscaling", "budgets", "cloudfront", "cloudwatch", "ebs", "ec2", "elasticache", "iam", "imagebuilder", "kms", "lambda", "lb", "rds",
	"route53", "s3", "secretsmanager", "serverlessrepository", "sns", "ssm", "vpc", "wafv2",
}

// retentions are what CloudWatch accepts, in days.
var retentions = []float64{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// orderRules keep the account such that everything in it can be explained.
func orderRules() []Rule {
	return []Rule{
		{
			ID: "tagged", Says: "Every resource bears the project and the stack, by the default tags of its provider",
			Why: "what nobody's tag is on is on nobody's bill and is never deleted; the monitoring finds machines by the tag",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of("pulumi:providers:aws") {
					if text(r.at("defaultTags"), "tags.project") == "" || text(r.at("defaultTags"), "tags.stack") != s.stack {
						refuse(r, "defaultTags are %v: accepted are the project and stack %s", r.at("defaultTags"), s.stack)
					}
					if r.text("region") == "" {
						refuse(r, "it says no region: the account's default would be taken")
					}
				}
				for _, r := range s.of(typeTemplate) {
					for _, kind := range []string{"instance", "volume"} {
						if !slices.ContainsFunc(r.list("tagSpecifications"), func(t any) bool {
							return text(t, "resourceType") == kind && text(t, "tags.stack") == s.stack
						}) {
							refuse(r, "tagSpecifications of %s have no stack %s: default tags do not reach what a template starts", kind, s.stack)
						}
					}
				}
			},
		},
		{
			ID: "parented", Says: "Every resource has a component as its parent and comes from a provider that is said",
			Why: "the default provider deploys to wherever the shell points", check: parented,
		},
		{
			ID: "known-services", Says: "Every resource is of a service that the system is made of",
			Why: "a new service is a decision about cost, access and who answers for it at night",
			check: func(s *State, refuse refuse) {
				for _, r := range s.all {
					module, isAWS := strings.CutPrefix(r.Type, "aws:")
					if !isAWS {
						continue
					}
					service, _, _ := strings.Cut(module, "/")
					if !slices.Contains(services, service) {
						refuse(r, "the service %s is not among those that the system is made of", service)
					}
				}
			},
		},
		{
			ID: "logs-forget", Says: "Every log group forgets after a time that CloudWatch accepts",
			Why: "logs that are kept for ever cost for ever, and tell of people who have left",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of(typeLogGroup) {
					if days := r.number("retentionInDays"); !slices.Contains(retentions, days) {
						refuse(r, "retentionInDays is %v: accepted are %v", days, retentions)
					}
				}
			},
		},
		{
			ID: "alarms-tell", Says: "Every alarm says what it means, what silence means, and tells somebody or takes a release back",
			Why: "an alarm that nobody hears, or that nobody understands at 3 a.m., is none", check: alarmsTell,
		},
		{
			ID: "topics-heard", Says: "Nothing publishes to a topic that it cannot publish to, and every topic is heard",
			Why: "RDS's subscriptions and ElastiCache's notifications fall silent at an encrypted topic, without an error", check: topicsHeard,
		},
	}
}

func parented(s *State, refuse refuse) {
	for _, r := range s.all {
		if strings.HasPrefix(r.Type, "pulumi:") {
			continue
		}
		if r.Custom && r.Provider == "" && strings.HasPrefix(r.Type, "aws:") {
			refuse(r, "it comes from the default provider")
		}
		if p, ok := s.byName[r.Parent]; r.Custom && (!ok || p.Custom && !s.hasComponent(r.Parent)) {
			refuse(r, "it has no component as its parent")
		}
	}
}

// hasComponent says that a component has the logical name: one and a resource of its
// may share it.
func (s *State) hasComponent(name string) bool {
	return slices.ContainsFunc(s.all, func(r Resource) bool { return r.Name == name && !r.Custom })
}

func alarmsTell(s *State, refuse refuse) {
	// An alarm on which a group goes back acts through the group.
	rollbacks := map[string]bool{}
	for _, r := range s.of(typeGroup) {
		for _, name := range r.texts("instanceRefresh.preferences.alarmSpecification.alarms") {
			rollbacks[name] = true
			if _, ok := s.ref(typeAlarm, name); !ok {
				refuse(r, "it goes back on the alarm %s, which there is not", name)
			}
		}
	}
	for _, r := range s.of(typeAlarm) {
		physical := r.text("name")
		if physical == "" {
			physical = r.Name
		}
		if len(r.list("alarmActions")) == 0 && !rollbacks[physical] {
			refuse(r, "alarmActions are empty, and no fleet goes back on it")
		}
		if len(r.text("alarmDescription")) < 20 {
			refuse(r, "alarmDescription %q says too little", r.text("alarmDescription"))
		}
		if len(r.text("alarmDescription")) > 1024 {
			refuse(r, "alarmDescription has %d characters: accepted are 1,024", len(r.text("alarmDescription")))
		}
		if r.text("treatMissingData") == "" {
			refuse(r, "treatMissingData is not said")
		}
		for _, action := range r.texts("alarmActions") {
			if topic, ok := s.byRef[action]; ok && topic.Type == typeTopic && s.region(topic) != s.region(r) {
				refuse(r, "it tells the topic %s of another region, which CloudWatch refuses", topic.Name)
			}
		}
	}
}

// region is where a resource is provisioned.
func (s *State) region(r Resource) string { return s.byName[r.Provider].text("region") }

func topicsHeard(s *State, refuse refuse) {
	heard := map[string]bool{}
	for _, r := range s.of("aws:sns/topicSubscription:TopicSubscription") {
		if t, ok := s.ref(typeTopic, r.text("topic")); ok {
			heard[t.Name] = true
		}
	}
	for _, r := range s.of(typeTopic) {
		if !heard[r.Name] {
			refuse(r, "nobody has subscribed to it")
		}
	}
	for typ, path := range map[string]string{
		typeRedis: "notificationTopicArn", typeMemcached: "notificationTopicArn", "aws:rds/eventSubscription:EventSubscription": "snsTopic",
	} {
		for _, r := range s.of(typ) {
			if t, ok := s.ref(typeTopic, r.text(path)); ok && t.text("kmsMasterKeyId") != "" {
				refuse(r, "%s is %s, which is encrypted: nothing would arrive", path, t.Name)
			}
		}
	}
}
