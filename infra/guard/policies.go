package guard

import (
	"slices"
	"strings"
)

// policyRules keep permissions to what somebody needs.
func policyRules() []Rule {
	return []Rule{
		{
			ID: "policy-grammar", Says: "Every policy keeps to the grammar and to Amazon's limits of size",
			Why: "Amazon refuses some mistakes in the middle of a deployment and accepts others, which then permit nothing",
			check: func(s *State, refuse refuse) {
				limits := map[kind]int{identity: 6144, trust: 2048, resourceBased: 20480, keyPolicy: 32768, endpoint: 20480}
				inline := map[string]int{}
				for _, d := range s.documents() {
					for _, w := range d.broken {
						refuse(d.r, "%s: %s", d.at, w)
					}
					if d.size > limits[d.kind] {
						refuse(d.r, "%s has %d characters: accepted are %d", d.at, d.size, limits[d.kind])
					}
					if d.r.Type == "aws:iam/rolePolicy:RolePolicy" {
						inline[d.r.text("role")] += d.size
						if inline[d.r.text("role")] > 10240 {
							refuse(d.r, "the policies of role %s have %d characters together: accepted are 10,240", d.r.text("role"), inline[d.r.text("role")])
						}
					}
				}
			},
		},
		{
			ID: "least-privilege", Says: "No policy allows all actions, all actions of a service, or a wildcard of them on everything",
			Why: "what a machine may do, whoever takes it over may do", check: leastPrivilege,
		},
		{
			ID: "named-principals", Says: "Who is allowed something is named, and a service of Amazon's only on behalf of this account",
			Why: "other accounts can make a service ask on their behalf", check: namedPrincipals,
		},
		{
			ID: "only-tls", Says: "Every bucket refuses whoever speaks to it in the clear",
			Why: "a presigned URL is a password, and a photo is private on its way too", check: onlyTLS,
		},
		{
			ID: "trust", Says: "Roles are taken by services of Amazon's alone",
			Why: "a role that an account or a stranger may take is a way in that nobody watches", check: trusted,
		},
		{
			ID: "managed-policies", Says: "No role has a policy of Amazon's for administrators or for all of a service",
			Why: "they allow far more than anything here needs, and grow without being asked. The exception: what bakes machine images may be managed by Systems Manager " +
				"as Image Builder asks for, on a machine that lives for minutes and holds nothing",
			check: func(s *State, refuse refuse) {
				bakes := map[string]bool{}
				for _, r := range s.of(typeInfra) {
					bakes[r.Parent] = true
				}
				bad := func(arn string, bakes bool) bool {
					return strings.HasSuffix(arn, "FullAccess") || strings.HasSuffix(arn, "Access") && strings.Contains(arn, "Administrator") ||
						strings.HasSuffix(arn, "PowerUserAccess") || strings.HasSuffix(arn, "AmazonSSMManagedInstanceCore") && !bakes
				}
				for _, typ := range []string{"aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/role:Role"} {
					for _, r := range s.of(typ) {
						for _, arn := range append(r.texts("managedPolicyArns"), r.text("policyArn")) {
							if bad(arn, bakes[r.Parent]) {
								refuse(r, "%s is attached", arn)
							}
						}
					}
				}
			},
		},
	}
}

func onlyTLS(s *State, refuse refuse) {
	refuses := map[string]bool{}
	for _, d := range s.documents() {
		b, ok := s.ref(typeBucket, d.r.text("bucket"))
		if !ok || d.r.Type != "aws:s3/bucketPolicy:BucketPolicy" {
			continue
		}
		for _, st := range d.statements {
			whole := slices.ContainsFunc(st.resources, func(r string) bool { return !strings.HasSuffix(r, "/*") }) &&
				slices.ContainsFunc(st.resources, func(r string) bool { return strings.HasSuffix(r, "/*") })
			if st.effect == "Deny" && slices.Contains(st.principals["*"], "*") && slices.Equal(st.actions, []string{"s3:*"}) && whole &&
				slices.Equal(st.condition["Bool"]["aws:securetransport"], []string{"false"}) {
				refuses[b.Name] = true
			}
		}
	}
	for _, r := range s.of(typeBucket) {
		if !refuses[r.Name] {
			refuse(r, "no policy refuses s3:* on the bucket and its objects where aws:SecureTransport is false")
		}
	}
}

// sensitive are actions that are never allowed on everything, not even by their full
// name: they read what is secret or become somebody else.
var sensitive = []string{
	"iam:PassRole", "sts:AssumeRole", "secretsmanager:GetSecretValue", "s3:GetObject", "s3:PutObject", "s3:DeleteObject",
	"ssm:GetParameter", "ssm:GetParameters", "ssm:SendCommand", "ssm:StartSession", "lambda:InvokeFunction", "kms:Decrypt", "kms:GenerateDataKey",
}

