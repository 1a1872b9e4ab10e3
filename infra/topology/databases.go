package topology

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/burbn/burbn/services/shard"
)

// noShards is said of a database that exists and holds nothing yet.
const noShards = "none"

// shards puts the number of logical shards and the databases' ranges together, and
// names all databases in the order of their numbers.
func (r *reader) shards(s *section, count int, postgres *section) (shard.Map, []string) {
	m := shard.Map{Count: count}
	var names []string
	before := len(r.problems)
	databases := postgres.list("databases")
	for _, d := range databases {
		accepted := fmt.Sprintf("the name of the machine, postgres-01 to postgres-%02d for %d databases", len(databases), len(databases))
		name := d.text("name", databaseName, accepted)
		switch {
		case DatabaseIndex(name) > len(databases):
			r.refuse(d.values["name"], d.path("name"), "%q is not accepted: accepted is %s", name, accepted)
		case name != "" && slices.Contains(names, name):
			r.refuse(d.values["name"], d.path("name"), "%q is given twice", name)
		}
		names = append(names, name)
		shards := d.text("shards", shardRange, "the first and the last logical shard, such as 0-127, or "+noShards)
		d.close()
		if from, to, ok := strings.Cut(shards, "-"); ok {
			first, _ := strconv.Atoi(from) // four digits at most
			last, _ := strconv.Atoi(to)
			m.Databases = append(m.Databases, shard.Database{Name: name, First: shard.Number(first), Last: shard.Number(last)})
		}
	}
	slices.Sort(names) // two digits each, so that this is the order of their numbers
	if s.broken || postgres.broken || count == 0 || len(r.problems) > before {
		return m, names // what the map lacks has been said already, in fewer words
	}
	for _, err := range unjoin(m.Validate()) {
		r.refuse(postgres.values["databases"], postgres.path("databases"), "%w", err)
	}
	return m, names
}

// DatabaseIndex is the number in a database's name: 3 of postgres-03.
func DatabaseIndex(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "postgres-")) // as databaseName accepts it
	return n
}

// unjoin takes the errors of errors.Join apart, so that each gets its key.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}
