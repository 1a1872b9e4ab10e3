package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
)

func forget(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	return func(ctx context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		_, site, err := locate(*name)
		if err != nil {
			return err
		}
		if _, err := os.Stat(site.State); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(c.err, "the stack %s has stored nothing\n", *name)
			return nil
		}
		if _, _, err := programs(ctx, site.Socket()); err == nil {
			return fmt.Errorf("forget the stack %s: it is up: make down STACK=%s stops it first", *name, *name)
		}
		if err := os.RemoveAll(site.State); err != nil {
			return fmt.Errorf("forget the stack %s: %w", *name, err)
		}
		fmt.Fprintf(c.err, "removed %s\n", site.State)
		return nil
	}
}

func state(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	return func(_ context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		_, site, err := locate(*name)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.out, site.State)
		return nil
	}
}
