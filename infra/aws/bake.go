package aws

import (
	"fmt"
	"path"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/services/settings"
)

// kitchenDir is where a recipe lies while it is baked, and where the test finds it. It
// is not /tmp, which is empty after the restart between the two.
const kitchenDir = "/var/lib/burbn-bake"

// packRecipe is what the machine that bakes fetches: the files as they will lie below
// "/", and beside them the two scripts.
func packRecipe(r images.Recipe) ([]byte, error) {
	files := []images.File{{Path: "/bake", Mode: 0o755, Content: r.Script}, {Path: "/verify", Mode: 0o755, Content: r.Verify}}
	for _, f := range r.Files {
		files = append(files, images.File{Path: path.Join("/root", f.Path), Mode: f.Mode, Content: f.Content})
	}
	return pack(files)
}

// bakeDocument is what Image Builder's executor obeys, in its own language:
// https://docs.aws.amazon.com/imagebuilder/latest/userguide/toe-use-documents.html
// The build runs on a machine born of Debian's image, the test on one born of ours.
func bakeDocument(recipe, machine settings.Object) string {
	fetch := func(o settings.Object, to string) string {
		return fmt.Sprintf("          - source: s3://%s/%s\n            destination: %s/%s\n", o.Bucket, o.Key, kitchenDir, to)
	}
	return `schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Fetch
        action: S3Download
        maxAttempts: 3
        inputs:
` + fetch(recipe, "recipe.tar.gz") + fetch(machine, "machine") + `      - name: Bake
        action: ExecuteBash
        timeoutSeconds: 1800
        inputs:
          commands:
            - |
              set -eu
              cd ` + kitchenDir + `
              printf '%s  recipe.tar.gz\n%s  machine\n' ` + recipe.SHA256 + ` ` + machine.SHA256 + ` | sha256sum --check --strict
              tar --no-same-owner -xzf recipe.tar.gz
              install -D -o root -g root -m 0755 machine ` + machineProgram + `
              cp -r root/. /
              ./bake
              rm -rf root machine recipe.tar.gz bake
  - name: test
    steps:
      - name: Verify
        action: ExecuteBash
        timeoutSeconds: 600
        inputs:
          commands:
            - |
              set -eu
              ` + kitchenDir + `/verify
`
}

// machineProgram is where the units of every machine image find the program machine.
const machineProgram = programs + "/machine"

// agentScript installs the agent of Systems Manager, which Image Builder works through
// and people log in by. Debian's image lacks it, and what Image Builder would do about
// that by itself is said of its supported systems alone. It comes over TLS from
// Amazon's own bucket of the region: the key that signs it is exchanged every year or
// two, and a copy of it here would one day stop every bake. Debian's own timers may hold
// the lists or the packages meanwhile: a bake whose agent never comes ends in a timeout
// that says nothing.
//
// With user data of ours Image Builder leaves out its own cleaning at the end, which
// knows other systems: what has to go, images/bake removes.
func agentScript(region, arch string) string {
	return fmt.Sprintf(`#!/bin/sh
set -eu
export DEBIAN_FRONTEND=noninteractive
systemctl stop apt-daily.timer apt-daily-upgrade.timer
tries=0
until apt-get -qq update && apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends ca-certificates curl; do
	tries=$((tries + 1))
	[ $tries -lt 30 ]
	sleep 10
done
cd "$(mktemp -d)"
curl --fail --silent --show-error --retry 5 --retry-all-errors --proto =https -O https://s3.%s.amazonaws.com/amazon-ssm-%s/latest/debian_%s/amazon-ssm-agent.deb
apt-get -qq -o DPkg::Lock::Timeout=300 install -y ./amazon-ssm-agent.deb
systemctl enable --now amazon-ssm-agent.service
`, region, region, arch)
}
