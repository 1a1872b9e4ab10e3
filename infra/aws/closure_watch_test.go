package aws_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/services/settings"
)

// series is a metric as an alarm or a graph asks for it.
type series struct {
	by              string // logical name of who asks
	namespace, name string
	dimensions      map[string]string
}

// watched are all series that alarms and dashboards ask for.
func (a account) watched() ([]series, error) {
	var all []series
	for _, r := range a.of("cloudwatch/metricAlarm:MetricAlarm") {
		if attr(r, "metricName") != "" {
			all = append(all, series{r.Name, attr(r, "namespace"), attr(r, "metricName"), pairs(r.Inputs["dimensions"])})
		}
		if queries := plain(r.Inputs["metricQueries"]); queries.IsArray() {
			for i := range queries.ArrayValue() {
				if m := input(r.Inputs, "metricQueries", i, "metric"); m.IsObject() {
					of := m.ObjectValue()
					all = append(all, series{r.Name, str(of["namespace"]), str(of["metricName"]), pairs(of["dimensions"])})
				}
			}
		}
	}
	for _, r := range a.of("cloudwatch/dashboard:Dashboard") {
		var page struct {
			Widgets []struct {
				Properties struct{ Metrics [][]any }
			}
		}
		if err := json.Unmarshal([]byte(attr(r, "dashboardBody")), &page); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name, err)
		}
		for _, w := range page.Widgets {
			for _, line := range w.Properties.Metrics {
				s := series{by: r.Name, dimensions: map[string]string{}}
				var words []string
				for _, word := range line {
					if text, ok := word.(string); ok {
						words = append(words, text)
					}
				}
				if len(words) < 2 || len(words)%2 != 0 {
					return nil, fmt.Errorf("%s: a line of %q", r.Name, words)
				}
				s.namespace, s.name = words[0], words[1]
				for i := 2; i < len(words); i += 2 {
					s.dimensions[words[i]] = words[i+1]
				}
				all = append(all, s)
			}
		}
	}
	return all, nil
}

func pairs(v resource.PropertyValue) map[string]string {
	m := map[string]string{}
	if v = plain(v); v.IsObject() {
		for k, e := range v.ObjectValue() {
			m[string(k)] = str(e)
		}
	}
	return m
}

// sources are the values of each dimension that something reports with.
func (a account) sources() map[string][]string {
	sources := map[string][]string{}
	add := func(dimension, typ string, value func(name string, out resource.PropertyMap) []string) {
		for _, r := range a.of(typ) {
			sources[dimension] = append(sources[dimension], value(r.Name, outputs(r))...)
		}
	}
	output := func(key resource.PropertyKey) func(string, resource.PropertyMap) []string {
		return func(_ string, out resource.PropertyMap) []string { return []string{str(out[key])} }
	}
	id := func(name string, _ resource.PropertyMap) []string { return []string{fake.ID(name)} }
	add("DBInstanceIdentifier", "rds/instance:Instance", output("identifier"))
	add("CacheClusterId", "elasticache/cluster:Cluster", output("clusterId"))
	add("CacheClusterId", "elasticache/replicationGroup:ReplicationGroup", func(_ string, out resource.PropertyMap) []string { return strs(out["memberClusters"]) })
	add("CacheNodeId", "elasticache/cluster:Cluster", func(_ string, out resource.PropertyMap) []string {
		var ids []string
		for i := range out["cacheNodes"].ArrayValue() {
			ids = append(ids, str(input(out, "cacheNodes", i, "id")))
		}
		return ids
	})
	add("AutoScalingGroupName", "autoscaling/group:Group", output("name"))
	add("LoadBalancer", "lb/loadBalancer:LoadBalancer", output("arnSuffix"))
	add("TargetGroup", "lb/targetGroup:TargetGroup", output("arnSuffix"))
	add("DistributionId", "cloudfront/distribution:Distribution", id)
	add("InstanceId", "ec2/instance:Instance", id)
	add("FunctionName", "lambda/function:Function", output("name"))
	// Of the rotation, whose functions are made by a stack of CloudFormation's.
	add("FunctionName", "serverlessrepository/cloudFormationStack:CloudFormationStack", func(_ string, out resource.PropertyMap) []string {
		return []string{str(input(out, "parameters", "functionName"))}
	})
	sources["Region"] = []string{"Global"} // of CloudFront
	sources["Stack"] = []string{a.stack}
	return sources
}

// watches asks of every series whether anybody reports it.
func (a account) watches(worker settings.Worker) []string {
	var problems []string
	all, err := a.watched()
	if err != nil {
		return []string{err.Error()}
	}
	// What a worker says of the queue stands in its source alone.
	source, err := os.ReadFile("../../services/worker/waiting.go")
	if err != nil {
		return []string{err.Error()}
	}
	metric := regexp.MustCompile(`MetricName:\s+aws\.String\("(\w+)"\)`).FindSubmatch(source)
	dimension := regexp.MustCompile(`types\.Dimension\{\{Name:\s+aws\.String\("(\w+)"\)`).FindSubmatch(source)
	if metric == nil || dimension == nil {
		return []string{"services/worker/waiting.go does not say which metric it is that workers publish"}
	}
	sources, own := a.sources(), 0
	for _, s := range all {
		for name, value := range s.dimensions {
			if !slices.Contains(sources[name], value) {
				problems = append(problems, fmt.Sprintf("%s: nobody reports %s %s of %s=%s", s.by, s.namespace, s.name, name, value))
			}
		}
		if strings.HasPrefix(s.namespace, "AWS/") {
			continue
		}
		own++
		says := fmt.Sprintf("%s %s map[%s:%s]", worker.CloudWatch.Namespace, metric[1], dimension[1], worker.Stack)
		if asks := fmt.Sprintf("%s %s %v", s.namespace, s.name, s.dimensions); asks != says {
			problems = append(problems, fmt.Sprintf("%s asks for %s; workers say %s", s.by, asks, says))
		}
	}
	if own == 0 {
		problems = append(problems, "nothing asks for what workers say")
	}
	if worker.CloudWatch.Region != a.region {
		problems = append(problems, fmt.Sprintf("workers publish in %q, not in %s", worker.CloudWatch.Region, a.region))
	}
	return problems
}
