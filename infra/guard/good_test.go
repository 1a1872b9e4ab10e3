package guard_test

import (
	"encoding/json"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/topology"
)

// m and l are short for the inputs of a resource.
type (
	m = map[string]any
	l = []any
)

const (
	account = "arn:aws:iam::123456789012:root"
	key     = "arn:aws:kms:us-east-1:123456789012:key/data"
)

// stack is resources by logical name, as a test changes them.
type stack map[string]*record.Resource

// add registers a resource of a component.
func (s stack) add(name, typ string, in m) *record.Resource {
	r := &record.Resource{
		Name: name, Type: "aws:" + typ, Custom: true, Parent: "system", Provider: "aws", Inputs: resource.NewPropertyMapFromMap(in),
	}
	s[name] = r
	return r
}

func (s stack) list() []record.Resource {
	var rs []record.Resource
	for _, r := range s {
		rs = append(rs, *r)
	}
	return rs
}

// set changes an input of a resource; nil takes it away.
func (s stack) set(name, property string, v any) {
	r := s[name]
	in := r.Inputs.Copy()
	if v == nil {
		delete(in, resource.PropertyKey(property))
	} else {
		in[resource.PropertyKey(property)] = resource.NewPropertyValue(v)
	}
	r.Inputs = in
}

func id(name string) string { return fake.ID(name) }

