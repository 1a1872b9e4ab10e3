//go:build local

package main

import "testing"

func TestScriptsWithoutAWS(t *testing.T) { scripts(t, "testdata/local") }
