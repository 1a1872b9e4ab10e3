package aws_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/services/settings"
)

// scrapes asks of what Prometheus finds by itself whether it is there, listens and is
// reached. The rest of what it scrapes has a name.
func (a account) scrapes(watcher machine, prometheus string, all []machine, files map[string]map[string]string) []string {
	var problems []string
	var conf struct {
		Jobs []struct {
			Name string `yaml:"job_name"`
			EC2  []struct {
				Region  string
				Port    int
				Filters []struct {
					Name   string
					Values []string
				}
			} `yaml:"ec2_sd_configs"`
			DNS []struct{ Names []string } `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(prometheus), &conf); err != nil {
		return []string{err.Error()}
	}
	scraped, listed := map[string]int{}, 0
	for _, job := range conf.Jobs {
		for _, dns := range job.DNS {
			listed += len(dns.Names)
		}
		for _, sd := range job.EC2 {
			if sd.Region != a.region {
				problems = append(problems, fmt.Sprintf("job %s looks in %s, not in %s", job.Name, sd.Region, a.region))
			}
			found := 0
			for _, m := range all {
				tags := instanceTags(m.resource)
				if slices.ContainsFunc(sd.Filters, func(f struct {
					Name   string
					Values []string
				}) bool {
					tag, ok := strings.CutPrefix(f.Name, "tag:")
					return ok && !slices.Contains(f.Values, tags[tag])
				}) {
					continue
				}
				found++
				scraped[m.role]++
				if !slices.Contains(listens(files[m.role]), sd.Port) {
					problems = append(problems, fmt.Sprintf("job %s: nothing of %s listens at %d", job.Name, m.role, sd.Port))
				}
				if !a.reaches(watcher.groups, m.groups, sd.Port) {
					problems = append(problems, fmt.Sprintf("job %s: no way to %s at %d", job.Name, m.role, sd.Port))
				}
			}
			if found == 0 {
				problems = append(problems, fmt.Sprintf("job %s finds no machine", job.Name))
			}
		}
	}
	for _, m := range all {
		if m.role != watcher.role && scraped[m.role] == 0 {
			problems = append(problems, m.role+" is not scraped")
		}
	}
	if listed == 0 {
		problems = append(problems, "the nodes of Redis are not scraped")
	}
	return problems
}

// instanceTags are those that a machine bears.
func instanceTags(r record.Resource) map[string]string {
	tags := map[string]string{}
	spec := r.Inputs["tags"]
	if r.Type == "aws:ec2/launchTemplate:LaunchTemplate" {
		for i := range input(r.Inputs, "tagSpecifications").ArrayValue() {
			if str(input(r.Inputs, "tagSpecifications", i, "resourceType")) == "instance" {
				spec = input(r.Inputs, "tagSpecifications", i, "tags")
			}
		}
	}
	if spec.IsObject() {
		for k, v := range spec.ObjectValue() {
			tags[string(k)] = str(v)
		}
	}
	return tags
}

// balances asks of every fleet behind a balancer whether requests and health checks
// arrive where its units listen, and whether what is asked is what makes a unit ready.
func (a account) balances(all []machine, files map[string]map[string]string) []string {
	var problems []string
	refuse := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	joined := map[string]string{} // target groups, to roles
	for _, m := range all {
		group, ok := a.find("autoscaling/group:Group", func(g record.Resource) bool {
			return str(input(g.Inputs, "launchTemplate", "id")) == fake.ID(m.resource.Name)
		})
		if !ok {
			continue // it is the one of its role
		}
		for _, arn := range strs(group.Inputs["targetGroupArns"]) {
			joined[arn] = m.role
			tg, ok := a.find("lb/targetGroup:TargetGroup", func(r record.Resource) bool { return str(outputs(r)["arn"]) == arn })
			if !ok {
				refuse("%s joins %s, which there is not", group.Name, arn)
				continue
			}
			listener, ok := a.find("lb/listener:Listener", func(l record.Resource) bool {
				return str(input(l.Inputs, "defaultActions", 0, "targetGroupArn")) == arn
			})
			balancer, there := a.find("lb/loadBalancer:LoadBalancer", func(r record.Resource) bool {
				return str(outputs(r)["arn"]) == attr(listener, "loadBalancerArn")
			})
			if !ok || !there {
				refuse("no balancer sends anything to %s", tg.Name)
				continue
			}
			health := "http://127.0.0.1:" + str(input(tg.Inputs, "healthCheck", "port")) + str(input(tg.Inputs, "healthCheck", "path"))
			manifest, err := settings.Parse[settings.Manifest]([]byte(files[m.role][settings.ManifestPath]))
			if err != nil || !slices.ContainsFunc(manifest.Units, func(u settings.MachineUnit) bool { return u.HTTP == health }) {
				refuse("%s asks %s, by which no unit of %s is ready (%v)", tg.Name, health, m.role, err)
			}
			for _, port := range []string{attr(tg, "port"), str(input(tg.Inputs, "healthCheck", "port"))} {
				p, _ := strconv.Atoi(port)
				if !slices.Contains(listens(files[m.role]), p) {
					refuse("%s: nothing of %s listens at %s", tg.Name, m.role, port)
				}
				if !a.reaches(strs(balancer.Inputs["securityGroups"]), m.groups, p) {
					refuse("%s: no way from %s to %s at %s", tg.Name, balancer.Name, m.role, port)
				}
			}
		}
	}
	for _, tg := range a.of("lb/targetGroup:TargetGroup") {
		if joined[str(outputs(tg)["arn"])] == "" {
			refuse("no fleet joins %s", tg.Name)
		}
	}
	return problems
}
