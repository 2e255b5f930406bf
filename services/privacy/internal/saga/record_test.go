package saga

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func nop(context.Context, Call) Result { return Done() }

// drawPlan draws a definition of the allowed shape.
func drawPlan(t *rapid.T) *plan {
	d := Definition{Kind: "drawn", Version: 1}
	add := func(kind StepKind) {
		st := Stage{Name: fmt.Sprintf("stage%d", len(d.Stages))}
		for i := range rapid.IntRange(1, 3).Draw(t, "width") {
			s := Step{Name: fmt.Sprintf("s%d.%d", len(d.Stages), i), Kind: kind, Do: nop, MinOutcomes: rapid.IntRange(0, 1).Draw(t, "min"), MaxReruns: 2}
			if kind == Compensatable {
				s.Undo = nop
			}
			st.Steps = append(st.Steps, s)
		}
		d.Stages = append(d.Stages, st)
	}
	for range rapid.IntRange(0, 2).Draw(t, "before") {
		add(rapid.SampledFrom([]StepKind{Compensatable, Compensatable, Check, Wait}).Draw(t, "kind"))
	}
	if len(d.Stages) == 0 || rapid.Bool().Draw(t, "pivot") {
		add(Pivot)
		for range rapid.IntRange(0, 3).Draw(t, "after") {
			add(rapid.SampledFrom([]StepKind{Retriable, Retriable, Check, Wait}).Draw(t, "kind"))
		}
	}
	p, err := newPlan(d)
	if err != nil {
		t.Fatalf("drawn definition: %v", err)
	}
	return p
}

// drawFinal draws how a step may end, given what checked lets through.
func drawFinal(t *rapid.T, p *plan, i int, undo bool, now time.Time) final {
	kinds := []finalKind{finDone, finDone, finDone, finRefused, finSlept, finSpent, finCut}
	var earlier []string
	for j := range p.steps {
		if p.steps[j].Kind == Retriable && p.stage[j] < p.stage[i] {
			earlier = append(earlier, p.steps[j].Name)
		}
	}
	if p.steps[i].Kind == Check && len(earlier) > 0 && !undo {
		kinds = append(kinds, finRerun, finRerun)
	}
	f := final{step: i, kind: rapid.SampledFrom(kinds).Draw(t, "final"), attempts: 1, code: "drawn"}
	switch f.kind {
	case finDone:
		f.code, f.res = "", Done(Outcome{Participant: "p", Category: "c", Kind: Erased})
	case finSlept:
		f.due, f.res = now.Add(time.Minute), RetryAfter(time.Minute, "drawn")
	case finRerun:
		f.res = Rerun("drawn", rapid.SampledFrom(earlier).Draw(t, "rerun"))
	}
	return f
}

// life is what the model remembers beside the row.
type life struct {
	pivotDone bool
	entered   map[string]bool
}

// TestRecordLives drives random sagas through record, cancel, retry and crash
// and holds the invariants after every write.
func TestRecordLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		e := New(nil, Options{Instance: "a", Rand: func() float64 { return 0 }})
		r := &run{e: e, plan: p}
		r.ctx, r.cancel = context.WithCancelCause(context.Background())
		defer r.cancel(nil)
		now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		row := e.newRow(Spec{ID: "1-1"}, p, now)
		l := &life{entered: map[string]bool{}}
		for range 80 {
			if row.State.Ended() {
				break
			}
			now = now.Add(time.Minute)
			before := row.Clone()
			switch {
			case row.State == StateParked:
				if row.Phase == PhaseOpen && rapid.Bool().Draw(t, "cancel") {
					cancelRow(row, p, now)
				} else {
					retryRow(row, p, now)
				}
			case row.Owner == "" || rapid.IntRange(0, 9).Draw(t, "crash") == 0:
				r.startSegment(row)
				r.take(row, now)
			case row.Phase == PhaseOpen && rapid.IntRange(0, 9).Draw(t, "cancel") == 0:
				cancelRow(row, p, now)
			default:
				l.stage(t, p, row, now)
			}
			l.check(t, p, before, row)
		}
	})
}

func cancelRow(row *Row, p *plan, now time.Time) { _ = cancelChange(row, p, now) }
func retryRow(row *Row, p *plan, now time.Time)  { _ = retryChange(row, p, now) }

// stage performs the current stage with drawn results.
func (l *life) stage(t *rapid.T, p *plan, row *Row, now time.Time) {
	undo := row.State == StateUndoing
	var finals []final
	for i, s := range row.Steps {
		switch {
		case undo && slices.Contains(row.toUndo(p, row.Stage), i):
		case !undo && p.stage[i] == row.Stage && s.State != StepDone && s.State != StepRefused:
		default:
			continue
		}
		f := drawFinal(t, p, i, undo, now)
		if !undo && f.kind == finDone {
			l.entered[s.Name] = true
			l.pivotDone = l.pivotDone || p.steps[i].Kind == Pivot
		}
		if undo && f.kind == finDone {
			l.entered[s.Name] = false
		}
		finals = append(finals, f)
	}
	if len(finals) == 0 {
		t.Fatalf("owned with nothing to do: %s %s stage %d", row.State, row.Phase, row.Stage)
	}
	record(p, row, finals, now)
	row.Turn++
	row.Claims = 0
}

func (l *life) check(t *rapid.T, p *plan, before, row *Row) {
	if l.pivotDone && (row.State == StateUndoing || row.State == StateRefused || row.State == StateCancelled) {
		t.Fatalf("%s after a pivot step was done", row.State)
	}
	if row.Pivot() && row.State == StateUndoing {
		t.Fatal("undoing with the pivot set")
	}
	switch row.State {
	case StateCompleted:
		if step, why := row.incomplete(p); why != "" {
			t.Fatalf("completed over %s: %s", step, why)
		}
	case StateRefused, StateCancelled:
		for i, s := range p.steps {
			if s.Kind == Compensatable && l.entered[s.Name] {
				t.Fatalf("%s with step %d done and not undone", row.State, i)
			}
		}
	}
	waitsForSignal := row.State == StateWaiting && row.DueAt.IsZero()
	if idle := row.DueAt.IsZero(); idle != (row.State.Ended() || row.State == StateParked) && !waitsForSignal {
		t.Fatalf("%s with due %v", row.State, row.DueAt)
	}
	if row.State == StateParked && row.Reason == "" {
		t.Fatal("parked without a reason")
	}
	if row.Seq <= before.Seq && row.State != before.State {
		t.Fatalf("%s to %s without a log entry", before.State, row.State)
	}
	if len(row.Log) > MaxLog {
		t.Fatalf("%d log entries", len(row.Log))
	}
}
