// Package run starts the parts of a process in order and stops them in reverse.
// The first part that fails takes the others down; stopping has one deadline
// for all; a panic is an error like any other; every part is named in the log.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/obs"
)

// DefaultStopTimeout bounds the stop of all parts together.
const DefaultStopTimeout = 20 * time.Second

// lastGrace is what a part gets when the deadline has passed already, so that
// a hard stop can still close its files.
const lastGrace = time.Second

// StartFunc starts a part and returns what stops it; a nil stop means that
// there is nothing to stop. Its context ends when the group fails or has been
// stopped: work that goes on in the background may use it.
type StartFunc func(ctx context.Context) (stop func(ctx context.Context) error, err error)

type part struct {
	name  string
	start StartFunc
	stop  func(context.Context) error
}

// Group holds the parts of a process. Add them, then Run; or Start, Wait and
// Stop. Adding is not safe for concurrent use, everything else is.
type Group struct {
	logger  *slog.Logger
	timeout time.Duration
	parts   []*part

	life   context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	started bool
	stopped bool
	up      []*part

	stopOnce sync.Once
	stopErr  error
}

// errStopped is the cause of the life context's end when nothing failed.
var errStopped = errors.New("stopped")

// New returns an empty group; stopTimeout 0 is DefaultStopTimeout.
func New(logger *slog.Logger, stopTimeout time.Duration) *Group {
	if stopTimeout == 0 {
		stopTimeout = DefaultStopTimeout
	}
	g := &Group{logger: logger, timeout: stopTimeout}
	g.life, g.cancel = context.WithCancelCause(context.Background())
	return g
}

// Add puts a part at the end of the order.
func (g *Group) Add(name string, start StartFunc) {
	g.parts = append(g.parts, &part{name: name, start: start})
}

// Go adds a part that is a task in the background. When it returns an error
// the group fails; its context ends when its turn to stop has come.
func (g *Group) Go(name string, task func(ctx context.Context) error) {
	g.Add(name, func(ctx context.Context) (func(context.Context) error, error) {
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			err := safely(func() error { return task(ctx) })
			if err != nil && ctx.Err() == nil {
				g.Fail(name, err)
			}
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				err = nil // it did as it was told
			}
			done <- err
		}()
		return func(stop context.Context) error {
			cancel()
			select {
			case err := <-done:
				return err
			case <-stop.Done():
				return fmt.Errorf("task did not end: %w", context.Cause(stop))
			}
		}, nil
	})
}

// Fail tells the group that a part has failed after its start; the first
// failure counts. It does not wait.
func (g *Group) Fail(name string, err error) {
	if err != nil {
		g.cancel(fmt.Errorf("%s: %w", name, err))
	}
}

// Start starts the parts one after the other. When one fails, or ctx ends,
// those that stand are stopped again and the first error is returned.
func (g *Group) Start(ctx context.Context) error {
	g.mu.Lock()
	if g.started || g.stopped {
		g.mu.Unlock()
		return errors.New("group is started twice or after its stop")
	}
	g.started = true
	g.mu.Unlock()
	for _, p := range g.parts {
		if err := g.startOne(ctx, p); err != nil {
			g.Fail(p.name, err)
			first := context.Cause(g.life)
			return errors.Join(first, g.Stop(context.WithoutCancel(ctx)))
		}
	}
	return nil
}

func (g *Group) startOne(ctx context.Context, p *part) error {
	if err := errors.Join(ctx.Err(), g.life.Err()); err != nil {
		return err
	}
	began := time.Now()
	stop, err := start(g.life, p)
	if err != nil {
		g.logger.ErrorContext(ctx, "step failed to start", obs.KeyStep, p.name, obs.KeyError, err)
		return err
	}
	g.mu.Lock()
	late := g.stopped
	if stop != nil && !late {
		p.stop = stop
		g.up = append(g.up, p)
	}
	g.mu.Unlock()
	if late { // Stop came while this part was starting and does not know it
		return errors.Join(errStopped, g.stopOne(ctx, &part{name: p.name, stop: stop}))
	}
	g.logger.InfoContext(ctx, "step started", obs.KeyStep, p.name, obs.KeyDurationMS, time.Since(began).Milliseconds())
	return nil
}

// start calls a part's function and makes its panic an error.
func start(ctx context.Context, p *part) (stop func(context.Context) error, err error) {
	err = safely(func() error {
		var err error
		stop, err = p.start(ctx)
		return err
	})
	return stop, err
}

// Wait returns when ctx ends (nil) or a part fails (its error).
func (g *Group) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-g.life.Done():
		if err := context.Cause(g.life); !errors.Is(err, errStopped) {
			return err
		}
		return nil
	}
}

// Stop stops the parts that stand, in reverse, all before ctx ends and within
// the group's own limit. Each is asked even when an earlier one failed or time
// is up. It may be called twice, at once, and before Start; all get one answer.
func (g *Group) Stop(ctx context.Context) error {
	g.stopOnce.Do(func() {
		g.mu.Lock()
		g.stopped = true
		up := g.up
		g.mu.Unlock()
		ctx, cancel := context.WithTimeout(ctx, g.timeout)
		defer cancel()
		var errs []error
		for i := len(up) - 1; i >= 0; i-- {
			if err := g.stopOne(ctx, up[i]); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", up[i].name, err))
			}
		}
		g.cancel(errStopped)
		g.stopErr = errors.Join(errs...)
	})
	return g.stopErr
}

func (g *Group) stopOne(ctx context.Context, p *part) error {
	if p.stop == nil {
		return nil
	}
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- safely(func() error { return p.stop(ctx) }) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		last := time.NewTimer(lastGrace)
		defer last.Stop()
		select {
		case err = <-done:
		case <-last.C:
			err = fmt.Errorf("did not stop: %w", context.Cause(ctx))
		}
	}
	if err != nil {
		g.logger.ErrorContext(ctx, "step failed to stop", obs.KeyStep, p.name, obs.KeyError, err)
		return err
	}
	g.logger.InfoContext(ctx, "step stopped", obs.KeyStep, p.name, obs.KeyDurationMS, time.Since(began).Milliseconds())
	return nil
}

// Run starts everything, waits until ctx ends or a part fails, and stops
// everything. ready is called in between; nil for none. The error is the first failure
// joined with those of the stop; nil when ctx ended and all stopped well.
func (g *Group) Run(ctx context.Context, ready func()) error {
	if err := g.Start(ctx); err != nil {
		return err
	}
	if ready != nil {
		ready()
	}
	return errors.Join(g.Wait(ctx), g.Stop(context.WithoutCancel(ctx)))
}

// ErrPanic is in the chain of an error that was a panic.
var ErrPanic = errors.New("panic")

// safely makes a panic an error. What was panicked with may hold a value of
// somebody; unless the runtime said it, its type has to do.
func safely(f func() error) (err error) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if re, ok := r.(runtime.Error); ok {
			err = fmt.Errorf("%w: %w", ErrPanic, re)
			return
		}
		err = fmt.Errorf("%w: %T", ErrPanic, r)
	}()
	return f()
}
