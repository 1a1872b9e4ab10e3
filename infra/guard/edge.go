package guard

import (
	"slices"
	"strings"
)

// edgeRules keep what faces the world up to date.
func edgeRules() []Rule {
	return []Rule{
		{
			ID: "tls", Says: "The ALB speaks TLS 1.2 or newer by a modern policy, and HTTP only sends on to it",
			Why: "tokens are worth as much as passwords", check: listeners,
		},
		{
			ID: "cdn", Says: "CloudFront speaks TLS 1.2 or newer, only over HTTPS, and reads buckets as nobody else can",
			Why: "photos are private to their viewers, and the bucket to the distribution", check: distributions,
		},
		{
			ID: "balancer-hardened", Says: "The ALB drops what is not HTTP and keeps a log of requests",
			Why: "a malformed header means one thing to the ALB and another to nginx",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of(typeBalancer) {
					if r.text("loadBalancerType") != "application" {
						continue
					}
					if !r.on("dropInvalidHeaderFields") {
						refuse(r, "dropInvalidHeaderFields is not true")
					}
					if !r.on("accessLogs.enabled") {
						refuse(r, "accessLogs.enabled is not true")
					}
				}
			},
		},
		{
			ID: "firewall", Says: "Where the stack limits requests, a firewall that refuses what is above the limit stands before the ALB",
			Why: "a limit that is counted, or belongs to no balancer, limits nobody", check: firewall,
		},
	}
}

func firewall(s *State, refuse refuse) {
	limit := s.topology.AWS.WAF.RequestsPer5Minutes
	if limit == 0 {
		return
	}
	guarded := map[string]bool{}
	for _, r := range s.of("aws:wafv2/webAclAssociation:WebAclAssociation") {
		acl, ok := s.ref("aws:wafv2/webAcl:WebAcl", r.text("webAclArn"))
		balancer, known := s.ref(typeBalancer, r.text("resourceArn"))
		if !ok || !known {
			refuse(r, "it joins no balancer of this stack's with a firewall of this stack's")
			continue
		}
		if slices.ContainsFunc(acl.list("rules"), func(rule any) bool {
			most, _ := at(rule, "statement.rateBasedStatement.limit").(float64)
			window, _ := at(rule, "statement.rateBasedStatement.evaluationWindowSec").(float64)
			return most == float64(limit) && window == 300 && at(rule, "action.block") != nil
		}) {
			guarded[balancer.Name] = true
		} else {
			refuse(acl, "it does not block above %d requests in 300 seconds", limit)
		}
	}
	for _, r := range s.of(typeBalancer) {
		if r.text("loadBalancerType") == "application" && !r.on("internal") && !guarded[r.Name] {
			refuse(r, "it faces the internet without a firewall, and the stack limits an address to %d requests in five minutes", limit)
		}
	}
}

// modern says whether a policy of the ALB's refuses all below TLS 1.2.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
func modern(policy string) bool {
	return strings.HasPrefix(policy, "ELBSecurityPolicy-TLS13-1-2-") || strings.HasPrefix(policy, "ELBSecurityPolicy-TLS13-1-3-")
}

func listeners(s *State, refuse refuse) {
	for _, r := range s.of("aws:lb/listener:Listener") {
		switch protocol := r.text("protocol"); protocol {
		case "HTTPS", "TLS":
			if !modern(r.text("sslPolicy")) {
				refuse(r, "sslPolicy is %q: accepted is ELBSecurityPolicy-TLS13-1-2-* or newer", r.text("sslPolicy"))
			}
			if r.text("certificateArn") == "" {
				refuse(r, "it has no certificateArn")
			}
		case "HTTP":
			for _, a := range r.list("defaultActions") {
				if text(a, "type") != "redirect" || text(a, "redirect.protocol") != "HTTPS" {
					refuse(r, "it answers in the clear by %s: accepted is a redirect to HTTPS", text(a, "type"))
				}
			}
		case "TCP":
			if b, ok := s.ref(typeBalancer, r.text("loadBalancerArn")); !ok || !b.on("internal") {
				refuse(r, "it passes plain TCP on from the world")
			}
		default:
			refuse(r, "protocol is %q: accepted is HTTPS, HTTP that redirects, TLS, or TCP inside", protocol)
		}
	}
}

func distributions(s *State, refuse refuse) {
	for _, r := range s.of("aws:cloudfront/distribution:Distribution") {
		if v := r.text("viewerCertificate.minimumProtocolVersion"); v != "TLSv1.2_2021" && v != "TLSv1.2_2025" && v != "TLSv1.3_2025" {
			refuse(r, "viewerCertificate.minimumProtocolVersion is %q: accepted is TLSv1.2_2021 or newer", v)
		}
		for _, b := range append(r.list("orderedCacheBehaviors"), r.list("defaultCacheBehavior")...) {
			if v := text(b, "viewerProtocolPolicy"); v != "redirect-to-https" && v != "https-only" {
				refuse(r, "viewerProtocolPolicy is %q: accepted is redirect-to-https or https-only", v)
			}
		}
		for _, o := range r.list("origins") {
			if _, ok := s.ref("aws:cloudfront/originAccessControl:OriginAccessControl", text(o, "originAccessControlId")); !ok {
				refuse(r, "the origin %s is read without origin access control", text(o, "originId"))
			}
		}
	}
	for _, r := range s.of("aws:cloudfront/originAccessControl:OriginAccessControl") {
		if r.text("signingBehavior") != "always" {
			refuse(r, "signingBehavior is %q: accepted is always", r.text("signingBehavior"))
		}
	}
}
