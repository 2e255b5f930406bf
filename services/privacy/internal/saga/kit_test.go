package saga_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// start makes an engine over a store and closes it with the test.
func start(t testing.TB, s saga.Store, o saga.Options, defs ...saga.Definition) *saga.Engine {
	t.Helper()
	e := saga.New(s, o)
	if err := e.Register(defs...); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, e) })
	return e
}

func stop(t testing.TB, e *saga.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Hour)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// create makes a saga of the kind and returns its id.
func create(t testing.TB, e *saga.Engine, kind string) string {
	t.Helper()
	row, err := e.Create(t.Context(), saga.Spec{Kind: kind, Account: 1, Subject: 7, Sequence: 1})
	if err != nil {
		t.Fatal(err)
	}
	return row.ID
}

// await waits until the saga has ended or is parked and expects a state.
func await(t testing.TB, e *saga.Engine, id string, want saga.State) *saga.Row {
	t.Helper()
	row, err := e.Await(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if row.State != want {
		t.Fatalf("saga is %s (%s) at %s, want %s\n%s", row.State, row.Reason, row.StageName, want, dump(row))
	}
	return row
}

func dump(row *saga.Row) string {
	var b strings.Builder
	for _, l := range row.Log {
		fmt.Fprintf(&b, "  %2d %-9s %-12s %-14s %-8s %s\n", l.Seq, l.State, l.Stage, l.Step, l.StepState, l.Code)
	}
	return b.String()
}

// one is a definition of one stage.
func one(kind string, steps ...saga.Step) saga.Definition {
	return saga.Definition{Kind: kind, Version: 1, Stages: []saga.Stage{{Name: "only", Steps: steps}}}
}

// life is one process that can die. It counts its points: before and after
// every write and every call; at the point dieAt the process is gone.
type life struct {
	mu    sync.Mutex
	dieAt int
	point int
	dead  bool
	died  chan struct{}
}

func newLife(dieAt int) *life { return &life{dieAt: dieAt, died: make(chan struct{})} }

// pass reports whether the process lives on behind the next point.
func (l *life) pass() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return false
	}
	if l.point++; l.point == l.dieAt {
		l.dead = true
		close(l.died)
	}
	return !l.dead
}

func (l *life) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.dead
}

func (l *life) points() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.point
}

// store is the process's way to the store.
func (l *life) store(s saga.Store) saga.Store {
	at := func(op string) error {
		ok := l.alive()
		if op == "save" || op == "create" {
			ok = l.pass()
		}
		if !ok {
			return saga.ErrUnavailable
		}
		return nil
	}
	return &sagatest.Faulty{Store: s, Before: at, After: at}
}

// wrap is the process's way to participants.
func (l *life) wrap(_ string, _ bool, f saga.StepFunc) saga.StepFunc {
	return func(ctx context.Context, c saga.Call) saga.Result {
		if !l.pass() {
			return saga.Failed("dead")
		}
		res := f(ctx, c)
		if !l.pass() {
			return saga.Failed("dead")
		}
		return res
	}
}

// books returns the effects' names in order, those of parallel steps sorted.
func books(w *sagatest.World) []string {
	var names []string
	for _, e := range w.Effects() {
		names = append(names, e.String())
	}
	return names
}

// sound looks for what must never be in a history of rows and in participants' books.
func sound(s sagatest.Books, w *sagatest.World, id string) []string {
	var wrong []string
	var last *saga.Row
	for _, r := range s.History(id) {
		if last != nil {
			if r.Epoch < last.Epoch || (r.Epoch == last.Epoch && r.Turn < last.Turn) {
				wrong = append(wrong, fmt.Sprintf("rev %d: epoch %d turn %d after %d/%d", r.Rev, r.Epoch, r.Turn, last.Epoch, last.Turn))
			}
			if last.State.Ended() {
				wrong = append(wrong, "written after its end")
			}
			if last.Phase == saga.PhaseCommitted && r.Phase != saga.PhaseCommitted {
				wrong = append(wrong, "left the committed phase")
			}
		}
		if r.State == saga.StateUndoing && r.Pivot() {
			wrong = append(wrong, "undoing with the pivot set")
		}
		if r.State == saga.StateCompleted {
			for _, st := range r.Steps {
				if st.State != saga.StepDone || len(st.Outcomes) == 0 {
					wrong = append(wrong, "completed without an answer of "+st.Name)
				}
			}
		}
		last = r
	}
	seen := map[string]bool{}
	high := map[string]sagatest.Token{}
	for _, e := range w.Effects() {
		if seen[e.String()] {
			wrong = append(wrong, e.String()+" happened twice")
		}
		seen[e.String()] = true
		if e.Token.Compare(high[e.Participant]) < 0 {
			wrong = append(wrong, e.String()+" happened with a lower token")
		}
		high[e.Participant] = e.Token
	}
	if last != nil && last.State == saga.StateCompleted {
		for _, st := range last.Steps {
			if !seen[st.Name] {
				wrong = append(wrong, "completed and "+st.Name+" never happened")
			}
		}
	}
	return wrong
}

func same(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
