package main

import (
	"context"
	"flag"
	"fmt"
	"os/exec"
	"strings"

	"github.com/burbn/burbn/infra/topology"
)

// planOptions are the flags of plan.
type planOptions struct {
	stack, against      *string
	json, markdown, all *bool
}

// planCommand is what plan does where the target aws is compiled in, and how it is
// compiled in where it is not. What is wrong with the command line is said before that.
func planCommand(flags *flag.FlagSet) action {
	o := planOptions{
		stack:    flags.String("stack", "production", "`name` of the stack, as in stacks/Pulumi.<name>.yaml"),
		against:  flags.String("against", "", "git `revision` of the stack's file to compare with: HEAD, main, v1.2"),
		json:     flags.Bool("json", false, "for programs: everything, as one JSON document"),
		markdown: flags.Bool("markdown", false, "for a comment on a pull request: the differences first"),
		all:      flags.Bool("all", false, "name every resource, and show values whole"),
	}
	flags.StringVar(o.stack, "s", "production", "the same as -stack")
	return func(ctx context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		if *o.json && *o.markdown || *o.json && *o.all {
			fmt.Fprint(c.err, "burbn: -json shows everything, as nothing but JSON: give neither -markdown nor -all with it\n\n")
			return errUsage
		}
		root, _, err := locate(*o.stack)
		if err != nil {
			return misuse{err}
		}
		t, err := topology.ParseFile(file(root, *o.stack))
		if err != nil {
			return err
		}
		if t.Target != topology.AWS {
			return misuse{fmt.Errorf("the stack %q runs on this machine (target %s), where pulumi preview says what becomes of it: accepted is a stack of the target %s",
				*o.stack, t.Target, topology.AWS)}
		}
		var old topology.Topology
		if *o.against != "" {
			if old, err = at(ctx, root, *o.against, *o.stack); err != nil {
				return misuse{err}
			}
		}
		return plan(ctx, c, o, t, old)
	}
}

// at is the topology of a stack as its file was at a git revision.
func at(ctx context.Context, root, revision, stack string) (topology.Topology, error) {
	git := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
		var complaint strings.Builder
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		if err != nil && complaint.Len() > 0 {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
		}
		return out, err
	}
	commit, err := git("rev-parse", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return topology.Topology{}, fmt.Errorf("the revision %q is unknown: accepted is what git rev-parse knows in %s, such as HEAD~1 or main: %w", revision, root, err)
	}
	// Of the folder, which need not be the top of the repository.
	name := "./stacks/Pulumi." + stack + ".yaml"
	text, err := git("show", strings.TrimSpace(string(commit))+":"+name)
	if err != nil {
		return topology.Topology{}, fmt.Errorf("read the stack %q as it was at %s: %w", stack, revision, err)
	}
	t, err := topology.ParseText(revision+":"+strings.TrimPrefix(name, "./"), text)
	if err == nil && t.Target != topology.AWS {
		err = fmt.Errorf("the stack %q was on this machine (target %s) at %s: accepted is one of the target %s", stack, t.Target, revision, topology.AWS)
	}
	return t, err
}
