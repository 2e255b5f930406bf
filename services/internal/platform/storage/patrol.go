package storage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/obs"
)

// PatrolEvery is how often the next tombstones are looked after.
const PatrolEvery = time.Minute

// stepper is a patrol.
type stepper interface {
	Step(ctx context.Context) (stragglers int64, round bool, err error)
}

// patrol looks after tombstones until the store closes.
func (s *Store) patrol(ctx context.Context, service string, p stepper, log *slog.Logger) {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	tick := time.NewTicker(PatrolEvery)
	wg.Go(func() {
		defer tick.Stop()
		watch(run, p, tick.C, log.With(slog.String(obs.KeyService, service)))
	})
	s.stop = func() {
		stop()
		wg.Wait()
	}
}

// watch makes a step of a patrol at every tick. A straggler is an alarm: it came
// later than a grace period, so the deployment is slower than it was told.
func watch(ctx context.Context, p stepper, ticks <-chan time.Time, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		n, _, err := p.Step(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.ErrorContext(ctx, "the patrol of erased people failed", slog.Any(obs.KeyError, err))
		}
		if n > 0 {
			log.WarnContext(ctx, "deleted what was written for erased people after their erasure: choose a longer grace period", slog.Int64(obs.KeyCount, n))
		}
	}
}
