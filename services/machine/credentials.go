package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/burbn/burbn/services/settings"
)

// credentials writes what has changed and has it read. What cannot be fetched stays
// as it is, and the timer comes again.
func (m *machine) credentials(ctx context.Context) error {
	b, err := m.files.ReadFile(below(settings.ManifestPath))
	if err != nil {
		return fmt.Errorf("read the manifest, which boot unpacks: %w", err)
	}
	manifest, err := settings.Parse[settings.Manifest](b)
	if err != nil {
		return fmt.Errorf("read %s: %w", settings.ManifestPath, err)
	}
	fetching, cancel := context.WithTimeout(ctx, m.fetchTime)
	defer cancel()
	if err := m.writeCredentials(fetching, manifest); err != nil {
		return err
	}
	var errs []error
	for _, u := range manifest.Units {
		if !m.pending(u.Name) {
			continue
		}
		m.log.InfoContext(ctx, "reloading", "unit", u.Name)
		reloading, cancel := context.WithTimeout(ctx, u.Timeout.Std())
		err := systemctl(reloading, "try-reload-or-restart", u.Name+".service")
		cancel()
		if err == nil {
			err = m.done(u.Name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// writeCredentials fetches every secret, and then writes the credentials that have
// changed. The units that read one are marked before it is written: a run that is
// killed in between leaves the mark to the next.
func (m *machine) writeCredentials(ctx context.Context, manifest settings.Manifest) error {
	secrets, err := m.fetchSecrets(ctx, manifest)
	if err != nil {
		return err
	}
	if err := m.files.MkdirAll(below(settings.CredentialStore), 0o700); err != nil {
		return fmt.Errorf("make %s: %w", settings.CredentialStore, err)
	}
	for _, c := range manifest.Credentials {
		content, err := settings.Fill(c.Template, func(name string) (string, error) {
			ref := c.Secrets[name]
			v, ok := secrets[ref.ID][ref.Key]
			if !ok {
				return "", fmt.Errorf("secret %s has no %q: accepted is one of %q", ref.ID, ref.Key, slices.Sorted(maps.Keys(secrets[ref.ID])))
			}
			return v, nil
		})
		if err != nil {
			return fmt.Errorf("fill credential %s: %w", c.Name, err)
		}
		at := path.Join(settings.CredentialStore, c.Name)
		if has(m.files, at, 0o600, []byte(content)) {
			continue
		}
		for _, unit := range c.Units {
			if err := place(m.files, path.Join(pendDir, unit), 0o600, strings.NewReader("")); err != nil {
				return err
			}
		}
		if err := place(m.files, at, 0o600, strings.NewReader(content)); err != nil {
			return err
		}
		m.log.InfoContext(ctx, "credential written", "credential", c.Name)
	}
	return nil
}

// fetchSecrets is every secret that the manifest names: by id, the values by key.
func (m *machine) fetchSecrets(ctx context.Context, manifest settings.Manifest) (map[string]map[string]string, error) {
	secrets := map[string]map[string]string{}
	for _, c := range manifest.Credentials {
		for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
			id := c.Secrets[name].ID
			if _, ok := secrets[id]; ok {
				continue
			}
			err := retry(ctx, m.log, "fetch secret "+id, func(ctx context.Context) error {
				// Its current version, which is what is asked for where none is named.
				got, err := m.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(id)})
				if err != nil {
					return err
				}
				secrets[id], err = values(aws.ToString(got.SecretString))
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return secrets, nil
}

// values are the texts of a JSON object. What else is in it — a port is a number —
// is none of ours. No error quotes the secret, as those of encoding/json may.
func values(secret string) (map[string]string, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(secret), &object); err != nil || object == nil {
		return nil, fmt.Errorf("%w: it is not a JSON object", errContent)
	}
	texts := map[string]string{}
	for k, v := range object {
		if text, ok := v.(string); ok {
			texts[k] = text
		}
	}
	return texts, nil
}

// pending says whether a unit has yet to read changed credentials.
func (m *machine) pending(unit string) bool {
	_, err := m.files.Lstat(below(path.Join(pendDir, unit)))
	return err == nil
}

func (m *machine) done(unit string) error {
	if err := m.files.Remove(below(path.Join(pendDir, unit))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note that %s has its credentials: %w", unit, err)
	}
	return nil
}
