package plan

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/topology"
)

// TestEstimate adds up by hand what the price lists of us-east-1 say.
func TestEstimate(t *testing.T) {
	for _, test := range []struct {
		stack  string
		atMost float64 // above the total
		items  map[string]float64
	}{
		{"dev", 4 * (0.0336*730 + 10*0.08 + 2.1), map[string]float64{
			"nginx: 1 x t4g.medium, 10 GB":              0.0336*730 + 10*0.08 + 2.1,
			"monitoring: 1 x t4g.medium, 20 GB":         0.0336*730 + 20*0.08 + 2.1,
			"postgres: 2 x db.t4g.medium":               2 * 0.065 * 730,
			"postgres: 2 x storage, 20 GB":              2 * 20 * 0.115,
			"network: 1 x NAT gateway":                  0.045 * 730,
			"network: 5 x interface endpoint in a zone": 5 * 0.01 * 730,  // in the zone of the gateway
			"network: 3 x public IPv4 address":          3 * 0.005 * 730, // the gateway's, and the ALB's in two zones
			"secrets: 10 x secret":                      10 * 0.4,        // six, and of each database the services' and the owner's
			"names: 1 x hosted zone":                    0.5,
		}},
		{"production", 3*(0.0725*730+20*0.08+2.1) + 25*(0.145*730+20*0.08+2.1) + 8*(0.58*730+40*0.08+2.1) + 2*(0.0725*730+20*0.08+2.1), map[string]float64{
			"api: 25 x c7g.xlarge, 20 GB":                25 * (0.145*730 + 20*0.08 + 2.1),
			"replica: 12 x db.r6g.4xlarge":               12 * 1.798 * 730,
			"replica: 12 x storage, 500 GB":              12 * 500 * 0.115,
			"redis: 6 x cache.r7g.xlarge":                6 * 0.437 * 730,
			"network: 3 x NAT gateway":                   3 * 0.045 * 730,
			"network: 15 x interface endpoint in a zone": 15 * 0.01 * 730,
			"network: 6 x public IPv4 address":           6 * 0.005 * 730,
			"edge: 1 x WAF":                              5,
			"edge: 1 x WAF rule":                         1,
			"secrets: 30 x secret":                       30 * 0.4,
		}},
	} {
		t.Run(test.stack, func(t *testing.T) {
			top, err := topology.ParseFile("../../stacks/Pulumi." + test.stack + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			r, err := Make(test.stack, top)
			if err != nil {
				t.Fatal(err)
			}
			got, sum := map[string]float64{}, 0.0
			for _, i := range r.Cost.Items {
				got[fmt.Sprintf("%s: %g x %s", i.System, i.Count, i.What)] = i.Month
				sum += i.Month
			}
			for item, month := range test.items {
				if v, ok := got[item]; !ok || math.Abs(v-month) > 0.01 {
					t.Errorf("%s costs %.2f, not %.2f", item, v, month)
				}
			}
			if math.Abs(sum-r.Cost.Total) > 0.01 {
				t.Errorf("the items are %.2f together, the total is %.2f", sum, r.Cost.Total)
			}
			if more := r.Cost.AtMost - r.Cost.Total; math.Abs(more-test.atMost) > 0.01 {
				t.Errorf("at most %.2f more, not %.2f", more, test.atMost)
			}
		})
	}
}

// TestStorageAndStandby: what the size of the storage includes is not charged again,
// and a standby doubles everything.
func TestStorageAndStandby(t *testing.T) {
	text, err := os.ReadFile("../../stacks/Pulumi.production.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for old, now := range map[string]string{"iops: 0 ": "iops: 14000 ", "throughputMBps: 0 ": "throughputMBps: 600 ", "multiAZ: false": "multiAZ: true"} {
		if !strings.Contains(string(text), old) {
			t.Fatalf("the stack says nowhere %q", old)
		}
		text = []byte(strings.ReplaceAll(string(text), old, now))
	}
	top, err := topology.ParseText("production", text)
	if err != nil {
		t.Fatal(err)
	}
	e, err := estimate(top, nil)
	if err != nil {
		t.Fatal(err)
	}
	disk := 500*0.115 + 2000*0.02 + 100*0.08
	for what, want := range map[string]float64{
		"postgres db.r6g.4xlarge with a standby": 12 * 2 * 1.798 * 730, "postgres storage, 500 GB": 12 * 2 * disk, "replica storage, 500 GB": 12 * disk,
	} {
		found := false
		for _, i := range e.Items {
			if i.System+" "+i.What == what {
				found = true
				if math.Abs(i.Month-want) > 0.01 {
					t.Errorf("%s costs %.2f, not %.2f", what, i.Month, want)
				}
			}
		}
		if !found {
			t.Errorf("there is no %s in %v", what, e.Items)
		}
	}
}

func TestMetricsOfAnAlarm(t *testing.T) {
	query := func(metric bool) resource.PropertyValue {
		m := resource.PropertyMap{"id": resource.NewProperty("a")}
		if metric {
			m["metric"] = resource.NewProperty(resource.PropertyMap{"metricName": resource.NewProperty("CPUUtilization")})
		}
		return resource.NewProperty(m)
	}
	for want, queries := range map[int][]resource.PropertyValue{1: {query(false)}, 2: {query(false), query(true), query(true)}} {
		r := record.Resource{Inputs: resource.PropertyMap{"metricQueries": resource.NewProperty(queries)}}
		if got := metrics(r); got != want {
			t.Errorf("%d metrics, not %d", got, want)
		}
	}
	if got := metrics(record.Resource{}); got != 1 {
		t.Errorf("%d metrics, not 1", got)
	}
}
