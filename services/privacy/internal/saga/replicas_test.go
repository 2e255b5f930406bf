package saga_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga/sagatest"
)

// frozen lets an engine take over from one that was stopped in the middle of a
// call (as by SIGSTOP: its clock stands still and its lease looks young), wakes
// the first one while the second is at work, and returns what is wrong then.
func frozen(t *testing.T, s sagatest.Books, sabotage bool) (wrong []string, books []string) {
	w := sagatest.NewWorld()
	w.Trusting = sabotage
	asleep, wake := make(chan struct{}), make(chan struct{})
	var once sync.Once
	down := false
	var mu sync.Mutex
	unreachable := func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return saga.ErrUnavailable
		}
		return nil
	}
	began := time.Now()
	first := start(t, &sagatest.Faulty{Store: s, Before: unreachable},
		saga.Options{Instance: "first", Now: func() time.Time { return began }},
		w.Six(func(step string, undo bool, f saga.StepFunc) saga.StepFunc {
			return func(ctx context.Context, c saga.Call) saga.Result {
				if step == "freeze" {
					once.Do(func() {
						mu.Lock()
						down = true
						mu.Unlock()
						close(asleep)
						<-wake
						mu.Lock()
						down = false
						mu.Unlock()
					})
				}
				return f(context.WithoutCancel(ctx), c)
			}
		}))
	if sabotage {
		first.IgnoreEpoch()
	}
	id := create(t, first, "six")
	<-asleep
	working, goOn := make(chan struct{}), make(chan struct{})
	second := start(t, s, saga.Options{Instance: "second"}, w.Six(func(step string, undo bool, f saga.StepFunc) saga.StepFunc {
		return func(ctx context.Context, c saga.Call) saga.Result {
			if step == "erase_tickets" {
				close(working)
				<-goOn
			}
			return f(ctx, c)
		}
	}))
	<-working // the second has recorded the freeze and entered the pivot
	close(wake)
	synctest.Wait()
	time.Sleep(5 * time.Second) // of the bubble's clock: what the first wants to do, it does now
	close(goOn)
	_, _ = second.Await(t.Context(), id, nil)
	synctest.Wait()
	row, _ := s.Load(t.Context(), id)
	wrong = sound(s, w, id)
	for _, h := range s.History(id)[1:] {
		if h.Owner == "first" && h.Epoch > 1 {
			wrong = append(wrong, "the first engine recorded again")
		}
	}
	if row.State != saga.StateCompleted || row.Epoch != 2 {
		wrong = append(wrong, fmt.Sprintf("ended %s in epoch %d", row.State, row.Epoch))
	}
	if n := len(s.History(id)); n != 6 {
		wrong = append(wrong, fmt.Sprintf("%d writes, want 5 and a claim", n))
	}
	for _, e := range w.Effects() {
		books = append(books, e.String())
	}
	if !sabotage && w.Stale() == 0 {
		wrong = append(wrong, "no participant has refused the first engine's call")
	}
	return wrong, books
}

// TestStaleOwner shows that a former owner's record and calls are refused.
func TestStaleOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong, _ := frozen(t, sagatest.NewStore(), false)
		for _, w := range wrong {
			t.Error(w)
		}
	})
}

// TestStaleOwnerControl breaks the comparison of epochs: the same test must notice.
func TestStaleOwnerControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong, _ := frozen(t, sagatest.NewStore(), true)
		if len(wrong) == 0 {
			t.Error("an engine that ignores the epoch goes unnoticed")
		}
		t.Log("noticed:", wrong)
	})
}

// TestLeaseIsGivenUp cuts an engine off its store during a call: it stops at
// four fifths of its lease, before anybody else may begin.
func TestLeaseIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sagatest.NewStore()
		var gone time.Time
		began := time.Now()
		down := func(op string) error {
			if op == "save" {
				return saga.ErrUnavailable
			}
			return nil
		}
		def := one("long", saga.Step{Name: "s", Kind: saga.Pivot, Timeout: time.Hour, Do: func(ctx context.Context, _ saga.Call) saga.Result {
			<-ctx.Done()
			gone = time.Now()
			return saga.Failed("unavailable")
		}})
		e := start(t, &sagatest.Faulty{Store: s, Before: down}, saga.Options{Lease: 30 * time.Second}, def)
		create(t, e, "long")
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if held := gone.Sub(began); gone.IsZero() || held > 27*time.Second || held < 20*time.Second {
			t.Errorf("acted for %v of a lease of 30 s", held)
		}
	})
}

