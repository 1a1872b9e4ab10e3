package plan

import (
	"fmt"
	"math"

	"github.com/burbn/burbn/infra/catalog"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/topology"
)

// Estimate is what the stack costs a month by its size: what is bought by the hour or
// the month, at list prices on demand, with every fleet at its count. What depends on
// use is named, not guessed.
type Estimate struct {
	Items       []Item   `json:"items"`
	Total       float64  `json:"total"`  // USD a month
	AtMost      float64  `json:"atMost"` // with every fleet at its largest
	Budget      float64  `json:"budget"` // of the stack, USD a month
	Prices      string   `json:"prices"` // region, date and source of the prices
	NotIncluded []string `json:"notIncluded"`
}

// Item is a line of an estimate.
type Item struct {
	System string  `json:"system"`
	What   string  `json:"what"`
	Count  float64 `json:"count"`
	Month  float64 `json:"month"` // USD, all of them
}

// elsewhere is the region whose prices stand in for those that are not known.
const elsewhere = "us-east-1"

// Included in gp3 for PostgreSQL on RDS, by the size of the storage:
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
const (
	stripedFromGB        = 400
	smallIOPS, largeIOPS = 3000, 12000
	smallMBps, largeMBps = 125, 500
)

// estimator adds items up.
type estimator struct {
	topology topology.Topology
	bought   bought
	region   string // of the prices
	prices   catalog.Prices
	e        Estimate
	err      error
}

func estimate(t topology.Topology, rs []record.Resource) (Estimate, error) {
	e := &estimator{topology: t, bought: count(rs), region: t.AWS.Region}
	e.e.Budget = float64(t.AWS.Budget.MonthlyUSD)
	var ok bool
	if e.prices, ok = catalog.Price(e.region); !ok {
		e.region = elsewhere
		if e.prices, ok = catalog.Price(e.region); !ok {
			return Estimate{}, fmt.Errorf("there are no prices of %s", elsewhere)
		}
	}
	e.e.Prices = fmt.Sprintf("list prices on demand of %s, %s", e.region, catalog.AsOf)
	if e.region != t.AWS.Region {
		e.e.Prices += fmt.Sprintf(" (those of %s are not known)", t.AWS.Region)
	}
	e.e.NotIncluded = []string{
		"requests and bytes: S3 (storage too), CloudFront, data out, between zones and through NAT, capacity units of ALB and NLB, Lambda",
		"logs taken in by CloudWatch, custom metrics, snapshots (of machine images too, and of databases beyond their size), image builds",
		"savings plans, reserved instances, support and tax",
	}
	if t.AWS.Postgres.MaxStorageGB > 0 {
		e.e.NotIncluded = append(e.e.NotIncluded, fmt.Sprintf("what databases grow by themselves: up to %d GB each", t.AWS.Postgres.MaxStorageGB))
	}
	e.machines()
	e.databases()
	e.caches()
	e.rest()
	return e.e, e.err
}

func (e *estimator) add(system, what string, count, month float64) {
	if count == 0 || month == 0 {
		return
	}
	e.e.Items = append(e.e.Items, Item{system, what, count, month})
	e.e.Total += month
	e.e.AtMost += month
}

// monthly is the price of a class for a month.
func (e *estimator) monthly(c catalog.Class, ok bool, name string) float64 {
	price, known := c.Hourly[e.region]
	if !ok || !known {
		if price, known = c.Hourly[elsewhere]; !known && e.err == nil {
			e.err = fmt.Errorf("there is no price of %s", name)
		}
	}
	return price * catalog.HoursPerMonth
}

func (e *estimator) machines() {
	t, c := e.topology, e.topology.AWS
	for _, f := range []struct {
		name  string
		count int
		fleet topology.Fleet
	}{{"nginx", t.Nginx.Count, c.Nginx}, {"api", t.API.Count, c.API}, {"worker", t.Worker.Count, c.Worker}, {"push", t.Push.Count, c.Push}} {
		class, ok := catalog.EC2(f.fleet.Instance)
		one := e.monthly(class, ok, f.fleet.Instance) + float64(f.fleet.DiskGB)*e.prices.EBSGBMonth + e.prices.DetailedMonth
		e.add(f.name, fmt.Sprintf("%s, %d GB", f.fleet.Instance, f.fleet.DiskGB), float64(f.count), float64(f.count)*one)
		e.e.AtMost += float64(max(f.fleet.Max-f.count, 0)) * one
	}
	class, ok := catalog.EC2(c.Monitoring.Instance)
	e.add("monitoring", fmt.Sprintf("%s, %d GB", c.Monitoring.Instance, c.Monitoring.DiskGB+c.Monitoring.DataGB), 1,
		e.monthly(class, ok, c.Monitoring.Instance)+e.prices.DetailedMonth+float64(c.Monitoring.DiskGB+c.Monitoring.DataGB)*e.prices.EBSGBMonth)
}

