package guard

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// userDataLimit is what EC2 accepts, decoded.
const userDataLimit = 16 << 10

// machineRules keep machines from being more than they are told to be.
func machineRules() []Rule {
	return []Rule{
		{
			ID: "imdsv2", Says: "Every machine hands out its credentials by version 2 of the metadata service alone, and one hop far",
			Why: "a request that a service is tricked into sending would fetch the role's credentials", check: imdsv2,
		},
		{
			ID: "template-pinned", Says: "A fleet names the version of its launch template by its number",
			Why: "instance refresh does not notice that $Latest has become another, and a machine that is replaced at night would be of a release that nobody has rolled out", check: pinned,
		},
		{
			ID: "rollout", Says: "A fleet replaces its machines a few at a time, waits for their health, and goes back when alarms sound",
			Why: "a release that does not start would take the whole fleet", check: rollout,
		},
		{
			ID: "user-data", Says: "User data is smaller than 16 KB",
			Why: "EC2 refuses more, when the first machine is started", check: userData,
		},
		{
			ID: "two-zones", Says: "In a protected stack fleets, balancers and caches stand in two zones at least",
			Why: "the loss of a zone would be the loss of the app", check: twoZones,
		},
		{
			ID: "no-key-pair", Says: "No machine has a key pair",
			Why: "operators come through Systems Manager, which asks who they are and writes down what they do",
			check: func(s *State, refuse refuse) {
				for typ, path := range map[string]string{typeTemplate: "keyName", typeInstance: "keyName", typeInfra: "keyPair"} {
					for _, r := range s.of(typ) {
						if r.text(path) != "" {
							refuse(r, "%s is %q: accepted is none", path, r.text(path))
						}
					}
				}
			},
		},
	}
}

func imdsv2(s *State, refuse refuse) {
	for typ, at := range map[string]string{typeTemplate: "metadataOptions", typeInstance: "metadataOptions", typeInfra: "instanceMetadataOptions"} {
		for _, r := range s.of(typ) {
			if _, templated := s.ref(typeTemplate, r.text("launchTemplate.id")); templated && typ == typeInstance && r.at(at) == nil {
				continue
			}
			if tokens := r.text(at + ".httpTokens"); tokens != "required" {
				refuse(r, "%s.httpTokens is %q: accepted is required", at, tokens)
			}
			if hops := r.number(at + ".httpPutResponseHopLimit"); hops != 1 {
				refuse(r, "%s.httpPutResponseHopLimit is %v: accepted is 1", at, hops)
			}
		}
	}
}

func pinned(s *State, refuse refuse) {
	for _, typ := range []string{typeGroup, typeInstance} {
		for _, r := range s.of(typ) {
			paths := []string{"launchTemplate", "mixedInstancesPolicy.launchTemplate.launchTemplateSpecification"}
			for _, path := range paths {
				if r.at(path) == nil {
					continue
				}
				version := r.at(path + ".version")
				if n, ok := version.(float64); ok && n >= 1 {
					continue
				}
				if n, err := strconv.Atoi(text(r.at(path), "version")); err != nil || n < 1 {
					refuse(r, "%s.version is %v: accepted is a number", path, version)
				}
			}
		}
	}
}

func rollout(s *State, refuse refuse) {
	for _, r := range s.of(typeGroup) {
		if r.at("instanceRefresh") == nil {
			refuse(r, "it has no instanceRefresh: a release would reach machines only as they die")
			continue
		}
		if !r.on("instanceRefresh.preferences.autoRollback") {
			refuse(r, "instanceRefresh.preferences.autoRollback is not true")
		}
		if healthy := r.number("instanceRefresh.preferences.minHealthyPercentage"); healthy < 50 {
			refuse(r, "instanceRefresh.preferences.minHealthyPercentage is %v: accepted is 50 or more", healthy)
		}
		if len(r.list("instanceRefresh.preferences.alarmSpecification.alarms")) == 0 {
			refuse(r, "instanceRefresh.preferences.alarmSpecification names no alarm to go back on")
		}
		if len(r.list("targetGroupArns")) > 0 && r.text("healthCheckType") != "ELB" {
			refuse(r, "healthCheckType is %q behind a balancer: accepted is ELB", r.text("healthCheckType"))
		}
	}
}

// userDataOf is the user data of a machine as the machine sees it.
func userDataOf(r Resource) string {
	for _, k := range []string{"userDataBase64", "userData", "userDataOverride"} {
		v := r.text(k)
		if v == "" {
			continue
		}
		if b, err := base64.StdEncoding.DecodeString(v); err == nil {
			return string(b)
		}
		return v
	}
	return ""
}

func userData(s *State, refuse refuse) {
	for _, typ := range []string{typeTemplate, typeInstance, typeRecipe} {
		for _, r := range s.of(typ) {
			if n := len(userDataOf(r)); n >= userDataLimit {
				refuse(r, "user data has %d bytes: accepted are fewer than %d", n, userDataLimit)
			}
		}
	}
	for _, r := range s.of(typeTemplate) {
		if v := r.text("userData"); v != "" {
			if _, err := base64.StdEncoding.DecodeString(v); err != nil {
				refuse(r, "userData of a launch template is not in base64")
			}
		}
	}
}

func twoZones(s *State, refuse refuse) {
	distinct := func(values []string) int {
		seen := map[string]bool{}
		for _, v := range values {
			if subnet, ok := s.ref(typeSubnet, v); ok {
				v = subnet.text("availabilityZone")
			}
			seen[v] = true
		}
		return len(seen)
	}
	for _, r := range s.of(typeBalancer) { // which Amazon refuses in one
		subnets := r.texts("subnets")
		for _, m := range r.list("subnetMappings") {
			subnets = append(subnets, text(m, "subnetId"))
		}
		if distinct(subnets) < 2 && (s.protected() || r.text("loadBalancerType") == "application") {
			refuse(r, "it stands in fewer than two zones")
		}
	}
	if !s.protected() {
		return
	}
	for _, r := range s.of(typeGroup) {
		if distinct(r.texts("vpcZoneIdentifiers")) < 2 {
			refuse(r, "it stands in fewer than two zones")
		}
	}
	for _, r := range s.of(typeRedis) {
		if !r.on("multiAzEnabled") || !r.on("automaticFailoverEnabled") {
			refuse(r, "multiAzEnabled and automaticFailoverEnabled are not both true")
		}
	}
	for _, r := range s.of(typeMemcached) {
		if r.number("numCacheNodes") > 1 && (r.text("azMode") != "cross-az" || distinct(r.texts("preferredAvailabilityZones")) < 2) {
			refuse(r, "its nodes stand in fewer than two zones: accepted is azMode cross-az and preferredAvailabilityZones of two or more")
		}
	}
}

// trimmed is a text as an error shows it.
func trimmed(v string) string {
	if len(v) > 60 {
		v = v[:57] + "..."
	}
	return strings.ReplaceAll(v, "\n", " ")
}
