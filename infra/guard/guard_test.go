package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/guard"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/topology"
)

func TestAGoodStackBreaksNoRule(t *testing.T) {
	for _, v := range guard.Check("production", production(), good().list()) {
		t.Error(v)
	}
}

// TestEveryRuleIsBrokenOnce changes one thing in a good stack and expects one rule to
// refuse one resource.
func TestEveryRuleIsBrokenOnce(t *testing.T) {
	secret := resource.MakeSecret(resource.NewProperty("something-else"))
	open := func(s stack, name string, in m) {
		s.add(name, "vpc/securityGroupIngressRule:SecurityGroupIngressRule", in)
	}
	broken := map[string]bool{}
	for _, c := range []struct {
		rule, resource string
		change         func(stack)
	}{
		{"no-public-machine", "app-a", func(s stack) { s.set("app-a", "mapPublicIpOnLaunch", true) }},
		{"no-public-machine", "api-template", func(s stack) { s.set("api-template", "networkInterfaces", l{m{"associatePublicIpAddress": "true"}}) }},
		{"no-public-machine", "monitoring", func(s stack) { s.set("monitoring", "associatePublicIpAddress", true) }},
		{"no-public-machine", "monitoring", func(s stack) { s.set("monitoring", "subnetId", id("public-a")) }},
		{"no-public-machine", "api-group", func(s stack) { s.set("api-group", "vpcZoneIdentifiers", l{id("app-a"), id("public-b")}) }},
		{"no-public-machine", "nlb", func(s stack) { s.set("nlb", "subnets", l{id("app-a"), id("public-b")}) }},
		{"no-public-machine", "ip", func(s stack) { s.add("ip", "ec2/eip:Eip", m{"instance": id("monitoring")}) }},
		{"no-way-out-of-data", "databases", func(s stack) { s.set("databases", "subnetIds", l{id("data-a"), id("app-b")}) }},
		{"no-public-database", "postgres-01", func(s stack) { s.set("postgres-01", "publiclyAccessible", true) }},
		{"no-public-bucket", "media-private", func(s stack) { s.set("media-private", "blockPublicPolicy", false) }},
		{"no-public-bucket", "media", func(s stack) { delete(s, "media-private") }},
		{"no-public-bucket", "media", func(s stack) { delete(s, "media-ownership") }},
		{"no-public-bucket", "acl", func(s stack) { s.add("acl", "s3/bucketAclV2:BucketAclV2", m{"acl": "public-read"}) }},
		{"no-public-function", "url", func(s stack) { s.add("url", "lambda/functionUrl:FunctionUrl", m{}) }},
		{"no-public-function", "call", func(s stack) { s.add("call", "lambda/permission:Permission", m{"principal": "*"}) }},
		{"one-public-balancer", "second", func(s stack) {
			s.add("second", "lb/loadBalancer:LoadBalancer", m{
				"loadBalancerType": "network", "subnets": l{id("app-a"), id("app-b")}, "enableDeletionProtection": true,
			})
			s.set("alb", "internal", true)
			s.set("alb", "subnets", l{id("app-a"), id("app-b")})
		}},

		{"encrypted", "postgres-01", func(s stack) { s.set("postgres-01", "storageEncrypted", false) }},
		{"encrypted", "postgres-01", func(s stack) { s.set("postgres-01", "performanceInsightsKmsKeyId", nil) }},
		{"encrypted", "redis", func(s stack) { s.set("redis", "transitEncryptionEnabled", nil) }},
		{"encrypted", "redis", func(s stack) { s.set("redis", "kmsKeyId", nil) }},
		{"encrypted", "monitoring-data", func(s stack) { s.set("monitoring-data", "encrypted", false) }},
		{"encrypted", "monitoring", func(s stack) { s.set("monitoring", "rootBlockDevice", m{"volumeSize": 8}) }},
		{"encrypted", "api-template", func(s stack) { s.set("api-template", "blockDeviceMappings", nil) }},
		{"encrypted", "recipe", func(s stack) { s.set("recipe", "blockDeviceMappings", l{m{"ebs": m{"encrypted": "false"}}}) }},
		{"encrypted", "media", func(s stack) { delete(s, "media-encryption") }},
		{"encrypted", "topic", func(s stack) { s.set("topic", "kmsMasterKeyId", nil) }},
		{"encrypted", "secret", func(s stack) { s.set("secret", "kmsKeyId", nil) }},
		{"encrypted", "logs-group", func(s stack) { s.set("logs-group", "kmsKeyId", nil) }},
		{"encrypted", "key", func(s stack) { s.set("key", "enableKeyRotation", false) }},
		{"backed-up", "postgres-01", func(s stack) { s.set("postgres-01", "backupRetentionPeriod", 6) }},
		{"backed-up", "postgres-01", func(s stack) { s.set("postgres-01", "deleteAutomatedBackups", nil) }},
		{"backed-up", "redis", func(s stack) { s.set("redis", "snapshotRetentionLimit", 0) }},
		{"backed-up", "media", func(s stack) { s.set("media-versioning", "versioningConfiguration", m{"status": "Suspended"}) }},
		{"protected", "postgres-01", func(s stack) { s["postgres-01"].Protect = false }},
		{"protected", "media", func(s stack) { s["media"].Protect = false }},
		{"deletion-protection", "replica-01", func(s stack) { s.set("replica-01", "deletionProtection", false) }},
		{"deletion-protection", "postgres-01", func(s stack) { s.set("postgres-01", "skipFinalSnapshot", true) }},
		{"deletion-protection", "redis", func(s stack) { s.set("redis", "finalSnapshotIdentifier", nil) }},
		{"deletion-protection", "alb", func(s stack) { s.set("alb", "enableDeletionProtection", false) }},
		{"deletion-protection", "media", func(s stack) { s.set("media", "forceDestroy", true) }},
		{"deletion-protection", "secret", func(s stack) { s.set("secret", "recoveryWindowInDays", 0) }},
		{"zones-apart", "replica-01", func(s stack) { s.set("replica-01", "availabilityZone", "us-east-1a") }},
		{"zones-apart", "postgres-01", func(s stack) { s.set("postgres-01", "availabilityZone", nil) }},
		{"postgres-tls", "parameters", func(s stack) { s.set("parameters", "parameters", l{m{"name": "rds.force_ssl", "value": "0"}}) }},
		{"postgres-tls", "replica-01", func(s stack) { s.set("replica-01", "parameterGroupName", nil) }},
		{"redis-password", "redis", func(s stack) { s.set("redis", "authToken", nil) }},

		{"imdsv2", "api-template", func(s stack) {
			s.set("api-template", "metadataOptions", m{"httpTokens": "optional", "httpPutResponseHopLimit": 1})
		}},
		{"imdsv2", "bake", func(s stack) {
			s.set("bake", "instanceMetadataOptions", m{"httpTokens": "required", "httpPutResponseHopLimit": 2})
		}},
		{"template-pinned", "api-group", func(s stack) { s.set("api-group", "launchTemplate", m{"id": id("api-template"), "version": "$Latest"}) }},
		{"template-pinned", "api-group", func(s stack) { s.set("api-group", "launchTemplate", m{"id": id("api-template")}) }},
		{"rollout", "api-group", func(s stack) { s.set("api-group", "healthCheckType", "EC2") }},
		{"user-data", "api-template", func(s stack) { s.set("api-template", "userData", strings.Repeat("QUFB", 16<<10/3+1)) }},
		{"user-data", "monitoring", func(s stack) { s.set("monitoring", "userData", strings.Repeat("# ", 8<<10)) }},
		{"two-zones", "api-group", func(s stack) { s.set("api-group", "vpcZoneIdentifiers", l{id("app-a")}) }},
		{"two-zones", "redis", func(s stack) { s.set("redis", "multiAzEnabled", false) }},
		{"two-zones", "memcached", func(s stack) { s.set("memcached", "preferredAvailabilityZones", l{"us-east-1a", "us-east-1a"}) }},
		{"no-key-pair", "monitoring", func(s stack) { s.set("monitoring", "keyName", "ops") }},

		{"policy-grammar", "api-policy", func(s stack) { s.set("api-policy", "policy", "{") }},
		{"least-privilege", "api-policy", func(s stack) { s.set("api-policy", "policy", doc(allow("*", "arn:aws:s3:::example-media"))) }},
		{"least-privilege", "api-policy", func(s stack) { s.set("api-policy", "policy", doc(allow("s3:*", "arn:aws:s3:::example-media"))) }},
		{"least-privilege", "api-policy", func(s stack) { s.set("api-policy", "policy", doc(allow("ec2:Describe*", "*"))) }},
		{"least-privilege", "api-policy", func(s stack) { s.set("api-policy", "policy", doc(allow("iam:PassRole", "*"))) }},
		{"least-privilege", "api-policy", func(s stack) { s.set("api-policy", "policy", doc(allow("secretsmanager:GetSecretValue", "*"))) }},
		{"least-privilege", "api-policy", func(s stack) {
			s.set("api-policy", "policy", doc(m{"Effect": "Allow", "NotAction": "iam:CreateUser", "Resource": "arn:aws:s3:::example-media"}))
		}},
		{"named-principals", "media-policy", func(s stack) {
			s.set("media-policy", "policy", doc(m{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::example-media/*"}, onlyTLS("media")))
		}},
		{"named-principals", "media-policy", func(s stack) {
			s.set("media-policy", "policy", doc(m{"Effect": "Allow", "Principal": m{"AWS": "*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::example-media/*"}, onlyTLS("media")))
		}},
		{"named-principals", "media-policy", func(s stack) {
			s.set("media-policy", "policy", doc(m{"Effect": "Allow", "Principal": m{"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::example-media/*"}, onlyTLS("media")))
		}},
		{"named-principals", "key", func(s stack) {
			s.set("key", "policy", doc(m{"Effect": "Allow", "Principal": m{"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*"}))
		}},
		{"only-tls", "media", func(s stack) {
			s.set("media-policy", "policy", doc(m{
				"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::example-media/*", "Condition": m{"Bool": m{"aws:SecureTransport": "false"}},
			}))
		}},
		{"only-tls", "logs", func(s stack) { delete(s, "logs-policy") }},
		{"trust", "api-role", func(s stack) {
			s.set("api-role", "assumeRolePolicy", doc(m{"Effect": "Allow", "Principal": m{"AWS": "*"}, "Action": "sts:AssumeRole"}))
		}},
		{"trust", "api-role", func(s stack) {
			s.set("api-role", "assumeRolePolicy", doc(m{"Effect": "Allow", "Principal": m{"Service": "ec2.amazonaws.com"}, "Action": "sts:TagSession"}))
		}},
		{"managed-policies", "api-attachment", func(s stack) { s.set("api-attachment", "policyArn", "arn:aws:iam::aws:policy/AmazonS3FullAccess") }},

		{"no-secret-in-the-open", "migrate", func(s stack) { s.set("migrate", "environment", m{"variables": m{"PASSWORD": secret}}) }},
		{"no-secret-in-the-open", "migrate", func(s stack) { s.set("migrate", "description", "correct-horse-battery") }},
		{"no-secret-in-the-open", "api-template", func(s stack) { s.set("api-template", "userData", "cGFzc3dvcmQ6IGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==") }},
		{"no-secret-in-the-open", "monitoring", func(s stack) { s.set("monitoring", "tags", m{"key": "-----BEGIN EC PRIVATE KEY-----"}) }},
		{"no-secret-in-the-open", "monitoring", func(s stack) { s.set("monitoring", "userData", "url: postgres://owner:hunter22@postgres-01/burbn") }},
		{"no-secret-in-the-open", "migrate", func(s stack) { s.set("migrate", "description", "AKIAIOSFODNN7EXAMPLE") }},

		{"public-ingress", "world-ssh", func(s stack) {
			open(s, "world-ssh", m{"securityGroupId": id("group-nginx"), "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "description": "ssh", "cidrIpv4": "0.0.0.0/0"})
		}},
		{"public-ingress", "world-alb", func(s stack) { s.set("world-alb", "toPort", 65535) }},
		{"public-ingress", "world6", func(s stack) {
			open(s, "world6", m{"securityGroupId": id("group-api"), "ipProtocol": "-1", "description": "all", "cidrIpv6": "::/0"})
		}},
		{"flows", "nginx-postgres", func(s stack) {
			open(s, "nginx-postgres", m{
				"securityGroupId": id("group-postgres"), "referencedSecurityGroupId": id("group-nginx"), "ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432, "description": "why",
			})
		}},
		{"flows", "api-postgres", func(s stack) { s.set("api-postgres", "ipProtocol", "-1") }},
		{"flows", "api-out", func(s stack) { s.set("api-out", "fromPort", 0) }},
		{"flows", "api-out", func(s stack) { s.set("api-out", "cidrIpv4", "10.0.0.0/8") }},
		{"described", "api-out", func(s stack) { s.set("api-out", "description", nil) }},
		{"described", "group-api", func(s stack) { s.set("group-api", "description", "Managed by Pulumi") }},
		{"groups-have-no-rules-inside", "vpc-group", func(s stack) { s.set("vpc-group", "ingress", l{m{"self": true}}) }},

		{"tls", "https", func(s stack) { s.set("https", "sslPolicy", "ELBSecurityPolicy-2016-08") }},
		{"tls", "http", func(s stack) { s.set("http", "defaultActions", l{m{"type": "forward"}}) }},
		{"tls", "tcp", func(s stack) { s.set("tcp", "loadBalancerArn", id("alb")) }},
		{"cdn", "cdn", func(s stack) { s.set("cdn", "viewerCertificate", m{"cloudfrontDefaultCertificate": true}) }},
		{"cdn", "cdn", func(s stack) { s.set("cdn", "defaultCacheBehavior", m{"viewerProtocolPolicy": "allow-all"}) }},
		{"cdn", "cdn", func(s stack) { s.set("cdn", "origins", l{m{"originId": "media"}}) }},
		{"balancer-hardened", "alb", func(s stack) { s.set("alb", "dropInvalidHeaderFields", nil) }},

		{"firewall", "alb", func(s stack) { delete(s, "firewall-alb") }},
		{"firewall", "firewall-alb", func(s stack) {
			s.set("firewall-alb", "resourceArn", id("nlb"))
			s.add("firewall-both", "wafv2/webAclAssociation:WebAclAssociation", m{"webAclArn": id("firewall"), "resourceArn": id("alb")})
			s.set("firewall-alb", "webAclArn", "arn:other")
		}},
		{"group-quota", "", func(s stack) {
			for i := range 59 {
				s.add(fmt.Sprintf("again-%d", i), "vpc/securityGroupEgressRule:SecurityGroupEgressRule", m{
					"securityGroupId": id("group-api"), "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "description": "Sentry", "cidrIpv4": "0.0.0.0/0",
				})
			}
		}},
		{"alarms-wake", "alarm", func(s stack) {
			s.set("alarm", "metricQueries", l{m{"id": "share", "expression": "FILL(bad, 0) > 3"}, m{"id": "bad", "metric": m{"metricName": "Errors"}}})
		}},
		{"alarms-wake", "alarm", func(s stack) {
			s.set("alarm", "metricQueries", nil)
			s.set("alarm", "metricName", "CPUCreditBalance")
			s.set("alarm", "period", 60)
		}},
		{"alarms-wake", "alarm", func(s stack) { s.set("alarm", "datapointsToAlarm", 6) }},
		{"network-logged", "vpc", func(s stack) { s.set("vpc-flows", "trafficType", "REJECT") }},
		{"names", "alb", func(s stack) { s.set("alb", "name", "burbn-a-stack-of-a-very-long-name") }},
		{"names", "postgres-01", func(s stack) { s.set("postgres-01", "identifier", "Burbn-postgres"); delete(s, "replica-01") }},
		{"names", "media", func(s stack) { s.set("media", "bucket", "example.media") }},
		{"names", "api-role", func(s stack) { s.set("api-role", "name", strings.Repeat("a", 65)) }},
		{"names", "group-api", func(s stack) { s.set("group-api", "description", "the machines’ group") }},
		{"names-unique", "", func(s stack) { s.set("nlb", "name", "burbn-production") }},

		{"tagged", "aws", func(s stack) { s.set("aws", "defaultTags", m{"tags": m{"project": "burbn"}}) }},
		{"tagged", "api-template", func(s stack) {
			s.set("api-template", "tagSpecifications", l{m{"resourceType": "instance", "tags": m{"stack": "production"}}})
		}},
		{"parented", "alarm", func(s stack) { s["alarm"].Parent = "" }},
		{"parented", "alarm", func(s stack) { s["alarm"].Provider = ""; s.set("alarm", "alarmActions", l{"arn:other"}) }},
		{"known-services", "queue", func(s stack) { s.add("queue", "sqs/queue:Queue", m{}) }},
		{"logs-forget", "logs-group", func(s stack) { s.set("logs-group", "retentionInDays", 10) }},
		{"alarms-tell", "alarm", func(s stack) { s.set("alarm", "alarmActions", nil) }},
		{"alarms-tell", "alarm", func(s stack) { s.set("alarm", "treatMissingData", nil) }},
		{"alarms-tell", "alarm", func(s stack) { s["alarm"].Provider = "aws-eu-west-1" }},
		{"alarms-tell", "api-group", func(s stack) { delete(s, "api-rollback") }},
		{"managed-policies", "ssm", func(s stack) {
			s.add("ssm", "iam/rolePolicyAttachment:RolePolicyAttachment", m{"policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"})
			s["fleet"] = &record.Resource{Name: "fleet", Type: "burbn:aws:Fleet"}
			s["ssm"].Parent = "fleet"
		}},
		{"topics-heard", "topic", func(s stack) { delete(s, "topic-mail") }},
		{"topics-heard", "redis", func(s stack) { s.set("redis", "notificationTopicArn", id("topic")) }},
		{"topics-heard", "events", func(s stack) { s.add("events", "rds/eventSubscription:EventSubscription", m{"snsTopic": id("topic")}) }},
	} {
		t.Run(c.rule+"/"+c.resource, func(t *testing.T) {
			s := good()
			c.change(s)
			vs := guard.Check("production", production(), s.list())
			if len(vs) != 1 || vs[0].Rule != c.rule || c.resource != "" && vs[0].Resource != c.resource {
				t.Errorf("want one violation of %s by %s, got %d: %v", c.rule, c.resource, len(vs), vs)
			}
		})
		broken[c.rule] = true
	}
	for _, r := range guard.Rules() {
		if !broken[r.ID] {
			t.Errorf("no test breaks the rule %s", r.ID)
		}
		if r.Says == "" || r.Why == "" {
			t.Errorf("the rule %s does not say what it is for", r.ID)
		}
	}
}

func TestProductionIsProtected(t *testing.T) {
	vs := guard.Check("production", topology.Topology{}, nil)
	if len(vs) != 1 || vs[0].Rule != "protected" {
		t.Errorf("got %v", vs)
	}
	if vs := guard.Check("dev", topology.Topology{}, nil); len(vs) != 0 {
		t.Errorf("a stack without protection is accepted elsewhere: %v", vs)
	}
}

func TestUnprotectedStacksMayBeSmall(t *testing.T) {
	s := good()
	for _, r := range s {
		r.Protect = false
	}
	for _, c := range []struct {
		name, property string
		value          any
	}{
		{"postgres-01", "backupRetentionPeriod", 1}, {"postgres-01", "skipFinalSnapshot", true}, {"postgres-01", "deletionProtection", false},
		{"redis", "multiAzEnabled", false}, {"redis", "snapshotRetentionLimit", 0}, {"alb", "enableDeletionProtection", false},
		{"api-group", "vpcZoneIdentifiers", l{id("app-a")}}, {"media", "forceDestroy", true},
	} {
		s.set(c.name, c.property, c.value)
	}
	top := production()
	top.AWS.Protect = false
	for _, v := range guard.Check("production", top, s.list()) {
		if v.Rule != "protected" {
			t.Error(v)
		}
	}
}
