package saga_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

func done(context.Context, saga.Call) saga.Result { return saga.Done() }

// TestFiveCommits counts the writes of the plain six-call saga and looks at its row.
func TestFiveCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		e := start(t, s, saga.Options{}, w.Six(nil))
		row := await(t, e, create(t, e, "six"), saga.StateCompleted)
		if s.Commits() != 5 || e.Stats().Commits != 5 || e.Stats().Calls != 6 {
			t.Errorf("%d commits, stats %+v; want 5 commits and 6 calls", s.Commits(), e.Stats())
		}
		if row.Owner != "" || !row.DueAt.IsZero() || row.FinishedAt.IsZero() || row.Epoch != 1 || !row.Pivot() {
			t.Errorf("row at its end: %+v", row)
		}
		if len(row.Outcomes()) != 6 {
			t.Errorf("%d outcomes", len(row.Outcomes()))
		}
	})
}

// TestRegister refuses what cannot be run.
func TestRegister(t *testing.T) {
	step := func(name string, k saga.StepKind) saga.Step { return saga.Step{Name: name, Kind: k, Do: done} }
	comp := saga.Step{Name: "c", Kind: saga.Compensatable, Do: done, Undo: done}
	stages := func(steps ...saga.Step) saga.Definition {
		d := saga.Definition{Kind: "d", Version: 1}
		for i, s := range steps {
			d.Stages = append(d.Stages, saga.Stage{Name: fmt.Sprintf("s%d", i), Steps: []saga.Step{s}})
		}
		return d
	}
	two := step("p", saga.Pivot)
	two.Name = "p2"
	for name, d := range map[string]saga.Definition{
		"no stages":               {Kind: "d", Version: 1},
		"no version":              {Kind: "d", Stages: stages(comp).Stages},
		"bad kind":                {Kind: "D d", Version: 1, Stages: stages(comp).Stages},
		"no steps":                {Kind: "d", Version: 1, Stages: []saga.Stage{{Name: "s"}}},
		"no undo":                 stages(step("a", saga.Compensatable)),
		"undo of a pivot":         stages(saga.Step{Name: "p", Kind: saga.Pivot, Do: done, Undo: done}),
		"no do":                   stages(saga.Step{Name: "p", Kind: saga.Pivot}),
		"two pivots":              stages(step("p", saga.Pivot), two),
		"retriable without pivot": stages(comp, step("r", saga.Retriable)),
		"compensatable behind":    stages(step("p", saga.Pivot), comp),
		"same step twice":         stages(comp, comp),
		"mixed stage":             {Kind: "d", Version: 1, Stages: []saga.Stage{{Name: "s", Steps: []saga.Step{comp, step("p", saga.Pivot)}}}},
		"bad step name":           stages(step("Jane", saga.Pivot)),
		"no kind":                 stages(saga.Step{Name: "p", Do: done}),
		"bad category":            stages(saga.Step{Name: "p", Kind: saga.Pivot, Do: done, Reports: []string{"E-Mail"}}),
		"negative limit":          stages(saga.Step{Name: "p", Kind: saga.Pivot, Do: done, Timeout: -1}),
	} {
		if err := saga.New(sagatest.NewStore(), saga.Options{}).Register(d); !errors.Is(err, saga.ErrDefinition) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := saga.New(sagatest.NewStore(), saga.Options{})
	good := stages(step("w", saga.Wait), comp, step("look", saga.Check), step("p", saga.Pivot), step("r", saga.Retriable), step("end", saga.Check))
	if err := e.Register(good); err != nil {
		t.Fatal(err)
	}
	if err := e.Register(good); !errors.Is(err, saga.ErrDefinition) {
		t.Errorf("registered twice: %v", err)
	}
}

// TestStartNeedsDefinitions refuses to start over an active saga it cannot run.
func TestStartNeedsDefinitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		e := saga.New(s, saga.Options{})
		if err := e.Register(w.Six(nil)); err != nil {
			t.Fatal(err)
		}
		create(t, e, "six") // not started: pending
		changed := w.Six(nil)
		changed.Stages = changed.Stages[:3]
		next := w.Six(nil)
		next.Version = 2
		for name, defs := range map[string][]saga.Definition{"none": nil, "changed": {changed}, "newer only": {next}} {
			o := saga.New(s, saga.Options{})
			if err := o.Register(defs...); err != nil {
				t.Fatal(err)
			}
			if err := o.Start(t.Context()); !errors.Is(err, saga.ErrUnknownKind) {
				t.Errorf("%s: %v", name, err)
			}
		}
		both := start(t, s, saga.Options{}, w.Six(nil), next)
		id := create(t, both, "six")
		if row := await(t, both, id, saga.StateCompleted); row.Version != 2 {
			t.Errorf("a new saga took version %d", row.Version)
		}
		rows, _, err := both.List(t.Context(), saga.Filter{Kind: "six"}, "", 10)
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, r := range rows {
			await(t, both, r.ID, saga.StateCompleted)
		}
	})
}

