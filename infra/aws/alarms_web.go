package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// webAlarms watch the way of a request: ALB, nginx, NLB, API.
func (p Plan) webAlarms(e *Edge) []alarm {
	alb := func(name, stat string) metric {
		return metric{"AWS/ApplicationELB", name, pulumi.StringMap{"LoadBalancer": e.ALB}, stat}
	}
	targets := func(namespace, name string, balancer, group pulumi.StringOutput) metric {
		return metric{namespace, name, pulumi.StringMap{"LoadBalancer": balancer, "TargetGroup": group}, "Maximum"}
	}
	nginx := func(name string) metric { return targets("AWS/ApplicationELB", name, e.ALB, e.NginxGroup) }
	api := func(name string) metric { return targets("AWS/NetworkELB", name, e.NLB, e.APIGroup) }
	return []alarm{
		{
			name: "alb-5xx", minutes: 5, slack: 2, above: is(1), missing: quiet,
			// A request for which there was no target counts as an error but not as a request,
			// so that there may be errors alone.
			expression: share("FILL(bad, 0)", "FILL(all, 0) + FILL(bad, 0)", 100),
			metrics:    map[string]metric{"bad": alb("HTTPCode_ELB_5XX_Count", "Sum"), "all": alb("RequestCount", "Sum")},
			says: "The ALB itself fails over 1 % of the requests: it finds no nginx that answers, or not in time. " +
				"See alb-no-nginx and alb-nginx-unhealthy; if they are well, whether nginx reaches the API (nlb-no-api, nlb-api-unhealthy).",
		},
		{
			name: "api-5xx", minutes: 5, above: is(1), missing: quiet,
			expression: share("FILL(bad, 0)", "all", 100),
			metrics:    map[string]metric{"bad": alb("HTTPCode_Target_5XX_Count", "Sum"), "all": alb("RequestCount", "Sum")},
			says: "Over 1 % of the requests that nginx and the API answer fail. Sentry has the stack traces. " +
				"If a release has just gone out, roll it back: set aws.release to the id before, then pulumi up. If not, see the alarms on databases and caches.",
		},
		{
			name: "api-slow", minutes: 10, above: is(1), missing: quiet, of: alb("TargetResponseTime", "p99"),
			says: "One request in a hundred takes over 1 s, for 10 minutes. Usually a database (its cpu, latency and disk-queue alarms) " +
				"or memcached, whose losses the databases must answer; the dashboard shows which. If all are well the API is too small: see its CPU, raise aws.api.max.",
		},
		{
			name: "alb-rejected", minutes: 1, above: is(0), missing: quiet, of: alb("RejectedConnectionCount", "Sum"),
			says: "The ALB refuses connections because it has reached its limit. Is this our users or an attack? The access logs in the logs bucket tell; " +
				"against an attack lower aws.waf.requestsPer5Minutes.",
		},
		{
			name: "alb-tls", minutes: 10, missing: quiet, above: is(20),
			expression: share("FILL(bad, 0)", "all + FILL(bad, 0)", 100),
			metrics:    map[string]metric{"bad": alb("ClientTLSNegotiationErrorCount", "Sum"), "all": alb("NewConnectionCount", "Sum")},
			says: "Over 20 % of the connections fail in the TLS handshake. Scanners do that at any hour, but phones do when the certificate is wrong or over: " +
				"see it in ACM, and with openssl s_client.",
		},
		{
			name: "alb-no-nginx", minutes: 2, below: is(1), missing: silent, of: nginx("HealthyHostCount"),
			says: "The ALB has no nginx that is well: nobody can use the app. See the fleet nginx: do machines start (mail on fleets), " +
				"does /healthz answer on port 8082? After a release, roll it back.",
		},
		{
			name: "alb-nginx-unhealthy", minutes: 10, above: is(0), missing: quiet, of: nginx("UnHealthyHostCount"),
			says: "An nginx has not answered its health check for 10 minutes, and the fleet has not replaced it. " +
				"Look into its journal on the monitoring machine, then terminate it: the fleet makes another.",
		},
		{
			name: "nlb-no-api", minutes: 2, below: is(1), missing: silent, of: api("HealthyHostCount"),
			says: "The NLB has no API machine that is ready: nobody can use the app. /readyz asks the databases and caches: see their alarms first. After a release, roll it back.",
		},
		{
			name: "nlb-api-unhealthy", minutes: 10, above: is(0), missing: quiet, of: api("UnHealthyHostCount"),
			says: "An API machine has not been ready for 10 minutes, and the fleet has not replaced it. " +
				"Look into its journal on the monitoring machine, then terminate it: the fleet makes another.",
		},
		{
			name: "nlb-ports", minutes: 5, above: is(0), missing: quiet,
			of:   metric{"AWS/NetworkELB", "PortAllocationErrorCount", pulumi.StringMap{"LoadBalancer": e.NLB}, "Sum"},
			says: "The NLB runs out of ports towards the API machines: connections fail. More machines give it more: raise api.count.",
		},
		{
			// A query, so that the gateway of a zone that comes later is watched as well. It is
			// over all gateways of the account's region.
			name: "nat-ports", minutes: 5, above: is(0), missing: quiet,
			expression: `SELECT SUM(ErrorPortAllocation) FROM SCHEMA("AWS/NATGateway", NatGatewayId)`,
			says: "A NAT gateway of this account runs out of ports: machines cannot reach Apple, Sentry or Amazon's services. " +
				"What opens so many connections to one address? Pushes that are not kept open, or retries.",
		},
	}
}

