package saga_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// TestParkAndRetry lets a step fail until the saga is parked, and resume.
func TestParkAndRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sagatest.NewStore()
		down, calls := true, 0
		d := saga.Definition{Kind: "d", Version: 1, Stages: []saga.Stage{
			{Name: "p", Steps: []saga.Step{{Name: "p", Kind: saga.Pivot, Do: done}}},
			{Name: "r", Steps: []saga.Step{
				{Name: "good", Kind: saga.Retriable, Do: done},
				{Name: "bad", Kind: saga.Retriable, Retry: saga.Retry{MaxAttempts: 6}, Do: func(_ context.Context, c saga.Call) saga.Result {
					calls++
					if down {
						return saga.Failed("unavailable")
					}
					return saga.Done()
				}},
			}},
		}}
		e := start(t, s, saga.Options{}, d)
		id := create(t, e, "d")
		row := await(t, e, id, saga.StateParked)
		bad, _ := row.Step("bad")
		good, _ := row.Step("good")
		if row.Reason != "unavailable" || calls != 6 || bad.State != saga.StepFailed || bad.Attempts != 6 || good.State != saga.StepDone {
			t.Errorf("parked for %q after %d calls: %+v %+v", row.Reason, calls, bad, good)
		}
		if err := e.Cancel(t.Context(), id); !errors.Is(err, saga.ErrTooLate) {
			t.Errorf("cancel of a parked saga behind its pivot: %v", err)
		}
		down = false
		if err := e.Retry(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		row = await(t, e, id, saga.StateCompleted)
		if row.Reason != "" || calls != 7 {
			t.Errorf("reason %q after %d calls", row.Reason, calls)
		}
		if err := e.Retry(t.Context(), id); !errors.Is(err, saga.ErrNotParked) {
			t.Errorf("retry after the end: %v", err)
		}
		if err := e.Cancel(t.Context(), id); !errors.Is(err, saga.ErrEnded) {
			t.Errorf("cancel after the end: %v", err)
		}
		if err := e.Retry(t.Context(), "1-404"); !errors.Is(err, saga.ErrNotFound) {
			t.Errorf("retry of nothing: %v", err)
		}
	})
}

// TestParkedBeforePivotCancels undoes a parked saga, also the step of unknown outcome.
func TestParkedBeforePivotCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		d := one("d", saga.Step{
			Name: "freeze", Kind: saga.Compensatable, Retry: saga.Retry{MaxAttempts: 2}, Undo: w.Step("contacts"),
			Do: func(_ context.Context, c saga.Call) saga.Result {
				w.Do("contacts", c)
				return saga.Failed("answer_lost")
			},
		})
		e := start(t, s, saga.Options{}, d)
		id := create(t, e, "d")
		await(t, e, id, saga.StateParked)
		if err := e.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		row := await(t, e, id, saga.StateCancelled)
		if !same(books(w), []string{"freeze", "undo freeze"}) || row.Reason != "cancelled" {
			t.Errorf("happened %v, reason %q", books(w), row.Reason)
		}
	})
}

// TestBackoff holds short delays in memory and stores long ones as due times;
// what a participant asks for is honoured.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sagatest.NewStore()
		var at []time.Duration
		began := time.Now()
		d := one("d", saga.Step{Name: "p", Kind: saga.Pivot, Do: func(_ context.Context, c saga.Call) saga.Result {
			at = append(at, time.Since(began).Round(time.Second))
			switch c.Attempt {
			case 1:
				return saga.RetryAfter(time.Second, "busy")
			case 2:
				return saga.RetryAfter(90*time.Second, "busy")
			}
			return saga.Done()
		}})
		e := start(t, s, saga.Options{Rand: func() float64 { return 0 }}, d)
		id := create(t, e, "d")
		row, err := e.Await(t.Context(), id, func(r *saga.Row) bool { return r.State == saga.StateWaiting })
		if err != nil || row.Owner != "" || row.DueAt.Sub(began).Round(time.Second) != 91*time.Second {
			t.Fatalf("waiting: %+v, %v", row, err)
		}
		await(t, e, id, saga.StateCompleted)
		if len(at) != 3 || at[1] != time.Second || at[2] < 91*time.Second || at[2] > 93*time.Second {
			t.Errorf("asked at %v", at)
		}
		if s.Commits() != 4 {
			t.Errorf("%d commits, want 4: creation, sleep, claim, end", s.Commits())
		}
	})
}

