package saga

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// errFenced ends a run whose saga belongs to somebody else by now; errLease one
// whose lease is nearly over. In both cases the run drops what it knows.
var (
	errFenced = errors.New("saga was taken over")
	errLease  = errors.New("lease is over")
	errBroken = errors.New("saga run broke")
)

// run is one segment of a saga in this engine: from a claim to a sleep, an end or a loss.
type run struct {
	e      *Engine
	id     string
	plan   *plan
	row    *Row // as stored; only the run's own goroutine touches it
	again  bool // look once more behind this run; guarded by Engine.mu
	next   *run // the run to look with, if it is there already; guarded by Engine.mu
	ctx    context.Context
	cancel context.CancelCauseFunc
	span   trace.Span
	lease  atomic.Pointer[lease]
	shown  atomic.Pointer[Row] // row, for those who ask what runs here
}

// lease is the time in which a run may act. It is checked by the monotonic and
// by the wall clock: the first does not see a machine sleep, the second can be set back.
type lease struct {
	from   time.Time
	length time.Duration
}

// over reports whether less than a fifth of the lease is left.
func (l *lease) over(now time.Time) bool {
	limit := l.length / 5 * 4
	return now.Sub(l.from) >= limit || now.Round(0).Sub(l.from.Round(0)) >= limit
}

func newRun(e *Engine, id string) *run {
	r := &run{e: e, id: id}
	r.ctx, r.cancel = context.WithCancelCause(e.ctx)
	return r
}

// abandon ends a run that never began.
func (r *run) abandon(err error) {
	r.endSegment(err)
	r.cancel(err)
}

// drive claims the saga if it is not owned yet and runs it as far as it goes.
func (r *run) drive() {
	defer r.cancel(nil)
	err := r.work()
	r.endSegment(err)
	switch {
	case err == nil || errors.Is(err, errBusy):
	case errors.Is(err, errBroken):
		r.e.opts.Log.Error("saga engine broke", "saga", r.id)
	case errors.Is(err, errFenced) || errors.Is(err, errLease):
		r.e.opts.Log.Warn("saga run lost its claim", "saga", r.id)
	case r.e.ctx.Err() == nil:
		r.e.opts.Log.Warn("saga run stopped", "saga", r.id)
	}
}

