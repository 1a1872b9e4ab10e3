package images

import (
	"fmt"

	"github.com/burbn/burbn/services/settings"
)

// spareConnections are left to replication, migrations, the rotation of passwords,
// monitoring and people.
const spareConnections = 10

// connectionsFit says whether a database accepts all the connections that the poolers
// of both kinds may hold to it when every fleet is at its largest.
func (p Placement) connectionsFit() error {
	poolers, sessions := p.poolers()
	if need := poolers*p.PoolSize() + sessions + spareConnections; need > p.PostgresConnections {
		return fmt.Errorf("a database accepts %d connections: %d machines with %d each, %d sessions of workers and %d to spare are %d",
			p.PostgresConnections, poolers, p.PoolSize(), sessions, spareConnections, need)
	}
	return nil
}

// poolers counts the machines that have one, every fleet at its largest, and the
// sessions that they may hold to each database.
func (p Placement) poolers() (poolers, sessions int) {
	for _, m := range p.Machines {
		n := max(1, m.Fleet)
		if m.Role == API || m.worksQueues() {
			poolers += n
		}
		if m.worksQueues() {
			sessions += n * settings.SessionsPerDatabase
		}
	}
	return poolers, sessions
}
