package saga

import "time"

// toUndo returns the steps of a stage that may have had an effect. A step that
// was begun and never answered is undone too; one that refused is not.
func (r *Row) toUndo(p *plan, stage int) []int {
	var steps []int
	for i, s := range r.Steps {
		if p.stage[i] != stage || p.steps[i].Kind != Compensatable {
			continue
		}
		if s.State != StepRefused && s.State != StepUndone {
			steps = append(steps, i)
		}
	}
	return steps
}

// turnBack begins the way back from the current stage; with nothing to undo the saga ends at once.
func (r *Row) turnBack(p *plan, now time.Time) {
	for i := range r.Steps {
		if p.stage[i] <= r.Stage {
			r.Steps[i].Attempts, r.Steps[i].Until = 0, time.Time{}
		}
	}
	r.note(now, "", "", r.Reason)
	r.rewind(p, r.Stage, now)
}

// rewind goes to the highest stage at or below from that has something to undo, or ends the saga.
func (r *Row) rewind(p *plan, from int, now time.Time) event {
	for stage := from; stage >= 0; stage-- {
		if len(r.toUndo(p, stage)) > 0 {
			r.setStage(p, stage)
			return evAdvanced
		}
	}
	r.mustApply(evUndone)
	r.FinishedAt = now
	r.disown(time.Time{})
	r.note(now, "", "", r.Reason)
	return evUndone
}

// recordUndo decides after a stage of the way back. A refusal to undo is
// nothing a program can mend: the saga is parked.
func recordUndo(p *plan, r *Row, finals []final, now time.Time) event {
	e, why := evAdvanced, ""
	var due time.Time
	for _, f := range finals {
		switch {
		case f.kind == finRefused && e != evReleased:
			e, why = evStuck, f.code
		case f.kind == finSpent && e != evReleased:
			e, why = evStuck, f.code
		case f.kind == finCut:
			e, why = evReleased, ""
		case f.kind == finSlept:
			due = earliest(due, f.due)
			if e == evAdvanced {
				e = evSlept
			}
		}
	}
	if e == evAdvanced {
		if r.rewind(p, r.Stage-1, now) == evUndone {
			return evUndone
		}
	}
	r.mustApply(e)
	switch e {
	case evStuck:
		r.Reason = why
		r.disown(time.Time{})
	case evSlept:
		r.disown(notBefore(due, now))
	case evReleased:
		r.disown(now)
	}
	r.note(now, "", "", why)
	return e
}
