package aws

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/burbn/burbn/images"
)

func TestWindowsDoNotOverlap(t *testing.T) {
	const databases = 16
	backups := map[string]int{}
	for i := range databases {
		primary, replica := images.Machine{Role: images.Postgres, Index: i + 1}, images.Machine{Role: images.Replica, Index: i + 1}
		backup := backupWindow(primary)
		if other, taken := backups[backup]; taken {
			t.Errorf("databases %d and %d are both backed up at %s", other, i+1, backup)
		}
		backups[backup] = i + 1
		from, to := clocks(t, backup)
		for _, m := range []images.Machine{primary, replica} {
			maintenance := maintenanceWindow(m)
			day := maintenance[:4]
			start, end := clocks(t, strings.ReplaceAll(maintenance, day, ""))
			if end.Sub(start) < 30*time.Minute || to.Sub(from) < 30*time.Minute {
				t.Errorf("%s-%02d: windows %s and %s: RDS wants half an hour", m.Role, m.Index, backup, maintenance)
			}
			if from.Before(end) && start.Before(to) {
				t.Errorf("%s-%02d: the backup %s overlaps the maintenance %s", m.Role, m.Index, backup, maintenance)
			}
			if (m.Role == images.Replica) != (day == "mon:") {
				t.Errorf("%s-%02d is maintained on %s: a replica is first, on Monday", m.Role, m.Index, day)
			}
		}
	}
	if len(backups) != databases {
		t.Errorf("%d backup windows", len(backups))
	}
	if got := fmt.Sprint(backupWindow(images.Machine{Index: 17})); got != "00:00-00:30" {
		t.Errorf("database 17 is backed up at %s", got)
	}
}

// clocks are the two ends of a window such as 08:30-09:00.
func clocks(t *testing.T, window string) (from, to time.Time) {
	t.Helper()
	a, b, _ := strings.Cut(window, "-")
	var err error
	if from, err = time.Parse("15:04", a); err == nil {
		to, err = time.Parse("15:04", b)
	}
	if err != nil {
		t.Fatalf("window %q: %v", window, err)
	}
	return from, to
}
