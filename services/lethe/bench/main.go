// Command bench prints what Lethe costs: one table of ratios against a floor
// measured in the same run, with the goal of each and whether it is met. `make
// bench` runs it; it has to be started in the module of services/lethe. It needs
// a machine with nothing else to do, and is no test: nothing fails on a number.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// parts are what is measured, in the order of the table.
var parts = []struct {
	name string
	run  func(context.Context, *table, string) error
}{
	{"six", sixCalls},
	{"erase", erasures},
	{"rest", restReads},
	{"sealing", sealing},
	{"start", starts},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := all(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// all measures the named parts, every part if none is named.
func all(ctx context.Context, only []string) error {
	wanted := map[string]bool{}
	for _, name := range only {
		wanted[name] = true
	}
	t := &table{}
	for _, p := range parts {
		if len(only) > 0 && !wanted[p.name] {
			continue
		}
		began := time.Now()
		dir, err := os.MkdirTemp("", "lethe-bench-")
		if err != nil {
			return err
		}
		err = p.run(ctx, t, dir)
		_ = os.RemoveAll(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "measured %s in %.0f s\n", p.name, time.Since(began).Seconds())
	}
	return t.print(os.Stdout)
}
