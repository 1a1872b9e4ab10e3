// Package fake makes up what the cloud answers when a resource is created, so that
// the program of the target aws runs where there is no cloud: to show what it would
// provision, and in tests. It judges nothing: an input that Amazon would refuse is
// accepted here.
package fake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const (
	// Account is the number of the account that there is not.
	Account = "123456789012"
	region  = "us-east-1"
)

// ID is the id of a resource of a logical name: what refers to it can be told by it.
func ID(name string) string { return name + ".id" }

// Outputs are the inputs of a resource together with what the cloud adds.
func Outputs(typ, name string, inputs resource.PropertyMap) resource.PropertyMap {
	out := outputs{inputs.Copy()}
	service, kind := split(typ)
	// What people call it, where it was given a name; it is a part of most ARNs.
	called := cmp.Or(out.text("name"), out.text("identifier"), out.text("bucket"), out.text("clusterId"), out.text("replicationGroupId"), name)
	out.add("name", called)
	out.add("arn", arn(service, kind, called))
	switch typ {
	case "aws:lb/loadBalancer:LoadBalancer":
		class := "app"
		if out.text("loadBalancerType") == "network" {
			class = "net"
		}
		out.add("arnSuffix", class+"/"+called+"/0123456789abcdef")
		out.add("dnsName", called+"-0123456789.elb.amazonaws.com")
		out.add("zoneId", "Z35SXDOTRQ7X7K")
	case "aws:lb/targetGroup:TargetGroup":
		out.add("arnSuffix", "targetgroup/"+called+"/0123456789abcdef")
	case "aws:rds/instance:Instance":
		out.add("address", called+".c0ffee.us-east-1.rds.amazonaws.com")
		out.add("endpoint", called+".c0ffee.us-east-1.rds.amazonaws.com:5432")
		out.set("port", resource.NewProperty(5432.0))
		out.add("resourceId", "db-"+strings.ToUpper(called))
	case "aws:elasticache/replicationGroup:ReplicationGroup":
		out.add("configurationEndpointAddress", "clustercfg."+called+".c0ffee.use1.cache.amazonaws.com")
		out.add("primaryEndpointAddress", "master."+called+".c0ffee.use1.cache.amazonaws.com")
		var members []string
		for master := range out.count("numNodeGroups") {
			for node := range 1 + out.count("replicasPerNodeGroup") {
				members = append(members, fmt.Sprintf("%s-%04d-%03d", called, master+1, node+1))
			}
		}
		out.set("memberClusters", texts(members...))
	case "aws:elasticache/cluster:Cluster":
		out.add("configurationEndpoint", called+".c0ffee.cfg.use1.cache.amazonaws.com:11211")
		out.add("clusterAddress", called+".c0ffee.cfg.use1.cache.amazonaws.com")
		var nodes []object
		for i := range out.count("numCacheNodes") {
			id := fmt.Sprintf("%04d", i+1)
			nodes = append(nodes, object{"id": id, "address": called + ".c0ffee." + id + ".use1.cache.amazonaws.com", "availabilityZone": region + "a"})
		}
		out.set("cacheNodes", list(nodes...))
	case "aws:s3/bucketV2:BucketV2", "aws:s3/bucket:Bucket":
		out.add("bucketDomainName", called+".s3.amazonaws.com")
		out.add("bucketRegionalDomainName", called+".s3.us-east-1.amazonaws.com")
	case "aws:cloudfront/distribution:Distribution":
		out.add("domainName", "d111111abcdef8.cloudfront.net")
		out.add("hostedZoneId", "Z2FDTNDATAQYW2")
	case "aws:acm/certificate:Certificate":
		var options []object
		for _, domain := range append([]string{out.text("domainName")}, out.texts("subjectAlternativeNames")...) {
			options = append(options, object{
				"domainName": domain, "resourceRecordName": "_0123456789abcdef." + domain + ".",
				"resourceRecordType": "CNAME", "resourceRecordValue": "_fedcba9876543210.acm-validations.aws.",
			})
		}
		out.set("domainValidationOptions", list(options...))
	case "aws:acm/certificateValidation:CertificateValidation":
	case "aws:route53/zone:Zone":
		out.add("zoneId", ID(name))
		out.set("nameServers", texts("ns-1.example.net", "ns-2.example.net"))
	case "aws:route53/record:Record":
		out.add("fqdn", called)
	case "aws:ec2/launchTemplate:LaunchTemplate":
		out.set("latestVersion", resource.NewProperty(version(out.it)))
		out.set("defaultVersion", resource.NewProperty(1.0))
	case "aws:ec2/instance:Instance":
		out.add("privateIp", "10.0.0.10")
		out.add("privateDns", "ip-10-0-0-10.ec2.internal")
	case "aws:ec2/vpcEndpoint:VpcEndpoint":
		out.add("prefixListId", "pl-63a5400a")
	case "aws:ec2/vpc:Vpc":
		for _, k := range []resource.PropertyKey{"defaultSecurityGroupId", "defaultNetworkAclId", "defaultRouteTableId", "mainRouteTableId"} {
			out.add(k, ID(name)+"-"+string(k))
		}
	case "aws:kms/key:Key":
		out.add("keyId", ID(name))
	case "aws:secretsmanager/secretVersion:SecretVersion":
		out.add("versionId", "made-up")
	case "aws:imagebuilder/image:Image":
		out.set("outputResources", list(object{"amis": []object{{"image": "ami-" + name + "-" + strconv.Itoa(int(version(out.it))), "region": region, "accountId": Account, "name": called}}}))
	case "aws:lambda/function:Function":
		out.add("invokeArn", arn("apigateway", "path", called))
		out.add("qualifiedArn", arn(service, kind, called)+":1")
	case "aws:lambda/invocation:Invocation":
		out.add("result", "{}")
	case "aws:serverlessrepository/cloudFormationStack:CloudFormationStack":
		out.set("outputs", resource.NewProperty(resource.PropertyMap{"RotationLambdaARN": resource.NewProperty(arn("lambda", "function", called))}))
	case "random:index/randomPassword:RandomPassword", "random:index/randomString:RandomString":
		out.it["result"] = resource.MakeSecret(resource.NewProperty("made-up-" + name))
	case "random:index/randomBytes:RandomBytes":
		out.it["hex"] = resource.MakeSecret(resource.NewProperty("made-up-" + name))
	}
	return out.it
}

