package aws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/settings"
)

// TestWhatIsDeployedFitsTogether boots a machine of every role from what the stack
// registers, and asks of all that its files name whether it is there: the closure of
// the deployment. A part that understands another one wrongly fails here.
func TestWhatIsDeployedFitsTogether(t *testing.T) {
	program := buildMachine(t)
	for _, stack := range []string{"production", "staging", "dev"} {
		t.Run(stack, func(t *testing.T) {
			a := accountOf(t, stack)
			all, files, problems := a.booted(t, program)
			for _, p := range append(problems, a.fits(all, files)...) {
				t.Error(p)
			}
			if t.Failed() {
				return
			}
			for _, role := range []string{"nginx", "api", "worker", "push", "monitoring"} {
				if files[role][settings.ManifestPath] == "" {
					t.Errorf("no machine of %s was born", role)
				}
			}
		})
	}
}

// booted are the machines and, by role, the files that each has when it has booted.
func (a account) booted(t *testing.T, program string) ([]machine, map[string]map[string]string, []string) {
	t.Helper()
	all, err := a.machines()
	if err != nil {
		return nil, nil, []string{err.Error()}
	}
	files := map[string]map[string]string{}
	var problems []string
	for _, m := range all {
		has, found := a.boot(t, program, m)
		files[m.role] = has
		problems = append(problems, found...)
	}
	return all, files, problems
}

// fits holds the machines and the rest of the account against each other.
func (a account) fits(all []machine, files map[string]map[string]string) []string {
	var problems []string
	for _, m := range all {
		problems = append(problems, a.connects(m, files[m.role])...)
		problems = append(problems, a.asksAmazon(m)...)
		if m.role == "monitoring" {
			problems = append(problems, a.scrapes(m, files[m.role]["/etc/prometheus/prometheus.yml"], all, files)...)
			problems = append(problems, a.keeps(files[m.role])...)
		}
	}
	problems = append(problems, a.balances(all, files)...)
	worker, err := settings.Parse[settings.Worker]([]byte(files["worker"]["/etc/burbn/worker.json"]))
	if err != nil {
		return append(problems, err.Error())
	}
	for _, m := range all {
		if m.role == "worker" {
			problems = append(problems, a.purges(m, worker)...)
		}
	}
	return append(problems, a.watches(worker)...)
}

// purges asks whether a worker finds the distribution of the photos' name, and may have
// it forget.
func (a account) purges(m machine, worker settings.Worker) []string {
	ends, _, err := a.resolve(worker.Edge.Distribution)
	if err != nil || len(ends) != 1 || ends[0].resource.Type != "aws:cloudfront/distribution:Distribution" {
		return []string{fmt.Sprintf("%s says the id of no distribution (%v)", worker.Edge.Distribution, err)}
	}
	distribution := ends[0].resource
	if serves := strs(distribution.Inputs["aliases"]); !slices.Contains(serves, strings.TrimPrefix(worker.Storage.CDN, "https://")) {
		return []string{fmt.Sprintf("%s serves %q, not %s", distribution.Name, serves, worker.Storage.CDN)}
	}
	if ok, err := a.allows(m.identity, "cloudfront:CreateInvalidation", str(outputs(distribution)["arn"])); !ok {
		return []string{fmt.Sprintf("%s may not have %s forget (%v)", m.resource.Name, distribution.Name, err)}
	}
	return nil
}

// keeps asks whether the machine that watches looks for its volume where it is attached.
func (a account) keeps(files map[string]string) []string {
	for _, r := range a.of("ec2/volumeAttachment:VolumeAttachment") {
		if device := attr(r, "deviceName"); strings.Contains(files["/etc/systemd/system/data.service"], "/usr/lib/burbn/data "+device+" ") {
			return nil
		}
	}
	return []string{"the unit data looks for a volume that is attached otherwise"}
}

