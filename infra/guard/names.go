package guard

import (
	"regexp"
	"strings"
)

// name is what Amazon accepts for a name: one row of the table.
type name struct {
	typ, property string
	least, most   int
	shape         *regexp.Regexp
	unless        string // property that stands in for it
}

var (
	alphanumericDash = regexp.MustCompile(`^[A-Za-z0-9](-?[A-Za-z0-9])*$`)   // no dash at either end, no two
	lowerDash        = regexp.MustCompile(`^[a-z](-?[a-z0-9])*$`)            // the same, in lower case, a letter first
	bucketName       = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`) // without dots, which TLS does not accept
	iamName          = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]+$`)
	wordDash         = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	template         = regexp.MustCompile(`^[A-Za-z0-9().\-/_]+$`)
	printable        = regexp.MustCompile(`^[\x20-\x7E]+$`)
	secretName       = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]*[A-Za-z0-9/_+=.@]$`)
	logName          = regexp.MustCompile(`^[A-Za-z0-9._/#-]+$`)
	aliasName        = regexp.MustCompile(`^alias/[A-Za-z0-9/_-]+$`)
	describing       = regexp.MustCompile(`^[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*$`) // of a security group and its rules
	subnetGroupName  = regexp.MustCompile(`^[a-z0-9 ._-]+$`)
	builderName      = regexp.MustCompile(`^[-_A-Za-z-0-9][-_A-Za-z0-9 ]*[-_A-Za-z-0-9]$`)
	budgetName       = regexp.MustCompile(`^[^:\\]+$`)
)

// names is the table, from the API reference of each service. Where a name is not
// given, Pulumi makes one: the logical name and seven digits more.
func names() []name {
	return []name{
		{"aws:lb/loadBalancer:LoadBalancer", "name", 1, 32, alphanumericDash, "namePrefix"},
		{"aws:lb/targetGroup:TargetGroup", "name", 1, 32, alphanumericDash, "namePrefix"},
		{typeDatabase, "identifier", 1, 63, lowerDash, "identifierPrefix"},
		{"aws:rds/parameterGroup:ParameterGroup", "name", 1, 255, lowerDash, "namePrefix"},
		{"aws:rds/subnetGroup:SubnetGroup", "name", 1, 255, subnetGroupName, "namePrefix"},
		{typeRedis, "replicationGroupId", 1, 40, lowerDash, ""},
		{typeMemcached, "clusterId", 1, 50, lowerDash, ""},
		{"aws:elasticache/parameterGroup:ParameterGroup", "name", 1, 255, lowerDash, ""},
		{"aws:elasticache/subnetGroup:SubnetGroup", "name", 1, 255, subnetGroupName, ""},
		{typeBucket, "bucket", 3, 63, bucketName, "bucketPrefix"},
		{"aws:iam/role:Role", "name", 1, 64, iamName, "namePrefix"},
		{"aws:iam/policy:Policy", "name", 1, 128, iamName, "namePrefix"},
		{"aws:iam/rolePolicy:RolePolicy", "name", 1, 128, iamName, "namePrefix"},
		{"aws:iam/instanceProfile:InstanceProfile", "name", 1, 128, iamName, "namePrefix"},
		{typeFunction, "name", 1, 64, wordDash, ""},
		{typeTopic, "name", 1, 256, wordDash, "namePrefix"},
		{"aws:cloudwatch/metricAlarm:MetricAlarm", "name", 1, 255, printable, ""},
		{"aws:cloudwatch/dashboard:Dashboard", "dashboardName", 1, 255, wordDash, ""},
		{"aws:cloudwatch/eventRule:EventRule", "name", 1, 64, regexp.MustCompile(`^[.\-_A-Za-z0-9]+$`), "namePrefix"},
		{typeLogGroup, "name", 1, 512, logName, "namePrefix"},
		{typeSecret, "name", 1, 512, secretName, "namePrefix"},
		{typeTemplate, "name", 3, 128, template, "namePrefix"},
		{typeGroup, "name", 1, 255, printable, "namePrefix"},
		{"aws:ec2/securityGroup:SecurityGroup", "name", 1, 255, describing, "namePrefix"},
		{"aws:ec2/securityGroup:SecurityGroup", "description", 1, 255, describing, "name"},
		{"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "description", 1, 255, describing, "securityGroupId"},
		{"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "description", 1, 255, describing, "securityGroupId"},
		{"aws:kms/alias:Alias", "name", 7, 256, aliasName, "namePrefix"},
		{"aws:cloudfront/originAccessControl:OriginAccessControl", "name", 1, 64, printable, ""},
		{"aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy", "name", 1, 128, printable, ""},
		{"aws:imagebuilder/component:Component", "name", 3, 126, builderName, ""},
		{typeRecipe, "name", 3, 126, builderName, ""},
		{typeInfra, "name", 3, 126, builderName, ""},
		{"aws:imagebuilder/distributionConfiguration:DistributionConfiguration", "name", 3, 126, builderName, ""},
		{"aws:budgets/budget:Budget", "name", 1, 100, budgetName, "namePrefix"},
		{"aws:autoscaling/policy:Policy", "name", 1, 255, printable, ""},
	}
}

// madeUp stands for what Pulumi adds to a logical name.
const madeUp = "-0123456"

// nameRules keep names to what Amazon accepts.
func nameRules() []Rule {
	return []Rule{
		{
			ID: "names", Says: "Every name and description is one that Amazon accepts, in its length and its letters",
			Why:   "Amazon refuses the others in the middle of a deployment, and only for the stack whose own name is long",
			check: namesAccepted,
		},
		{
			ID: "names-unique", Says: "No two resources of a type have one name in one region",
			Why: "the second is refused, or silently takes over the first",
			check: func(s *State, refuse refuse) {
				taken := map[string]string{}
				for _, n := range names() {
					if n.property == "description" {
						continue
					}
					for _, r := range s.of(n.typ) {
						v := r.text(n.property)
						key := strings.Join([]string{n.typ, r.Provider, r.text("role"), v}, " ")
						if other, ok := taken[key]; ok && v != "" {
							refuse(r, "%s %s is %s's too", n.property, v, other)
						}
						taken[key] = r.Name
					}
				}
			},
		},
	}
}

func namesAccepted(s *State, refuse refuse) {
	for _, n := range names() {
		for _, r := range s.of(n.typ) {
			v := r.text(n.property)
			if v == "" {
				if n.unless != "" && r.at(n.unless) != nil {
					continue
				}
				v = r.Name + madeUp
			}
			switch {
			case len(v) < n.least || len(v) > n.most:
				refuse(r, "%s %q has %d characters: accepted are %d to %d", n.property, trimmed(v), len(v), n.least, n.most)
			case !n.shape.MatchString(v):
				refuse(r, "%s %q is not accepted: accepted is %s", n.property, trimmed(v), n.shape)
			}
		}
	}
}
