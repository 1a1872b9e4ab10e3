package release

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Manifest is the release as text: a JSON object of the SHA-256 of every program but
// that of the machine images. It is what stays of a release when the next one is deployed, and what it is found by.
func (r Release) Manifest() (string, error) {
	sums := map[string]string{}
	for _, p := range r {
		if p.Name != machine {
			sums[p.Name] = p.SHA256
		}
	}
	b, err := json.MarshalIndent(sums, "", "  ")
	return string(b) + "\n", err
}

// Parse reads the manifest of the release of an id. What it describes must have that
// id: a manifest that was edited is no release.
func Parse(id, manifest string) (Release, error) {
	var sums map[string]string
	d := json.NewDecoder(bytes.NewReader([]byte(manifest)))
	if err := d.Decode(&sums); err != nil {
		return nil, fmt.Errorf("read the manifest of release %s: %w", id, err)
	}
	var r Release
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		if b, err := hex.DecodeString(sums[name]); err != nil || len(b) != 32 {
			return nil, fmt.Errorf("read the manifest of release %s: %s: %q: accepted is a SHA-256 in hex", id, name, sums[name])
		}
		r = append(r, Program{Name: name, SHA256: sums[name]})
	}
	if r.ID() != id {
		return nil, fmt.Errorf("read the manifest of release %s: what it lists is release %s", id, r.ID())
	}
	return r, nil
}
