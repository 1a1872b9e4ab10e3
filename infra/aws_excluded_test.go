//go:build local

package main

import (
	"strings"
	"testing"

	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
)

func TestWithoutAWSItsTargetIsRefused(t *testing.T) {
	top := topology.Topology{Target: topology.AWS}
	_, earlier := earlierRelease(nil, top)
	for what, err := range map[string]error{"deploy": deployAWS(nil, top, release.Unknown()), "an earlier release": earlier} {
		if err == nil || !strings.Contains(err.Error(), "build it without") {
			t.Errorf("%s: %v, want what to do", what, err)
		}
	}
}
