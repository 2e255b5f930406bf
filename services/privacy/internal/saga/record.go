package saga

import (
	"time"
)

// finalKind is how the work on one step of a stage ended for now.
type finalKind uint8

const (
	finDone    finalKind = iota + 1
	finRefused           // declared: it has not happened
	finSlept             // to be asked again at a time or a signal
	finSpent             // attempts used up, outcome unknown
	finRerun             // a check names steps to do again
	finCut               // interrupted; nothing is known
)

// final is what the engine brings back from one step of a stage.
type final struct {
	step     int // index in Row.Steps
	kind     finalKind
	res      Result
	code     string
	attempts int       // the step's attempts so far
	seen     int       // how many signals the step was told of
	due      time.Time // for finSlept: when to ask again; zero waits for a signal alone
	idle     bool      // for finSlept: the step was not asked, its time had not come
}

// record is the pure heart of the engine: it writes what a stage has brought
// into the row and decides where the saga goes. It returns the event applied.
func record(p *plan, r *Row, finals []final, now time.Time) event {
	for _, f := range finals {
		r.settle(f, r.State == StateUndoing, now)
	}
	if r.State == StateUndoing {
		return recordUndo(p, r, finals, now)
	}
	e, why, due := judge(p, r, finals)
	if e == evAdvanced {
		return r.advance(p, now)
	}
	r.conclude(p, e, why, due, finals, now)
	return e
}

// toDo returns the steps of the current stage that have not answered yet.
func (r *Row) toDo(p *plan) []int {
	var steps []int
	for i, s := range r.Steps {
		if p.stage[i] == r.Stage && s.State != StepDone && s.State != StepRefused {
			steps = append(steps, i)
		}
	}
	return steps
}

// settle writes one step's result into its row and into the log.
func (r *Row) settle(f final, undo bool, now time.Time) {
	if f.idle {
		return
	}
	s := &r.Steps[f.step]
	s.Attempts, s.Code = f.attempts, f.code
	if f.kind == finCut {
		return
	}
	s.At = now
	switch f.kind {
	case finDone:
		if undo {
			s.State = StepUndone
			break
		}
		s.State, s.Refs, s.Outcomes = StepDone, f.res.refs, merge(s.Outcomes, f.res.outcomes)
		s.Signal, s.Until, s.Seen = "", time.Time{}, 0
	case finRefused:
		if !undo {
			s.State = StepRefused
		}
	case finSlept:
		s.Until, s.Seen = f.due, f.seen
		if f.res.kind == resWait {
			s.State, s.Signal = StepWaiting, f.res.signal
		}
	case finSpent:
		if !undo {
			s.State = StepFailed
		}
	}
	r.note(now, s.Name, s.State, f.code)
}

// judge says what follows from a forward stage: an event, why, and for evSlept when.
func judge(p *plan, r *Row, finals []final) (event, string, time.Time) {
	count := map[finalKind]int{}
	first := map[finalKind]string{}
	var due time.Time
	for _, f := range finals {
		if count[f.kind]++; count[f.kind] == 1 {
			first[f.kind] = f.code
		}
		if f.kind == finSlept {
			due = earliest(due, r.wake(f))
		}
	}
	refused := 0
	for i := range r.Steps {
		if p.stage[i] == r.Stage && r.Steps[i].State == StepRefused {
			refused++
		}
	}
	switch {
	case refused > 0 && (r.Phase != PhaseDeciding || refused == len(p.Stages[r.Stage].Steps)):
		return evRefused, r.refusal(p), time.Time{}
	case count[finCut] > 0:
		return evReleased, "", time.Time{}
	case count[finSpent] > 0:
		return evStuck, first[finSpent], time.Time{}
	case count[finSlept] > 0:
		return evSlept, "", due
	case refused > 0: // a pivot half taken cannot go back
		return evStuck, r.refusal(p), time.Time{}
	case count[finRerun] > 0:
		return judgeRerun(p, r, finals)
	}
	return evAdvanced, "", time.Time{}
}

// refusal returns the code of the first refused step of the stage.
func (r *Row) refusal(p *plan) string {
	for i := range r.Steps {
		if p.stage[i] == r.Stage && r.Steps[i].State == StepRefused {
			return r.Steps[i].Code
		}
	}
	return ""
}

