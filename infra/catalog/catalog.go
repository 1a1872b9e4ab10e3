// Package catalog is what Amazon sells of what a topology may ask for: regions, machine
// classes, engine versions and list prices. It is a table and no more: it asks nobody,
// so it is as old as the date in the header of each of its files, and says so there.
//
// A class is here because someone may sensibly choose it for this system; that it is
// missing does not mean that Amazon does not have it. Adding one is adding its line.
package catalog

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Class is a size of a machine, a database or a cache node.
type Class struct {
	Name         string // "c7g.xlarge", "db.r6g.4xlarge", "cache.r7g.large"
	Architecture string // "amd64" or "arm64"
	VCPU         int
	MemoryGiB    float64 // of a cache node: what it offers to data
	// Hourly is the price on demand in USD, by region. A region that is missing is one
	// whose price is not known here; the class may well be sold there.
	Hourly map[string]float64
}

// ValkeyShare is what a cache node costs under Valkey, as a share of its price under
// Redis OSS: https://aws.amazon.com/elasticache/pricing/
const ValkeyShare = 0.8

var (
	//go:embed ec2.csv
	ec2File string
	//go:embed rds.csv
	rdsFile string
	//go:embed elasticache.csv
	elastiCacheFile string

	ec2Classes         = sync.OnceValue(func() map[string]Class { return must("ec2.csv", ec2File) })
	rdsClasses         = sync.OnceValue(func() map[string]Class { return must("rds.csv", rdsFile) })
	elastiCacheClasses = sync.OnceValue(func() map[string]Class { return must("elasticache.csv", elastiCacheFile) })
)

// EC2 is the class of a machine by its name, such as c7g.xlarge.
func EC2(name string) (Class, bool) { return find(ec2Classes(), name) }

// RDS is the class of a database by its name, such as db.r6g.4xlarge.
func RDS(name string) (Class, bool) { return find(rdsClasses(), name) }

// ElastiCache is the class of a cache node by its name, such as cache.r7g.large.
func ElastiCache(name string) (Class, bool) { return find(elastiCacheClasses(), name) }

// EC2Names are the names that EC2 knows, sorted; RDSNames and ElastiCacheNames likewise.
func EC2Names() []string { return slices.Sorted(maps.Keys(ec2Classes())) }

// RDSNames are the names that RDS knows, sorted.
func RDSNames() []string { return slices.Sorted(maps.Keys(rdsClasses())) }

// ElastiCacheNames are the names that ElastiCache knows, sorted.
func ElastiCacheNames() []string { return slices.Sorted(maps.Keys(elastiCacheClasses())) }

func find(classes map[string]Class, name string) (Class, bool) {
	c, ok := classes[name]
	return c, ok
}

// must reads a file that is part of the program: if it is wrong, so is the build, and
// the package's tests say so first.
func must(file, text string) map[string]Class {
	classes, err := read(text)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", file, err))
	}
	return classes
}

// columns come before those of the regions.
var columns = []string{"class", "architecture", "vcpu", "memoryGiB"}

// read reads a table of classes: lines that begin with # are its header, the first
// other line names the columns.
func read(text string) (map[string]Class, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comment = '#'
	rows, err := r.ReadAll() // every row has as many fields as the first
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows[0]) <= len(columns) || !slices.Equal(rows[0][:len(columns)], columns) {
		return nil, fmt.Errorf("the columns are not %s and then the regions", strings.Join(columns, ", "))
	}
	in := rows[0][len(columns):]
	for _, region := range in {
		if !slices.Contains(regions, region) {
			return nil, fmt.Errorf("column %q is no region", region)
		}
	}
	classes := map[string]Class{}
	for _, row := range rows[1:] {
		c, err := class(row, in)
		if err != nil {
			return nil, fmt.Errorf("class %q: %w", row[0], err)
		}
		if _, ok := classes[c.Name]; ok {
			return nil, fmt.Errorf("class %q is given twice", c.Name)
		}
		classes[c.Name] = c
	}
	return classes, nil
}

func class(row, in []string) (Class, error) {
	c := Class{Name: row[0], Architecture: row[1], Hourly: map[string]float64{}}
	if c.Name == "" {
		return Class{}, fmt.Errorf("has no name")
	}
	if c.Architecture != "amd64" && c.Architecture != "arm64" {
		return Class{}, fmt.Errorf("architecture %q is not amd64 or arm64", c.Architecture)
	}
	var err error
	if c.VCPU, err = strconv.Atoi(row[2]); err != nil || c.VCPU < 1 {
		return Class{}, fmt.Errorf("vcpu %q is not a count", row[2])
	}
	if c.MemoryGiB, err = positive(row[3]); err != nil {
		return Class{}, fmt.Errorf("memoryGiB: %w", err)
	}
	for i, region := range in {
		price := row[len(columns)+i]
		if price == "" {
			continue // not known
		}
		if c.Hourly[region], err = positive(price); err != nil {
			return Class{}, fmt.Errorf("%s: %w", region, err)
		}
	}
	return c, nil
}

// positive reads a number that is above zero and below a million.
func positive(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0 && f < 1e6) {
		return 0, fmt.Errorf("%q is not a positive number", s)
	}
	return f, nil
}