// work is drive without its report. A mistake of the engine itself stops only
// this run: the saga is claimed again when its lease ends, and parked if that repeats.
func (r *run) work() (err error) {
	defer func() {
		if recover() != nil {
			err = errBroken
		}
	}()
	if err := r.claim(); err != nil {
		return err
	}
	for r.row.Owner != "" {
		step := r.forward
		if r.row.State == StateUndoing {
			step = r.backward
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// claim takes the saga by one write unless it is owned from its creation on.
// errBusy means that it is not, or no longer, to be had.
func (r *run) claim() error {
	if r.row != nil {
		return nil
	}
	row, err := r.e.store.Load(r.ctx, r.id)
	if err != nil {
		return err
	}
	now := r.e.now()
	if !r.e.rules.claimable(&r.e.opts, row, now) {
		return errBusy
	}
	if r.plan, err = r.e.planOf(row); err != nil {
		r.e.opts.Log.Error("saga needs a definition that is not registered", "saga", r.id)
		return errBusy
	}
	r.startSegment(row)
	c := row.Clone()
	r.take(c, now)
	before := c.Rev
	err = r.e.store.Save(r.ctx, c)
	if err == nil {
		r.adopt(c, now)
		return nil
	}
	// An answer that got lost may hide a claim that was written.
	if !errors.Is(err, ErrStale) {
		stored, lerr := r.e.store.Load(r.ctx, r.id)
		if lerr == nil && stored.Owner == r.e.opts.Instance && stored.Epoch == row.Epoch+1 && stored.Rev == before+1 {
			r.adopt(stored, now)
			return nil
		}
		return err
	}
	return errBusy
}

// claimable reports whether the saga is due and in nobody's hands.
func claimable(o *Options, row *Row, now time.Time) bool {
	if row.State.Ended() || row.State == StateParked {
		return false
	}
	if o.Embedded && row.Owner != "" && row.Owner != o.Instance {
		return true
	}
	return !row.DueAt.IsZero() && !row.DueAt.After(now)
}

// take writes the claim into a row: or the parking of a saga that kills its owners.
func (r *run) take(c *Row, now time.Time) {
	c.UpdatedAt = stamp(now)
	c.Epoch++
	if c.Claims >= r.e.opts.MaxClaims {
		c.mustApply(evStuck)
		c.Reason = "crash_loop"
		c.disown(time.Time{})
		c.note(c.UpdatedAt, "", "", c.Reason)
		return
	}
	c.Claims++
	was := c.State
	c.mustApply(evClaimed)
	if was == StatePending && r.plan.kind(0) == Pivot {
		c.mustApply(evPivoted)
	}
	c.Owner = r.e.opts.Instance
	c.DueAt = time.Time{}
	c.lend(now, r.e.opts.Lease)
	c.Trace.LastSegment = r.segment()
	if c.State != was {
		c.note(c.UpdatedAt, "", "", "")
	}
}

// adopt makes a stored row the run's own and tells watchers of it.
func (r *run) adopt(c *Row, now time.Time) {
	r.row = c
	r.shown.Store(c)
	r.lease.Store(&lease{from: now, length: r.e.opts.Lease})
	r.e.commits.Add(1)
	r.e.hub.committed(c)
}

// mayAct reports whether the run still holds its lease safely.
func (r *run) mayAct() bool { return !r.lease.Load().over(r.e.now()) }

// forward runs the current stage and records it.
func (r *run) forward() error {
	return r.stage(r.row.toDo(r.plan), false)
}

// backward undoes what is to be undone of the current stage and records it.
func (r *run) backward() error { return r.stage(r.row.toUndo(r.plan, r.row.Stage), true) }

// stage performs steps and records what they brought in exactly one write.
func (r *run) stage(todo []int, undo bool) error {
	finals, err := r.perform(todo, undo)
	if err != nil {
		return err
	}
	if cause := context.Cause(r.ctx); errors.Is(cause, errFenced) {
		return cause
	}
	return r.commit(func(c *Row, now time.Time) {
		r.e.rules.record(r.plan, c, finals, now)
		c.Turn++
		c.Claims = 0
	})
}

// renew prolongs the lease during a long call.
func (r *run) renew() error { return r.commit(func(*Row, time.Time) {}) }

// commit applies a change to the row and writes it. A write that meets another
// revision is repeated on the new row if only a signal came between, and given
// up if the saga belongs to somebody else. It never lets a lost answer count twice.
func (r *run) commit(change func(*Row, time.Time)) error {
	var since time.Time // of the oldest try that may have been written
	for tries := 0; ; tries++ {
		now := r.e.now()
		if since.IsZero() {
			since = now
		}
		if r.lease.Load().over(now) {
			return errLease
		}
		c := r.row.Clone()
		change(c, stamp(now))
		c.UpdatedAt = stamp(now)
		if c.Owner != "" {
			c.lend(now, r.e.opts.Lease)
		}
		err := r.save(c)
		if err == nil {
			r.adopt(c, now)
			return nil
		}
		if errors.Is(err, ErrStale) {
			landed, lerr := r.reload(c)
			switch {
			case landed:
				r.adopt(r.row, r.e.rules.held(since, now))
				return nil
			case lerr == nil:
				since = time.Time{}
				continue
			case errors.Is(lerr, errFenced):
				return lerr
			}
		}
		if err := r.pause(tries); err != nil {
			return err
		}
	}
}

// save writes also while the engine closes. It has no time limit of its own: the
// outcome of a write that was given up would be unknown, and a lease that ends
// meanwhile is noticed behind it.
func (r *run) save(c *Row) error { return r.e.store.Save(context.WithoutCancel(r.ctx), c) }

// reload reads the row after a stale write of c: it is the run's own write if
// the turn has risen with it, and somebody else's saga if the epoch has.
func (r *run) reload(c *Row) (landed bool, err error) {
	stored, err := r.e.store.Load(context.WithoutCancel(r.ctx), r.id)
	if err != nil {
		return false, err
	}
	if r.e.rules.fenced(stored, r.row.Epoch) {
		r.cancel(errFenced)
		return false, errFenced
	}
	landed = r.e.rules.landed(stored, r.row, c)
	r.row = stored
	return landed, nil
}

// fenced compares epochs: every claim, cancel and retry raises them.
func fenced(stored *Row, epoch int32) bool { return stored.Epoch != epoch }

// landed compares turns: within one epoch nobody but the owner raises them. A
// renewal has no turn of its own and is simply written again.
func landed(stored, before, written *Row) bool {
	return written.Turn != before.Turn && stored.Turn == written.Turn
}

// held returns from when on the lease runs that a write has brought whose answer
// was lost: from the first try on, because that may be the one that is stored.
func held(first, _ time.Time) time.Time { return first }

// pause waits before a store is asked again; an engine that closes does not wait.
func (r *run) pause(tries int) error {
	timer := time.NewTimer(r.e.jitter(50*time.Millisecond, 2*time.Second, tries+1))
	defer timer.Stop()
	select {
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	case <-timer.C:
		return nil
	}
}

// jitter draws a delay below base doubled with each attempt, at most limit.
func (e *Engine) jitter(base, limit time.Duration, attempt int) time.Duration {
	top := limit
	if attempt < 32 {
		if d := base << (attempt - 1); d > 0 && d < limit {
			top = d
		}
	}
	return time.Duration(e.opts.Rand() * float64(top))
}