// Answer is what the cloud answers to a question that changes nothing.
func Answer(token string, args resource.PropertyMap) resource.PropertyMap {
	out := outputs{args.Copy()}
	out.add("id", ID(token[strings.LastIndex(token, ":")+1:]))
	switch token {
	case "aws:index/getCallerIdentity:getCallerIdentity":
		out.add("accountId", Account)
		out.add("arn", "arn:aws:iam::"+Account+":user/nobody")
	case "aws:ec2/getAmi:getAmi":
		found := "ami-" + wanted(args)
		out.it["id"] = resource.NewProperty(found)
		out.add("imageId", found)
		out.add("arn", "arn:aws:ec2:us-east-1::image/"+found)
		out.add("rootDeviceName", "/dev/xvda")
	case "aws:route53/getZone:getZone":
		out.add("zoneId", "ZPUBLIC")
	case "aws:ec2/getPrefixList:getPrefixList", "aws:ec2/getManagedPrefixList:getManagedPrefixList":
		out.it["id"] = resource.NewProperty("pl-63a5400a")
	case "aws:s3/getObject:getObject":
		out.add("body", "{}")
	}
	return out.it
}

// wanted is the value of the first filter of a question: another image of Debian is
// another answer.
func wanted(args resource.PropertyMap) string {
	if filters := args["filters"]; filters.IsArray() && len(filters.ArrayValue()) > 0 && filters.ArrayValue()[0].IsObject() {
		filter := outputs{filters.ArrayValue()[0].ObjectValue()}
		if values := filter.texts("values"); len(values) > 0 {
			return values[0]
		}
	}
	return "debian"
}

