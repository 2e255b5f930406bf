package saga_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// behaviour is how the network and a participant treat the first call of a step.
type behaviour string

const (
	answers       behaviour = "ok"
	refuses       behaviour = "refused"
	timeoutBefore behaviour = "timeout_before" // no effect, no answer
	timeoutAfter  behaviour = "timeout_after"  // effect, no answer
	duplicates    behaviour = "duplicate"      // arrives twice
	late          behaviour = "late"           // no answer; arrives when all is over
	panics        behaviour = "panic"
	silent        behaviour = "no_result"
)

// network treats the first call of one step in one way and delivers the rest.
type network struct {
	mu       sync.Mutex
	step     string
	undo     bool
	how      behaviour
	met      bool
	deferred []func()
}

func (n *network) wrap(step string, undo bool, f saga.StepFunc) saga.StepFunc {
	if step != n.step || undo != n.undo {
		return f
	}
	return func(ctx context.Context, c saga.Call) saga.Result {
		n.mu.Lock()
		first := !n.met
		n.met = true
		n.mu.Unlock()
		if !first {
			if n.how == refuses {
				return saga.Refused("declared")
			}
			return f(ctx, c)
		}
		switch n.how {
		case refuses:
			return saga.Refused("declared")
		case timeoutBefore:
			<-ctx.Done()
			return saga.Failed("unavailable")
		case timeoutAfter:
			f(ctx, c)
			<-ctx.Done()
			return saga.Failed("unavailable")
		case duplicates:
			f(ctx, c)
		case late:
			n.mu.Lock()
			n.deferred = append(n.deferred, func() { f(context.WithoutCancel(ctx), c) })
			n.mu.Unlock()
			<-ctx.Done()
			return saga.Failed("unavailable")
		case panics:
			panic("with something personal in it")
		case silent:
			return saga.Result{}
		}
		return f(ctx, c)
	}
}

// TestOutcomes lets each step of the six-call saga meet each behaviour.
func TestOutcomes(t *testing.T) {
	for _, step := range []string{"freeze", "erase_tickets", "erase_forums", "erase_ratings", "erase_contacts", "verify"} {
		for _, how := range []behaviour{answers, refuses, timeoutBefore, timeoutAfter, duplicates, late, panics, silent} {
			t.Run(step+"/"+string(how), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { outcome(t, step, how) })
			})
		}
	}
}

func outcome(t *testing.T, step string, how behaviour) {
	want := saga.StateCompleted
	if how == refuses {
		want = saga.StateParked // half a pivot, a retriable step and a check after it cannot go back
		if step == "freeze" {
			want = saga.StateRefused
		}
	}
	s, w := sagatest.NewStore(), sagatest.NewWorld()
	net := &network{step: step, how: how}
	e := start(t, s, saga.Options{Lease: 10 * time.Minute}, w.Six(net.wrap)) // so that no renewal is counted
	row := await(t, e, create(t, e, "six"), want)
	for _, f := range net.deferred {
		f()
	}
	for _, wrong := range sound(s, w, row.ID) {
		t.Error(wrong)
	}
	if how != refuses && s.Commits() != 5 {
		t.Errorf("%d commits, want 5", s.Commits())
	}
	if how == refuses && row.Reason != "declared" {
		t.Errorf("reason %q", row.Reason)
	}
	for _, eff := range w.Effects() {
		if eff.Undo && how != refuses {
			t.Errorf("undone without a refusal: %v", eff)
		}
	}
}