// TestWhatDoesNotFitIsFound breaks each link of the chain once.
func TestWhatDoesNotFitIsFound(t *testing.T) {
	program := buildMachine(t)
	whole := accountOf(t, "dev")
	_, files, problems := whole.booted(t, program)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for _, c := range []struct {
		name   string
		broken account
		boots  bool // the machines boot as if nothing were broken
		says   string
	}{
		{"bundle", whole.without("release-api-bundle-*"), false, "api-template: there is no object s3://"},
		{"program", whole.without("release-push-????????????"), false, "push-template: there is no object s3://"},
		{"secret", whole.without("secrets-redis"), false, "there is no secret burbn/dev/redis"},
		{"secret's key", whole.with("secrets-redis-value", "secretString", replace("password", "key")), false, "secret burbn/dev/redis has no"},
		{"permission", whole.with("worker-policy", "policy", replace("GetSecretValue", "DescribeSecret")), false, "may not secretsmanager:GetSecretValue"},
		{"permission to decrypt", whole.with("worker-policy", "policy", replace("kms:Decrypt", "kms:Encrypt")), false, "may not kms:Decrypt"},
		{"hook", whole.with("nginx-group", "name", replace("nginx", "ngin")), false, "there is no group burbn-dev-nginx"},
		{"name of a database", whole.without("postgres-01-name"), true, "postgres-01.dev.burbn.internal is in no zone"},
		{"nodes of Redis", whole.without("redis-nodes"), true, "_redis._tcp.redis.dev.burbn.internal is in no zone"},
		{"database that a name leads to", whole.with("postgres-01", "identifier", replace("01", "02")), true, "which there is not"},
		{"way out", whole.without("network-api-to-redis-6379-out"), true, "no way to redis.dev.burbn.internal"},
		{"way in", whole.without("network-monitoring-to-postgres-5432-in"), true, "no way to postgres-01.dev.burbn.internal"},
		{"way to S3", whole.without("network-push-to-s3-443-out"), true, "push-template: no way to S3"},
		{"way to Apple", whole.without("network-push-to-world-443-out"), true, "no way to https://api.push.apple.com"},
		{"endpoint", whole.without("network-secretsmanager"), true, "no way to secretsmanager"},
		{"scraping", whole.without("network-monitoring-to-worker-9100-in"), true, "job node: no way to worker at 9100"},
		{"listener", whole.without("edge-api-listener"), true, "does not answer at 8080"},
		{"way of a health check", whole.without("network-alb-to-nginx-8082-in"), true, "no way from edge-alb to nginx at 8082"},
		{"way of an export's parts", whole.with("network-s3", "policy", replace("s3:ListMultipartUploadParts", "s3:ListBucketMultipartUploads")), true,
			"worker-template: network-s3 lets no s3:ListMultipartUploadParts on arn:aws:s3:::example-burbn-dev-uploads/exports/* through"},
		{"name of the CDN", whole.without("cdn-distribution-id"), true, "cdn.dev.burbn.internal says the id of no distribution"},
		{"permission to purge", whole.with("worker-policy", "policy", replace("CreateInvalidation", "GetInvalidation")), true, "worker-template may not have cdn-distribution forget"},
		{"CDN", whole.without("cdn-distribution"), true, "leads to cdn-distribution.id, which there is not"},
		{"volume", whole.with("monitoring-attachment", "deviceName", replace("sdf", "sdg")), true, "the unit data looks"},
		{"metric of the queue", whole.with("worker-behind", "metricName", replace("Oldest", "Eldest")), true, "worker-behind asks for"},
		{"database that is watched", whole.without("postgres-01"), true, "nobody reports AWS/RDS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var problems []string
			if c.boots {
				all, err := c.broken.machines()
				if err != nil {
					t.Fatal(err)
				}
				problems = c.broken.fits(all, files)
			} else {
				_, _, problems = c.broken.booted(t, program)
			}
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, c.says) }) {
				t.Errorf("nothing says %q:\n%s", c.says, strings.Join(problems, "\n"))
			}
		})
	}
}
