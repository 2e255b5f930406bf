package saga

import (
	"context"
	"sync/atomic"
	"time"
)

// work is one stage being performed. What step goroutines share of it is read only.
type work struct {
	run  *run
	undo bool
	// cut is closed when a refusal has decided the stage: steps that wait to be asked again give up.
	cut   chan struct{}
	slots chan struct{}
	// base holds what calls are told; it is made once, before the goroutines start.
	base Call
	seq  int64
}

// perform calls steps in parallel and returns how each ended. It renews the
// lease when that takes long; an error means that the saga is lost.
func (r *run) perform(todo []int, undo bool) ([]final, error) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	w := r.newWork(undo)
	finals := make([]final, 0, len(todo))
	results := make(chan final, len(todo))
	asked := 0
	for _, i := range todo {
		s := r.row.Steps[i]
		if f, idle := r.idle(i, s); idle {
			finals = append(finals, f)
			continue
		}
		asked++
		r.e.spawn(func() { results <- w.step(ctx, i, s) })
	}
	timer := time.NewTimer(r.e.opts.Lease / 3)
	defer timer.Stop()
	var lost error
	cut := false
	for asked > 0 {
		select {
		case f := <-results:
			asked--
			finals = append(finals, f)
			if f.kind == finRefused && r.row.Phase == PhaseOpen && !cut {
				cut = true
				close(w.cut)
			}
		case <-timer.C:
			if lost == nil {
				if lost = r.renew(); lost != nil {
					cancel(lost)
				}
				timer.Reset(r.e.opts.Lease / 3)
			}
		}
	}
	return finals, lost
}

func (r *run) newWork(undo bool) *work {
	row := r.row
	w := &work{run: r, undo: undo, cut: make(chan struct{}), seq: row.Seq}
	w.slots = make(chan struct{}, r.e.opts.PerSaga)
	w.base = Call{
		Saga: row.ID, Kind: row.Kind, Account: row.Account, Subject: row.Subject,
		Sequence: row.Sequence, Epoch: row.Epoch, Stage: row.Turn, Undo: undo,
		RequestedBy: row.RequestedBy, Refs: row.Refs, Steps: row.outputs(), Signals: row.Signals,
	}
	return w
}

// idle reports whether a step that was put to sleep has still to sleep.
func (r *run) idle(i int, s StepRow) (final, bool) {
	now := r.e.now()
	asleep := s.Until.After(now)
	res := Result{kind: resRetry}
	if s.State == StepWaiting {
		res.kind = resWait
		asleep = (asleep || s.Until.IsZero()) && len(r.row.Signals) <= s.Seen
	}
	if !asleep {
		return final{}, false
	}
	return final{
		step: i, kind: finSlept, res: res, code: s.Code,
		attempts: s.Attempts, seen: s.Seen, due: s.Until, idle: true,
	}, true
}

// step asks one step until it answers, sleeps for longer than a run should
// hold it in memory, has used its attempts up or is interrupted.
func (w *work) step(ctx context.Context, i int, s StepRow) final {
	def := w.run.plan.steps[i]
	f := final{step: i, attempts: s.Attempts, code: s.Code, seen: len(w.base.Signals)}
	call := w.base
	call.Step, call.Round = s.Name, s.Round
	call.Due = s.State == StepWaiting && !s.Until.IsZero() && !s.Until.After(w.run.e.now())
	call.Progress = w.progress(s.Name)
	for {
		release, ok := w.enter(ctx, def)
		if !ok || !w.run.mayAct() {
			release()
			f.kind = finCut
			return f
		}
		f.attempts++
		call.Attempt = f.attempts
		f.res = w.attempt(ctx, i, call)
		release()
		if w.settled(ctx, i, &f) {
			return f
		}
		if !w.pause(ctx, f.due) {
			f.kind = finCut
			return f
		}
	}
}

