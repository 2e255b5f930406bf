package saga

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Spec says which saga to create.
type Spec struct {
	// ID makes creating repeatable: a second one gets ErrExists. Default: Options.NewID.
	ID   string
	Kind string
	// Account and Subject are opaque ids; Sequence is the subject's, for the token.
	Account, Subject, Sequence int64
	// RequestedBy is the id of the actor; 0 is the system.
	RequestedBy int64
	// Refs are given to every step; see Result.WithRefs for their form.
	Refs map[string]string
	// NotBefore lets the saga begin later; zero begins it at once.
	NotBefore time.Time
}

// Create stores a saga durably and begins it here when there is room; any
// engine finds it otherwise. The trace of the context becomes the saga's. It
// returns ErrExists, ErrUnknownKind, ErrArgument or the store's error, after
// which the saga may exist all the same: give an ID to find out.
func (e *Engine) Create(ctx context.Context, n Spec) (*Row, error) {
	p, err := e.newest(n)
	if err != nil {
		return nil, err
	}
	ctx, span := e.opts.Tracer.Start(ctx, spanCreate, trace.WithAttributes(attrKind.String(n.Kind)))
	defer span.End()
	now := e.now()
	row := e.newRow(n, p, stamp(now))
	row.Trace = newTrace(span.SpanContext())
	span.SetAttributes(attrSaga.String(row.ID))
	r := e.ownFromBirth(row, p, now)
	err = e.store.Create(ctx, row)
	for tries := 0; errors.Is(err, ErrExists) && n.ID == "" && tries < 8; tries++ {
		row.ID = e.opts.NewID(n.Account)
		err = e.store.Create(ctx, row)
	}
	if err != nil {
		if r != nil {
			r.abandon(err)
			<-e.slots
		}
		return nil, err
	}
	answer := row.Clone()
	if r == nil {
		e.commits.Add(1)
		e.setBacklog(true)
		return answer, nil
	}
	r.id = row.ID
	r.adopt(row, now)
	if e.launch(row.ID, r) != nil {
		r.abandon(ErrClosed)
	}
	return answer, nil
}

// newest returns the definition a new saga takes.
func (e *Engine) newest(n Spec) (*plan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.latest[n.Kind]
	switch {
	case e.closed:
		return nil, ErrClosed
	case p == nil:
		return nil, fmt.Errorf("%w: %q", ErrUnknownKind, n.Kind)
	case n.ID != "" && !valueRule.MatchString(n.ID):
		return nil, fmt.Errorf("%w: id", ErrArgument)
	case !checkRefs(n.Refs):
		return nil, fmt.Errorf("%w: references", ErrArgument)
	}
	return p, nil
}

func (e *Engine) newRow(n Spec, p *plan, now time.Time) *Row {
	row := &Row{
		ID: n.ID, Account: n.Account, Subject: n.Subject, Sequence: n.Sequence,
		Kind: p.Kind, Version: p.Version, DefHash: p.hash,
		State: StatePending, Phase: PhaseOpen, DueAt: now,
		RequestedBy: n.RequestedBy, Refs: maps.Clone(n.Refs),
		CreatedAt: now, UpdatedAt: now,
	}
	if row.ID == "" {
		row.ID = e.opts.NewID(n.Account)
	}
	if n.NotBefore.After(now) {
		row.DueAt = stamp(n.NotBefore)
	}
	row.setStage(p, 0)
	for i, s := range p.steps {
		row.Steps = append(row.Steps, StepRow{Name: s.Name, Stage: p.Stages[p.stage[i]].Name, State: StepPending})
	}
	row.note(now, "", "", "")
	return row
}

// ownFromBirth folds the first claim into the creation when the saga begins
// now and there is a free slot, which it takes.
func (e *Engine) ownFromBirth(row *Row, p *plan, now time.Time) *run {
	e.mu.Lock()
	ready := e.started && !e.closed
	e.mu.Unlock()
	if !ready || row.DueAt.After(now) {
		return nil
	}
	select {
	case e.slots <- struct{}{}:
	default:
		return nil
	}
	r := newRun(e, row.ID)
	r.plan = p
	r.startSegment(row)
	r.take(row, now)
	return r
}

// Load returns a saga's row, a copy, or ErrNotFound.
func (e *Engine) Load(ctx context.Context, id string) (*Row, error) { return e.store.Load(ctx, id) }

// List returns a page of rows, newest first, and the cursor behind it.
func (e *Engine) List(ctx context.Context, f Filter, cursor string, limit int) ([]*Row, string, error) {
	return e.store.List(ctx, f, cursor, limit)
}

// errNothing ends an alteration that has nothing to write.
var errNothing = errors.New("nothing to do")

