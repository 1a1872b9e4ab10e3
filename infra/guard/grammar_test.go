package guard_test

import (
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/guard"
)

// TestPolicyGrammar breaks each part of the grammar once, in a policy that permits
// nothing that another rule would refuse.
func TestPolicyGrammar(t *testing.T) {
	const at = "arn:aws:s3:::example-media/*"
	good := func() m { return m{"Sid": "Reads", "Effect": "Allow", "Action": "s3:GetObject", "Resource": at} }
	with := func(key string, v any) m {
		st := good()
		if v == nil {
			delete(st, key)
		} else {
			st[key] = v
		}
		return st
	}
	for name, c := range map[string]struct {
		policy string
		says   string // "": it is accepted
	}{
		"good":                {doc(good()), ""},
		"one statement alone": {`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}}`, ""},
		"a condition": {doc(with("Condition", m{
			"ForAnyValue:StringLikeIfExists": m{"aws:ResourceTag/stack": l{"production"}}, "Bool": m{"aws:SecureTransport": true},
		})), ""},
		"no JSON":                {`{`, "no JSON"},
		"no version":             {`{"Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}]}`, "Version"},
		"the old version":        {`{"Version":"2008-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}]}`, "Version"},
		"an element too many":    {`{"Version":"2012-10-17","Comment":"","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}]}`, "Comment"},
		"no statement":           {`{"Version":"2012-10-17","Statement":[]}`, "no Statement"},
		"a statement's key":      {doc(with("Actions", "s3:GetObject")), "Actions"},
		"no effect":              {doc(with("Effect", nil)), "Effect"},
		"a wrong effect":         {doc(with("Effect", "allow")), "Effect"},
		"a Sid with a dash":      {doc(with("Sid", "read-media")), "Sid"},
		"two Sids alike":         {doc(good(), good()), "two statements"},
		"no action":              {doc(with("Action", nil)), "Action"},
		"an action of no shape":  {doc(with("Action", "GetObject")), "no action"},
		"an action of nobody's":  {doc(with("Action", "s4:GetObject")), "nothing to do with"},
		"an action that is none": {doc(with("Action", l{"s3:GetObject", 7})), "Action"},
		"no resource":            {doc(with("Resource", nil)), "Resource"},
		"a resource of no shape": {doc(with("Resource", "example-media")), "no ARN"},
		"an ARN without account": {doc(with("Resource", "arn:aws:s3:example-media")), "no ARN"},
		"a principal":            {doc(with("Principal", m{"Service": "ec2.amazonaws.com"})), "no Principal"},
		"an unknown operator":    {doc(with("Condition", m{"StringMatches": m{"aws:SourceAccount": "1"}})), "no operator"},
		"an operator of nothing": {doc(with("Condition", m{"StringEquals": m{}})), "compares nothing"},
		"a key of no shape":      {doc(with("Condition", m{"StringEquals": m{"SourceAccount": "1"}})), "no key"},
		"too long":               {doc(with("Resource", at+strings.Repeat("x", 6144))), "accepted are 6144"},
	} {
		t.Run(name, func(t *testing.T) {
			s := stack{}
			s["aws"], s["system"] = goodStack["aws"], goodStack["system"]
			s.add("api-policy", "iam/policy:Policy", m{"policy": c.policy})
			vs := guard.Check("production", production(), s.list())
			switch {
			case c.says == "" && len(vs) > 0:
				t.Errorf("refused: %v", vs)
			case c.says != "" && (len(vs) != 1 || vs[0].Rule != "policy-grammar" || !strings.Contains(vs[0].Says, c.says)):
				t.Errorf("want one violation that says %q, got %v", c.says, vs)
			}
		})
	}
}

var goodStack = good()

// FuzzPolicy asks that no text makes the reader of policies panic.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `{"Statement":7}`, `{"Statement":[7]}`, `{"Statement":[{"Principal":7,"Action":{},"Resource":[[]],"Condition":{"a":{"b":{}}}}]}`,
		`{"Statement":{"Principal":{"AWS":7},"Action":":","Condition":7}}`, doc(allow("s3:GetObject", "*")),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, policy string) {
		s := stack{}
		for _, typ := range []string{"iam/policy:Policy", "s3/bucketPolicy:BucketPolicy", "kms/key:Key"} {
			s.add(typ, typ, m{"policy": policy})
		}
		guard.Check("dev", production(), s.list())
	})
}
