package aws

import (
	"fmt"

	"github.com/burbn/burbn/images"
)

// backupWindow spreads the daily snapshots over the night, for the load that they are,
// by the number of the database alone.
func backupWindow(m images.Machine) string {
	return halfHour((m.Index - 1) % 16) // 00:00 to 08:00 UTC
}

// maintenanceWindow comes after all backups: replicas on Monday, so that what goes wrong
// does so there first, and primaries over the three days after.
func maintenanceWindow(m images.Machine) string {
	day := "mon"
	if m.Role == images.Postgres {
		day = []string{"tue", "wed", "thu"}[(m.Index-1)%3]
	}
	slot := 17 + (m.Index-1)%8 // 08:30 to 12:30 UTC
	window := halfHour(slot)
	return day + ":" + window[:6] + day + ":" + window[6:]
}

// halfHour is the n-th of a day, as "08:30-09:00".
func halfHour(n int) string {
	at := func(n int) string { return fmt.Sprintf("%02d:%02d", n/2, n%2*30) }
	return at(n) + "-" + at(n+1)
}
