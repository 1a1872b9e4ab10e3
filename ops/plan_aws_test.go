//go:build !local

package main

import "testing"

func TestScriptsOnAWS(t *testing.T) { scripts(t, "testdata/aws") }