// TestRenewal counts the writes of a long call: one for each third of the lease, and no claim.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sagatest.NewStore()
		def := one("long", saga.Step{Name: "s", Kind: saga.Pivot, Timeout: time.Hour, Do: func(context.Context, saga.Call) saga.Result {
			time.Sleep(95 * time.Second)
			return saga.Done()
		}})
		e := start(t, s, saga.Options{Lease: 30 * time.Second}, def)
		start(t, s, saga.Options{Lease: 30 * time.Second}, def)
		row := await(t, e, create(t, e, "long"), saga.StateCompleted)
		if row.Epoch != 1 || s.Commits() != 2+9 {
			t.Errorf("epoch %d, %d writes; want 1 and 11", row.Epoch, s.Commits())
		}
	})
}

// TestLostAnswers loses the answer of every write once: nothing counts twice.
func TestLostAnswers(t *testing.T) {
	for lost := 2; lost <= 5; lost++ {
		synctest.Test(t, func(t *testing.T) {
			s, w := sagatest.NewStore(), sagatest.NewWorld()
			n := 0
			var mu sync.Mutex
			after := func(op string) error {
				mu.Lock()
				defer mu.Unlock()
				if op == "create" || op == "save" {
					if n++; n == lost {
						return sagatest.ErrLost
					}
				}
				return nil
			}
			e := start(t, &sagatest.Faulty{Store: s, After: after}, saga.Options{}, w.Six(nil))
			row := await(t, e, create(t, e, "six"), saga.StateCompleted)
			for _, wrong := range sound(s, w, row.ID) {
				t.Error(wrong)
			}
			if s.Commits() != 5 || row.Epoch != 1 {
				t.Errorf("answer %d lost: %d commits, epoch %d", lost, s.Commits(), row.Epoch)
			}
		})
	}
}

// TestManyReplicas lets three engines share two hundred sagas.
func TestManyReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sagatest.NewStore(), sagatest.NewWorld()
		var engines []*saga.Engine
		for range 3 {
			engines = append(engines, start(t, s, saga.Options{MaxRunning: 8}, w.Six(nil)))
		}
		var ids []string
		for i := range 200 {
			row, err := engines[i%3].Create(t.Context(), saga.Spec{ID: fmt.Sprintf("1-%d", i), Kind: "six", Account: 1, Subject: int64(i)})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, row.ID)
		}
		for i, id := range ids {
			await(t, engines[(i+1)%3], id, saga.StateCompleted)
		}
		if n := len(w.Effects()); n != 6*200 {
			t.Errorf("%d effects, want 1200", n)
		}
	})
}

// TestCancelAgainstPivot cancels at every point of the saga: either it goes
// back and nothing irreversible has happened, or the answer is too late and it completes.
func TestCancelAgainstPivot(t *testing.T) {
	cancelled := 0
	for k := 1; k <= 22; k++ {
		synctest.Test(t, func(t *testing.T) {
			s, w := sagatest.NewStore(), sagatest.NewWorld()
			other := start(t, s, saga.Options{Instance: "other"}, w.Six(nil))
			var answer error
			n := 0
			var mu sync.Mutex
			at := func() {
				mu.Lock()
				n++
				now := n == k
				mu.Unlock()
				if now {
					answer = other.Cancel(context.WithoutCancel(t.Context()), "1-1")
				}
			}
			hook := func(op string) error {
				if op == "save" || op == "create" {
					at()
				}
				return nil
			}
			def := w.Six(func(_ string, _ bool, f saga.StepFunc) saga.StepFunc {
				return func(ctx context.Context, c saga.Call) saga.Result {
					at()
					defer at()
					return f(ctx, c)
				}
			})
			e := start(t, &sagatest.Faulty{Store: s, Before: hook, After: hook}, saga.Options{Instance: "owner"}, def)
			if _, err := e.Create(t.Context(), saga.Spec{ID: "1-1", Kind: "six", Account: 1, Subject: 7, Sequence: 1}); err != nil {
				t.Fatal(err)
			}
			row, err := e.Await(t.Context(), "1-1", nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range sound(s, w, "1-1") {
				t.Errorf("cancelled at point %d: %s", k, wrong)
			}
			switch {
			case answer == nil:
				cancelled++
				if row.State != saga.StateCancelled {
					t.Errorf("point %d: cancelled and %s\n%s", k, row.State, dump(row))
				}
				for _, eff := range w.Effects() {
					if eff.Step != "freeze" {
						t.Errorf("point %d: cancelled and %v happened", k, eff)
					}
				}
			case errors.Is(answer, saga.ErrTooLate), errors.Is(answer, saga.ErrEnded), errors.Is(answer, saga.ErrNotFound):
				if row.State != saga.StateCompleted {
					t.Errorf("point %d: %v and %s", k, answer, row.State)
				}
			default:
				t.Errorf("point %d: %v", k, answer)
			}
		})
	}
	if cancelled < 3 {
		t.Errorf("only %d cancels came in time", cancelled)
	}
}
