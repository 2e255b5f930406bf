package saga

import (
	"testing"

	"pgregory.net/rapid"
)

// reachable walks the table from a new saga over every event.
func reachable() map[point]bool {
	seen := map[point]bool{}
	todo := []point{{StatePending, PhaseOpen}}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		if seen[p] {
			continue
		}
		seen[p] = true
		for _, e := range events() {
			if to, ok := next(p, e); ok {
				todo = append(todo, to)
			}
		}
	}
	return seen
}

// TestNextTotal asks the function about every state, phase and event there is.
func TestNextTotal(t *testing.T) {
	asked := 0
	known := reachable()
	for _, s := range States() {
		for _, ph := range phases() {
			for _, e := range append(events(), 0, 255) {
				p := point{s, ph}
				to, ok := next(p, e)
				asked++
				if !ok && to != p {
					t.Errorf("%v + %d: refused and moved to %v", p, e, to)
				}
				if ok && !known[p] {
					t.Errorf("%v + %d: a rule for a point that cannot be reached", p, e)
				}
				if ok && s.Ended() {
					t.Errorf("%v + %d: something follows the end", p, e)
				}
				checkStep(t, p, e, to, ok)
			}
		}
	}
	if want := len(States()) * len(phases()) * (len(events()) + 2); asked != want {
		t.Fatalf("asked %d of %d", asked, want)
	}
}

// checkStep holds the invariants of one transition.
func checkStep(t interface{ Errorf(string, ...any) }, p point, e event, to point, ok bool) {
	if !ok {
		return
	}
	if p.Phase == PhaseCommitted && to.Phase != PhaseCommitted {
		t.Errorf("%v + %d leads back over the pivot to %v", p, e, to)
	}
	if p.Phase == PhaseDeciding && e == evCancel {
		t.Errorf("%v can be cancelled", p)
	}
	if p.Phase == PhaseDeciding && to.State == StateUndoing && e != evRefused {
		t.Errorf("%v + %d undoes without a refusal", p, e)
	}
	if to.State == StateUndoing && to.Phase != PhaseRefusing && to.Phase != PhaseCancelling {
		t.Errorf("%v + %d undoes in phase %s", p, e, to.Phase)
	}
	if to.State == StateCompleted && e != evFinished {
		t.Errorf("%v + %d completes", p, e)
	}
	if to.State == StateCancelled && p.Phase != PhaseCancelling {
		t.Errorf("%v + %d ends as cancelled without a cancel", p, e)
	}
	if p.State == StateParked && to.State != StateParked && e != evRetried && e != evCancel {
		t.Errorf("%v + %d leaves the park without a person", p, e)
	}
}

// TestEverySagaCanEnd looks for points from which no end can be reached, and
// for active points that cannot be parked.
func TestEverySagaCanEnd(t *testing.T) {
	good := map[point]bool{}
	points := reachable()
	for range points {
		for p := range points {
			if p.State.Ended() {
				good[p] = true
			}
			for _, e := range events() {
				if to, ok := next(p, e); ok && good[to] {
					good[p] = true
				}
			}
		}
	}
	for p := range points {
		if !good[p] {
			t.Errorf("%v never ends", p)
		}
		if _, ok := next(p, evStuck); !ok && !p.State.Ended() && p.State != StateParked {
			t.Errorf("%v cannot be parked", p)
		}
		if _, ok := next(p, evClaimed); !ok && !p.State.Ended() && p.State != StateParked {
			t.Errorf("%v cannot be claimed", p)
		}
	}
	if len(points) < 15 {
		t.Fatalf("only %d points reached", len(points))
	}
}

// TestNextSequences runs random lives.
func TestNextSequences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := point{StatePending, PhaseOpen}
		wasCommitted := false
		for _, e := range rapid.SliceOfN(rapid.SampledFrom(events()), 1, 60).Draw(t, "events") {
			to, ok := next(p, e)
			checkStep(t, p, e, to, ok)
			wasCommitted = wasCommitted || to.Phase == PhaseCommitted
			if wasCommitted && (to.State == StateUndoing || to.State == StateRefused || to.State == StateCancelled) {
				t.Fatalf("%v after the pivot", to)
			}
			p = to
		}
	})
}
