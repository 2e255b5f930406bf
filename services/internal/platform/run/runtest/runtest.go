// Package runtest holds the one contract of everything that is started and
// stopped, as a test each such thing runs on itself.
package runtest

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// Part is what has a life.
type Part interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Func makes a Part of two functions.
type Func struct {
	OnStart, OnStop func(ctx context.Context) error
}

// Start calls OnStart.
func (f Func) Start(ctx context.Context) error { return f.OnStart(ctx) }

// Stop calls OnStop.
func (f Func) Stop(ctx context.Context) error { return f.OnStop(ctx) }

// Contract checks that parts made by fresh may be stopped before their start,
// twice, by many at once, and after a start that was cancelled, and that no
// goroutine outlives them.
func Contract(t *testing.T, fresh func(t *testing.T) Part) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	bg := context.Background()
	cases := map[string]func(t *testing.T, p Part){
		"stopped before start": func(t *testing.T, p Part) { must(t, p.Stop(bg)) },
		"stopped twice": func(t *testing.T, p Part) {
			must(t, p.Start(bg))
			must(t, p.Stop(bg))
			must(t, p.Stop(bg))
		},
		"stopped by many at once": func(t *testing.T, p Part) {
			must(t, p.Start(bg))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if err := p.Stop(bg); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		},
		"stopped after a cancelled start": func(t *testing.T, p Part) {
			ctx, cancel := context.WithCancel(bg)
			cancel()
			// Whether it starts is its own affair; that it can be stopped is not.
			_ = p.Start(ctx)
			must(t, p.Stop(bg))
		},
		"outlives the context of its start": func(t *testing.T, p Part) {
			ctx, cancel := context.WithCancel(bg)
			must(t, p.Start(ctx))
			cancel()
			must(t, p.Stop(bg))
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			test(t, fresh(t))
			goleak.VerifyNone(t, before)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