// wake returns when a sleeping step wants to be asked: at once when a signal came while it was asked.
func (r *Row) wake(f final) time.Time {
	if f.res.kind == resWait && len(r.Signals) > f.seen {
		return time.Unix(0, 0).UTC()
	}
	return f.due
}

func judgeRerun(p *plan, r *Row, finals []final) (event, string, time.Time) {
	for _, f := range finals {
		if f.kind == finRerun && r.Reruns >= p.steps[f.step].MaxReruns {
			return evStuck, f.code, time.Time{}
		}
	}
	return evReran, "", time.Time{}
}

// earliest returns the earlier of two times; zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// notBefore lifts a due time to now; zero stays never.
func notBefore(due, now time.Time) time.Time {
	if !due.IsZero() && due.Before(now) {
		return now
	}
	return due
}

// conclude applies every event of a forward stage but the advance.
func (r *Row) conclude(p *plan, e event, why string, due time.Time, finals []final, now time.Time) {
	r.mustApply(e)
	switch e {
	case evRefused:
		r.Reason = why
		if r.State == StateParked {
			r.disown(time.Time{})
			break
		}
		r.turnBack(p, now)
		return
	case evStuck:
		r.Reason = why
		r.disown(time.Time{})
	case evSlept:
		r.disown(notBefore(due, now))
	case evReleased:
		r.disown(now)
	case evReran:
		r.sendRound(p, finals)
	}
	r.note(now, "", "", why)
}

// sendRound makes the named steps and the checks behind them pending again and
// goes back to the first of them. Steps between that are done stay done.
func (r *Row) sendRound(p *plan, finals []final) {
	r.Reruns++
	for _, f := range finals {
		if f.kind != finRerun {
			continue
		}
		for _, name := range f.res.rerun {
			r.reset(p.find(name))
		}
	}
	for i := range r.Steps {
		if p.stage[i] == r.Stage {
			r.reset(i)
		}
	}
	for i := range r.Steps {
		if r.Steps[i].State == StepPending {
			r.setStage(p, p.stage[i])
			return
		}
	}
}

// reset begins a step anew under a new key. What it reported before stays, so that the counts add up.
func (r *Row) reset(i int) {
	if s := &r.Steps[i]; s.State != StepPending || s.Attempts > 0 {
		*s = StepRow{Name: s.Name, Stage: s.Stage, State: StepPending, Round: s.Round + 1, Outcomes: s.Outcomes}
	}
}

func (r *Row) setStage(p *plan, stage int) {
	r.Stage, r.StageName = stage, ""
	if stage >= 0 && stage < len(p.Stages) {
		r.StageName = p.Stages[stage].Name
	}
}

// advance goes to the next stage that has something to do, or ends the saga.
func (r *Row) advance(p *plan, now time.Time) event {
	e := evAdvanced
	for i := range r.Steps {
		if p.stage[i] > r.Stage && r.Steps[i].State != StepDone {
			r.mustApply(e)
			r.setStage(p, p.stage[i])
			if p.kind(r.Stage) == Pivot {
				r.mustApply(evPivoted)
			}
			r.note(now, "", "", "")
			return e
		}
	}
	if step, c := r.incomplete(p); c != "" {
		r.mustApply(evStuck)
		r.Reason = c
		r.disown(time.Time{})
		r.note(now, step, r.Steps[p.find(step)].State, c)
		return evStuck
	}
	r.mustApply(evFinished)
	r.FinishedAt = now
	r.disown(time.Time{})
	r.note(now, "", "", "")
	return evFinished
}

// incomplete names a step that is not done or not wholly answered for, and why:
// the last gate before a saga may be called completed.
func (r *Row) incomplete(p *plan) (step, why string) {
	for i, s := range r.Steps {
		if s.State != StepDone {
			return s.Name, "step_missing"
		}
		if c := p.steps[i].answered(s.Outcomes); c != "" {
			return s.Name, c
		}
	}
	return "", ""
}

// mustApply panics on an event the table does not know: record only makes events it knows.
func (r *Row) mustApply(e event) {
	if !r.apply(e) {
		panic("saga: a transition outside the table")
	}
}
