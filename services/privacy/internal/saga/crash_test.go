package saga_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// scenario is a saga whose way is known, so that it can be compared with what
// is left of it when processes die.
type scenario struct {
	name    string
	refuse  map[string]bool // forward steps that refuse
	end     saga.State
	effects []string
	// repeating participants forget their keys: for the control.
	repeating bool
}

var scenarios = []scenario{
	{
		name: "completes", end: saga.StateCompleted,
		effects: []string{"freeze", "erase_tickets", "erase_forums", "erase_ratings", "erase_contacts", "verify"},
	},
	{
		name: "refused_at_the_pivot", end: saga.StateRefused,
		refuse:  map[string]bool{"erase_tickets": true, "erase_forums": true, "erase_ratings": true},
		effects: []string{"freeze", "undo freeze"},
	},
	{
		name: "half_refused_at_the_pivot", end: saga.StateParked,
		refuse:  map[string]bool{"erase_tickets": true},
		effects: []string{"freeze", "erase_forums", "erase_ratings"},
	},
	{
		name: "refused_at_once", end: saga.StateRefused,
		refuse: map[string]bool{"freeze": true},
	},
	{
		name: "refused_after_the_pivot", end: saga.StateParked,
		refuse:  map[string]bool{"erase_contacts": true},
		effects: []string{"freeze", "erase_tickets", "erase_forums", "erase_ratings"},
	},
}

func (sc scenario) definition(w *sagatest.World, l *life) saga.Definition {
	return w.Six(func(step string, undo bool, f saga.StepFunc) saga.StepFunc {
		if sc.refuse[step] && !undo {
			f = func(context.Context, saga.Call) saga.Result { return saga.Refused("declared") }
		}
		return l.wrap(step, undo, f)
	})
}

// play runs the scenario through processes of which each dies at its point and
// the last lives. It returns how many points each life passed.
func (sc scenario) play(t *testing.T, embedded bool, deaths ...int) []int {
	passed, wrong := sc.playOn(t, sagatest.NewStore(), embedded, deaths...)
	for _, w := range wrong {
		t.Error(w)
	}
	return passed
}

// playOn is play on a store of the caller's; it returns what is wrong in the end.
func (sc scenario) playOn(t *testing.T, s sagatest.Books, embedded bool, deaths ...int) (passed []int, wrong []string) {
	w := sagatest.NewWorld()
	w.Repeating = sc.repeating
	const id = "1-1"
	for n, at := range append(deaths, 0) {
		l := newLife(at)
		e := saga.New(l.store(s), saga.Options{Instance: fmt.Sprintf("engine%d", n), Embedded: embedded})
		if err := e.Register(sc.definition(w, l)); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Whoever wants the saga asks again with the same id until it is there.
		_, err := e.Create(t.Context(), saga.Spec{ID: id, Kind: "six", Account: 1, Subject: 7, Sequence: 1})
		if err != nil && !errors.Is(err, saga.ErrExists) && l.alive() {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(ended)
			_, _ = e.Await(ctx, id, nil)
		}()
		select {
		case <-l.died:
		case <-ended:
		}
		cancel()
		<-ended
		stop(t, e)
		passed = append(passed, l.points())
	}
	row, err := s.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if row.State != sc.end {
		wrong = append(wrong, fmt.Sprintf("%v: %s (%s), want %s\n%s", deaths, row.State, row.Reason, sc.end, dump(row)))
	}
	for _, what := range sound(s, w, id) {
		wrong = append(wrong, fmt.Sprintf("%v: %s", deaths, what))
	}
	if got := books(w); !same(got, sc.effects) {
		wrong = append(wrong, fmt.Sprintf("%v: happened %v, want %v", deaths, got, sc.effects))
	}
	return passed, wrong
}

// TestCrashPointsControl lets participants forget what they have done: a crash
// between a call and its record must then be noticed, at those points alone.
func TestCrashPointsControl(t *testing.T) {
	sc := scenarios[0]
	sc.repeating = true
	noticed := 0
	for k := 1; k <= 22; k++ {
		synctest.Test(t, func(t *testing.T) {
			if _, wrong := sc.playOn(t, sagatest.NewStore(), true, k); len(wrong) > 0 {
				noticed++
			}
		})
	}
	if noticed == 0 || noticed == 22 {
		t.Errorf("participants that do everything twice are noticed at %d of 22 points", noticed)
	}
}

// TestCrashPoints kills the process before and after every write and every
// call, and every pair of two processes, and expects the same end each time.
func TestCrashPoints(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			var all int
			synctest.Test(t, func(t *testing.T) { all = sc.play(t, false)[0] })
			if sc.name == "completes" && all != 2*5+2*6 {
				t.Fatalf("%d points, want 22: five commits and six calls", all)
			}
			runs := 0
			for k := 1; k <= all; k++ {
				for _, embedded := range []bool{false, true} {
					for second := 0; second <= all+2; second++ {
						runs++
						synctest.Test(t, func(t *testing.T) {
							if second == 0 {
								sc.play(t, embedded, k)
								return
							}
							sc.play(t, embedded, k, second)
						})
						if t.Failed() {
							return
						}
					}
				}
			}
			t.Logf("%d points, %d runs", all, runs)
		})
	}
}

// TestCrashLoop claims a saga that kills each of its owners: it is parked.
func TestCrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		for n := range 8 {
			l := newLife(3) // before the first call, or at a claim's first call
			if n > 0 {
				l = newLife(4)
			}
			e := saga.New(l.store(s), saga.Options{Embedded: true})
			if err := e.Register(w.Six(l.wrap)); err != nil {
				t.Fatal(err)
			}
			if err := e.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				if _, err := e.Create(t.Context(), saga.Spec{ID: "1-1", Kind: "six"}); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan struct{})
			go func() { defer close(done); _, _ = e.Await(t.Context(), "1-1", nil) }()
			select {
			case <-l.died:
			case <-done:
			}
			stop(t, e)
			<-done
			if row, _ := s.Load(t.Context(), "1-1"); row.State == saga.StateParked {
				if row.Reason != "crash_loop" || n != 5 {
					t.Fatalf("parked for %s by process %d", row.Reason, n)
				}
				return
			}
		}
		t.Fatal("a saga that kills its owners goes on for ever")
	})
}
