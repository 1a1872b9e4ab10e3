// Package shard maps logical shards onto databases.
//
// A logical shard is a PostgreSQL schema. Their number is fixed when a stack is
// born, so that an id's shard bits stay true for ever; which database holds which
// is data, and changes when a shard moves. This package opens no connection.
package shard

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/bits"

	"github.com/burbn/burbn/services/id"
)

// Number is a logical shard's number, from 0.
type Number uint16

// Of is the logical shard on which the row of i lives.
func Of(i id.ID) Number { return Number(i.Shard()) }

// Schema is the name of the shard's schema: shard_0042.
func (n Number) Schema() string { return fmt.Sprintf("shard_%04d", uint16(n)) }

// Database holds the logical shards First to Last, both included.
type Database struct {
	Name  string `json:"name"` // "postgres-01"
	First Number `json:"first"`
	Last  Number `json:"last"`
}

// Map says which database holds which logical shard. Databases stand in the
// order of their shards, without gap or overlap.
type Map struct {
	Count     int        `json:"count"` // of logical shards: a power of two, at most 8192
	Databases []Database `json:"databases"`
}

// Validate says everything that is wrong with the map: a count that is no power
// of two, a name given twice, a shard that no database or more than one holds.
func (m Map) Validate() error {
	var errs []error
	if m.Count < 1 || m.Count > id.MaxShard+1 || bits.OnesCount(uint(m.Count)) != 1 {
		errs = append(errs, fmt.Errorf("%d logical shards: accepted is a power of two from 1 to %d", m.Count, id.MaxShard+1))
	}
	if len(m.Databases) == 0 {
		errs = append(errs, errors.New("no database"))
	}
	names := map[string]bool{}
	next := 0 // the lowest shard not yet held
	for _, d := range m.Databases {
		if d.Name == "" || names[d.Name] {
			errs = append(errs, fmt.Errorf("database %q: the name must be given, once", d.Name))
		}
		names[d.Name] = true
		switch {
		case d.First > d.Last:
			errs = append(errs, fmt.Errorf("database %s: shards %d-%d run backwards", d.Name, d.First, d.Last))
			continue
		case int(d.First) > next:
			errs = append(errs, fmt.Errorf("database %s: shards %d-%d are held by no database", d.Name, next, d.First-1))
		case int(d.First) < next:
			errs = append(errs, fmt.Errorf("database %s: shards %d-%d are held by an earlier database too", d.Name, d.First, min(int(d.Last), next-1)))
		}
		next = max(next, int(d.Last)+1)
	}
	if next < m.Count {
		errs = append(errs, fmt.Errorf("shards %d-%d are held by no database", next, m.Count-1))
	}
	if next > m.Count {
		errs = append(errs, fmt.Errorf("shards %d-%d do not exist: there are %d", m.Count, next-1, m.Count))
	}
	return errors.Join(errs...)
}

// Database is the index in Databases of the one that holds shard n, or -1.
func (m Map) Database(n Number) int {
	lo, hi := 0, len(m.Databases)
	for lo < hi {
		mid := (lo + hi) / 2
		switch d := m.Databases[mid]; {
		case n < d.First:
			hi = mid
		case n > d.Last:
			lo = mid + 1
		default:
			return mid
		}
	}
	return -1
}

// ForName is the shard on which a user name is claimed, and on which the user
// who signs up with it lives.
func (m Map) ForName(name string) Number {
	h := fnv.New32a()
	h.Write([]byte(name))
	return Number(h.Sum32() % uint32(m.Count))
}
