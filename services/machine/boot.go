package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/burbn/burbn/services/settings"
)

// boot makes the machine what its settings say and tells the Auto Scaling group that
// waits for it how that ended.
func (m *machine) boot(ctx context.Context) error {
	began := time.Now()
	err := m.bringUp(ctx)
	if ctx.Err() != nil {
		// It is being shut down, which is nothing to judge it by.
		return errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		m.log.ErrorContext(ctx, "the machine does not come up", "error", err)
		return errors.Join(err, m.tell(ctx, abandon))
	}
	m.log.InfoContext(ctx, "the machine is up", "seconds", time.Since(began).Seconds())
	return m.tell(ctx, proceed)
}

func (m *machine) bringUp(ctx context.Context) error {
	manifest, err := m.provide(ctx)
	if err != nil {
		return err
	}
	reloading, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if err := systemctl(reloading, "daemon-reload"); err != nil {
		return fmt.Errorf("have systemd read the units: %w", err)
	}
	for _, u := range manifest.Units {
		if err := m.start(ctx, u); err != nil {
			m.log.ErrorContext(ctx, "unit not ready", "unit", u.Name, "journal", lastWords(ctx, u.Name))
			return err
		}
	}
	return nil
}

// provide puts all that the units need where they look for it.
func (m *machine) provide(ctx context.Context) (settings.Manifest, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.fetchTime, fmt.Errorf("it is not there after %s", m.fetchTime))
	defer cancel()
	packed := path.Join(bundleDir, m.settings.Bundle.SHA256+".tar.gz")
	if err := m.fetch(ctx, m.settings.Bundle, packed, 0o644); err != nil {
		return settings.Manifest{}, err
	}
	b, err := readBundleAt(m.files, packed)
	if err != nil {
		return settings.Manifest{}, fmt.Errorf("read bundle %s: %w", m.settings.Bundle.Key, err)
	}
	for _, p := range b.manifest.Programs {
		if err := m.fetch(ctx, p.Object, p.Path, 0o755); err != nil {
			return settings.Manifest{}, err
		}
	}
	if err := b.install(m.files); err != nil {
		return settings.Manifest{}, fmt.Errorf("unpack bundle %s: %w", m.settings.Bundle.Key, err)
	}
	return b.manifest, m.writeCredentials(ctx, b.manifest)
}
