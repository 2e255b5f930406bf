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
		}
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
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
