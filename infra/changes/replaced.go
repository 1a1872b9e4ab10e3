package changes

import "strings"

// Replaced says in a few words what it does to those who use a resource when it is made
// anew, beyond that its id is another one; empty: nothing that they notice, or that it
// holds data, which is worse and said by HoldsData.
func Replaced(typ string) string {
	return map[string]string{
		"aws:ec2/instance:Instance":                   "the machine is made anew: minutes without it",
		"aws:ec2/natGateway:NatGateway":               "connections through it break, and its public address may change",
		"aws:elasticache/cluster:Cluster":             "the cache starts anew, empty: misses until it is warm again",
		"aws:lambda/invocation:Invocation":            "the function is called again",
		"aws:lb/loadBalancer:LoadBalancer":            "clients follow its name to another address, within the time that DNS keeps it",
		"aws:lb/targetGroup:TargetGroup":              "no target is healthy until its first checks have passed",
		"aws:ec2/subnet:Subnet":                       "a subnet goes only when nothing stands in it any more",
		"aws:ec2/vpc:Vpc":                             "everything stands in it and is made anew",
		"aws:sns/topicSubscription:TopicSubscription": "an address has to confirm again by the mail that it gets",
	}[typ]
}

// NamedByUs says that the ARN and the endpoints of a resource of the type follow from
// the name that we give it: made anew under its name it is found where it was.
func NamedByUs(typ string) bool {
	for _, service := range []string{"aws:iam/", "aws:s3/", "aws:sns/topic:", "aws:lambda/function:", "aws:cloudwatch/", "aws:rds/", "aws:elasticache/", "aws:autoscaling/"} {
		if strings.HasPrefix(typ, service) {
			return true
		}
	}
	return false
}