// TestCreateArguments refuses what does not fit a row.
func TestCreateArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, sagatest.NewStore(), saga.Options{}, sagatest.NewWorld().Six(nil))
		for _, c := range []struct {
			n    saga.Spec
			want error
		}{
			{saga.Spec{Kind: "seven"}, saga.ErrUnknownKind},
			{saga.Spec{Kind: "six", Refs: map[string]string{"mail": "jane@example.test"}}, saga.ErrArgument},
			{saga.Spec{Kind: "six", Refs: map[string]string{"Mail": "x"}}, saga.ErrArgument},
			{saga.Spec{Kind: "six", Refs: map[string]string{"long": strings.Repeat("x", 129)}}, saga.ErrArgument},
			{saga.Spec{Kind: "six", ID: "Jane Doe"}, saga.ErrArgument},
		} {
			if _, err := e.Create(t.Context(), c.n); !errors.Is(err, c.want) {
				t.Errorf("%+v: %v, want %v", c.n, err, c.want)
			}
		}
		if _, err := e.Create(t.Context(), saga.Spec{Kind: "six", ID: "1-1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Create(t.Context(), saga.Spec{Kind: "six", ID: "1-1"}); !errors.Is(err, saga.ErrExists) {
			t.Errorf("second with the same id: %v", err)
		}
		stop(t, e)
		if _, err := e.Create(t.Context(), saga.Spec{Kind: "six"}); !errors.Is(err, saga.ErrClosed) {
			t.Errorf("after close: %v", err)
		}
	})
}

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

// TestBulkheads counts calls in flight: of one saga, to one participant, and sagas.
func TestBulkheads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, top := map[string]int{}, map[string]int{}
		step := func(i int) saga.Step {
			return saga.Step{Name: fmt.Sprintf("s%d", i), Participant: "tickets", Kind: saga.Pivot, Do: func(_ context.Context, c saga.Call) saga.Result {
				mu.Lock()
				for _, k := range []string{"participant", c.Saga} {
					now[k]++
					top[k] = max(top[k], now[k])
				}
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				now["participant"]--
				now[c.Saga]--
				mu.Unlock()
				return saga.Done()
			}}
		}
		var steps []saga.Step
		for i := range 6 {
			steps = append(steps, step(i))
		}
		e := start(t, sagatest.NewStore(), saga.Options{MaxRunning: 4, PerSaga: 3, PerParticipant: 5}, one("d", steps...))
		var ids []string
		for range 12 {
			ids = append(ids, create(t, e, "d"))
			if n := e.Stats().Running; n > 4 {
				t.Errorf("%d sagas in flight", n)
			}
		}
		for _, id := range ids {
			await(t, e, id, saga.StateCompleted)
			if top[id] > 3 {
				t.Errorf("%d calls of one saga at once", top[id])
			}
		}
		if top["participant"] != 5 {
			t.Errorf("%d calls to one participant at once, want 5", top["participant"])
		}
	})
}

// TestCloseHandsOn closes an engine in the middle of a call: the next one goes
// on at once, without waiting for the lease.
func TestCloseHandsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		in := make(chan struct{})
		var once sync.Once
		first := start(t, s, saga.Options{}, w.Six(func(step string, _ bool, f saga.StepFunc) saga.StepFunc {
			if step != "erase_tickets" {
				return f
			}
			return func(ctx context.Context, c saga.Call) saga.Result {
				once.Do(func() { close(in) })
				<-ctx.Done()
				return saga.Failed("unavailable")
			}
		}))
		id := create(t, first, "six")
		<-in
		synctest.Wait()
		began := time.Now()
		stop(t, first)
		second := start(t, s, saga.Options{}, w.Six(nil))
		await(t, second, id, saga.StateCompleted)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("waited %v", took)
		}
		for _, wrong := range sound(s, w, id) {
			t.Error(wrong)
		}
	})
}

// TestCallTells looks at what a step is told.
func TestCallTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second saga.Call
		d := saga.Definition{Kind: "d", Version: 3, Stages: []saga.Stage{
			{Name: "a", Steps: []saga.Step{{Name: "a", Kind: saga.Compensatable, Undo: done, Do: func(_ context.Context, c saga.Call) saga.Result {
				first = c
				return saga.Done(saga.Outcome{Participant: "x", Category: "y", Kind: saga.NoneFound}).WithRefs(map[string]string{"plan": "h1"})
			}}}},
			{Name: "b", Steps: []saga.Step{{Name: "b", Kind: saga.Pivot, Do: func(_ context.Context, c saga.Call) saga.Result {
				second = c
				return saga.Done()
			}}}},
		}}
		e := start(t, sagatest.NewStore(), saga.Options{}, d)
		_, err := e.Create(t.Context(), saga.Spec{ID: "4-9", Kind: "d", Account: 4, Subject: 5, Sequence: 6, RequestedBy: 7, Refs: map[string]string{"plan": "h0", "request": "8"}})
		if err != nil {
			t.Fatal(err)
		}
		await(t, e, "4-9", saga.StateCompleted)
		if first.Key() != "4-9/a" || first.Account != 4 || first.Subject != 5 || first.Sequence != 6 || first.RequestedBy != 7 || first.Attempt != 1 || first.Epoch != 1 {
			t.Errorf("first call: %+v", first)
		}
		if first.Ref("plan") != "h0" || second.Ref("plan") != "h1" || second.Ref("request") != "8" || len(second.Outcomes()) != 1 {
			t.Errorf("references: %+v, then %+v", first.Refs, second.Steps)
		}
		if second.Stage <= first.Stage {
			t.Errorf("token's stage %d after %d", second.Stage, first.Stage)
		}
	})
}

// TestIDs takes ids apart again.
func TestIDs(t *testing.T) {
	id := saga.NewID(42)
	account, n, err := saga.SplitID(id)
	if err != nil || account != 42 || n <= 0 || n >= 1<<53 {
		t.Errorf("%s: %d %d %v", id, account, n, err)
	}
	for _, bad := range []string{"", "1", "-1", "1-", "a-1", "1-1-1", "01-1", "1--1", "+1-1"} {
		if _, _, err := saga.SplitID(bad); !errors.Is(err, saga.ErrNotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