// cdnAlarms watch CloudFront, in us-east-1.
func (p Plan) cdnAlarms(c *CDN) []alarm {
	of := func(name, stat string) metric {
		return metric{"AWS/CloudFront", name, pulumi.StringMap{"DistributionId": c.Distribution, "Region": pulumi.String("Global")}, stat}
	}
	return []alarm{{
		name: "cdn-5xx", minutes: 5, above: is(1), missing: quiet,
		// CloudFront's values come minutes late: none of them may be filled.
		expression: "IF(all >= 100, rate, 0)",
		metrics:    map[string]metric{"rate": of("5xxErrorRate", "Average"), "all": of("Requests", "Sum")},
		says: "Over 1 % of the photos that CloudFront is asked for fail. Its only origin is the media bucket: has the bucket's policy or the origin access control changed? " +
			"If neither, see AWS Health for S3 and CloudFront.",
	}}
}

// fleetAlarms watch whether each fleet has its machines.
func (p Plan) fleetAlarms() []alarm {
	counts := map[images.Role]int{
		images.Nginx: p.Topology.Nginx.Count, images.API: p.Topology.API.Count, images.Worker: p.Topology.Worker.Count, images.Push: p.Topology.Push.Count,
	}
	var alarms []alarm
	for _, role := range fleetRoles() {
		// A release replaces one in ten at a time; the mail on fleets tells of a machine
		// that cannot start.
		least := max(1, counts[role]*9/10)
		alarms = append(alarms, alarm{
			name: string(role) + "-machines", minutes: 10, below: is(float64(least)), missing: silent,
			of: metric{"AWS/AutoScaling", "GroupInServiceInstances", pulumi.StringMap{"AutoScalingGroupName": pulumi.String(p.resourceName(string(role)))}, "Minimum"},
			says: "The fleet " + string(role) + " has fewer machines in service than nine in ten of its count, for 10 minutes. " +
				"The group's activity says why they do not start: no capacity of the instance type in a zone, or a machine that does not boot (its journal is on the monitoring machine).",
		})
	}
	return alarms
}

// machineAlarms watch the tasks, and the machine that watches everything else.
func (p Plan) machineAlarms(m *Monitoring) []alarm {
	late := max(300, 10*p.Topology.AWS.Worker.OldestSeconds)
	return []alarm{
		{
			name: "tasks-late", minutes: 5, above: is(float64(late)), missing: silent,
			of: metric{"burbn", "OldestTaskSeconds", pulumi.StringMap{"Stack": pulumi.String(p.Stack)}, "Maximum"},
			says: "Tasks wait too long, or no worker says how long: photos stay in processing and feeds fall behind. Nothing is lost, tasks stand in PostgreSQL. " +
				"Are the workers there (worker-machines), and does the database answer? If they are busy, raise worker.count or aws.worker.max.",
		},
		{
			name: "monitoring-down", minutes: 5, above: is(0), missing: silent,
			of: metric{"AWS/EC2", "StatusCheckFailed", pulumi.StringMap{"InstanceId": m.Instance}, "Maximum"},
			says: "The monitoring machine is down: Prometheus does not watch and nobody is paged by it, CloudWatch alone is left. EC2 recovers the machine where it can. " +
				"If it has not come back, pulumi up with --replace of the instance: its data lie on a volume of their own.",
		},
	}
}
