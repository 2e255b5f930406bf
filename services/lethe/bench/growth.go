package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

const (
	// smallDesk is how many tickets the desk has at first, bigDesk at last unless BENCH_TICKETS says otherwise.
	smallDesk = 10_000
	bigDesk   = 1_000_000
	// growthErased are measured at each size, after growthWarm others.
	growthErased, growthWarm = 10, 3
)

// sizeOf reads a size from the environment.
func sizeOf(name string, def int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s has to be a number above 0", name)
	}
	return n, nil
}

// cost is what one erasure took.
type cost struct {
	pages float64
	took  time.Duration
}

// growth erases typical people on a small desk, then on the same grown by
// tickets of others, and compares what an erasure costs.
func growth(ctx context.Context, t *table, dir string) error {
	big, err := sizeOf("BENCH_TICKETS", bigDesk)
	if err != nil {
		return err
	}
	small := min(smallDesk, max(big/10, 1))
	desk := filepath.Join(dir, "desk")
	ids, err := populate(ctx, desk, 2*(growthErased+growthWarm))
	if err != nil {
		return err
	}
	half := len(ids) / 2
	if err := grow(ctx, desk, 0, small); err != nil {
		return err
	}
	before, err := costOfErasure(ctx, desk, small, ids[:half])
	if err != nil {
		return err
	}
	if err := grow(ctx, desk, small, big); err != nil {
		return err
	}
	after, err := costOfErasure(ctx, desk, big, ids[half:])
	if err != nil {
		return err
	}
	work := fmt.Sprintf("an erasure with %d tickets on the desk to one with %d: ", big, small)
	t.atMost(work+"pages touched", 1.2, after.pages/before.pages, "", fmt.Sprintf("%.0f pages, floor %.0f", after.pages, before.pages))
	t.atMost(work+"time, warm", 1.2, after.took.Seconds()/before.took.Seconds(), "",
		fmt.Sprintf("%.0f ms, floor %.0f ms", 1000*after.took.Seconds(), 1000*before.took.Seconds()))
	return nil
}

// grow fills the desk up with tickets of people who have twenty each.
func grow(ctx context.Context, desk string, from, to int) error {
	began := time.Now()
	err := fill(ctx, desk, from, to, 0, func(n int) int64 { return firstFilled + int64(n/typicalTickets) })
	fmt.Fprintf(os.Stderr, "filled in %d tickets in %.0f s\n", to-from, time.Since(began).Seconds())
	return err
}

// costOfErasure erases people one after the other. The first few warm the caches.
func costOfErasure(ctx context.Context, desk string, tickets int, ids []int64) (cost, error) {
	s, at, err := startSuite(ctx, desk)
	if err != nil {
		return cost{}, err
	}
	defer func() { _ = stopSuite(s) }()
	client, err := restclient.New(at.HTTP, benchKey)
	if err != nil {
		return cost{}, err
	}
	defer client.Close()
	if err := readBack(ctx, client, tickets-1, 0); err != nil {
		return cost{}, err
	}
	var pages, took []time.Duration
	for i, id := range ids {
		before := pagesTouched.Load()
		d, err := timed(func() error { return eraseOne(ctx, client, id) })
		if err != nil {
			return cost{}, err
		}
		if i >= growthWarm {
			pages, took = append(pages, time.Duration(pagesTouched.Load()-before)), append(took, d)
		}
	}
	return cost{float64(median(pages)), median(took)}, nil
}
