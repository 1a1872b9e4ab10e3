package aws

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/burbn/burbn/services/settings"
)

// maxUserData is how much EC2 accepts, before base64.
const maxUserData = 16 << 10

// bootSettings is where the unit boot of every machine image reads settings.Machine.
const bootSettings = "/etc/burbn/boot.json"

// userData is what EC2 gives a machine of ours when it is born: a document that
// cloud-init writes to a file, for the unit that the image starts after it. Whoever may
// describe the machine may read it, so it holds no secret; it is of the content of all
// that the machine runs, so a change of it is a new version of the launch template.
func userData(m settings.Machine) (string, error) {
	document, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#cloud-config\nwrite_files:\n  - path: %s\n    owner: root:root\n    permissions: \"0644\"\n    content: |\n", bootSettings)
	for line := range strings.Lines(string(document) + "\n") {
		b.WriteString("      " + line)
	}
	if b.Len() > maxUserData {
		return "", fmt.Errorf("user data of %s: %d bytes; EC2 accepts %d", m.Role, b.Len(), maxUserData)
	}
	return b.String(), nil
}
