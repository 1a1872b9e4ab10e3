package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sys/unix"

	"github.com/burbn/burbn/services/settings"
)

const (
	// fetchTime bounds all that comes from others: the bundle, the programs, the
	// secrets. Together with the units' own times it stays below the ten minutes for
	// which the Auto Scaling group waits.
	fetchTime = 5 * time.Minute
	// attemptTime bounds one request, so that a connection that hangs is tried anew.
	attemptTime = time.Minute
)

// Where the machine keeps what it needs itself, below its root.
const (
	bundleDir = "/var/lib/burbn/machine"
	pendDir   = "/run/burbn/reload" // a file for each unit that has yet to read changed credentials
	lockPath  = "/run/burbn/machine.lock"
)

// machine is this machine and the services of AWS that it asks.
type machine struct {
	settings settings.Machine
	files    *os.Root
	lock     *os.File
	log      *slog.Logger

	objects  *s3.Client
	secrets  *secretsmanager.Client
	groups   *autoscaling.Client
	metadata *imds.Client

	fetchTime time.Duration
}

// open reads the settings and takes the machine's lock: two that write the same files
// at once would mix them. It asks nobody.
func open(ctx context.Context, file, root string, log *slog.Logger) (*machine, error) {
	doc, err := settings.Load[settings.Machine](file)
	if err != nil {
		return nil, err
	}
	// The identity is the instance's role, through version 2 of the metadata service.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(doc.Region), config.WithEC2IMDSClientEnableState(imds.ClientEnabled))
	if err != nil {
		return nil, fmt.Errorf("set up the clients of AWS: %w", err)
	}
	files, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open the machine's root: %w", err)
	}
	m := &machine{
		settings: doc, files: files, log: log.With("stack", doc.Stack, "role", doc.Role),
		objects: s3.NewFromConfig(cfg), secrets: secretsmanager.NewFromConfig(cfg),
		groups: autoscaling.NewFromConfig(cfg), metadata: imds.NewFromConfig(cfg),
		fetchTime: fetchTime,
	}
	if m.lock, err = lock(files); err != nil {
		files.Close()
		return nil, err
	}
	return m, nil
}

func (m *machine) close() {
	m.lock.Close() // and with it goes the lock
	m.files.Close()
}

func lock(files *os.Root) (*os.File, error) {
	if err := mkdirFor(files, lockPath); err != nil {
		return nil, err
	}
	f, err := files.OpenFile(below(lockPath), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the machine: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s, which another run of this program holds: %w", lockPath, err)
	}
	return f, nil
}