func (e *estimator) databases() {
	t, r := e.topology, e.topology.AWS.Postgres
	class, ok := catalog.RDS(r.Class)
	one := e.monthly(class, ok, r.Class)
	included, throughput := smallIOPS, smallMBps
	if r.StorageGB >= stripedFromGB {
		included, throughput = largeIOPS, largeMBps
	}
	disk := float64(r.StorageGB)*e.prices.RDSGBMonth +
		float64(max(r.IOPS-included, 0))*e.prices.RDSIOPSMonth + float64(max(r.ThroughputMBps-throughput, 0))*e.prices.RDSMBpsMonth
	primaries := float64(len(t.Databases))
	copies := 1.0
	what := r.Class
	if r.MultiAZ {
		copies, what = 2, r.Class+" with a standby"
	}
	e.add("postgres", what, primaries, primaries*copies*one)
	e.add("postgres", fmt.Sprintf("storage, %d GB", r.StorageGB), primaries, primaries*copies*disk)
	replicas := primaries * float64(t.Postgres.Replicas)
	e.add("replica", r.Class, replicas, replicas*one)
	e.add("replica", fmt.Sprintf("storage, %d GB", r.StorageGB), replicas, replicas*disk)
}

func (e *estimator) caches() {
	t, c := e.topology, e.topology.AWS
	class, ok := catalog.ElastiCache(c.Redis.Node)
	one := e.monthly(class, ok, c.Redis.Node)
	if c.Redis.Engine == "valkey" {
		one *= catalog.ValkeyShare
	}
	nodes := float64(t.Redis.Masters * (1 + c.Redis.Replicas))
	e.add("redis", c.Redis.Node, nodes, nodes*one)
	class, ok = catalog.ElastiCache(c.Memcached.Node)
	nodes = float64(t.Memcached.Count)
	e.add("memcached", c.Memcached.Node, nodes, nodes*e.monthly(class, ok, c.Memcached.Node))
}

func (e *estimator) rest() {
	b := e.bought
	hours := func(system, what string, count int, price float64) {
		e.add(system, what, float64(count), float64(count)*price*catalog.HoursPerMonth)
	}
	months := func(system, what string, count int, price float64) {
		e.add(system, what, float64(count), float64(count)*price)
	}
	hours("network", "NAT gateway", b.of["aws:ec2/natGateway:NatGateway"], e.prices.NATHour)
	hours("network", "interface endpoint in a zone", b.endpoints, e.prices.EndpointHour)
	hours("network", "public IPv4 address", b.addresses, e.prices.PublicIPv4Hour)
	hours("edge", "ALB", b.albs, e.prices.ALBHour)
	hours("edge", "NLB", b.nlbs, e.prices.NLBHour)
	months("edge", "WAF", b.of["aws:wafv2/webAcl:WebAcl"], e.prices.WebACLMonth)
	months("edge", "WAF rule", b.rules, e.prices.WebACLRuleMonth)
	months("names", "hosted zone", b.of["aws:route53/zone:Zone"], e.prices.ZoneMonth)
	months("keys", "KMS key", b.of["aws:kms/key:Key"], e.prices.KeyMonth)
	months("secrets", "secret", b.secrets, e.prices.SecretMonth)
	months("watching", "metric of an alarm", b.watched, e.prices.AlarmMonth)
	months("watching", "dashboard", b.of["aws:cloudwatch/dashboard:Dashboard"], e.prices.DashboardMonth)
}

// dearer are the systems that do not cost what they did, in the order of the estimate.
func dearer(before, after Estimate) []Dearer {
	var order []string
	more := map[string]float64{}
	add := func(e Estimate, sign float64) {
		for _, i := range e.Items {
			if _, known := more[i.System]; !known {
				order = append(order, i.System)
			}
			more[i.System] += sign * i.Month
		}
	}
	add(after, 1)
	add(before, -1)
	all := []Dearer{}
	for _, system := range order {
		if math.Abs(more[system]) >= 0.005 { // half a cent is rounding
			all = append(all, Dearer{system, more[system]})
		}
	}
	return all
}

// usd is an amount: $12,345, and with cents where there are few dollars.
func usd(v float64) string {
	if v < 0 {
		return "-" + usd(-v)
	}
	if v < 10 {
		return fmt.Sprintf("$%.2f", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return "$" + s
}

// signed is a difference: +$120, -$3.
func signed(v float64) string {
	if math.Abs(v) < 0.005 {
		return "$0"
	}
	if v < 0 {
		return usd(v)
	}
	return "+" + usd(v)
}
