// Command bench prints what Lethe costs: one table of ratios against a floor
// measured in the same run, with the goal of each and whether it is met. `make
// bench` runs it; it has to be started in the module of services/lethe. It needs
// a machine with nothing else to do, and is no test: nothing fails on a number.
//
// The parts, which can be named to measure these alone:
//
//	six      the six-call saga of the engine, to a bare loop of five commits
//	erase    typical people (20 tickets, 100 messages, 10 comments, 5 ratings) erased
//	         end to end, alone and 64 at a time, to bare calls, deletes and commits
//	growth   the same on a desk of 10 thousand tickets and of a million: pages and time
//	heavy    a person with 100 thousand tickets and a million messages, exported and
//	         erased while others are read
//	rest     GETs over REST, to a bare handler on a store of the same kind
//	sealing  writes and pages, to the same in the clear
//	start    the suite on an empty folder
//
// BENCH_TICKETS and BENCH_HEAVY_TICKETS make growth and heavy smaller; the table
// says how many there were. BENCH_PROFILE names a file for a processor profile.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"time"
)

// parts are what is measured, in the order of the table.
var parts = []struct {
	name string
	run  func(context.Context, *table, string) error
}{
	{"six", sixCalls},
	{"erase", erasures},
	{"growth", growth},
	{"heavy", heavy},
	{"rest", restReads},
	{"sealing", sealing},
	{"start", starts},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := profiled(func() error { return all(ctx, os.Args[1:]) }); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// profiled runs do and writes its processor profile into the file BENCH_PROFILE names, if any.
func profiled(do func() error) error {
	path := os.Getenv("BENCH_PROFILE")
	if path == "" {
		return do()
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = do()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

// all measures the named parts, every part if none is named.
func all(ctx context.Context, only []string) error {
	wanted := map[string]bool{}
	for _, name := range only {
		wanted[name] = true
	}
	if err := countPages(); err != nil {
		return err
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