// version is a launch template's version, or the build of a machine image: another
// number for other contents.
func version(inputs resource.PropertyMap) float64 {
	text, err := json.Marshal(inputs.Mappable())
	if err != nil {
		return 1 // an asset, which a launch template has not
	}
	h := fnv.New32a()
	h.Write(text)
	return float64(h.Sum32()%1_000_000 + 1)
}

// split is rds and instance for aws:rds/instance:Instance.
func split(typ string) (service, kind string) {
	_, module, _ := strings.Cut(typ, ":")
	module, _, _ = strings.Cut(module, ":")
	service, kind, _ = strings.Cut(module, "/")
	return service, kind
}

// arn is of the shape of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html.
func arn(service, kind, called string) string {
	where := region + ":" + Account
	what := kind + "/" + called
	switch service {
	case "s3":
		where, what = ":", called
		if kind == "bucketObjectv2" {
			what = called
		}
	case "iam":
		where = ":" + Account
		if kind == "instanceProfile" {
			what = "instance-profile/" + called
		}
	case "cloudfront":
		where = ":" + Account
	case "route53":
		where = ":"
	case "sns":
		what = called
	case "lb":
		service = "elasticloadbalancing"
		what = map[string]string{"loadBalancer": "loadbalancer", "targetGroup": "targetgroup", "listener": "listener"}[kind] + "/" + called
	case "rds":
		what = map[string]string{"instance": "db", "parameterGroup": "pg", "subnetGroup": "subgrp", "eventSubscription": "es"}[kind] + ":" + called
	case "elasticache":
		what = strings.ToLower(kind) + ":" + called
	case "cloudwatch":
		if kind == "logGroup" {
			service, what = "logs", "log-group:"+called
		} else {
			what = "alarm:" + called
		}
	case "secretsmanager":
		what = "secret:" + called + "-AbCdEf"
	case "lambda":
		what = "function:" + called
	case "autoscaling":
		what = "autoScalingGroup:0123:autoScalingGroupName/" + called
	case "ec2":
		what = map[string]string{"launchTemplate": "launch-template", "securityGroup": "security-group", "vpcEndpoint": "vpc-endpoint", "flowLog": "vpc-flow-log"}[kind]
		what = cmp.Or(what, kind) + "/" + called
	}
	return "arn:aws:" + service + ":" + where + ":" + what
}

type outputs struct{ it resource.PropertyMap }

func (o outputs) add(key resource.PropertyKey, v string) { o.set(key, resource.NewProperty(v)) }

// set gives a property a value where the inputs have none.
func (o outputs) set(key resource.PropertyKey, v resource.PropertyValue) {
	if old, given := o.it[key]; !given || old.IsNull() {
		o.it[key] = v
	}
}

func (o outputs) text(key resource.PropertyKey) string {
	if v := o.it[key]; v.IsString() {
		return v.StringValue()
	}
	return ""
}

func (o outputs) texts(key resource.PropertyKey) []string {
	var all []string
	if v := o.it[key]; v.IsArray() {
		for _, e := range v.ArrayValue() {
			if e.IsString() {
				all = append(all, e.StringValue())
			}
		}
	}
	return all
}

func (o outputs) count(key resource.PropertyKey) int {
	if v := o.it[key]; v.IsNumber() {
		return int(v.NumberValue())
	}
	return 0
}

// object is a value with named parts: texts, or lists of objects.
type object map[string]any

func list(objects ...object) resource.PropertyValue {
	var all []resource.PropertyValue
	for _, o := range objects {
		m := resource.PropertyMap{}
		for k, v := range o {
			switch v := v.(type) {
			case string:
				m[resource.PropertyKey(k)] = resource.NewProperty(v)
			case []object:
				m[resource.PropertyKey(k)] = list(v...)
			default:
				panic(fmt.Sprintf("%s is a %T", k, v))
			}
		}
		all = append(all, resource.NewProperty(m))
	}
	return resource.NewProperty(all)
}

func texts(all ...string) resource.PropertyValue {
	var vs []resource.PropertyValue
	for _, s := range all {
		vs = append(vs, resource.NewProperty(s))
	}
	return resource.NewProperty(vs)
}
