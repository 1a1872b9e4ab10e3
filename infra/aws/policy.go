package aws

import "encoding/json"

// statement is a statement of a policy, or a part of one, in the grammar of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type statement map[string]any

// policy is the document of the statements. The same statements make the same text.
func policy(statements ...statement) (string, error) {
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(b), err
}

// servedBy lets one of Amazon's services take a role on behalf of a source in this
// account, so that no other account can have the service do it (a confused deputy).
func servedBy(service, account, source string) (string, error) {
	return policy(statement{
		"Sid":       "ServiceOfThisAccount",
		"Effect":    "Allow",
		"Principal": statement{"Service": service},
		"Action":    "sts:AssumeRole",
		"Condition": statement{
			"StringEquals": statement{"aws:SourceAccount": account},
			"ArnLike":      statement{"aws:SourceArn": source},
		},
	})
}

// onlyTLS refuses everybody who speaks to a bucket in the clear.
func onlyTLS(bucket string) statement {
	return statement{
		"Sid":       "OnlyTLS",
		"Effect":    "Deny",
		"Principal": "*",
		"Action":    "s3:*",
		"Resource":  []string{bucket, bucket + "/*"},
		"Condition": statement{"Bool": statement{"aws:SecureTransport": "false"}},
	}
}

// onlyModernTLS refuses everybody who speaks to a bucket in a TLS older than 1.2.
func onlyModernTLS(bucket string) statement {
	return statement{
		"Sid":       "OnlyModernTLS",
		"Effect":    "Deny",
		"Principal": "*",
		"Action":    "s3:*",
		"Resource":  []string{bucket, bucket + "/*"},
		"Condition": statement{"NumericLessThan": statement{"s3:TlsVersion": "1.2"}},
	}
}