// TestUndoOutcomes lets the undo of a step meet each behaviour, after a refusal behind it.
func TestUndoOutcomes(t *testing.T) {
	for _, how := range []behaviour{answers, refuses, timeoutBefore, timeoutAfter, duplicates, late, panics} {
		t.Run(string(how), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w := sagatest.NewStore(), sagatest.NewWorld()
				net := &network{step: "freeze", undo: true, how: how}
				def := w.Six(func(step string, undo bool, f saga.StepFunc) saga.StepFunc {
					if step != "freeze" {
						return func(context.Context, saga.Call) saga.Result { return saga.Refused("declared") }
					}
					return net.wrap(step, undo, f)
				})
				e := start(t, s, saga.Options{}, def)
				want := saga.StateRefused
				if how == refuses {
					want = saga.StateParked
				}
				row := await(t, e, create(t, e, "six"), want)
				for _, wrong := range sound(s, w, row.ID) {
					t.Error(wrong)
				}
				if how != refuses && !same(books(w), []string{"freeze", "undo freeze"}) {
					t.Errorf("happened: %v", books(w))
				}
			})
		})
	}
}

// TestLateAfterUndo delivers a lost step after its undo: it must not take effect.
func TestLateAfterUndo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		net := &network{step: "a", how: late}
		def := saga.Definition{Kind: "pair", Version: 1, Stages: []saga.Stage{{Name: "both", Steps: []saga.Step{
			{Name: "a", Kind: saga.Compensatable, Timeout: time.Hour, Do: net.wrap("a", false, w.Step("tickets")), Undo: w.Step("tickets")},
			{Name: "b", Kind: saga.Compensatable, Do: func(context.Context, saga.Call) saga.Result { return saga.Refused("declared") }, Undo: w.Step("forums")},
		}}}}
		e := start(t, s, saga.Options{}, def)
		row := await(t, e, create(t, e, "pair"), saga.StateRefused)
		net.deferred[0]()
		if got := books(w); len(got) != 0 || w.Stale() != 1 {
			t.Errorf("a late step took effect: %v, %d refused", got, w.Stale())
		}
		if a, _ := row.Step("a"); a.State != saga.StepUndone {
			t.Errorf("a step of unknown outcome is %s", a.State)
		}
	})
}

// TestOutcomesAreDemanded reports nothing, too little and failures: never completed.
func TestOutcomesAreDemanded(t *testing.T) {
	ok := saga.Outcome{Participant: "tickets", Category: "things", Kind: saga.NoneFound}
	for i, c := range []struct {
		res  saga.Result
		code string
	}{
		{saga.Done(), "outcome_missing"},
		{saga.Done(saga.Outcome{Participant: "tickets", Category: "others", Kind: saga.Erased}), "outcome_missing"},
		{saga.Done(ok, saga.Outcome{Participant: "tickets", Category: "more", Kind: saga.OutcomeFailed}), "outcome_failed"},
		{saga.Done(ok, saga.Outcome{}), "outcome_invalid"},
		{saga.Done(ok, saga.Outcome{Participant: "tickets", Category: "more", Kind: "gone"}), "outcome_invalid"},
		{saga.Done(ok, saga.Outcome{Participant: "tickets", Category: "more", Kind: saga.Retained}), "outcome_invalid"},
		{saga.Done(ok, saga.Outcome{Participant: "tickets", Category: "more", Kind: saga.Erased, Count: -1}), "outcome_invalid"},
		{saga.Done(ok).WithRefs(map[string]string{"mail": "jane@example.test"}), "bad_refs"},
		{saga.Done(ok).WithRefs(map[string]string{"Not a code": "1"}), "bad_refs"},
		{saga.Failed("Jane Doe: connection refused"), "bad_code"},
		{saga.WaitFor("signal", time.Time{}), "bad_wait"},
		{saga.Rerun("again", "s"), "bad_rerun"},
		{saga.Result{}, "no_result"},
	} {
		t.Run(fmt.Sprint(i, "_", c.code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				def := one("demand", saga.Step{
					Name: "s", Kind: saga.Pivot, Reports: []string{"things"}, Retry: saga.Retry{MaxAttempts: 3},
					Do: func(context.Context, saga.Call) saga.Result { calls++; return c.res },
				})
				s := sagatest.NewStore()
				e := start(t, s, saga.Options{}, def)
				row := await(t, e, create(t, e, "demand"), saga.StateParked)
				if row.Reason != c.code || calls != 3 {
					t.Errorf("parked for %q after %d calls, want %q", row.Reason, calls, c.code)
				}
			})
		})
	}
}
