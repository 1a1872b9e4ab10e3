package guard

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The grammar of policies is small and this is all of it that the stack's policies
// need to be held against. Libraries were looked at: liamg/iamgo and
// micahhausler/aws-iam-policy read and write policies and validate nothing (the
// latter says so), and what AWS itself offers, Access Analyzer, needs an account.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html

// kind is where a policy stands, which decides what it must and must not hold.
type kind string

const (
	identity      kind = "identity" // of a role: no principal, who it is is clear
	trust         kind = "trust"    // who may take a role: no resource, it is the role
	resourceBased kind = "resource"
	keyPolicy     kind = "key"      // of a KMS key: resource "*" is the key
	endpoint      kind = "endpoint" // of a VPC endpoint: it only narrows
)

// document is a policy, read.
type document struct {
	r          Resource
	at         string // property
	kind       kind
	size       int // without white space, as IAM counts
	statements []stmt
	broken     []string // against the grammar
}

// stmt is a statement with all values as lists.
type stmt struct {
	sid, effect                   string
	actions, notActions           []string
	resources, notResources       []string
	principals                    map[string][]string // "*" stands under "*"
	condition                     map[string]map[string][]string
	hasPrincipal, hasNotPrincipal bool
}

var (
	action        = regexp.MustCompile(`^[a-z0-9-]+:[A-Za-z0-9*?]+$`)
	arnShape      = regexp.MustCompile(`^arn:(aws|\*):[a-z0-9-]+:[a-z0-9*?-]*:([0-9]{12}|[*?]|aws|)*:.+$`)
	accountNumber = regexp.MustCompile(`^[0-9]{12}$`)
	sidShape      = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	conditionKey  = regexp.MustCompile(`^[A-Za-z0-9-]+:[A-Za-z0-9:/_.${}-]+$`)
	servicePart   = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com$`)
)

// prefixes are the services that this system has to do with, as actions name them.
var prefixes = []string{
	"acm", "autoscaling", "budgets", "cloudformation", "cloudfront", "cloudwatch", "ec2", "ec2messages", "elasticache", "elasticloadbalancing",
	"events", "iam", "imagebuilder", "kms", "lambda", "logs", "rds", "route53", "s3", "secretsmanager", "sns", "ssm", "ssmmessages", "sts", "tag", "xray",
}

// operators of conditions, without ForAllValues:, ForAnyValue: and IfExists.
var operators = []string{
	"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "BinaryEquals", "Bool",
	"DateEquals", "DateGreaterThan", "DateGreaterThanEquals", "DateLessThan", "DateLessThanEquals", "DateNotEquals",
	"IpAddress", "NotIpAddress", "Null",
	"NumericEquals", "NumericGreaterThan", "NumericGreaterThanEquals", "NumericLessThan", "NumericLessThanEquals", "NumericNotEquals",
	"StringEquals", "StringEqualsIgnoreCase", "StringLike", "StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike",
}

// documents are all policies of the stack.
func (s *State) documents() []document {
	var ds []document
	for _, place := range []struct {
		typ, path string
		kind      kind
	}{
		{"aws:iam/role:Role", "assumeRolePolicy", trust},
		{"aws:iam/policy:Policy", "policy", identity},
		{"aws:iam/rolePolicy:RolePolicy", "policy", identity},
		{"aws:s3/bucketPolicy:BucketPolicy", "policy", resourceBased},
		{"aws:sns/topicPolicy:TopicPolicy", "policy", resourceBased},
		{"aws:sns/topic:Topic", "policy", resourceBased},
		{"aws:secretsmanager/secretPolicy:SecretPolicy", "policy", resourceBased},
		{"aws:secretsmanager/secret:Secret", "policy", resourceBased},
		{"aws:cloudwatch/logResourcePolicy:LogResourcePolicy", "policyDocument", resourceBased},
		{"aws:kms/key:Key", "policy", keyPolicy},
		{"aws:ec2/vpcEndpoint:VpcEndpoint", "policy", endpoint},
	} {
		for _, r := range s.of(place.typ) {
			if r.at(place.path) != nil {
				ds = append(ds, parse(r, place.path, place.kind, r.text(place.path)))
			}
		}
	}
	for _, r := range s.of("aws:iam/role:Role") {
		for i, p := range r.list("inlinePolicies") {
			ds = append(ds, parse(r, fmt.Sprintf("inlinePolicies[%d]", i), identity, text(p, "policy")))
		}
	}
	return ds
}

// parse reads a policy. What breaks the grammar is noted, and the rest read.
func parse(r Resource, at string, k kind, doc string) document {
	d := document{r: r, at: at, kind: k}
	wrong := func(format string, args ...any) { d.broken = append(d.broken, fmt.Sprintf(format, args...)) }
	for _, c := range doc {
		if !strings.ContainsRune(" \t\n\r", c) {
			d.size++
		}
	}
	var top map[string]any
	if err := json.Unmarshal([]byte(doc), &top); err != nil {
		wrong("it is no JSON object: %v", err)
		return d
	}
	for key := range top {
		if !slices.Contains([]string{"Version", "Id", "Statement"}, key) {
			wrong("%s is no element of a policy: accepted is Version, Id or Statement", key)
		}
	}
	if top["Version"] != "2012-10-17" {
		wrong("Version is %v: accepted is 2012-10-17", top["Version"])
	}
	statements := list(top["Statement"])
	if len(statements) == 0 {
		wrong("it has no Statement")
	}
	sids := map[string]bool{}
	for i, v := range statements {
		m, ok := v.(map[string]any)
		if !ok {
			wrong("statement %d is no object", i)
			continue
		}
		st := d.statement(i, m, wrong)
		if st.sid != "" && sids[st.sid] {
			wrong("two statements have the Sid %s", st.sid)
		}
		sids[st.sid] = true
		d.statements = append(d.statements, st)
	}
	return d
}

func (d *document) statement(i int, m map[string]any, wrong func(string, ...any)) stmt {
	name := fmt.Sprintf("statement %d", i)
	if sid, ok := m["Sid"].(string); ok && sid != "" {
		name = "statement " + sid
		if !sidShape.MatchString(sid) && d.kind != resourceBased {
			wrong("%s: a Sid consists of letters and digits", name)
		}
	}
	strs := func(key string) []string {
		v, said := m[key]
		ts := texts(v)
		if said && (len(ts) == 0 || len(ts) != len(list(v))) {
			wrong("%s: %s is neither a text nor a list of texts", name, key)
		}
		return ts
	}
	st := stmt{principals: map[string][]string{}, condition: map[string]map[string][]string{}}
	st.sid, _ = m["Sid"].(string)
	st.effect, _ = m["Effect"].(string)
	st.actions, st.notActions = strs("Action"), strs("NotAction")
	st.resources, st.notResources = strs("Resource"), strs("NotResource")
	_, st.hasPrincipal = m["Principal"]
	_, st.hasNotPrincipal = m["NotPrincipal"]
	for key := range m {
		if !slices.Contains([]string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}, key) {
			wrong("%s: %s is no element of a statement", name, key)
		}
	}
	if st.effect != "Allow" && st.effect != "Deny" {
		wrong("%s: Effect is %q: accepted is Allow or Deny", name, st.effect)
	}
	if (len(st.actions) == 0) == (len(st.notActions) == 0) {
		wrong("%s: accepted is one of Action and NotAction", name)
	}
	for _, a := range append(slices.Clone(st.actions), st.notActions...) {
		service, _, _ := strings.Cut(a, ":")
		switch {
		case a == "*":
		case !action.MatchString(strings.ToLower(service) + a[len(service):]):
			wrong("%s: %q is no action: accepted is service:Name", name, a)
		case !slices.Contains(prefixes, strings.ToLower(service)):
			wrong("%s: %q is of a service that this system has nothing to do with", name, a)
		}
	}
	switch hasResource := len(st.resources)+len(st.notResources) > 0; {
	case d.kind == trust && hasResource:
		wrong("%s: who may take a role is said without Resource", name)
	case d.kind != trust && (len(st.resources) == 0) == (len(st.notResources) == 0):
		wrong("%s: accepted is one of Resource and NotResource", name)
	}
	for _, r := range append(slices.Clone(st.resources), st.notResources...) {
		if r != "*" && !arnShape.MatchString(r) {
			wrong("%s: %q is no ARN", name, r)
		}
	}
	switch has := st.hasPrincipal || st.hasNotPrincipal; {
	case d.kind == identity && has:
		wrong("%s: the policy of a role has no Principal", name)
	case d.kind != identity && !has:
		wrong("%s: it has no Principal", name)
	}
	d.principals(name, m["Principal"], &st, wrong)
	d.conditions(name, m["Condition"], &st, wrong)
	return st
}

func (d *document) principals(name string, v any, st *stmt, wrong func(string, ...any)) {
	switch p := v.(type) {
	case nil:
	case string:
		if p != "*" {
			wrong("%s: Principal is %q: accepted is \"*\" or an object", name, p)
		}
		st.principals["*"] = []string{p}
	case map[string]any:
		for k, v := range p {
			st.principals[k] = texts(v)
			for _, who := range texts(v) {
				switch {
				case k == "Service" && !servicePart.MatchString(who):
					wrong("%s: %q is no service of Amazon's", name, who)
				case k == "AWS" && who != "*" && !arnShape.MatchString(who) && !accountNumber.MatchString(who):
					wrong("%s: %q is no account, user or role", name, who)
				case !slices.Contains([]string{"Service", "AWS", "Federated", "CanonicalUser"}, k):
					wrong("%s: %s is no kind of principal", name, k)
				}
			}
			if len(texts(v)) == 0 {
				wrong("%s: Principal.%s names nobody", name, k)
			}
		}
	default:
		wrong("%s: Principal is neither \"*\" nor an object", name)
	}
}

func (d *document) conditions(name string, v any, st *stmt, wrong func(string, ...any)) {
	if v == nil {
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		wrong("%s: Condition is no object", name)
		return
	}
	for op, keys := range m {
		bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(op, "ForAllValues:"), "ForAnyValue:"), "IfExists")
		if !slices.Contains(operators, bare) {
			wrong("%s: %s is no operator of a condition", name, op)
		}
		km, ok := keys.(map[string]any)
		if !ok || len(km) == 0 {
			wrong("%s: %s compares nothing", name, op)
			continue
		}
		st.condition[op] = map[string][]string{}
		for key, value := range km {
			if !conditionKey.MatchString(key) {
				wrong("%s: %q is no key of a condition", name, key)
			}
			var vs []string
			for _, e := range list(value) {
				vs = append(vs, fmt.Sprint(e))
			}
			if len(vs) == 0 {
				wrong("%s: %s is compared with nothing", name, key)
			}
			st.condition[op][strings.ToLower(key)] = vs
		}
	}
}

// requires says whether the statement holds only where a condition key equals or is
// like something narrower than everything.
func (st stmt) requires(keys ...string) bool {
	for op, conditions := range st.condition {
		if !slices.Contains([]string{"StringEquals", "StringLike", "ArnEquals", "ArnLike", "StringEqualsIgnoreCase"}, op) {
			continue
		}
		for key, values := range conditions {
			if !slices.Contains(values, "*") && slices.ContainsFunc(keys, func(k string) bool {
				return strings.EqualFold(k, key) || strings.HasSuffix(k, "*") && strings.HasPrefix(key, strings.ToLower(strings.TrimSuffix(k, "*")))
			}) {
				return true
			}
		}
	}
	return false
}