// settled reports whether an attempt's result is the step's last for now;
// otherwise f.due is when to ask again.
func (w *work) settled(ctx context.Context, i int, f *final) bool {
	e, def := w.run.e, w.run.plan.steps[i]
	f.code = f.res.code
	switch f.res.kind {
	case resDone:
		f.kind, f.code = finDone, ""
		return true
	case resRefused:
		f.kind = finRefused
		return true
	case resRerun:
		f.kind = finRerun
		return true
	case resWait:
		f.kind, f.due, f.attempts = finSlept, stamp(f.res.until), 0
		if f.res.until.IsZero() {
			f.due = time.Time{}
		}
		return true
	}
	if ctx.Err() != nil {
		f.kind = finCut
		return true
	}
	if f.attempts >= def.Retry.MaxAttempts {
		f.kind = finSpent
		return true
	}
	delay := e.jitter(def.Retry.Base, def.Retry.Cap, f.attempts)
	if f.res.kind == resRetry {
		delay = max(f.res.delay, 0)
		delay += time.Duration(e.opts.Rand() * float64(delay) / 10)
	}
	f.due = e.now().Add(delay)
	if delay > e.opts.Hold {
		f.kind, f.due = finSlept, stamp(f.due)
		return true
	}
	w.tell(def.Name, StepPending, f.code, 0, 0)
	return false
}

// enter takes the semaphores of the saga and of the participant. The returned
// function gives back what was taken.
func (w *work) enter(ctx context.Context, def Step) (release func(), ok bool) {
	if ctx.Err() != nil {
		return func() {}, false
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return func() {}, false
	}
	bulk := w.run.e.bulk[def.Participant]
	if bulk == nil {
		return func() { <-w.slots }, true
	}
	select {
	case bulk <- struct{}{}:
		return func() { <-bulk; <-w.slots }, true
	case <-ctx.Done():
		<-w.slots
		return func() {}, false
	}
}

// pause waits until a time; false when the run or the stage is over before.
func (w *work) pause(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(until.Sub(w.run.e.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.cut:
	case <-ctx.Done():
	}
	return false
}

// attempt makes one call under its timeout and its span. A panic and a
// deadline are outcomes nobody knows: failed attempts.
func (w *work) attempt(ctx context.Context, i int, call Call) (res Result) {
	def := w.run.plan.steps[i]
	w.run.e.calls.Add(1)
	ctx, cancel := context.WithTimeout(ctx, def.Timeout)
	defer cancel()
	ctx, end := w.run.e.startAttempt(ctx, call)
	defer func() {
		if recover() != nil {
			// The panic's value may hold anything, so it goes nowhere.
			w.run.e.opts.Log.Error("saga step panicked", "saga", call.Saga, "step", call.Step)
			res = Failed("panic")
		}
		end(res)
	}()
	do := def.Do
	if w.undo {
		do = def.Undo
	}
	w.tell(call.Step, StepRunning, "", 0, 0)
	res = do(ctx, call).checked(w.run.plan, i, w.undo)
	if ctx.Err() == context.DeadlineExceeded && (res.kind == resFailed || res.kind == resRetry) {
		res = Failed("timeout")
	}
	return res
}

// progressEvery bounds how often one step's progress reaches watchers.
const progressEvery = 50 * time.Millisecond

// progress returns a step's progress function: it drops what comes too fast, but never the last word.
func (w *work) progress(step string) func(done, total int64) {
	var last atomic.Int64
	return func(done, total int64) {
		now := w.run.e.now().UnixNano()
		before := last.Load()
		if done != total && now-before < int64(progressEvery) {
			return
		}
		if last.CompareAndSwap(before, now) || done == total {
			w.tell(step, StepRunning, "", done, total)
		}
	}
}

// tell publishes what is not stored.
func (w *work) tell(step string, state StepState, code string, done, total int64) {
	r := w.run
	if !r.e.hub.watched(r.id) {
		return
	}
	at, stage := stamp(r.e.now()), r.plan.Stages[w.stage(step)].Name
	st := StateRunning
	if w.undo {
		st = StateUndoing
	}
	r.e.hub.publish(Event{
		Seq: w.seq, Saga: r.id, At: at, State: st, Stage: stage, Step: step,
		StepState: state, Code: code, Done: done, Total: total, Transient: true,
	})
}

// stage returns the stage of a step by name.
func (w *work) stage(step string) int { return w.run.plan.stage[w.run.plan.find(step)] }
