package aws_test

import (
	"slices"
	"strings"
	"testing"
)

// buckets are the logical names of all of them.
func buckets() []string {
	return []string{"storage-uploads", "storage-media", "storage-artifacts", "storage-logs"}
}

func TestBucketsAreProtectedWhereTheStackSaysSo(t *testing.T) {
	for _, protect := range []bool{true, false} {
		top := sample()
		top.AWS.Protect = protect
		resources := recorded(t, top)
		for _, name := range buckets() {
			b := resources[name]
			if b.Protect != protect || b.RetainOnDelete != protect || flag(b, "forceDestroy") == protect {
				t.Errorf("%s: protect %t, retain %t, force %t in a stack that says %t", name, b.Protect, b.RetainOnDelete, flag(b, "forceDestroy"), protect)
			}
		}
	}
}

func TestWhatIsDeletedCanBeBroughtBack(t *testing.T) {
	resources := recorded(t, sample())
	for name, days := range map[string]float64{"storage-uploads": 30, "storage-media": 30, "storage-artifacts": 30, "storage-logs": 1} {
		var kept []float64
		for _, r := range resources[name+"-lifecycle"].Inputs["rules"].ArrayValue() {
			rule := r.ObjectValue()
			if rule["id"].StringValue() == "exports" {
				continue
			}
			if noncurrent := rule["noncurrentVersionExpiration"]; noncurrent.IsObject() {
				kept = append(kept, noncurrent.ObjectValue()["noncurrentDays"].NumberValue())
			}
			if e := rule["expiration"]; e.IsObject() && e.ObjectValue()["days"].IsNumber() && name != "storage-logs" {
				t.Errorf("%s: what is current expires: %v", name, rule)
			}
		}
		if !slices.Equal(kept, []float64{days}) {
			t.Errorf("%s: kept for %v days, not %v", name, kept, days)
		}
	}
}

func TestExportsAreGoneAfterAWeek(t *testing.T) {
	for _, r := range recorded(t, sample())["storage-uploads-lifecycle"].Inputs["rules"].ArrayValue() {
		rule := r.ObjectValue()
		if rule["id"].StringValue() != "exports" {
			continue
		}
		if rule["filter"].ObjectValue()["prefix"].StringValue() != "exports/" || rule["expiration"].ObjectValue()["days"].NumberValue() != 7 ||
			rule["noncurrentVersionExpiration"].ObjectValue()["noncurrentDays"].NumberValue() != 1 {
			t.Errorf("the rule is %v", rule)
		}
		return
	}
	t.Error("exports are kept for ever")
}

func TestOnlyTheStacksOriginsUploadFromABrowser(t *testing.T) {
	top := sample()
	rule := recorded(t, top)["storage-uploads-cors"].Inputs["corsRules"].ArrayValue()[0].ObjectValue()
	if got := rule["allowedOrigins"].ArrayValue(); len(got) != 1 || got[0].StringValue() != "https://www.example.com" {
		t.Errorf("origins are %v", got)
	}
	top.Origins = nil
	if _, ok := recorded(t, top)["storage-uploads-cors"]; ok {
		t.Error("a browser may upload though the stack names no origin")
	}
}

func TestEveryBucketRefusesPlainHTTPAndOldTLS(t *testing.T) {
	resources := recorded(t, sample())
	for _, name := range []string{"storage-uploads-policy", "cdn-bucket-policy", "storage-artifacts-policy", "storage-logs-policy"} {
		refused := map[string]bool{}
		for _, s := range policyOf(t, resources[name]).Statement {
			if s.Effect == "Deny" && s.Principal == "*" && s.Action == "s3:*" {
				refused["plain"] = refused["plain"] || s.Condition["Bool"]["aws:SecureTransport"] == "false"
				refused["old"] = refused["old"] || s.Condition["NumericLessThan"]["s3:TlsVersion"] == "1.2"
			}
		}
		if !refused["plain"] || !refused["old"] {
			t.Errorf("%s refuses %v", name, refused)
		}
	}
}

func TestLogsAreDeliveredToTheirFolders(t *testing.T) {
	resources := recorded(t, sample())
	allowed := map[string]string{}
	for _, s := range policyOf(t, resources["storage-logs-policy"]).Statement {
		if s.Effect != "Allow" {
			continue
		}
		service := s.Principal.(map[string]any)["Service"].(string)
		allowed[service] = s.Resource.(string)
		if service == "delivery.logs.amazonaws.com" && s.Condition["StringEquals"]["aws:SourceAccount"] != "123456789012" {
			t.Errorf("%s delivers for any account", service)
		}
	}
	if len(allowed) != 2 {
		t.Errorf("delivering: %v", allowed)
	}
	// What writes, and where the policy lets it.
	alb := resources["edge-alb"].Inputs["accessLogs"].ObjectValue()
	if at := allowed["logdelivery.elasticloadbalancing.amazonaws.com"]; !strings.HasSuffix(at, "/"+alb["prefix"].StringValue()+"/AWSLogs/123456789012/*") {
		t.Errorf("the ALB writes to %v and may to %s", alb, at)
	}
	destination := resources["cdn-log-destination"].Inputs["deliveryDestinationConfiguration"].ObjectValue()["destinationResourceArn"].StringValue()
	if at := allowed["delivery.logs.amazonaws.com"]; destination == "" || at != destination+"/*" {
		t.Errorf("the distribution writes to %s and may to %s", destination, at)
	}
	for _, name := range []string{"cdn-log-source", "cdn-log-destination", "cdn-log-delivery", "cdn-certificate", "cdn-certificate-issued"} {
		if got := resources[name].Provider; got != "aws-us-east-1" {
			t.Errorf("%s is in the region of %q: CloudFront's are in us-east-1", name, got)
		}
	}
}

func TestTheDistributionHasOurNameAndModernTLS(t *testing.T) {
	resources := recorded(t, sample())
	d := resources["cdn-distribution"]
	if !slices.Equal(texts(d, "aliases"), []string{"media.example.com"}) || !flag(d, "isIpv6Enabled") || text(d, "httpVersion") != "http2and3" {
		t.Errorf("the distribution: %v", d.Inputs)
	}
	certificate := d.Inputs["viewerCertificate"].ObjectValue()
	if certificate["minimumProtocolVersion"].StringValue() != "TLSv1.2_2021" || !slices.Contains(d.DependsOn, "cdn-certificate-issued") {
		t.Errorf("the certificate: %v of %v", certificate, d.DependsOn)
	}
	if text(resources["cdn-certificate"], "domainName") != "media.example.com" || text(resources["edge-certificate"], "domainName") != "api.example.com" {
		t.Error("a certificate is another domain's")
	}
}
