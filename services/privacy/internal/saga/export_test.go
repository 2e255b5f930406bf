package saga

import (
	"slices"
	"time"
)

// IgnoreEpoch makes an engine record over whoever holds the saga by now: the
// sabotage that the tests must notice.
func (e *Engine) IgnoreEpoch() { e.rules.fenced = func(*Row, int32) bool { return false } }

// IgnoreLease makes an engine take sagas that somebody else holds.
func (e *Engine) IgnoreLease() {
	e.rules.claimable = func(_ *Options, row *Row, _ time.Time) bool {
		return !row.State.Ended() && row.State != StateParked
	}
}

// IgnoreLanded makes an engine take a write whose answer was lost for one that was not written.
func (e *Engine) IgnoreLanded() { e.rules.landed = func(_, _, _ *Row) bool { return false } }

// Break makes an engine record by a broken rule of Broken.
func (e *Engine) Break(name string) { e.rules.record = broken(name) }

// BelieveLastTry makes an engine date its lease by the last try of a write whose answers were lost.
func (e *Engine) BelieveLastTry() { e.rules.held = func(_, last time.Time) time.Time { return last } }

type recordFunc = func(p *plan, r *Row, finals []final, now time.Time) event

// turned returns record with every final of one kind taken for another, where the saga is in one of the phases.
func turned(from, to finalKind, res Result, in ...Phase) recordFunc {
	return func(p *plan, r *Row, finals []final, now time.Time) event {
		finals = slices.Clone(finals)
		for i := range finals {
			if finals[i].kind == from && slices.Contains(in, r.Phase) {
				finals[i].kind, finals[i].res = to, res
			}
		}
		return record(p, r, finals, now)
	}
}

// after returns record with something done to the row behind it.
func after(change func(p *plan, before, r *Row, e event, now time.Time)) recordFunc {
	return func(p *plan, r *Row, finals []final, now time.Time) event {
		before := r.Clone()
		e := record(p, r, finals, now)
		change(p, before, r, e, now)
		return e
	}
}

// broken returns record with one of its rules broken; the names say which.
func broken(name string) recordFunc {
	answer := Done(Outcome{Participant: "p", Category: "things", Kind: Erased, Count: 1})
	forward := []Phase{PhaseOpen, PhaseDeciding, PhaseCommitted}
	switch name {
	case "complete over a failure":
		return turned(finSpent, finDone, answer, forward...)
	case "complete over a refusal":
		return turned(finRefused, finDone, answer, forward...)
	case "undo what nobody has refused":
		return turned(finSpent, finRefused, Refused("spent"), PhaseOpen)
	case "park on a refusal":
		return turned(finRefused, finSpent, Failed("declared"), PhaseOpen)
	case "forget a retry":
		return after(func(_ *plan, _, r *Row, e event, _ time.Time) {
			if e == evSlept {
				r.DueAt = time.Time{}
			}
		})
	case "undo behind the pivot":
		return after(func(p *plan, before, r *Row, e event, now time.Time) {
			if e == evRefused && before.Phase == PhaseCommitted {
				r.State, r.Phase, r.Owner, r.DueAt = StateUndoing, PhaseRefusing, before.Owner, before.DueAt
				r.turnBack(p, now)
			}
		})
	case "skip the pivot":
		return after(func(p *plan, before, r *Row, e event, _ time.Time) {
			if e == evAdvanced && r.State == StateRunning && before.Phase == PhaseOpen {
				r.Phase = PhaseCommitted
				r.setStage(p, len(p.Stages)-1)
			}
		})
	case "end without undoing":
		return after(func(_ *plan, _, r *Row, e event, _ time.Time) {
			if e == evRefused && r.State == StateUndoing {
				r.State = StateRefused
				r.disown(time.Time{})
			}
		})
	case "undo in the order of doing":
		return after(func(p *plan, _, r *Row, _ event, _ time.Time) {
			for stage := range p.Stages {
				if r.State == StateUndoing && len(r.toUndo(p, stage)) > 0 {
					r.setStage(p, stage)
					return
				}
			}
		})
	case "leave the unanswered behind":
		return after(func(p *plan, before, r *Row, _ event, now time.Time) {
			if r.State != StateUndoing {
				return
			}
			for i := range r.Steps {
				if p.stage[i] == before.Stage && r.Steps[i].State == StepPending {
					r.Steps[i].State = StepUndone
				}
			}
			if len(r.toUndo(p, r.Stage)) == 0 {
				r.rewind(p, r.Stage, now)
			}
		})
	case "undo what was never reached":
		return after(func(p *plan, before, r *Row, e event, _ time.Time) {
			for stage := len(p.Stages) - 1; e == evRefused && r.State == StateUndoing; stage-- {
				if p.kind(stage) == Compensatable {
					r.setStage(p, stage)
					return
				}
			}
		})
	case "ask under another key":
		return after(func(p *plan, _, r *Row, _ event, _ time.Time) {
			for i := range r.Steps {
				if p.stage[i] == r.Stage && r.State == StateWaiting && r.Steps[i].State == StepPending {
					r.Steps[i].Round++
				}
			}
		})
	case "park for nothing":
		return after(func(_ *plan, _, r *Row, e event, _ time.Time) {
			if e == evReleased {
				r.State, r.Reason = StateParked, "closed"
				r.disown(time.Time{})
			}
		})
	case "stay where all is done":
		return after(func(p *plan, before, r *Row, e event, _ time.Time) {
			if e == evAdvanced {
				r.setStage(p, before.Stage)
			}
		})
	case "work on behind the end":
		return after(func(_ *plan, before, r *Row, _ event, now time.Time) {
			if r.State.Ended() {
				r.Owner, r.DueAt = before.Owner, now
			}
		})
	}
	panic("no such sabotage: " + name)
}
