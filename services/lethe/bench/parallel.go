package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lethe-desk/lethe/services/lethe/internal/suite"
)

// inParallel does n things, width at a time, and returns the first error.
func inParallel(n, width int, do func(i int) error) error {
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		once  sync.Once
		first error
	)
	for range min(width, n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}

// listen takes a free port of this machine.
func listen(ctx context.Context) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
}

const benchKey = "an-administrators-key-for-the-bench"

// startSuite starts the whole suite in this process.
func startSuite(ctx context.Context, dir string) (*suite.Suite, suite.Addresses, error) {
	s, err := suite.New(ctx, suite.Config{Dir: dir, HTTPAddr: "127.0.0.1:0", AdminKey: benchKey, LogFile: dir + ".log"})
	if err != nil {
		return nil, suite.Addresses{}, err
	}
	at, err := s.Start(ctx)
	return s, at, err
}

func stopSuite(s *suite.Suite) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return s.Stop(ctx)
}