// doc is a policy's text.
func doc(statements ...m) string {
	b, err := json.Marshal(m{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// allow is a statement of a role's policy.
func allow(action any, resources any) m {
	return m{"Sid": "Allowed", "Effect": "Allow", "Action": action, "Resource": resources}
}

// onlyTLS is a statement of a bucket's policy.
func onlyTLS(bucket string) m {
	return m{
		"Sid": "OnlyTLS", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": l{"arn:aws:s3:::example-" + bucket, "arn:aws:s3:::example-" + bucket + "/*"},
		"Condition": m{"Bool": m{"aws:SecureTransport": "false"}},
	}
}

// taken lets a service take a role.
func taken(service string) string {
	return doc(m{"Effect": "Allow", "Principal": m{"Service": service}, "Action": "sts:AssumeRole"})
}

// production is a topology that protects.
func production() topology.Topology {
	return topology.Topology{AWS: topology.Cloud{Protect: true, Buckets: topology.Buckets{Logs: "example-logs"}, WAF: topology.WAF{RequestsPer5Minutes: 3000}}}
}

// good is a stack in which every rule has something to look at and nothing to refuse.
func good() stack {
	s := stack{}
	for p, region := range map[string]string{"aws": "us-east-1", "aws-eu-west-1": "eu-west-1"} {
		s[p] = &record.Resource{Name: p, Type: "pulumi:providers:aws", Custom: true, Inputs: resource.NewPropertyMapFromMap(m{
			"region": region, "defaultTags": m{"tags": m{"project": "burbn", "stack": "production"}},
		})}
	}
	s["system"] = &record.Resource{Name: "system", Type: "burbn:aws:System", Inputs: resource.PropertyMap{}}
	s.network()
	s.web()
	s.stores()
	s.machines()
	s.watching()
	return s
}

func (s stack) network() {
	s.add("vpc", "ec2/vpc:Vpc", m{"cidrBlock": "10.20.0.0/16"})
	s.add("vpc-flows", "ec2/flowLog:FlowLog", m{"vpcId": id("vpc"), "trafficType": "ALL"})
	s.add("gateway", "ec2/internetGateway:InternetGateway", m{})
	for _, zone := range []string{"a", "b"} {
		for _, tier := range []string{"public", "app", "data"} {
			name := tier + "-" + zone
			s.add(name, "ec2/subnet:Subnet", m{"availabilityZone": "us-east-1" + zone})
			s.add(name+"-table", "ec2/routeTable:RouteTable", m{})
			s.add(name+"-association", "ec2/routeTableAssociation:RouteTableAssociation", m{"routeTableId": id(name + "-table"), "subnetId": id(name)})
		}
		s.add("public-"+zone+"-route", "ec2/route:Route", m{
			"routeTableId": id("public-" + zone + "-table"), "destinationCidrBlock": "0.0.0.0/0", "gatewayId": id("gateway"),
		})
		s.add("app-"+zone+"-route", "ec2/route:Route", m{
			"routeTableId": id("app-" + zone + "-table"), "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "nat",
		})
	}
	s.add("s3", "ec2/vpcEndpoint:VpcEndpoint", m{"policy": doc(m{
		"Sid": "OurBuckets", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::example-*",
	})})
	for _, end := range []string{"alb", "nginx", "nlb", "api", "postgres"} {
		s.add("group-"+end, "ec2/securityGroup:SecurityGroup", m{"description": "Machines of " + end})
	}
	s.add("vpc-group", "ec2/defaultSecurityGroup:DefaultSecurityGroup", m{})
	in := func(name, from, to string, port int) {
		rule := m{"securityGroupId": id("group-" + to), "ipProtocol": "tcp", "fromPort": port, "toPort": port, "description": "from " + from}
		if from == "world" {
			rule["cidrIpv4"] = "0.0.0.0/0"
		} else {
			rule["referencedSecurityGroupId"] = id("group-" + from)
		}
		s.add(name, "vpc/securityGroupIngressRule:SecurityGroupIngressRule", rule)
	}
	in("world-alb", "world", "alb", 443)
	in("alb-nginx", "alb", "nginx", 8080)
	in("nginx-nlb", "nginx", "nlb", 8080)
	in("api-postgres", "api", "postgres", 5432)
	s.add("api-out", "vpc/securityGroupEgressRule:SecurityGroupEgressRule", m{
		"securityGroupId": id("group-api"), "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "description": "Sentry", "cidrIpv4": "0.0.0.0/0",
	})
	s.add("api-s3", "vpc/securityGroupEgressRule:SecurityGroupEgressRule", m{
		"securityGroupId": id("group-api"), "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "description": "photos", "prefixListId": "pl-1",
	})
	s.add("api-alb", "ec2/securityGroupRule:SecurityGroupRule", m{
		"type": "egress", "securityGroupId": id("group-api"), "protocol": "tcp", "fromPort": 5432, "toPort": 5432, "description": "databases",
		"sourceSecurityGroupId": id("group-postgres"),
	})
}

func (s stack) web() {
	s.add("alb", "lb/loadBalancer:LoadBalancer", m{
		"name": "burbn-production", "loadBalancerType": "application", "internal": false, "subnets": l{id("public-a"), id("public-b")},
		"enableDeletionProtection": true, "dropInvalidHeaderFields": true, "accessLogs": m{"enabled": true, "bucket": "example-logs"},
	})
	s.add("nlb", "lb/loadBalancer:LoadBalancer", m{
		"name": "burbn-production-api", "loadBalancerType": "network", "internal": true, "subnets": l{id("app-a"), id("app-b")}, "enableDeletionProtection": true,
	})
	s.add("https", "lb/listener:Listener", m{
		"loadBalancerArn": id("alb"), "protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06", "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
	})
	s.add("http", "lb/listener:Listener", m{
		"loadBalancerArn": id("alb"), "protocol": "HTTP", "defaultActions": l{m{"type": "redirect", "redirect": m{"protocol": "HTTPS", "statusCode": "HTTP_301"}}},
	})
	s.add("tcp", "lb/listener:Listener", m{"loadBalancerArn": id("nlb"), "protocol": "TCP"})
	s.add("firewall", "wafv2/webAcl:WebAcl", m{"rules": l{m{
		"statement": m{"rateBasedStatement": m{"limit": 3000, "evaluationWindowSec": 300, "aggregateKeyType": "IP"}}, "action": m{"block": m{}},
	}}})
	s.add("firewall-alb", "wafv2/webAclAssociation:WebAclAssociation", m{"webAclArn": id("firewall"), "resourceArn": id("alb")})
	s.add("oac", "cloudfront/originAccessControl:OriginAccessControl", m{"signingBehavior": "always"})
	s.add("cdn", "cloudfront/distribution:Distribution", m{
		"viewerCertificate":    m{"minimumProtocolVersion": "TLSv1.2_2021"},
		"defaultCacheBehavior": m{"viewerProtocolPolicy": "redirect-to-https"},
		"origins":              l{m{"originId": "media", "originAccessControlId": id("oac")}},
	})
}

func (s stack) stores() {
	s.add("parameters", "rds/parameterGroup:ParameterGroup", m{"parameters": l{m{"name": "rds.force_ssl", "value": "1"}}})
	s.add("postgres-01", "rds/instance:Instance", m{
		"identifier": "burbn-production-postgres-01", "availabilityZone": "us-east-1a", "storageEncrypted": true, "kmsKeyId": key,
		"parameterGroupName": "parameters", "backupRetentionPeriod": 14, "deleteAutomatedBackups": false, "deletionProtection": true,
		"skipFinalSnapshot": false, "finalSnapshotIdentifier": "burbn-production-postgres-01-final",
		"performanceInsightsEnabled": true, "performanceInsightsKmsKeyId": key,
	}).Protect = true
	s.add("replica-01", "rds/instance:Instance", m{
		"identifier": "burbn-production-replica-01", "availabilityZone": "us-east-1b", "replicateSourceDb": "burbn-production-postgres-01",
		"parameterGroupName": "parameters", "deletionProtection": true,
	}).Protect = true
	s.add("databases", "rds/subnetGroup:SubnetGroup", m{"subnetIds": l{id("data-a"), id("data-b")}})
	s.add("redis", "elasticache/replicationGroup:ReplicationGroup", m{
		"replicationGroupId": "burbn-production-redis", "atRestEncryptionEnabled": true, "transitEncryptionEnabled": true, "kmsKeyId": key,
		"authToken":              resource.MakeSecret(resource.NewProperty("correct-horse-battery")),
		"snapshotRetentionLimit": 7, "finalSnapshotIdentifier": "burbn-production-redis-final", "multiAzEnabled": true, "automaticFailoverEnabled": true,
	}).Protect = true
	s.add("memcached", "elasticache/cluster:Cluster", m{
		"clusterId": "burbn-production-memcached", "numCacheNodes": 2, "azMode": "cross-az", "preferredAvailabilityZones": l{"us-east-1a", "us-east-1b"},
	})
	for _, bucket := range []string{"media", "logs"} {
		s.add(bucket, "s3/bucketV2:BucketV2", m{"bucket": "example-" + bucket}).Protect = true
		s.add(bucket+"-private", "s3/bucketPublicAccessBlock:BucketPublicAccessBlock", m{
			"bucket": id(bucket), "blockPublicAcls": true, "blockPublicPolicy": true, "ignorePublicAcls": true, "restrictPublicBuckets": true,
		})
		s.add(bucket+"-ownership", "s3/bucketOwnershipControls:BucketOwnershipControls", m{"bucket": id(bucket), "rule": m{"objectOwnership": "BucketOwnerEnforced"}})
		s.add(bucket+"-encryption", "s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2", m{
			"bucket": id(bucket), "rules": l{m{"applyServerSideEncryptionByDefault": m{"sseAlgorithm": "AES256"}}},
		})
	}
	s.add("media-versioning", "s3/bucketVersioningV2:BucketVersioningV2", m{"bucket": id("media"), "versioningConfiguration": m{"status": "Enabled"}})
	s.add("media-policy", "s3/bucketPolicy:BucketPolicy", m{"bucket": id("media"), "policy": doc(m{
		"Sid": "DistributionReads", "Effect": "Allow", "Principal": m{"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject",
		"Resource": "arn:aws:s3:::example-media/*", "Condition": m{"StringEquals": m{"AWS:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E1"}},
	}, onlyTLS("media"))})
	s.add("logs-policy", "s3/bucketPolicy:BucketPolicy", m{"bucket": id("logs"), "policy": doc(onlyTLS("logs"))})
	s.add("key", "kms/key:Key", m{"enableKeyRotation": true, "deletionWindowInDays": 30, "policy": doc(
		m{"Sid": "Account", "Effect": "Allow", "Principal": m{"AWS": account}, "Action": "kms:*", "Resource": "*"},
		m{
			"Sid": "Logs", "Effect": "Allow", "Principal": m{"Service": "logs.us-east-1.amazonaws.com"}, "Action": l{"kms:Decrypt", "kms:GenerateDataKey*"}, "Resource": "*",
			"Condition": m{"ArnLike": m{"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:us-east-1:123456789012:*"}},
		},
		m{
			"Sid": "Secrets", "Effect": "Allow", "Principal": m{"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*",
			"Condition": m{"StringEquals": m{"kms:CallerAccount": "123456789012", "kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}},
		},
	)}).Protect = true
	s.add("secret", "secretsmanager/secret:Secret", m{"name": "burbn/production/redis", "kmsKeyId": key, "recoveryWindowInDays": 30})
	s.add("secret-version", "secretsmanager/secretVersion:SecretVersion", m{
		"secretString": resource.MakeSecret(resource.NewProperty(`{"password":"correct-horse-battery"}`)),
	})
}

func (s stack) machines() {
	metadata := m{"httpTokens": "required", "httpPutResponseHopLimit": 1}
	s.add("api-template", "ec2/launchTemplate:LaunchTemplate", m{
		"name": "burbn-production-api", "metadataOptions": metadata, "userData": "I2Nsb3VkLWNvbmZpZwo=",
		"blockDeviceMappings": l{m{"deviceName": "/dev/xvda", "ebs": m{"encrypted": "true"}}},
		"tagSpecifications": l{
			m{"resourceType": "instance", "tags": m{"stack": "production"}}, m{"resourceType": "volume", "tags": m{"stack": "production"}},
		},
	})
	s.add("api-group", "autoscaling/group:Group", m{
		"name": "burbn-production-api", "vpcZoneIdentifiers": l{id("app-a"), id("app-b")}, "launchTemplate": m{"id": id("api-template"), "version": "3"},
		"targetGroupArns": l{"arn"}, "healthCheckType": "ELB", "tags": l{m{"key": "role", "value": "api", "propagateAtLaunch": true}},
		"instanceRefresh": m{"strategy": "Rolling", "preferences": m{
			"autoRollback": true, "minHealthyPercentage": 90, "alarmSpecification": m{"alarms": l{"burbn-production-api-rollback"}},
		}},
	})
	s.add("api-rollback", "cloudwatch/metricAlarm:MetricAlarm", m{
		"name": "burbn-production-api-rollback", "alarmDescription": "The new release of the API fails", "treatMissingData": "notBreaching",
		"evaluationPeriods": 3, "datapointsToAlarm": 3,
	})
	s.add("api-role", "iam/role:Role", m{"name": "burbn-production-api", "assumeRolePolicy": taken("ec2.amazonaws.com")})
	s.add("api-policy", "iam/rolePolicy:RolePolicy", m{"role": id("api-role"), "policy": doc(
		allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:burbn/production/redis-AbCdEf"),
		m{"Sid": "Discovers", "Effect": "Allow", "Action": l{"ec2:DescribeInstances"}, "Resource": "*"},
	)})
	s.add("api-attachment", "iam/rolePolicyAttachment:RolePolicyAttachment", m{"policyArn": "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"})
	s.add("monitoring", "ec2/instance:Instance", m{"subnetId": id("app-a"), "metadataOptions": metadata, "rootBlockDevice": m{"encrypted": true}, "userData": "#cloud-config"})
	s.add("monitoring-data", "ebs/volume:Volume", m{"encrypted": true, "kmsKeyId": key}).Protect = true
	s.add("bake", "imagebuilder/infrastructureConfiguration:InfrastructureConfiguration", m{"instanceMetadataOptions": metadata, "subnetId": id("app-a")})
	s.add("recipe", "imagebuilder/imageRecipe:ImageRecipe", m{"blockDeviceMappings": l{m{"deviceName": "/dev/xvda", "ebs": m{"encrypted": "true"}}}})
	s.add("migrate", "lambda/function:Function", m{
		"name": "burbn-production-migrate", "vpcConfig": m{"subnetIds": l{id("app-a")}}, "environment": m{"variables": m{"LOG": "json"}},
	})
}

func (s stack) watching() {
	s.add("topic", "sns/topic:Topic", m{"name": "burbn-production-alerts", "kmsMasterKeyId": key})
	s.add("topic-policy", "sns/topicPolicy:TopicPolicy", m{"arn": id("topic"), "policy": doc(
		m{
			"Sid": "AmazonPublishes", "Effect": "Allow", "Principal": m{"Service": l{"cloudwatch.amazonaws.com"}}, "Action": "sns:Publish",
			"Resource": "arn:aws:sns:us-east-1:123456789012:topic", "Condition": m{"StringEquals": m{"aws:SourceAccount": "123456789012"}},
		},
		m{"Sid": "Events", "Effect": "Allow", "Principal": m{"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": "arn:aws:sns:us-east-1:123456789012:topic"},
	)})
	s.add("topic-mail", "sns/topicSubscription:TopicSubscription", m{"topic": id("topic"), "protocol": "email"})
	s.add("logs-group", "cloudwatch/logGroup:LogGroup", m{"name": "/aws/lambda/burbn-production-migrate", "kmsKeyId": key, "retentionInDays": 90})
	s.add("alarm", "cloudwatch/metricAlarm:MetricAlarm", m{
		"name": "burbn-production-api-5xx", "alarmDescription": "Requests fail: see Sentry", "treatMissingData": "notBreaching", "alarmActions": l{id("topic")},
		"evaluationPeriods": 5, "datapointsToAlarm": 5, "metricQueries": l{
			m{"id": "share", "expression": "100 * FILL(bad, 0) / all"}, m{"id": "bad", "metric": m{"metricName": "Errors"}}, m{"id": "all", "metric": m{"metricName": "Requests"}},
		},
	})
}
