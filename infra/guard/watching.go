package guard

import (
	"regexp"
	"slices"
	"strings"
)

const typeAlarm = "aws:cloudwatch/metricAlarm:MetricAlarm"

// watchRules keep what is there to be noticed such that it is.
func watchRules() []Rule {
	return []Rule{
		{
			ID: "alarms-wake", Says: "Every alarm sees values as often as Amazon has them, and waits for those that come late",
			Why: "an expression that fills all gaps is well for the newest minutes, and one that looks at a five-minute metric every minute for most: neither ever sounds",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of(typeAlarm) {
					n, m := r.number("evaluationPeriods"), r.number("datapointsToAlarm")
					if m == 0 {
						m = n // as Amazon takes it
					}
					if m > n || n == 0 {
						refuse(r, "datapointsToAlarm is %v of evaluationPeriods %v", m, n)
					}
					if m == n && filledWhole(r) {
						refuse(r, "its expression fills every metric and asks for %v of %v values: accepted is fewer of more, or a metric that is not filled", m, n)
					}
					metrics := append(r.list("metricQueries"), r.in)
					for _, q := range metrics {
						name, period := text(q, "metricName"), at(q, "period")
						if of := at(q, "metric"); of != nil {
							name, period = text(of, "metricName"), at(of, "period")
						}
						if seconds, _ := period.(float64); strings.HasPrefix(name, "CPUCredit") && seconds < 300 {
							refuse(r, "%s is looked at every %v seconds: accepted is 300, for it is counted every five minutes", name, seconds)
						}
					}
				}
			},
		},
		{
			ID: "network-logged", Says: "Every VPC keeps a log of all connections, accepted and refused",
			Why: "after a break-in nothing else says where it came from and what it reached",
			check: func(s *State, refuse refuse) {
				logged := map[string]bool{}
				for _, r := range s.of("aws:ec2/flowLog:FlowLog") {
					if vpc, ok := s.ref(typeVPC, r.text("vpcId")); ok && r.text("trafficType") == "ALL" {
						logged[vpc.Name] = true
					}
				}
				for _, r := range s.of(typeVPC) {
					if !logged[r.Name] {
						refuse(r, "it has no flow log of the traffic ALL")
					}
				}
			},
		},
	}
}

const typeVPC = "aws:ec2/vpc:Vpc"

// filledWhole says that an alarm is over an expression in which every metric is
// filled: such a one has a value where Amazon has none yet.
func filledWhole(r Resource) bool {
	var expression string
	var ids []string
	for _, q := range r.list("metricQueries") {
		if e := text(q, "expression"); e != "" {
			expression += e
		} else {
			ids = append(ids, text(q, "id"))
		}
	}
	bare := regexp.MustCompile(`FILL\(\w+`).ReplaceAllString(expression, "")
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool {
		return regexp.MustCompile(`\b` + regexp.QuoteMeta(id) + `\b`).MatchString(bare)
	})
}
