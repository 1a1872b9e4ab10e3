package plan_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/plan"
)

func TestEdits(t *testing.T) {
	second := "- {name: us-east-1b, public: 10.22.1.0/24, app: 10.22.32.0/20, data: 10.22.9.0/24}"
	for _, test := range []struct {
		name, stack string
		edit        []string
		counts      string // added, changed, replaced, removed
		cost        float64
		says        []string // of what is told of the differences
		never       []string
		refused     bool
	}{
		{
			name: "api class", stack: "production", edit: []string{"api: {instance: c7g.xlarge", "api: {instance: c7g.2xlarge"},
			counts: "0 2 0 0", cost: 2646.25,
			says:  []string{"api-group: replaces the fleet's machines", "instanceType: c7g.xlarge -> c7g.2xlarge", ".value: the present one -> a new one"},
			never: []string{"worker"},
		},
		{
			name: "database class", stack: "production", edit: []string{"class: db.r6g.4xlarge", "class: db.r6g.8xlarge"},
			counts: "0 24 0 0", cost: 31518.48,
			says: []string{
				"postgres-01 to postgres-12, replica-01 to replica-12: restarts the database in the next maintenance window",
				"24 x aws:rds/instance:Instance", "instanceClass: db.r6g.4xlarge -> db.r6g.8xlarge",
			},
		},
		{
			name: "database added", stack: "dev", edit: []string{"postgres-02, shards: 128-255}", "postgres-02, shards: 128-255}\n        - {name: postgres-03, shards: none}"},
			counts: "30 14 2 4", cost: 51.55,
			says: []string{
				"+  aws:rds/instance:Instance", "postgres-03", "api-group, push-group, worker-group: replaces the fleet's machines",
				"monitoring-machine: the machine is made anew: minutes without it", "4 x aws:s3/bucketObjectv2:BucketObjectv2  stays in the account",
				"+        \"arn:aws:secretsmanager:us-east-1:123456789012:secret:burbn/dev/postgres-03/app-??????\"",
			},
			never: []string{"LOSES", "HOLDS", "nginx-group"},
		},
		{
			name: "zone added", stack: "dev", edit: []string{second, second + "\n          - {name: us-east-1c, public: 10.22.2.0/24, app: 10.22.48.0/20, data: 10.22.10.0/24}"},
			counts: "12 14 0 0", cost: 3.65, // the ALB's address there
			says:  []string{"Interrupts nothing", "+network-app-us-east-1c.id"},
			never: []string{"-network"},
		},
		{
			name: "a NAT gateway in each zone", stack: "dev", edit: []string{"nat: one", "nat: zone"},
			counts: "2 6 0 0", cost: 73.00, // a gateway, its address, five endpoints
			says: []string{"network-app-us-east-1b-out: open connections to the internet break", "natGatewayId: network-nat-us-east-1a.id -> network-nat-us-east-1b.id", "+network-app-us-east-1b.id"},
		},
		{
			name: "Redis master added", stack: "production", edit: []string{"masters: 3", "masters: 4"},
			counts: "11 6 2 1", cost: 639.02,
			says: []string{"redis-cluster: moves slots online", "numNodeGroups: 3 -> 4", "vector(4), labels: {role: redis}"},
		},
		{
			name: "storage shrunk", stack: "production", edit: []string{"storageGB: 500", "storageGB: 450"},
			refused: true, says: []string{"REFUSED burbn:topology.aws.postgres.storageGB: 500 becomes 450"}, counts: "-",
		},
		{
			name: "bucket renamed", stack: "production", edit: []string{"media: example-burbn-production-media", "media: example-burbn-pictures"},
			refused: true, counts: "3 10 7 3",
			says: []string{
				"REFUSED burbn:topology.aws.buckets.media", "REFUSED storage-media (aws:s3/bucketV2:BucketV2) is protected: pulumi does not replace it",
				"storage-media: LOSES DATA: made anew, empty", "HOLDS DATA  protected: pulumi refuses",
				"bucket: of the present storage-media -> of the new storage-media  (replaces it)",
			},
		},
		{
			name: "shard count", stack: "dev", edit: []string{"shards: 256", "shards: 512", "128-255", "128-511"},
			refused: true, counts: "3 6 2 3",
			says: []string{"REFUSED burbn:topology.shards: 256 becomes 512", "migrate-postgres-01, migrate-postgres-02: the function is called again"},
		},
		{
			name: "memcached node", stack: "production", edit: []string{"node: cache.m7g.large", "node: cache.m7g.xlarge"},
			counts: "0 0 1 0", cost: 687.66,
			says: []string{"memcached-cluster: the cache starts anew, empty", "nodeType: cache.m7g.large -> cache.m7g.xlarge  (replaces it)"},
			// It is a cache.
			never: []string{"HOLDS DATA", "protected"},
		},
		{
			name: "release pinned", stack: "production", edit: []string{"release: build", "release: 0123456789ab"},
			counts: "0 0 0 7", says: []string{"7 x aws:s3/bucketObjectv2:BucketObjectv2  stays in the account"},
		},
		{
			name: "monitoring instance", stack: "dev", edit: []string{"monitoring: {instance: t4g.medium", "monitoring: {instance: t4g.large"},
			counts: "0 1 0 0", cost: 24.53, says: []string{"monitoring-machine: stops the machine and starts it again"},
		},
		{
			name: "another image of Debian", stack: "production", edit: []string{"debian-12-arm64-20251112-2294", "debian-12-arm64-20260101-0001"},
			counts: "0 16 12 0",
			says: []string{
				"parentImage: ami-debian-12-arm64-20251112-2294 -> ami-debian-12-arm64-20260101-0001  (replaces it)",
				"imageRecipeArn: of the present images-api-recipe -> of the new images-api-recipe  (replaces it)",
				"api-group, nginx-group, push-group, worker-group: replaces the fleet's machines",
			},
		},
		{
			name: "protection taken away", stack: "staging", edit: []string{"protect: true", "protect: false"},
			counts: "-", says: []string{"(pulumi protects it): true -> false", "(stays where pulumi removes it): true -> false", "Interrupts nothing"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := edited(t, test.stack, test.edit...)
			a := r.Against
			n := map[plan.Action]int{}
			for _, d := range a.Differences {
				n[d.Action]++
				for _, i := range d.Inputs {
					if i.Unknown {
						t.Errorf("%s (%s) %s: nobody has looked up what its change does", d.Name, d.Type, i.Path)
					}
				}
			}
			if got := fmt.Sprint(n[plan.Add], n[plan.Change], n[plan.Replace], n[plan.Remove]); test.counts != "-" && got != test.counts {
				t.Errorf("added, changed, replaced, removed: %s, not %s", got, test.counts)
			}
			if !test.refused && math.Abs(a.Cost-test.cost) > 0.01 {
				t.Errorf("costs %.2f more, not %.2f", a.Cost, test.cost)
			}
			if refused := len(a.Refused) > 0; refused != test.refused || test.refused && !r.Bad() {
				t.Errorf("refused %q, bad %t", a.Refused, r.Bad())
			}
			var b bytes.Buffer
			r.Write(&b, false)
			_, text, ok := strings.Cut(b.String(), "\nAgainst HEAD: ")
			if !ok {
				t.Fatalf("says nothing of the differences:\n%s", b.String())
			}
			for _, s := range test.says {
				if !strings.Contains(text, s) {
					t.Errorf("does not say %q:\n%s", s, text)
				}
			}
			for _, s := range test.never {
				if strings.Contains(text, s) {
					t.Errorf("says %q:\n%s", s, text)
				}
			}
		})
	}
}