func leastPrivilege(s *State, refuse refuse) {
	for _, d := range s.documents() {
		for _, st := range d.statements {
			if st.effect != "Allow" || d.kind == endpoint {
				continue // a Deny takes, and an endpoint's policy gives nothing that a role's does not
			}
			if len(st.notActions)+len(st.notResources) > 0 {
				refuse(d.r, "%s: %s allows all but something: accepted is Allow with Action and Resource", d.at, st.sid)
			}
			everything := slices.Contains(st.resources, "*") && d.kind != keyPolicy
			for _, a := range st.actions {
				_, name, _ := strings.Cut(a, ":")
				switch {
				case d.kind == keyPolicy && a == "kms:*" && st.toAccount():
					// The exception: a key whose policy leaves its own account out can be
					// mended by nobody. It hands the decision to the account's IAM policies.
				case a == "*" || name == "*":
					refuse(d.r, "%s: %s allows %s: accepted are actions by name", d.at, st.sid, a)
				case everything && strings.ContainsAny(name, "*?"):
					refuse(d.r, "%s: %s allows %s on everything: accepted is one of both without a wildcard", d.at, st.sid, a)
				case everything && len(st.condition) == 0 && slices.Contains(sensitive, a):
					refuse(d.r, "%s: %s allows %s on everything: accepted are ARNs, or a condition", d.at, st.sid, a)
				case a == "iam:PassRole" && slices.ContainsFunc(st.resources, func(r string) bool { return strings.HasSuffix(r, "role/*") }):
					refuse(d.r, "%s: %s passes on every role", d.at, st.sid)
				}
			}
			for _, r := range st.resources {
				if strings.HasPrefix(r, "arn:aws:s3:::*") || r == "arn:aws:secretsmanager:*" {
					refuse(d.r, "%s: %s is about every %s", d.at, st.sid, r)
				}
			}
		}
	}
}

// toAccount says that the statement's only principal is an account.
func (st stmt) toAccount() bool {
	who := st.principals["AWS"]
	return len(st.principals) == 1 && len(who) == 1 && strings.HasSuffix(who[0], ":root")
}

func namedPrincipals(s *State, refuse refuse) {
	for _, d := range s.documents() {
		if d.kind == identity || d.kind == trust || d.kind == endpoint {
			continue
		}
		for _, st := range d.statements {
			if st.effect != "Allow" {
				continue
			}
			if st.hasNotPrincipal {
				refuse(d.r, "%s: %s allows everybody but somebody", d.at, st.sid)
			}
			for k, who := range st.principals {
				for _, p := range who {
					switch {
					case p == "*" && d.kind == keyPolicy && st.requires("kms:CallerAccount"):
						// Whoever a service decrypts for, in this account.
					case p == "*":
						refuse(d.r, "%s: %s allows everybody: accepted are names", d.at, st.sid)
					case k != "Service" || d.kind == keyPolicy && st.requires("kms:EncryptionContext:*", "aws:SourceArn", "aws:SourceAccount"):
					case d.kind == keyPolicy:
						refuse(d.r, "%s: %s lets %s use the key for anybody: accepted is with a condition on kms:EncryptionContext, aws:SourceArn or aws:SourceAccount", d.at, st.sid, p)
					case !st.requires("aws:SourceArn", "aws:SourceAccount") && !unconditional(d, p):
						refuse(d.r, "%s: %s lets %s act for any account: accepted is with a condition on aws:SourceAccount or aws:SourceArn", d.at, st.sid, p)
					}
				}
			}
		}
	}
}

// unconditional are services that say nothing that a condition could be about, so that
// with one they would be refused. Both write what they are told to and read nothing.
func unconditional(d document, service string) bool {
	return service == "events.amazonaws.com" && strings.HasPrefix(d.r.Type, "aws:sns/") || // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
		service == "logdelivery.elasticloadbalancing.amazonaws.com" && strings.HasPrefix(d.r.Type, "aws:s3/")
}

func trusted(s *State, refuse refuse) {
	for _, d := range s.documents() {
		if d.kind != trust {
			continue
		}
		for _, st := range d.statements {
			if st.effect != "Allow" {
				continue
			}
			for k, who := range st.principals {
				if k != "Service" {
					refuse(d.r, "%s may take it: accepted are services of Amazon's", strings.Join(who, ", "))
				}
			}
			for _, a := range st.actions {
				if a != "sts:AssumeRole" {
					refuse(d.r, "it is taken by %s: accepted is sts:AssumeRole", a)
				}
			}
		}
	}
}