// alter changes a row from outside a run, by as many compare-and-swaps as it
// takes, and returns the epoch in which it left it: 0 when there was nothing to do.
func (e *Engine) alter(ctx context.Context, id string, change func(*Row, *plan, time.Time) error) (int32, error) {
	for {
		row, err := e.store.Load(ctx, id)
		if err != nil {
			return 0, err
		}
		p, err := e.planOf(row)
		if err != nil {
			return 0, err
		}
		c := row.Clone()
		now := stamp(e.now())
		if err := change(c, p, now); err != nil {
			if errors.Is(err, errNothing) {
				return 0, nil
			}
			return 0, err
		}
		c.UpdatedAt = now
		err = e.store.Save(ctx, c)
		if err == nil {
			e.commits.Add(1)
			e.hub.committed(c)
			return c.Epoch, nil
		}
		if !errors.Is(err, ErrStale) {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// Cancel turns a saga back that has not reached its pivot; the run of its owner
// is fenced by the same write. ErrTooLate after the pivot's stage was entered,
// ErrEnded after the end; cancelling what already goes back is no error.
func (e *Engine) Cancel(ctx context.Context, id string) error {
	epoch, err := e.alter(ctx, id, cancelChange)
	if err == nil {
		e.wake(id, epoch)
	}
	return err
}

func cancelChange(r *Row, p *plan, now time.Time) error {
	switch {
	case r.State.Ended():
		return ErrEnded
	case r.Pivot():
		return ErrTooLate
	case r.Phase != PhaseOpen:
		return errNothing
	}
	begun := r.State != StatePending
	r.mustApply(evCancel)
	r.Reason = "cancelled"
	r.Epoch++
	r.Turn++
	r.Claims = 0
	r.disown(now)
	if begun {
		r.turnBack(p, now)
	} else {
		r.rewind(p, -1, now)
	}
	return nil
}

// Retry resumes a parked saga where it stands, with fresh attempts. ErrNotParked otherwise.
func (e *Engine) Retry(ctx context.Context, id string) error {
	_, err := e.alter(ctx, id, retryChange)
	if err == nil {
		e.wake(id, 0)
	}
	return err
}

func retryChange(r *Row, p *plan, now time.Time) error {
	if r.State != StateParked {
		return ErrNotParked
	}
	r.mustApply(evRetried)
	r.Reason = r.unparked()
	for i := range r.Steps {
		r.freshen(p, i)
	}
	r.Reruns, r.Claims = 0, 0
	r.Epoch++
	r.Turn++
	r.disown(now)
	r.note(now, "", "", r.Reason)
	return nil
}

// unparked returns the reason that stands when a saga is no longer parked: why it goes back, or none.
func (r *Row) unparked() string {
	switch r.Phase {
	case PhaseCancelling:
		return "cancelled"
	case PhaseRefusing:
		i := slices.IndexFunc(r.Steps, func(s StepRow) bool { return s.State == StepRefused })
		if i >= 0 {
			return r.Steps[i].Code
		}
	}
	return ""
}

// freshen lets a step that did not answer be asked as if for the first time. A
// step that waits keeps its time: without it nothing would ever wake it.
func (r *Row) freshen(p *plan, i int) {
	s := &r.Steps[i]
	s.Attempts = 0
	if s.State != StepWaiting {
		s.Until = time.Time{}
	}
	back := r.State == StateUndoing
	if p.stage[i] == r.Stage && !back && (s.State == StepFailed || s.State == StepRefused) {
		s.State, s.Code = StepPending, ""
	}
}

// Signal tells a saga that something it may wait for has happened. The name is
// kept, so a signal may come before its wait; a second one of the same name
// does nothing. ErrEnded after the end, ErrArgument for a name that is no code.
func (e *Engine) Signal(ctx context.Context, id, name string) error {
	if !codeRule.MatchString(name) {
		return fmt.Errorf("%w: signal", ErrArgument)
	}
	_, err := e.alter(ctx, id, func(r *Row, _ *plan, now time.Time) error { return signalChange(r, name, now) })
	if err == nil {
		e.wake(id, 0)
	}
	return err
}

func signalChange(r *Row, name string, now time.Time) error {
	switch {
	case slices.Contains(r.Signals, name):
		return errNothing
	case !r.apply(evSignalled):
		return ErrEnded
	case len(r.Signals) >= maxSignals:
		return fmt.Errorf("%w: too many signals", ErrArgument)
	}
	r.Signals = append(r.Signals, name)
	waits := slices.ContainsFunc(r.Steps, func(s StepRow) bool { return s.State == StepWaiting })
	if r.State == StateWaiting && waits {
		r.DueAt = now
	}
	return nil
}
