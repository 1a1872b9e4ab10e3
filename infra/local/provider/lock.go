package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock takes a file for itself until it is released, or ctx ends. Locks hold between
// providers too: that of an update that was killed may still be tidying up when the
// next one begins. The file stays.
func lock(ctx context.Context, path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take a lock: %w", err)
	}
	err = poll(ctx, func() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the lock %s, which another update holds: %w", path, err), f.Close())
	}
	return func() { f.Close() }, nil
}