// TestWait ends a wait by its timer, by a signal, by one that came before, and refuses.
func TestWait(t *testing.T) {
	def := func() saga.Definition {
		return saga.Definition{Kind: "d", Version: 1, Stages: []saga.Stage{
			{Name: "grace", Steps: []saga.Step{{Name: "grace", Kind: saga.Wait, Do: func(_ context.Context, c saga.Call) saga.Result {
				switch {
				case c.Signalled("denied"):
					return saga.Refused("denied")
				case c.Signalled("approved"):
					return saga.Done().WithRefs(map[string]string{"by": "signal"})
				case c.Due:
					return saga.Done().WithRefs(map[string]string{"by": "timer"})
				}
				return saga.WaitFor("approved", time.Now().Add(24*time.Hour))
			}}}},
			{Name: "p", Steps: []saga.Step{{Name: "p", Kind: saga.Pivot, Do: func(_ context.Context, c saga.Call) saga.Result {
				return saga.Done().WithRefs(map[string]string{"was": c.Ref("by")})
			}}}},
		}}
	}
	for _, c := range []struct {
		name, signal, by string
		early            bool
		end              saga.State
	}{
		{name: "timer", by: "timer", end: saga.StateCompleted},
		{name: "signal", signal: "approved", by: "signal", end: saga.StateCompleted},
		{name: "early", signal: "approved", by: "signal", early: true, end: saga.StateCompleted},
		{name: "denied", signal: "denied", end: saga.StateRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, sagatest.NewStore(), saga.Options{}, def())
				began := time.Now()
				spec := saga.Spec{Kind: "d", ID: "1-1"}
				if c.early {
					spec.NotBefore = began.Add(time.Hour)
				}
				if _, err := e.Create(t.Context(), spec); err != nil {
					t.Fatal(err)
				}
				if !c.early {
					if _, err := e.Await(t.Context(), "1-1", func(r *saga.Row) bool { return r.State == saga.StateWaiting }); err != nil {
						t.Fatal(err)
					}
				}
				if c.signal != "" {
					for range 2 { // the second does nothing
						if err := e.Signal(t.Context(), "1-1", c.signal); err != nil {
							t.Fatal(err)
						}
					}
				}
				row := await(t, e, "1-1", c.end)
				p, _ := row.Step("p")
				if p.Refs["was"] != c.by {
					t.Errorf("ended by %q, want %q", p.Refs["was"], c.by)
				}
				took := time.Since(began)
				if (c.by == "timer") != (took >= 24*time.Hour) || (!c.early && c.by != "timer" && took > time.Minute) {
					t.Errorf("took %v", took)
				}
				if err := e.Signal(t.Context(), "1-1", "approved"); c.signal != "approved" && !errors.Is(err, saga.ErrEnded) {
					t.Errorf("signal after the end: %v", err)
				}
				if err := e.Signal(t.Context(), "1-1", "Jane Doe"); !errors.Is(err, saga.ErrArgument) {
					t.Errorf("a signal that is no code: %v", err)
				}
			})
		})
	}
}

// TestSignalDuringCall lets a signal change the row under a running owner: its record is kept.
func TestSignalDuringCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sagatest.NewStore()
		in, out := make(chan struct{}), make(chan struct{})
		e := start(t, s, saga.Options{}, one("d", saga.Step{Name: "p", Kind: saga.Pivot, Do: func(context.Context, saga.Call) saga.Result {
			close(in)
			<-out
			return saga.Done()
		}}))
		id := create(t, e, "d")
		<-in
		if err := e.Signal(t.Context(), id, "hello"); err != nil {
			t.Fatal(err)
		}
		close(out)
		row := await(t, e, id, saga.StateCompleted)
		if len(row.Signals) != 1 || row.Epoch != 1 || s.Commits() != 3 {
			t.Errorf("signals %v, epoch %d, %d commits", row.Signals, row.Epoch, s.Commits())
		}
	})
}

// TestRerun lets a check find left-overs twice, then never stop finding them.
func TestRerun(t *testing.T) {
	for _, c := range []struct {
		finds int
		end   saga.State
	}{{0, saga.StateCompleted}, {2, saga.StateCompleted}, {99, saga.StateParked}} {
		t.Run(fmt.Sprint(c.finds), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w := sagatest.NewStore(), sagatest.NewWorld()
				looks := 0
				d := saga.Definition{Kind: "d", Version: 1, Stages: []saga.Stage{
					{Name: "p", Steps: []saga.Step{{Name: "p", Kind: saga.Pivot, Do: w.Step("a")}}},
					{Name: "sweep", Steps: []saga.Step{
						{Name: "sweep_a", Kind: saga.Retriable, Do: w.Step("a"), MinOutcomes: 1},
						{Name: "sweep_b", Kind: saga.Retriable, Do: w.Step("b"), MinOutcomes: 1},
					}},
					{Name: "redact", Steps: []saga.Step{{Name: "redact", Kind: saga.Retriable, Do: w.Step("c")}}},
					{Name: "attest", Steps: []saga.Step{{Name: "attest", Kind: saga.Check, Do: func(context.Context, saga.Call) saga.Result {
						if looks++; looks <= c.finds {
							return saga.Rerun("left_over", "sweep_b")
						}
						return saga.Done()
					}}}},
				}}
				e := start(t, s, saga.Options{}, d)
				row := await(t, e, create(t, e, "d"), c.end)
				rounds := min(c.finds, saga.DefaultMaxReruns)
				if got := len(w.Effects()); got != 4+rounds || looks != 1+rounds {
					t.Errorf("%d effects and %d looks: %v", got, looks, books(w))
				}
				if c.end == saga.StateParked && row.Reason != "left_over" {
					t.Errorf("reason %q", row.Reason)
				}
				b, _ := row.Step("sweep_b")
				if len(b.Outcomes) != 1 || b.Outcomes[0].Count != int64(1+rounds) {
					t.Errorf("counts of the rounds do not add up: %+v", b.Outcomes)
				}
				if c.end == saga.StateCompleted && s.Commits() != 5+2*rounds {
					t.Errorf("%d commits after %d rounds", s.Commits(), rounds)
				}
			})
		})
	}
}
